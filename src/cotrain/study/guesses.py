"""What the columns of a table seem to be: text, pair, label, group, row id, split, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.rendering import missing
from cotrain.tasks.source import SPLIT_NAMES

TEXTS = (
    "text", "sentence", "sentence1", "premise", "question1", "text1", "text_a", "question", "note_text", "content", "body", "abstract",
    "review", "tweet", "utterance", "report", "note", "document",
)  # fmt: skip
PAIRS = {
    "sentence1": ("sentence2",), "premise": ("hypothesis",), "question1": ("question2",), "text1": ("text2",), "text_a": ("text_b",),
    "question": ("passage", "context", "answer", "sentence"), "sentence": ("sentence2",), "text": ("text2", "text_pair"),
}  # fmt: skip
LABELS = ("label", "labels", "class", "category", "target", "gold", "gold_label", "y", "sentiment", "polarity", "stance", "intent")
SPLITS = ("split", "set", "fold", "partition", "subset")
IDS = ("id", "row_id", "guid", "uid", "uuid", "example_id", "idx", "index")
PERSONS = ("patient", "subject", "mrn", "hadm", "admission", "encounter", "visit")
GROUPS = (
    *PERSONS, "pmid", "document", "doc", "note", "report", "article", "paper", "case", "author", "user", "speaker", "dialogue",
    "conversation", "thread",
)  # fmt: skip
# columns about a row that are few-valued, yet not what is to be learned
_ABOUT = {"year", "age", "sex", "gender", "date", "source", "type", "kind", "part", "site", "design", "language", "lang", "annotator"}
_MOST_CLASSES = 50


@dataclass(frozen=True)
class Guess:
    """Keys of a task entry and, by key, why they were chosen; ``""`` has remarks on the whole."""

    entry: dict[str, Any]
    why: dict[str, str]


@dataclass(frozen=True)
class _Column:
    """What is known of a column: how many values are missing, which there are, of what kind, and how long."""

    name: str
    gone: int
    values: tuple[Any, ...]
    kind: str
    length: float
    rows: int

    @property
    def tokens(self) -> list[str]:
        """The parts of its name: ``patientId`` is patient, id."""
        return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", self.name)]

    @property
    def few(self) -> bool:
        """Whether its values could be classes."""
        most = max(2, min(_MOST_CLASSES, self.rows // 5))
        return self.kind in ("name", "integer") and 2 <= len(self.values) <= most and self.length <= 40


def guess(table: pd.DataFrame) -> Guess:
    """Return what the columns of ``table`` seem to be; ``_split`` has the published split of each row, or None.

    Raises:
        InputError: no column looks like a text, or none like a label.
    """
    columns = {name: _column(name, table[name]) for name in map(str, table.columns) if name not in ("_split", "_where")}
    entry: dict[str, Any] = {}
    why: dict[str, str] = {}
    split = _split(columns.values(), table)
    text, pair = _texts([c for c in columns.values() if c.name != split])
    entry["text"], why["text"] = text.name, "by its name" if text.name.lower() in TEXTS else "the column with the longest texts"
    if pair:
        entry["pair"], why["pair"] = pair.name, f"goes with {text.name}"
    used = {text.name, pair.name if pair else "", split or ""}
    rest = [c for c in columns.values() if c.name not in used]
    group, row_id = _group(rest), _row_id(rest)
    used |= {c.name for c in (group, row_id) if c}
    if any(c.few and c.name in map(str, c.values) for c in columns.values()):
        raise InputError("the first line should name the columns; it looks like a row of data")
    _label([c for c in rest if c.name not in used], entry, why)
    if row_id:
        entry["id"], why["id"] = row_id.name, "all values differ"
    if group:
        entry["group"] = group.name
        why["group"] = f"{len(group.values):,} values in {group.rows - group.gone:,} rows: equal ones stay on one side"
    if split:
        entry["split_column"], why["split_column"] = split, "it names splits"
    _sides(table, split, entry, why)
    if any(token in PERSONS for column in columns.values() for token in column.tokens):
        entry["private"], why["private"] = True, "a column tells of persons: nothing is cached on disk or shared"
    return Guess(entry, why)


def _column(name: str, values: pd.Series) -> _Column:
    """Return what is known of a column."""
    gone = missing(values)
    there = values[~gone]
    if any(isinstance(v, (list, tuple, dict)) or getattr(v, "ndim", 0) for v in there):
        return _Column(name, int(gone.sum()), (), "nested", 0.0, len(values))
    distinct = tuple(dict.fromkeys(there))
    written = [str(v) for v in distinct]
    if all(isinstance(v, bool) or re.fullmatch(r"[-+]?\d+(\.0)?", text) for v, text in zip(distinct, written, strict=True)):
        kind = "name" if all(isinstance(v, bool) for v in distinct) else "integer"
    else:
        kind = "fraction" if all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text.lower()) for text in written) else "name"
    return _Column(name, int(gone.sum()), distinct, kind, sum(map(len, written)) / max(1, len(written)), len(values))


def _texts(columns: Sequence[_Column]) -> tuple[_Column, _Column | None]:
    """Return the column of the text and that of the pair."""
    texts = {c.name.lower(): c for c in columns if c.kind == "name" and not c.few and "{" not in c.name and "}" not in c.name}
    texts |= {c.name.lower(): c for c in columns if c.kind == "name" and c.name.lower() in TEXTS[:8] and "{" not in c.name}
    if not texts:
        raise InputError(f"none of its {len(columns)} columns looks like a text")
    first = next((texts[name] for name in TEXTS if name in texts), None) or max(texts.values(), key=lambda c: c.length)
    pair = next((texts[name] for name in PAIRS.get(first.name.lower(), ()) if name in texts), None)
    return first, pair


def _label(columns: Sequence[_Column], entry: dict[str, Any], why: dict[str, str]) -> None:
    """Add ``label`` or ``labels``, and ``names`` for integers."""
    by_name = {c.name.lower(): c for c in columns if c.kind in ("name", "integer") and len(c.values) >= 2}
    named = next((by_name[name] for name in LABELS if name in by_name), None)
    likely = [c for c in columns if c.few and not set(c.tokens) & _ABOUT and c.name.lower() not in IDS]
    if named is None and not likely:
        raise InputError(f"no column beside the text looks like a label (2 to {_MOST_CLASSES} values)")
    chosen = [named] if named else likely[-1:]
    alike = [c for c in likely if set(map(str, c.values)) == set(map(str, chosen[0].values))]
    if named is None and len(alike) > 1:
        chosen = alike
        entry["labels"], why["labels"] = [c.name for c in chosen], "columns with the same values: a task each, on the same rows"
    else:
        entry["label"] = chosen[0].name
        why["label"] = "by its name" if named else f"the last column with few values ({len(chosen[0].values)})"
    others = [c.name for c in likely if c not in chosen]
    if others:
        why[""] = f"other columns that could be labels: {', '.join(map(repr, others))}"
    if gone := sum(c.gone for c in chosen if len(chosen) == 1):
        why["missing_label"] = f"{gone:,} rows lack a label, which is an error; use this line to leave them out"
    if any(c.kind == "integer" for c in chosen):
        entry["names"], why["names"] = _names(chosen)


def _names(columns: Sequence[_Column]) -> tuple[list[str], str]:
    """Return placeholders for the names of integers, and what to do about them."""
    values = sorted({str(v) for c in columns for v in c.values}, key=float)
    low, high = int(float(values[0])), int(float(values[-1]))
    if low >= 0 and high < 2 * len(values) + 2:
        return [f"class_{i}" for i in range(high + 1)], f"EDIT: labels are integers; say what 0 to {high} mean, in this order"
    return values, f"EDIT where you can: labels are the integers {low} to {high}; names count from 0, so these are the integers themselves"


def _group(columns: Sequence[_Column]) -> _Column | None:
    """Return the column whose equal values should stay together."""
    repeated = [c for c in columns if c.kind != "fraction" and 2 < len(c.values) < c.rows - c.gone]
    found = [(GROUPS.index(token), c) for c in repeated for token in c.tokens if token in GROUPS and c.name.lower() not in LABELS]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _row_id(columns: Sequence[_Column]) -> _Column | None:
    """Return the column of row ids: none missing, all different."""
    return next((c for c in columns if c.name.lower() in IDS and not c.gone and len(c.values) == c.rows), None)


def _split(columns: Iterable[_Column], table: pd.DataFrame) -> str | None:
    """Return the column that names the split of each row, where the files do not."""
    if table["_split"].notna().any():
        return None
    for c in columns:
        if c.name.lower() in SPLITS and not c.gone and {str(v).strip().lower() for v in c.values} <= SPLIT_NAMES.keys():
            return c.name
    return None


def _sides(table: pd.DataFrame, split: str | None, entry: dict[str, Any], why: dict[str, str]) -> None:
    """Add ``splits``: what becomes of the published splits, where the default does not fit."""
    named = table[split].map(lambda v: SPLIT_NAMES[str(v).strip().lower()]) if split else table["_split"]
    published = set(named.dropna())
    if published and "train" not in published:
        raise InputError(f"there should be a split 'train', found only {', '.join(sorted(published))}")
    labels = table[entry["label"] if "label" in entry else entry["labels"][0]]
    labelled = labels[(named == "test").to_numpy(dtype=bool) & ~missing(labels)]
    if labelled.astype(str).nunique() > 1:
        entry["splits"] = {"test": "test", **({"dev": "validation"} if "validation" in published else {})}
        why["splits"] = "as published" if "validation" in published else "dev is cut from train (20 %)"
    elif "validation" in published:
        unlabelled = "test has no labels, " if "test" in published else ""
        why[""] = "; ".join([*([why[""]] if "" in why else []), f"{unlabelled}validation is the test set, dev is cut from train (20 %)"])
    else:
        why[""] = "; ".join([*([why[""]] if "" in why else []), "no published splits: test (20 %) and dev (20 % of the rest) are cut"])
