"""What is asked of the service and what it answers, as its OpenAPI page says."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

MOST_CHARACTERS = 1_000_000
MOST_TEXTS = 1024


def _said(text: str) -> str:
    """Refuse a text that says nothing."""
    if not text.strip():
        raise ValueError("a text should not be empty or blank")
    return text


Text = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS), AfterValidator(_said)]
Name = Annotated[str, StringConstraints(max_length=200)]
Span = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]


class Texts(BaseModel):
    """Texts, or pairs of texts, and the tasks to predict of them."""

    texts: list[Text] = Field(min_length=1, max_length=MOST_TEXTS)
    pairs: list[Text] | None = Field(default=None, max_length=MOST_TEXTS, description="The second texts, for tasks that read two.")
    tasks: list[Name] | None = Field(
        default=None, min_length=1, max_length=MOST_TEXTS, description="All that read such inputs where none are named."
    )

    @model_validator(mode="after")
    def _in_step(self) -> Self:
        if self.pairs is not None and len(self.pairs) != len(self.texts):
            raise ValueError(f"there should be a second text for each of the {len(self.texts)} texts, found {len(self.pairs)}")
        return self


class Document(BaseModel):
    """A document and spans in it, as (begin, end) in characters; without spans the document itself is predicted."""

    text: Text
    entity_spans: list[Span] | None = Field(default=None, max_length=MOST_TEXTS)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        for number, (begin, end) in enumerate(self.entity_spans or ()):
            if not begin < end <= len(self.text) or not self.text[begin:end].strip():
                raise ValueError(
                    f"span {number}: should be [begin, end] with 0 <= begin < end <= {len(self.text)} around more than blanks, "
                    f"found [{begin}, {end}]"
                )
        return self


class Prediction(BaseModel):
    """The label of a task, and the probability of each: the likeliest one, or by the task's threshold."""

    prediction: str
    probs: dict[str, float]


class Predictions(BaseModel):
    """Per text, in order: task to prediction."""

    predictions: list[dict[str, Prediction]]


class ServedTask(BaseModel):
    """What a task says and reads, and the group whose model serves it; the second of two labels is given above a threshold."""

    labels: list[str]
    threshold: float | None
    has_pair: bool
    group: str


class Health(BaseModel):
    """Whether the service answers, and how much it has to do."""

    status: str
    version: str
    models: int
    tasks: int
    waiting_texts: int


class Fault(BaseModel):
    """What is wrong with a request, and where; never its texts."""

    loc: list[str | int]
    msg: str
    type: str


class Faults(BaseModel):
    """All that is wrong with a request."""

    detail: list[Fault]


class Refused(BaseModel):
    """Why a request is not answered."""

    detail: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refused, "description": "The body is no JSON."},
    413: {"model": Refused, "description": "The request is larger than is allowed."},
    422: {"model": Faults, "description": "The request is not what it should be."},
    429: {"model": Refused, "description": "Too many texts wait for an answer."},
}
