"""A Task: named rows with labels, in splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import pandas as pd

from cotrain.errors import InputError

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
COLUMNS = ("row", "split", "text", "pair", "label", "cluster")


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
        facts: what reading and cutting did to the rows (dropped, capped, yielded), name to count, for ``check``.

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

    def split(self, name: Split) -> pd.DataFrame:
        """Return the rows of one split, in the order of the source."""
        return self.rows[self.rows["split"] == name].reset_index(drop=True)

    def content(self, *splits: Split) -> str:
        """Return the sha256 of what an encoder sees of some splits, in order: row ids, texts, pairs, labels."""
        digest = hashlib.sha256()
        for name in splits or SPLITS:
            rows = self.split(name)
            digest.update(f"{name}\x1e{len(rows)}\x1e".encode())
            for column in ("row", "text", "pair", "label"):
                digest.update("\x1f".join(rows[column].astype(str)).encode() + b"\x1e")
        return digest.hexdigest()
