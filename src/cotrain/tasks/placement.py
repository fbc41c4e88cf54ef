"""The cut of components into train, dev and test."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cotrain.errors import InputError

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")

SMALLEST_CLASS = 3
Stratum = tuple[str, str]  # task, label


class Row(NamedTuple):
    """What the cut needs to know of a row.

    Attributes:
        stratum: its task and label.
        cluster: rows of one cluster stay together.
        leaky: its text is in a published held-out split; it counts on test alone, elsewhere it will be dropped.
        pinned: the side on which an earlier run put its cluster, or empty.
        new: whether its task is new, so that each of its classes must be on each side.
    """

    stratum: Stratum
    cluster: str
    leaky: bool = False
    pinned: str = ""
    new: bool = True


@dataclass
class _State:
    """Sides of clusters, and rows per stratum and side, while the cut is made."""

    shares: Mapping[str, Mapping[str, float]]
    members: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    side: dict[str, str] = field(default_factory=dict)
    counts: dict[tuple[Stratum, str], int] = field(default_factory=lambda: defaultdict(int))
    quota: dict[tuple[Stratum, str], int] = field(default_factory=dict)

    def put(self, cluster: str, side: str, sign: int = 1) -> None:
        """Count a cluster on a side, or take it off again (``sign`` −1)."""
        self.side[cluster] = side
        for row in self.members[cluster]:
            if side == "test" or not row.leaky:
                self.counts[row.stratum, side] += sign

    def allowed(self, cluster: str) -> list[str]:
        """Return the sides that are cut in every task of a cluster; a published split takes no more rows."""
        tasks = {row.stratum[0] for row in self.members[cluster]}
        return [side for side in ("test", "dev") if all(side in self.shares[t] for t in tasks)] + ["train"]


def place(rows: Sequence[Row], shares: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the side of each row: whole clusters in the order of their ids (hashes) fill test, then dev, then train.

    The quotas are shares of each class of each task. A cluster goes to a held-out side while most of its rows
    are wanted there. At the end clusters move where a class would be missing on a side.

    Args:
        shares: task to the shares to be cut from its rows, such as ``{"test": .2, "dev": .2}``; dev is a share of the rest.

    Raises:
        InputError: a class of a new task with fewer than three rows, or in too few clusters to be on each side.
    """
    state = _State(shares)
    total: dict[Stratum, list[int]] = defaultdict(lambda: [0, 0])
    new: dict[str, bool] = {}
    pinned: dict[str, str] = {}
    for row in rows:
        state.members[row.cluster].append(row)
        total[row.stratum][0] += 1
        total[row.stratum][1] += not row.leaky
        new[row.stratum[0]] = row.new
        if row.pinned:
            pinned[row.cluster] = row.pinned
    _quotas(state, total, new)
    for cluster, side in pinned.items():
        state.put(cluster, side)
    for cluster in sorted(state.members.keys() - pinned.keys()):
        part = state.members[cluster]
        side = "train"
        for held_out in state.allowed(cluster)[:-1]:
            wanted = sum(state.quota[row.stratum, held_out] > state.counts[row.stratum, held_out] for row in part)
            if 2 * wanted > len(part):
                side = held_out
                break
        state.put(cluster, side)
    _cover(state, [stratum for stratum in total if new[stratum[0]] and shares[stratum[0]]], frozenset(pinned))
    return [state.side[row.cluster] for row in rows]


def _quotas(state: _State, total: Mapping[Stratum, Sequence[int]], new: Mapping[str, bool]) -> None:
    """Set how many rows of each stratum the held-out sides want; refuse classes that are too small."""
    faults = []
    for stratum, (count, clean) in total.items():
        task, label = stratum
        shares = state.shares[task]
        at_least = int(new[task])
        test = shares.get("test", 0.0)
        state.quota[stratum, "test"] = max(at_least, round(test * count)) if test else 0
        dev = shares.get("dev", 0.0)
        state.quota[stratum, "dev"] = max(at_least, round(dev * (1 - test) * clean)) if dev else 0
        have = count if "test" in shares else clean
        if new[task] and shares and have < SMALLEST_CLASS:
            why = f", {count - clean} more were dropped: their texts are in published held-out rows" if have < count else ""
            faults.append(
                f"task {task}: class {shown(label)} has {have} rows to be cut{why}; at least {SMALLEST_CLASS} are needed "
                "for each side to have one. Add rows, merge the class, or remove it"
            )
    if faults:
        raise InputError(faults)


def _cover(state: _State, strata: Sequence[Stratum], pinned: frozenset[str]) -> None:
    """Move clusters until every class is on each side that is cut, the rarest first; refuse where that is impossible."""
    where: dict[Stratum, list[str]] = defaultdict(list)
    lacking = [s for s in strata if any(not state.counts[s, side] for side in _needed(state, s))]
    rare = set(lacking)
    if not rare:
        return
    for cluster in sorted(state.members):
        for stratum in {row.stratum for row in state.members[cluster]} & rare:
            where[stratum].append(cluster)
    faults = []
    for stratum in sorted(lacking, key=lambda s: (len(where[s]), s)):
        for side in _needed(state, stratum):
            if not state.counts[stratum, side] and not _bring(state, stratum, side, [c for c in where[stratum] if c not in pinned]):
                faults.append(_uncuttable(state, stratum, side, where[stratum]))
    if faults:
        raise InputError(faults)


def _uncuttable(state: _State, stratum: Stratum, side: str, clusters: Sequence[str]) -> str:
    """Return why a class cannot be on a side."""
    rows = sum(row.stratum == stratum for c in clusters for row in state.members[c])
    tied = sum(side not in state.allowed(c) for c in clusters)
    why = f"; {tied} of them are shared with tasks whose {side} is published" if tied else ""
    return (
        f"task {stratum[0]}: class {shown(stratum[1])} cannot be on each side: its {rows} rows are in {len(clusters)} "
        f"separate texts or groups, none is left for {side}{why}. Add rows, merge the class, or remove it"
    )


def _needed(state: _State, stratum: Stratum) -> list[str]:
    """Return the sides on which a class must be: train and those that are cut."""
    return ["train", *state.shares[stratum[0]]]


def _bring(state: _State, stratum: Stratum, side: str, clusters: Sequence[str]) -> bool:
    """Move the smallest cluster with a stratum to a side if no other class loses its last row; say whether one moved."""
    for cluster in sorted(clusters, key=lambda c: len(state.members[c])):
        before = state.side[cluster]
        if before == side or side not in state.allowed(cluster):
            continue
        state.put(cluster, before, -1)
        state.put(cluster, side)
        there = {row.stratum for row in state.members[cluster]}
        if state.counts[stratum, side] and all(state.counts[s, before] or before not in _needed(state, s) for s in there):
            return True
        state.put(cluster, side, -1)
        state.put(cluster, before)
    return False


def names_only(found: Sequence[str]) -> bool:
    """Whether these may be names that somebody gave, as of columns: short and no numbers; else they may be the text of an example.

    >>> names_only(["id", "Report Text", "label"]), names_only(["1", "He denies pain."])
    (True, False)
    """
    return not any(len(name) > 40 or len(name.split()) > 4 or name[-1:] in tuple(".!?") or _NUMBER.fullmatch(name) for name in found)


def shown(label: str) -> str:
    """Return a label for a message; a long one may be a text in the wrong column and is not shown."""
    return f"'{label}'" if len(label) <= 40 else f"(a name of {len(label)} characters)"
