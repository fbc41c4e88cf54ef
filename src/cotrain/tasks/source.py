"""A Source: how the rows of one entry of the study file are read; a Cut: how they are cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet")
SPLIT_NAMES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test",
}  # fmt: skip
DEFAULT_SHARE = 0.2


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
        names: label names in order; needed where labels are integers.
        id: the column of row ids; default: file and row number, such as ``train:17``.
        group: a column whose equal values stay together (patient, document), over all sources with such a column.
        split_column: a column that names the split of each row.
        splits: overrides of ``Cut.test`` and ``Cut.dev``.
        missing_label: what an empty label is: an error, or a row to skip.
        private: never cached on disk.
        metric: the primary metric.
        delta: the acceptable loss of it.
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
    names: tuple[str, ...] | None = None
    id: str | None = None
    group: str | None = None
    split_column: str | None = None
    splits: Mapping[str, float | str] = field(default_factory=dict)
    missing_label: Literal["error", "skip"] = "error"
    private: bool = False
    metric: str = "macro_f1"
    delta: float = 0.02

    @property
    def tasks(self) -> dict[str, str]:
        """Task name to label column."""
        if self.labels:
            return {f"{self.name}.{column}": column for column in self.labels}
        return {self.name: self.label or "label"}

    @property
    def place(self) -> str:
        """How messages name it: ``task cb (data/cb)``."""
        where = self.hub or self.path
        return f"task {self.name} ({where})" if where else f"task {self.name}"


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
