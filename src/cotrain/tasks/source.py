"""A Source: how the rows of one entry of the study file are read; a Cut: how they are cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet")
ANNOTATED = ("anafora", "knowtator")
"""Formats of notes with annotated spans; a row is a span in a window of its note."""
CLINICAL = (*ANNOTATED, "cnlpt")
"""Formats of clinical corpora: private unless the study says otherwise."""
SPANS = ("attribute", "entities", "annotator", "suffix", "texts", "skip_sections", "split_by", "window", "on_error")
"""Keys that only annotated formats know."""
SPLIT_NAMES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test",
}  # fmt: skip
DEFAULT_SHARE = 0.2


def split_of(written: object) -> str:
    """Return the split (train, dev, test) that a name in a table of scores or predictions means; another word stays as it is.

    >>> split_of("Validation"), split_of("holdout")
    ('dev', 'holdout')
    """
    return SPLIT_NAMES.get(str(written).strip().lower(), str(written)).replace("validation", "dev")


@dataclass(frozen=True)
class Source:
    """Where rows come from and which columns make the text, the pair and the label.

    Attributes:
        name: the task, or the first half of ``name.column`` where ``labels`` names several columns.
        format: a key of ``READERS``; ``tabular`` goes by the ending of the file.
        path: a file, a folder with a file per split, or the common beginning of such files.
        hub: a Hub id, or a local folder in the Hub's layout.
        config: the configuration of the Hub data set.
        text: a column, or a template over columns such as ``"{premise} {question}"``.
        pair: the same for the second text, if there is one.
        label: the label column; ``label`` where none is named.
        labels: several label columns over the same rows; a row may lack some of them.
        attribute: of annotated spans, the attribute or property that is the label; ``labels`` names several.
        entities: types of annotations that are rows; all that have labels where none are named.
        annotator: whose annotations are read; the gold standard's where none is named.
        suffix: a pattern (``*``, ``?``) for the end of the names of annotation files, instead of the known ones.
        texts: the folder of the notes, where they do not lie beside their annotations.
        skip_sections: ids of sections whose annotations are no rows.
        split_by: a name of ``cotrain.tasks.readers.corpus.SPLITS``; where none is named, what the folder is recognised as.
        window: what a row shows on either side of the entity: characters, ``"20 tokens"``, ``sentence`` or ``document``.
        on_error: what faults of annotations and their files are: an error, or left out and counted.
        names: label names in order; needed where labels are integers.
        id: the column of row ids; default: file and row number, such as ``train:17``.
        group: a column whose equal values stay together (patient, document), over all sources with such a column; one
            that is read as text is compared as texts are (``texts.normalised``).
        split_column: a column that names the split of each row.
        splits: overrides of ``Cut.test`` and ``Cut.dev``.
        missing_label: what an empty label is: an error, or a row to skip.
        private: never cached on disk, never in a shared folder of fits; clinical formats are where nothing is said.
        metric: the primary metric.
        delta: the acceptable loss of it.
        prompt: of language models, the block of a row with ``{text}``, ``{pair}``, ``{options}``, up to where the answer stands.
    """

    name: str
    format: str = "tabular"
    path: str | None = None
    hub: str | None = None
    config: str | None = None
    text: str = "text"
    pair: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    attribute: str | None = None
    entities: tuple[str, ...] = ()
    annotator: str | None = None
    suffix: str | None = None
    texts: str | None = None
    skip_sections: tuple[str, ...] = ()
    split_by: str | None = None
    window: int | str = 100
    on_error: Literal["error", "skip"] = "error"
    names: tuple[str, ...] | None = None
    id: str | None = None
    group: str | None = None
    split_column: str | None = None
    splits: Mapping[str, float | str] = field(default_factory=dict)
    missing_label: Literal["error", "skip"] = "error"
    private: bool | None = None
    metric: str = "macro_f1"
    delta: float = 0.02
    prompt: str | None = None

    def __post_init__(self) -> None:
        if self.private is None:
            object.__setattr__(self, "private", self.format in CLINICAL)

    @property
    def tasks(self) -> dict[str, str]:
        """Task name to label column."""
        if self.labels:
            return {f"{self.name}.{column}": column for column in self.labels}
        return {self.name: self.attribute or self.label or "label"}

    @property
    def needs_labels(self) -> bool:
        """Whether a row without a label is a fault; clinical readers say themselves which labels should be there."""
        return self.missing_label == "error" and not self.labels and self.format not in CLINICAL

    @property
    def place(self) -> str:
        """How messages name it: ``task cb (data/cb)``."""
        where = self.hub or self.path
        return f"task {self.name} ({where})" if where else f"task {self.name}"


def reading(source: Source, task: str) -> dict[str, object]:
    """Return how the rows of a task are read wherever a corpus lies: its format, the column of labels, what is not as nothing said."""
    said = {key: getattr(source, key) for key in ("entities", "annotator", "suffix", "skip_sections", "config")}
    return {
        "format": "hub" if source.hub else source.format,
        "column": source.tasks[task],
        **{key: value for key, value in said.items() if value},
    }


@dataclass(frozen=True)
class Cut:
    """How sources become train, dev and test.

    Attributes:
        test: the published split that is the test set, or the share of rows to cut for it.
        dev: the same for dev; a share is of the training rows that test leaves, as in the paper (64 / 16 / 20).
        leakage: ``drop`` removes rows of train and dev whose text is in a published held-out split of any task.
        seed: of the cut, separate from the seeds of training.
        max_train: rows of train kept per task; 0 keeps all.
        max_held_out: rows of dev, and of test, kept per task; 0 keeps all.
    """

    test: float | str = "validation"
    dev: float | str = DEFAULT_SHARE
    leakage: Literal["drop", "keep"] = "drop"
    seed: int = 0
    max_train: int = 0
    max_held_out: int = 0
