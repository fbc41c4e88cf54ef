"""The two forms of the protocol: a chat, or a text to be completed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SURE: dict[str, Any] = {"temperature": 0}
PARAMETERS: dict[str, tuple[dict[str, Any], ...]] = {
    "chat": (
        {**SURE, "max_tokens": 0, "logprobs": True, "top_logprobs": 20},
        {**SURE, "max_tokens": 0},
        {"max_completion_tokens": 0},  # models that reason refuse both a temperature and the older name
    ),
    "completion": ({**SURE, "max_tokens": 0, "logprobs": 20}, {**SURE, "max_tokens": 0, "logprobs": 5}, {**SURE, "max_tokens": 0}),
}
"""What a server is asked with, the next where it refuses one: log-probabilities if it has them. Tokens stand where 0 is."""


class Said(NamedTuple):
    """An answer as it came.

    Attributes:
        text: of the answer.
        top: the likeliest first tokens with natural log-probabilities; none where the server gives none.
        tokens_in, tokens_out: as the server counts, or None.
    """

    text: str
    top: tuple[tuple[str, float], ...]
    tokens_in: int | None
    tokens_out: int | None


def chat(client: Any, model: str, prompt: str, parameters: Mapping[str, Any]) -> Said:
    """Return what a model answers to a prompt as the one message of a chat."""
    found = client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}], **parameters)
    choice = found.choices[0]
    first = next(iter((choice.logprobs and choice.logprobs.content) or ()), None)
    top = tuple((one.token, float(one.logprob)) for one in (first.top_logprobs or ())) if first else ()
    return Said(_text(choice.message.content), top, *_usage(found))


def completion(client: Any, model: str, prompt: str, parameters: Mapping[str, Any]) -> Said:
    """Return how a model goes on with a prompt."""
    found = client.completions.create(model=model, prompt=prompt, **parameters)
    choice = found.choices[0]
    first = next(iter((choice.logprobs and choice.logprobs.top_logprobs) or ()), None) or {}
    return Said(_text(choice.text), tuple((token, float(log_p)) for token, log_p in first.items()), *_usage(found))


def _text(content: Any) -> str:
    """Return the text of an answer; an answer without one is empty.

    Raises:
        TypeError: it is something else.
    """
    if content is not None and not isinstance(content, str):
        raise TypeError
    return content or ""


def _usage(found: Any) -> tuple[int | None, int | None]:
    """Return the tokens of prompt and answer, where the server counts them."""
    usage = getattr(found, "usage", None)
    return (getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
