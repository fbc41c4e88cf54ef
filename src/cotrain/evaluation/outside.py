"""Outside: predictions that somebody else's models made for the rows of a study, an arm beside the fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.evaluation.metrics import LEAST_BITS, PROBABILISTIC
from cotrain.tasks.placement import shown
from cotrain.tasks.readers.tabular import read_file
from cotrain.tasks.rendering import listed, missing
from cotrain.tasks.source import split_of
from cotrain.tasks.task import Split

NEEDED = ("task", "row")
OPTIONAL = ("guess", "seed", "split", "log2_p")
_MARK = "p:"
_SUM = 0.01
_LONGEST = 40
_SPLITS: tuple[Split, ...] = ("dev", "test")
Rows = Mapping[tuple[str, Split], Sequence[str]]


@dataclass(frozen=True, eq=False)
class Outside:
    """Predictions of tasks on test, and on dev where they are there, rows in the order of the fits.

    Attributes:
        name: of the arm.
        seeds: task to S: how many answers a row has.
        guesses: (task, split) to (S, n, K): 0 at the label that is named, −inf elsewhere; a row of −inf names none.
        log2_p: (task, split) to (S, n, K) log2 probabilities, of tasks that have them.
        unused: why a row of the file is not compared (``train``, ``capped_test``) to how many there are.
    """

    name: str
    seeds: Mapping[str, int]
    guesses: Mapping[tuple[str, Split], np.ndarray] = field(repr=False)
    log2_p: Mapping[tuple[str, Split], np.ndarray] = field(repr=False)
    unused: Mapping[str, int] = field(default_factory=dict)

    @property
    def labels_only(self) -> tuple[str, ...]:
        """The tasks without probabilities."""
        return tuple(task for task in self.seeds if (task, "test") not in self.log2_p)

    @property
    def unanswered(self) -> dict[str, int]:
        """Task to answers that name no label, where there are some; they count as wrong."""
        found = {task: int(np.isneginf(self.guesses[task, "test"]).all(axis=2).sum()) for task in self.seeds}
        return {task: n for task, n in found.items() if n}

    def parts(self, task: str, split: Split, names: Sequence[str]) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Yield predictions of a task with the metrics that are computed from them; metrics that need what is not there are left out."""
        if (task, split) in self.guesses:
            yield self.guesses[task, split], [name for name in names if name not in PROBABILISTIC]
        if (task, split) in self.log2_p:
            yield self.log2_p[task, split], [name for name in names if name in PROBABILISTIC]

    def table(self, rows: Rows, labels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
        """Return the predictions as a table that :func:`read_arm` reads: ``task``, ``row``, ``seed``, ``guess``, ``log2_p``."""
        parts = []
        for (task, split), guesses in self.guesses.items():
            s, n, k = guesses.shape
            names = np.array([*labels[task], None], dtype=object)
            log2_p = self.log2_p.get((task, split))
            parts.append(pd.DataFrame({
                "task": task, "row": np.tile(np.array(rows[task, split], dtype=object), s),
                "seed": np.repeat(np.arange(s), n),
                "guess": names[np.where(np.isneginf(guesses).all(axis=2), k, guesses.argmax(axis=2))].reshape(-1),
                "log2_p": [None] * (s * n) if log2_p is None else list(log2_p.reshape(-1, k)),
            }))  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def unfit(self, metrics: Mapping[str, str]) -> list[str]:
        """Return why the primary metrics of some tasks cannot be computed."""
        return [
            f"arm {self.name}: task {task}: its metric {metrics[task]} needs probabilities, found labels only; give columns p:LABEL or "
            "log2_p, or compare by another metric with --metric"
            for task in self.labels_only
            if metrics[task] in PROBABILISTIC
        ]


def read_arm(name: str, file: Path, rows: Rows, labels: Mapping[str, Sequence[str]],
             elsewhere: Mapping[str, Mapping[str, str]] = MappingProxyType({}), silent: bool = False) -> Outside:  # fmt: skip
    """Return the predictions of a csv, tsv, jsonl, json or parquet file with a line per task, row and seed.

    The columns are ``task``, ``row``, and ``guess`` (a label name), ``p:LABEL`` per label name (blank for tasks without it) or
    ``log2_p`` (list in label order); ``seed`` and ``split`` where wanted. A guess stands above probabilities; without guesses
    the label with the highest probability is the guess. A blank guess names no label.

    Args:
        rows: (task, split) to row ids of dev and test, in the order of the fits.
        labels: task to label names in model order.
        elsewhere: task to row id to where the study has it, of rows that are not held out; they are counted, not compared.
        silent: whether a task may be without any guess: a language model that never named an option.

    Raises:
        InputError: every fault of the file: see ``docs/compare.md``.
    """
    if not file.is_file():
        raise InputError(f"arm {name}: {file}: there should be a file of predictions; found {'a folder' if file.is_dir() else 'none'}")
    columns = list(dict.fromkeys(f"{_MARK}{label}" for of_task in labels.values() for label in of_task))
    table = read_file(file, NEEDED, [*OPTIONAL, *columns])
    faults = [f"arm {name}: {fault}" for fault in _values(table, labels)]
    if faults:
        raise InputError(faults)
    found: dict[str, dict[Any, Any]] = {"seeds": {}, "guesses": {}, "log2_p": {}}
    unused: dict[str, int] = {}
    for task, part in table.groupby("task", sort=False):
        try:
            for key, value in _task(str(task), part, rows, labels[str(task)], elsewhere.get(str(task), {}), unused, silent).items():
                found[key] |= value
        except InputError as error:
            faults += [f"arm {name}: task {task}: {fault}" for fault in error.faults]
    if faults:
        raise InputError(faults)
    return Outside(name, **found, unused=unused)


def _values(table: pd.DataFrame, labels: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield what is wrong with single values; ``task`` and ``row`` of ``table`` are made texts, ``seed`` integers."""
    where = table["_where"]
    if not any(column in table for column in ("guess", "log2_p")) and not any(str(c).startswith(_MARK) for c in table):
        names = ", ".join(f"{_MARK}{label}" for label in next(iter(labels.values())))
        yield f"there should be predictions: a column guess, columns of probabilities such as {names}, or log2_p; found none"
    for column in NEEDED:
        if (gone := missing(table[column])).any():
            yield f"{column} is empty at {listed(where[gone])}; fill it"
        table[column] = table[column].map(str)
    for task in sorted(set(table["task"]) - set(labels)):
        yield f"{_unknown('task', task, labels)}; at {listed(where[table['task'] == task])}"
    if "seed" not in table:
        table["seed"] = 0
        return
    seeds = pd.to_numeric(table["seed"], errors="coerce")
    if (bad := ~(seeds % 1 == 0)).any():
        yield f"seed should be whole numbers, is something else at {listed(where[bad])}"
    table["seed"] = seeds.where(~bad, 0).astype(int)


def _task(task: str, part: pd.DataFrame, rows: Rows, labels: Sequence[str], elsewhere: Mapping[str, str],
          unused: dict[str, int], silent: bool) -> dict[str, Any]:  # fmt: skip
    """Return seeds, guesses and log2 p of one task; rows that are not held out are counted in ``unused``.

    Raises:
        InputError: every fault of the task.
    """
    place = {row: (split, i) for split in _SPLITS for i, row in enumerate(rows[task, split])}
    faults = list(_joined(task, part, rows, place, elsewhere))
    for split in part["row"].map(elsewhere).dropna():
        unused[split] = unused.get(split, 0) + 1
    held = part[part["row"].isin(place)]
    try:
        log2_p = _probabilities(held, labels)
    except InputError as error:
        faults += error.faults
        log2_p = None
    guesses = _guesses(held, labels, log2_p, faults, silent)
    if faults:
        raise InputError(faults)
    seeds = {seed: s for s, seed in enumerate(sorted(held["seed"].unique().tolist()))}
    at = np.array([seeds[seed] for seed in held["seed"]])
    sides = np.array([place[row][0] for row in held["row"]])
    index = np.array([place[row][1] for row in held["row"]])
    found: dict[str, Any] = {"seeds": {task: len(seeds)}, "guesses": {}, "log2_p": {}}
    for split in dict.fromkeys(sides.tolist()):
        mine = sides == split
        for key, values in (("guesses", guesses), ("log2_p", log2_p)):
            if values is not None:
                found[key][task, split] = np.empty((len(seeds), len(rows[task, split]), len(labels)), dtype=values.dtype)
                found[key][task, split][at[mine], index[mine]] = values[mine]
    return found


def _joined(
    task: str, part: pd.DataFrame, rows: Rows, place: Mapping[str, tuple[Split, int]], elsewhere: Mapping[str, str]
) -> Iterator[str]:
    """Yield how the rows of the file are not those of the study."""
    where = part["_where"]
    if (strange := ~part["row"].isin(place) & ~part["row"].isin(elsewhere)).any():
        yield (
            f"{strange.sum():,} lines have rows that the study does not have, first at {listed(where[strange])}; the ids of its rows "
            "stand in placement.parquet of the run folder"
        )
    if (twice := part.duplicated(["row", "seed"])).any():
        yield f"each row should be there once per seed, is there again at {listed(where[twice])}"
        return
    sides = part["row"].map({row: split for row, (split, _) in place.items()})
    if "split" in part:
        said = part["split"].map(split_of)
        if (other := sides.notna() & ~missing(part["split"]) & (said != sides)).any():
            yield f"the split should be that of the study, is another at {listed(where[other])}"
    seeds = part["seed"].nunique()
    for split in _SPLITS:
        there = part.loc[sides == split, "row"].value_counts()
        lacking = len(rows[task, split]) - int((there == seeds).sum())
        if lacking and (split == "test" or len(there)):
            each = f" at each of the {seeds} seeds" if seeds > 1 else ""
            whole = "" if split == "test" else "; dev may be left out, but not in part"
            yield f"{lacking:,} of the {len(rows[task, split]):,} rows of {split} have no prediction in the file{each}{whole}"


def _probabilities(part: pd.DataFrame, labels: Sequence[str]) -> np.ndarray | None:
    """Return (n, K) log2 probabilities, or None where the lines have none.

    Raises:
        InputError: lines without, no numbers, labels that the task does not have, sums other than 1.
    """
    where, named = part["_where"], [str(column) for column in part if str(column).startswith(_MARK)]
    lists = "log2_p" in part and not missing(part["log2_p"]).all()
    some = (
        ~missing(part["log2_p"]) if lists else np.any([~missing(part[column]) for column in named] or [np.zeros(len(part), bool)], axis=0)
    )
    if not some.any():
        return None
    if not some.all():
        raise InputError(f"every line or none should have probabilities, some have none at {listed(where[~some])}")
    values = _of_lists(part, labels) if lists else _of_columns(part, labels, named)
    p = np.exp2(values.astype(float))
    if (bad := ~(np.abs(p.sum(axis=1) - 1) < _SUM)).any():
        hint = "; log2_p should be of base 2" if lists else ""
        raise InputError(f"the probabilities of a line should be numbers that sum to 1, do not at {listed(where[bad])}{hint}")
    # −inf has no order among equals: a probability of 0 is the smallest double, as in log-loss
    return np.maximum(values, LEAST_BITS, dtype=values.dtype)


def _of_lists(part: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Return (n, K) of the column ``log2_p``."""
    odd = np.array([not isinstance(v, (list, np.ndarray)) or len(v) != len(labels) for v in part["log2_p"]])
    if odd.any():
        raise InputError(f"log2_p should be a list of {len(labels)}, for {', '.join(labels)}; is not at {listed(part['_where'][odd])}")
    try:
        values = np.array(part["log2_p"].tolist())
        return values if values.dtype == np.float32 else values.astype(float)
    except (TypeError, ValueError):
        raise InputError("log2_p should hold numbers alone, found something else") from None


def _of_columns(part: pd.DataFrame, labels: Sequence[str], named: Sequence[str]) -> np.ndarray:
    """Return (n, K) of the columns ``p:LABEL``; nan where there is no number."""
    mine = [f"{_MARK}{label}" for label in labels]
    if lacking := [column for column in mine if column not in named]:
        raise InputError(f"there should be a column for each of its labels, found none for {', '.join(lacking)}")
    p = part[named].apply(pd.to_numeric, errors="coerce").astype(float)
    if (strange := (p.drop(columns=mine).fillna(0) != 0).any(axis=1)).any():
        raise InputError(f"labels that the task does not have should be blank, have probabilities at {listed(part['_where'][strange])}")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(p[mine].to_numpy())


def _guesses(part: pd.DataFrame, labels: Sequence[str], log2_p: np.ndarray | None, faults: list[str], silent: bool) -> np.ndarray | None:
    """Return (n, K) guesses, those of the column or the most probable labels; faults are added to ``faults``."""
    where = part["_where"]
    if "guess" in part and not missing(part["guess"]).all():
        names = part["guess"].where(~missing(part["guess"]), "").map(str)
        for name in [name for name in names.unique() if name and name not in labels][:5]:
            faults.append(f"{_unknown('label', name, labels)}; at {listed(where[names == name])}")
        hit = names.to_numpy(dtype=object)[:, None] == np.array(labels, dtype=object)
    elif log2_p is not None:
        hit = np.arange(len(labels)) == log2_p.argmax(axis=1)[:, None]
    elif silent:
        hit = np.zeros((len(part), len(labels)), dtype=bool)
    else:
        if not faults:
            faults.append("there should be a guess or probabilities, found neither")
        return None
    return np.where(hit, 0.0, -np.inf)


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return that a name is not known; a long one may be a text and is not shown."""
    return unknown(kind, name, known) if len(name) <= _LONGEST else f"unknown {kind} {shown(name)}. Known: {', '.join(known)}"
