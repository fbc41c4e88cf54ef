"""From sources to tasks: rendered, labelled, cut jointly, with every fault of every source at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd

from cotrain.choose import choose
from cotrain.errors import InputError
from cotrain.tasks import splits
from cotrain.tasks.readers import READERS
from cotrain.tasks.source import Cut, Source
from cotrain.tasks.task import Task

_MOST = 10


def load(sources: Sequence[Source], cut: Cut, placed: pd.DataFrame | None = None, frames: dict[str, pd.DataFrame] | None = None) -> dict[str, Task]:
    """Return the tasks of ``sources``, cut jointly so that no text is on two sides by our doing.

    Args:
        placed: ``task``, ``row``, ``split`` of an earlier run: those rows never move.
        frames: in-memory tables by source name, read instead of files; an optional column ``split`` names the split.

    Raises:
        InputError: every fault of every source.
    """
    faults: list[str] = []
    parts: list[pd.DataFrame] = []
    cuts: dict[str, dict[str, float]] = {}
    order: dict[str, tuple[str, ...]] = {}
    for source in sources:
        try:
            raw = _raw(source, frames)
            published = [str(s) for s in pd.unique(raw["_split"].dropna())]
            sides, share = splits.shares(source.name, cut, source.splits, published)
            base = _render(source, raw, sides)
            for task, column in source.tasks.items():
                rows, order[task] = _labelled(source, task, column, base, raw)
                parts.append(rows)
                cuts[task] = share
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    rows = _cut(pd.concat(parts, ignore_index=True), cuts, cut, placed)
    by_task = {task: source for source in sources for task in source.tasks}
    tasks, faults = {}, []
    for task, part in rows.groupby("task", sort=False):
        try:
            tasks[str(task)] = _task(str(task), by_task[str(task)], part, order[str(task)], cut)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return tasks


def _fields(template: str) -> list[str]:
    """Return the columns that a template names; a bare word is a column."""
    if "{" not in template:
        return [template]
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def _raw(source: Source, frames: dict[str, pd.DataFrame] | None) -> pd.DataFrame:
    """Return the columns that ``source`` needs, from memory or from its reader."""
    wanted = _fields(source.text) + (_fields(source.pair) if source.pair else []) + list(source.tasks.values())
    wanted += [c for c in (source.id, source.group, source.split_column) if c]
    columns = list(dict.fromkeys(wanted))
    if frames is not None and source.name in frames:
        given = frames[source.name]
        if missing := [c for c in columns if c not in given.columns]:
            raise InputError(f"task {source.name}: the table lacks the columns {', '.join(missing)}")
        raw = given[columns].astype(object).reset_index(drop=True)
        raw["_split"] = given["split"].to_numpy() if "split" in given.columns else None
        raw["_where"] = [f"row:{n}" for n in range(1, len(raw) + 1)]
    else:
        reader = choose("format", "hub" if source.hub else source.format, READERS)
        raw = reader(source, columns)
    if source.split_column:
        from cotrain.tasks.readers.tabular import SPLIT_NAMES

        raw["_split"] = [SPLIT_NAMES.get(str(v).lower(), str(v)) for v in raw[source.split_column]]
    return raw


def _text(template: str, raw: pd.DataFrame) -> list[str]:
    """Return the rendered template of each row; a missing value renders as an empty string."""
    names = _fields(template)
    columns = {name: ["" if _missing(v) else str(v) for v in raw[name]] for name in names}
    if "{" not in template:
        return columns[template]
    return [template.format(**dict(zip(names, values, strict=True))) for values in zip(*columns.values(), strict=True)]


def _missing(value: Any) -> bool:
    """Whether a value is None, nan or an empty string."""
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value))


def _rows(where: Iterable[str]) -> str:
    """Return the first places of a fault."""
    places = list(where)
    return ", ".join(places[:_MOST]) + (f" … ({len(places)} in all)" if len(places) > _MOST else "")


def _render(source: Source, raw: pd.DataFrame, sides: dict[str, str]) -> pd.DataFrame:
    """Return row, text, pair, key, group, given (side or empty) for the rows that some side uses."""
    base = pd.DataFrame({"where": raw["_where"].astype(object)})
    base["text"] = pd.Series(_text(source.text, raw), dtype=object)
    base["pair"] = pd.Series(_text(source.pair, raw) if source.pair else [""] * len(raw), dtype=object)
    base["row"] = pd.Series([str(v) for v in raw[source.id]], dtype=object) if source.id else base["where"]
    base["group"] = [f"{source.group}={v}" for v in raw[source.group]] if source.group else ""
    published = raw["_split"]
    base["given"] = [sides.get(s, "" if s == "train" or s is None else "unused") for s in published.where(published.notna(), None)]
    base["published"] = base["given"].isin(["dev", "test"])
    faults = []
    if len(empty := base.loc[base["text"].str.strip() == "", "where"]):
        faults.append(f"task {source.name}: empty or missing text at {_rows(empty)}; remove these rows or fill them")
    if len(twice := base.loc[base["row"].duplicated(), "where"]):
        faults.append(f"task {source.name}: row ids should be unique, repeated at {_rows(twice)}")
    if faults:
        raise InputError(faults)
    base["key"] = [splits.text_key(t, p) for t, p in zip(base["text"], base["pair"], strict=True)]
    return base


def _labelled(source: Source, task: str, column: str, base: pd.DataFrame, raw: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows that carry a label of ``task``, with label names, and the names in order."""
    values = raw[column]
    used = base["given"] != "unused"
    if any(isinstance(v, (list, tuple, np.ndarray, dict)) for v in values[used][:1000]):
        raise InputError(f"task {task}: labels should be one value per row, found lists (token-level or multi-label data are not supported)")
    gone = values.map(_missing) & used
    if gone.any() and source.missing_label == "error" and not source.labels:
        raise InputError(f"task {task}: a missing label at {_rows(base.loc[gone, 'where'])}; fill it, or set missing_label: skip")
    rows = base[used & ~gone].copy()
    labels, names = _names(source, task, values[used & ~gone])
    rows["label"] = labels
    rows["task"] = task
    if rows["label"].nunique() < 2:
        raise InputError(f"task {task}: there should be two classes or more, found {rows['label'].nunique()}")
    return rows, names


def _names(source: Source, task: str, values: pd.Series) -> tuple[list[str], tuple[str, ...]]:
    """Return the label name of each row and the names in model order."""
    items = values.tolist()
    numbers = all(re.fullmatch(r"[+-]?\d+(\.0+)?", str(v)) for v in items)
    if not numbers and all(isinstance(v, (int, float, np.number)) for v in items):
        raise InputError(f"task {task}: labels should be names or integers, found fractions (regression is not supported)")
    if numbers:
        if source.names is None:
            found = sorted({int(float(v)) for v in items})
            raise InputError(f"task {task}: labels are integers ({found[0]} to {found[-1]}); say what they mean with names: [...]")
        integers = [int(float(v)) for v in items]
        if strange := sorted({i for i in integers if not 0 <= i < len(source.names)}):
            raise InputError(f"task {task}: labels {strange} have no name; names has {len(source.names)} entries, for 0 to {len(source.names) - 1}")
        return [source.names[i] for i in integers], source.names
    strings = [str(v) for v in items]
    names = source.names or tuple(sorted(set(strings)))
    if strange := sorted(set(strings) - set(names)):
        raise InputError(f"task {task}: {len(strange)} labels are not in names; names are {', '.join(names)}")
    return strings, names


def _cut(rows: pd.DataFrame, cuts: dict[str, dict[str, float]], cut: Cut, placed: pd.DataFrame | None) -> pd.DataFrame:
    """Return the rows with cluster and split; dropped and yielding rows are marked in ``fate``."""
    rows["cluster"] = splits.components(rows, cut.seed)
    rows["placed"] = ""
    if placed is not None and len(placed):
        before = {(t, r): s for t, r, s in zip(placed["task"], placed["row"], placed["split"], strict=True)}
        rows["placed"] = [before.get(key, "") for key in zip(rows["task"], rows["row"], strict=True)]
        rows.loc[rows["placed"] != "", "given"] = rows["placed"]
    rows["split"] = splits.place(rows, cuts)
    rows["fate"] = np.where(rows["split"] == "yield", "yielded", "")
    if cut.leakage == "drop":
        held_out = set(rows.loc[rows["published"], "key"])
        leaks = ~rows["published"] & rows["split"].isin(["train", "dev"]) & rows["key"].isin(held_out) & (rows["placed"] == "")
        rows.loc[leaks, "fate"] = "leaked"
    return rows


def _task(name: str, source: Source, rows: pd.DataFrame, names: tuple[str, ...], cut: Cut) -> Task:
    """Return the Task of cut rows, capped, with what happened to them as facts."""
    facts = {fate: int(n) for fate, n in rows.loc[rows["fate"] != "", "fate"].value_counts().items()}
    kept = rows[rows["fate"] == ""]
    parts = []
    for split, most in (("train", cut.max_train), ("dev", cut.max_held_out), ("test", cut.max_held_out)):
        side = kept[kept["split"] == split]
        if side.empty:
            raise InputError(f"task {name}: no rows are left for {split}; give more data or other splits")
        # rows of an earlier run stay, whatever the cap picks now
        stay = splits.cap(side["label"], side["key"], most) if not (side["placed"] != "").any() else side["placed"] != ""
        facts[f"capped_{split}"] = int((~stay).sum())
        parts.append(side[stay])
    final = pd.concat(parts, ignore_index=True)
    known = set(final.loc[final["split"] == "train", "label"])
    if unseen := sorted(set(final["label"]) - known):
        lost = sorted(set(unseen) & set(rows["label"][rows["split"] == "train"]))
        cause = f" (dropping or capping removed {', '.join(lost)} from train)" if lost else ""
        raise InputError(f"task {name}: dev or test has the labels {', '.join(unseen)}, which train lacks{cause}")
    names = tuple(n for n in names if n in known)
    origin = f"{source.hub or source.path or source.name}|{source.config}|{source.text}|{source.pair}"
    columns = ["row", "split", "text", "pair", "label", "cluster"]
    return Task(
        name=name, labels=names, rows=final[columns], has_pair=source.pair is not None, metric=source.metric,
        delta=source.delta, private=source.private, source=hashlib.sha256(origin.encode()).hexdigest()[:16],
        facts={k: v for k, v in facts.items() if v},
    )  # fmt: skip
