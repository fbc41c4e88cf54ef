"""From sources to tasks: read, rendered, labelled, cut jointly, capped, with every fault of every source at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.caps import cap
from cotrain.tasks.labels import label
from cotrain.tasks.placement import Row, place, shown
from cotrain.tasks.rendering import listed, read, render
from cotrain.tasks.source import Cut, Source
from cotrain.tasks.splits import components
from cotrain.tasks.task import SPLITS, Task

PLACEMENT = ("task", "row", "split", "cluster")
_ROWS = ["row", "split", "text", "pair", "label", "cluster"]


def load(
    sources: Sequence[Source],
    cut: Cut,
    placed: pd.DataFrame | None = None,
    frames: Mapping[str, Any] | None = None,
    update: bool = False,
) -> dict[str, Task]:
    """Return the tasks of ``sources`` by name, cut jointly: no text or group is on two sides by our doing.

    Args:
        placed: :func:`placement` of an earlier run (``task``, ``row``, ``split``, and ``cluster`` where known). Those rows
            keep their side and cluster, rows that it left out stay out; rows of new tasks yield where they would tie old
            rows of two sides together. What ``Task.facts`` counts is listed in ``cotrain.tasks.task.FACTS``.
        frames: by source name, tables in memory instead of files: a DataFrame, a ``datasets.Dataset``, or splits of them.
        update: accept that data of an earlier run have changed: rows that are gone, rows that are new, and old training
            rows whose text is now in a published held-out split of a new task (dropped then, else only counted).

    Raises:
        InputError: every fault of every source.
    """
    found = _read(sources, cut, frames)
    rows = pd.concat([one.rows for one in found.values()], ignore_index=True)
    rows["cluster"] = components(rows, cut.seed)
    _remember(rows, placed, update)
    held_out = set(rows.loc[rows["given"] != "", "key"])
    leaks = (rows["given"] == "") & rows["key"].isin(held_out) & (cut.leakage == "drop")
    rows["leaky"] = leaks & ((rows["placed"] == "") | update)
    rows["would_drop"] = leaks & rows["placed"].isin(["train", "dev"]) & (not update)
    _place(rows, {task: one.shares for task, one in found.items()})
    rows.loc[rows["leaky"] & rows["split"].isin(["train", "dev"]) & (rows["why"] == ""), "why"] = "leaked"
    tasks: dict[str, Task] = {}
    faults: list[str] = []
    for name, one in found.items():
        try:
            tasks[name] = _task(name, one, rows[rows["task"] == name], cut)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return tasks


def placement(tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Return where every row went, to be given to :func:`load` as ``placed``.

    The columns are ``task``, ``row``, ``split`` (train, dev, test, or why the row was left out: leaked, yielded,
    capped_train …) and ``cluster``.
    """
    parts = [part.assign(task=name)[list(PLACEMENT)] for name, task in tasks.items() for part in (task.rows, task.left_out)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(PLACEMENT))


@dataclass(frozen=True)
class _Read:
    """What is known of a task before it is cut."""

    source: Source
    names: tuple[str, ...]
    shares: Mapping[str, float]
    facts: Mapping[str, int]
    rows: pd.DataFrame


def _read(sources: Sequence[Source], cut: Cut, frames: Mapping[str, Any] | None) -> dict[str, _Read]:
    """Return the labelled rows of each task, and what is needed to cut them."""
    faults: list[str] = []
    found: dict[str, _Read] = {}
    taken: set[str] = set()
    for source in sources:
        if twice := sorted(taken & source.tasks.keys()):
            faults.append(f"task {', '.join(twice)}: the name is there twice; rename one")
            continue
        taken |= source.tasks.keys()
        try:
            raw = read(source, frames)
            base, sides = render(source, raw, cut)
        except InputError as error:
            faults += error.faults
            continue
        for task, column in source.tasks.items():
            try:
                rows, names, skipped = label(source, task, raw[column], base)
            except InputError as error:
                faults += error.faults
                continue
            facts = {**raw.attrs.get("facts", {}), "skipped": skipped, "unused": int((~base["used"]).sum())}
            found[task] = _Read(source, names, sides.shares, facts, rows)
    if not sources:
        faults.append("there should be at least one task, found none")
    if faults:
        raise InputError(faults)
    return found


def _remember(rows: pd.DataFrame, placed: pd.DataFrame | None, update: bool) -> None:
    """Add ``placed`` (side of an earlier run, or empty), ``why`` (left out then), ``new`` (no row of its task was known)."""
    for column in ("placed", "why"):  # as objects, so that tables of a first and of a later run are of one type
        rows[column] = pd.Series("", index=rows.index, dtype=object)
    rows["new"] = True
    if placed is None or placed.empty:
        return
    clusters = placed["cluster"] if "cluster" in placed.columns else pd.Series("", index=placed.index)
    before = {
        (task, row): (split, cluster)
        for task, row, split, cluster in zip(placed["task"], placed["row"], placed["split"], clusters, strict=True)
    }
    known = rows["task"].isin(set(placed["task"]))
    then = [before.get(key, ("", "")) for key in zip(rows["task"], rows["row"], strict=True)]
    split = pd.Series([s for s, _ in then], index=rows.index, dtype=object)
    rows["placed"] = split.where(split.isin(SPLITS), "")
    # a row that is neither a kept nor a left-out row of its task: placements without left-out rows cannot tell
    rows["why"] = split.where(~split.isin(SPLITS), "").where(split != "", np.where(known & (not update), "left_out", ""))
    rows["new"] = ~known
    # old rows keep their cluster, and a component with old rows is named after them
    rows["component"] = rows["cluster"]
    first: dict[str, str] = {}
    named = [cluster if side else "" for cluster, side in zip((c for _, c in then), rows["placed"], strict=True)]
    for component, cluster in zip(rows["component"], named, strict=True):
        if cluster and cluster <= first.get(component, cluster):
            first[component] = cluster
    kept = [c or first.get(component, component) for c, component in zip(named, rows["component"], strict=True)]
    rows["cluster"] = pd.Series(kept, index=rows.index, dtype=object)
    if not update:
        there = set(zip(rows["task"], rows["row"], strict=True))
        present = set(rows["task"])
        gone = pd.Series([task for task, row in before if task in present and (task, row) not in there], dtype=object)
        if len(gone):
            raise InputError(
                f"task {task}: {n} rows of the earlier run are no longer in the data; restore them, or accept the change with --update"
                for task, n in gone.value_counts().sort_index().items()
            )


def _place(rows: pd.DataFrame, shares: Mapping[str, Mapping[str, float]]) -> None:
    """Add ``split``: published and earlier rows where they are, new ones by whole components, or why they yield."""
    part = rows["component"] if "component" in rows else rows["cluster"]
    ours = (rows["given"] == "") & (rows["placed"] != "")
    sides: dict[str, str] = {}
    for component, side in zip(part[ours], rows.loc[ours, "placed"], strict=True):
        sides[component] = side if sides.get(component, side) == side else "both"
    pinned = pd.Series([sides.get(component, "") for component in part], index=rows.index, dtype=object)
    rows["split"] = rows["placed"].where(rows["placed"] != "", rows["given"])
    loose = (rows["split"] == "") & (rows["why"] == "")
    cannot = pd.Series(
        [p == "both" or (p in ("test", "dev") and p not in shares[t]) for p, t in zip(pinned, rows["task"], strict=True)],
        index=rows.index,
    )
    rows.loc[loose & cannot & ~rows["leaky"], "why"] = "yielded"
    rows.loc[loose & cannot, "split"] = "train"  # where they would have been
    loose &= ~cannot
    columns = [rows.loc[loose, c].tolist() for c in ("task", "label", "leaky", "new")]
    wanted = [
        Row((task, name), cluster, leaky, side, new)
        for task, name, leaky, new, cluster, side in zip(*columns, part[loose].tolist(), pinned[loose].tolist(), strict=True)
    ]
    rows.loc[loose, "split"] = pd.Series(place(wanted, shares), index=rows.index[loose], dtype=object)


def _task(name: str, read: _Read, rows: pd.DataFrame, cut: Cut) -> Task:
    """Return the Task of cut rows, capped, with what happened to them as facts."""
    source, facts = read.source, dict(read.facts)
    rows = rows.copy()
    for split, most in (("train", cut.max_train), ("dev", cut.max_held_out), ("test", cut.max_held_out)):
        side = rows[(rows["split"] == split) & (rows["why"] == "")]
        stay = cap(side, most, cut.seed)
        rows.loc[stay.index[~stay], "why"] = f"capped_{split}"
        if most:
            facts[f"cap_raised_{split}"] = max(0, int(stay.sum()) - most)
        facts[f"cut_{split}"] = int((stay & (side["given"] == "")).sum()) if split != "train" else 0
    kept = rows[rows["why"] == ""]
    facts |= {str(why): int(n) for why, n in rows.loc[rows["why"] != "", "why"].value_counts().items()}
    facts["would_drop"] = int(kept["would_drop"].sum())
    known = set(kept.loc[kept["split"] == "train", "label"])
    if faults := _unfit(source, rows, kept, known):
        raise InputError(faults)
    out = rows[rows["why"] != ""]
    return Task(
        name=name,
        labels=tuple(n for n in read.names if n in known),
        rows=kept[_ROWS].reset_index(drop=True),
        has_pair=source.pair is not None,
        metric=source.metric,
        delta=source.delta,
        private=bool(source.private),
        source=str(kept["source"].iloc[0]),
        facts={fact: n for fact, n in facts.items() if n},
        left_out=pd.DataFrame({"row": out["row"], "split": out["why"], "cluster": out["cluster"]}).reset_index(drop=True),
    )


def _unfit(source: Source, rows: pd.DataFrame, kept: pd.DataFrame, known: set[str]) -> list[str]:
    """Return why the kept rows of a task cannot be trained and scored: empty sides, labels that train lacks, one class."""
    empty = [split for split in SPLITS if not (kept["split"] == split).any()]
    faults = [f"{source.place}: no rows are left for {split}; give more rows or other splits" for split in empty]
    if "train" in empty:
        return faults
    for strange in sorted(set(kept["label"]) - known):
        where = kept.loc[kept["label"] == strange, "where"]
        lost = rows.loc[(rows["label"] == strange) & (rows["split"] == "train") & (rows["why"] != ""), "why"]
        cause = f" because {len(lost)} rows were left out of it ({', '.join(sorted(set(lost)))})" if len(lost) else ""
        faults.append(
            f"{source.place}: the label {shown(str(strange))} is in dev or test ({listed(where)}), train lacks it{cause}; "
            "add training rows of it, or remove these"
        )
    if len(known) < 2:
        faults.append(f"{source.place}: train should have two classes or more, found {len(known)}")
    return faults
