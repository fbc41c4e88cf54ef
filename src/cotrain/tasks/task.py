"""A Task: named rows with labels, in splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args

import numpy as np
import pandas as pd

from cotrain.errors import InputError

if TYPE_CHECKING:
    from cotrain.tasks.source import Cut

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
COLUMNS = ("row", "split", "text", "pair", "label", "cluster")
_PARTING = set('[]+@/\\:*?"<>|')  # these part the names of groups, or may not be in the name of a file
RESERVED = {"row", "text"}
"""What stands beside the tasks in predictions."""
_LONGEST = 150
FACTS = {
    "cut_dev": "rows of dev that were cut from train",
    "cut_test": "rows of test that were cut from train",
    "leaked": "rows left out of train, or of dev that was cut from it: their text is in a published held-out split of some task",
    "yielded": "rows left out: they would tie rows of an earlier run on two sides together",
    "capped_train": "rows left out of train by max_train",
    "capped_dev": "rows left out of dev by max_held_out",
    "capped_test": "rows left out of test by max_held_out",
    "cap_raised_train": "rows of train above max_train, so that each class keeps two",
    "cap_raised_dev": "rows of dev above max_held_out, so that each class keeps two",
    "cap_raised_test": "rows of test above max_held_out, so that each class keeps two",
    "left_out": "rows that an earlier run did not use",
    "would_drop": "rows of an earlier run whose text is in a published held-out split of a new task; --update drops them",
    "skipped": "rows without a label",
    "faulty": "faults of annotations and their files, left out by on_error: skip",
    "unfinished": "documents left out: no finished annotations of the annotator",
    "preferred": "documents with several annotation files, of which the first suffix is read",
    "shifted": "entities whose span covers other words than when they were annotated; offsets may be shifted",
    "unused": "rows of published splits that no side uses",
}


def wrong_name(task: str) -> str:
    """Return what is wrong with the name of a task, or nothing.

    >>> wrong_name("cb"), wrong_name("cb+rte")[:14]
    ('', "task 'cb+rte':")
    """
    if task in RESERVED:
        return f"task '{task}': that is a column of predictions beside the tasks; choose another name"
    if len(task.encode(errors="replace")) > _LONGEST:
        return f"task '{task[:20]}…': a name should have at most {_LONGEST} bytes, as it is that of files too"
    if task and not set(task) & _PARTING and task.isprintable() and task == task.strip(" .-"):
        return ""
    return f"task '{task}': a name should have none of {' '.join(sorted(_PARTING))} and no blank, dot or dash at its ends"


class Columns(TypedDict, total=False):
    """What ``from_frame`` and ``from_dataset`` take beside the table; meanings as in ``cotrain.tasks.source.Source``."""

    text: str
    pair: str | None
    label: str
    names: tuple[str, ...] | None
    id: str | None
    group: str | None
    split_column: str | None
    splits: Mapping[str, float | str]
    missing_label: Literal["error", "skip"]
    private: bool
    metric: str
    delta: float


@dataclass(frozen=True)
class Task:
    """A classification task: rows of text with one label each, cut into train, dev and test.

    Attributes:
        name: unique in a study; several label columns of one source are ``source.column``.
        labels: the K label names in model order; the order is part of what determines a fit.
        rows: one line per example: ``row`` (unique id, str), ``split`` (train, dev or test), ``text``,
            ``pair`` (the second text, or empty where there is none), ``label`` (a name of ``labels``), ``cluster``
            (rows of one patient, document or text share it; the unit of resampling).
        has_pair: whether the encoder sees a text pair.
        metric: the primary metric of the comparison.
        delta: the loss of the primary metric that the owner can accept.
        private: never cached on disk, never sent, never in a shared folder.
        source: fingerprint of where the rows come from; tasks with equal source and row ids are the same rows.
        facts: what reading and cutting did to the rows, a name of ``FACTS`` to a count, for ``check``.
        left_out: rows that were read and are on no side: ``row``, ``split`` (why, a name of ``FACTS``), ``cluster``.

    Raises:
        InputError: a missing column, a repeated row id, a split or label that is not known.
    """

    name: str
    labels: tuple[str, ...]
    rows: pd.DataFrame = field(repr=False)
    has_pair: bool = False
    metric: str = "macro_f1"
    delta: float = 0.02
    private: bool = False
    source: str = ""
    facts: Mapping[str, int] = field(default_factory=dict)
    left_out: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["row", "split", "cluster"]), repr=False)

    def __post_init__(self) -> None:
        faults = []
        if missing := [c for c in COLUMNS if c not in self.rows.columns]:
            raise InputError(f"task {self.name}: rows lack the columns {', '.join(missing)}")
        if len(self.labels) < 2:
            faults.append(f"task {self.name}: a task needs at least two labels, found {list(self.labels)}")
        if len(set(self.labels)) != len(self.labels):
            faults.append(f"task {self.name}: a label name is there twice in {list(self.labels)}")
        if (twice := self.rows["row"].duplicated()).any():
            faults.append(f"task {self.name}: {int(twice.sum())} row ids are not unique, first at row {twice.idxmax()}")
        if strange := sorted(set(self.rows["split"]) - set(SPLITS)):
            faults.append(f"task {self.name}: unknown split {strange}; splits are train, dev and test")
        if strange := sorted(set(self.rows["label"]) - set(self.labels)):
            faults.append(f"task {self.name}: {len(strange)} labels of the rows are not in the label names")
        if faults:
            raise InputError(faults)

    @classmethod
    def from_frame(
        cls,
        name: str,
        frame: pd.DataFrame | Mapping[str, pd.DataFrame],
        cut: Cut | None = None,
        **columns: Unpack[Columns],
    ) -> Task:
        """Return a task of a table in memory, or of a table per split, by the same path as files.

        Several tasks that may share texts belong in one ``cotrain.tasks.load.load(sources, cut, frames=...)``, which
        cuts them jointly.

        Raises:
            InputError: all faults of the data.
        """
        from cotrain.tasks.load import load
        from cotrain.tasks.source import Cut, Source

        return load([Source(name, **columns)], cut or Cut(), frames={name: frame})[name]

    @classmethod
    def from_dataset(cls, name: str, dataset: Any, cut: Cut | None = None, **columns: Unpack[Columns]) -> Task:
        """Return a task of a ``datasets.Dataset`` or ``DatasetDict``; the names of a ClassLabel are used.

        Raises:
            InputError: all faults of the data.
        """
        return cls.from_frame(name, dataset, cut, **columns)

    def split(self, name: Split) -> pd.DataFrame:
        """Return the rows of one split, in the order of the source."""
        return self.rows[self.rows["split"] == name].reset_index(drop=True)

    def gold(self, name: Split) -> np.ndarray:
        """Return (n,) the index in ``labels`` of the label of each row of one split."""
        index = {label: k for k, label in enumerate(self.labels)}
        return self.split(name)["label"].map(index).to_numpy(dtype=np.int64)

    @property
    def train_counts(self) -> tuple[int, ...]:
        """The training rows of each label, in label order."""
        return tuple(np.bincount(self.gold("train"), minlength=len(self.labels)).tolist())

    def content(self, *splits: Split) -> str:
        """Return the sha256 of what an encoder sees of some splits, in order: row ids, texts, pairs, labels."""
        digest = hashlib.sha256()
        for name in splits or SPLITS:
            rows = self.split(name)
            digest.update(f"{name}\x1e{len(rows)}\x1e".encode())
            for column in ("row", "text", "pair", "label"):
                values = [str(value).encode() for value in rows[column]]
                # lengths before contents, so that no two tables read the same
                digest.update(np.fromiter(map(len, values), dtype="<i8", count=len(values)).tobytes())
                digest.update(b"".join(values))
        return digest.hexdigest()
