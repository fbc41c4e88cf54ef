"""Components of rows that must stay together, and the cut of components into train, dev and test."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cotrain.errors import InputError
from cotrain.tasks.source import Cut

SMALLEST_CLASS = 3


def text_key(text: str, pair: str = "") -> str:
    """Return a hash of the whole rendered input without case, punctuation and blanks (METHOD: what counts as the same text).

    >>> text_key("No fever.") == text_key("no  FEVER") != text_key("fever")
    True
    """
    joined = unicodedata.normalize("NFKC", f"{text}\x1f{pair}").casefold()
    kept = "".join(c for c in joined if c.isalnum() or c == "\x1f")
    # a text of punctuation alone is compared as it is
    return hashlib.sha256((kept if kept.strip("\x1f") else joined).encode()).hexdigest()[:24]


def components(rows: pd.DataFrame, seed: int) -> pd.Series:
    """Return the component id of each row: rows that share a text key or a group, over all tasks, transitively.

    Args:
        rows: columns ``key`` and ``group`` (empty where there is none).
        seed: of the cut; part of the id, so that ids order components at random.
    """
    nodes, _ = pd.factorize(rows["key"])
    groups = "g:" + rows["group"].astype(str)
    groups = groups.where(rows["group"].astype(str) != "", "k:" + rows["key"])
    hubs, _ = pd.factorize(groups)
    edges = coo_matrix(
        (np.ones(len(rows), dtype=np.int8), (nodes, hubs + nodes.max() + 1)),
        shape=(nodes.max() + hubs.max() + 2,) * 2,
    )
    _, label = connected_components(edges, directed=False)
    part = pd.Series(label[nodes], index=rows.index)
    first = rows["key"].groupby(part).min()
    ids = {k: hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:12] for k, key in first.items()}
    return part.map(ids)


def place(rows: pd.DataFrame, cuts: Mapping[str, Mapping[str, float]]) -> pd.Series:
    """Return the split of each row: given ones stay, the others go by whole components until class quotas are full.

    Components are taken in the order of their ids (hashes); a component goes to a held-out side when at least half of
    its rows are still wanted there.

    Args:
        rows: columns ``task``, ``label``, ``cluster``, ``given`` (train, dev, test, or empty: to be placed).
        cuts: task to the shares still to be cut from its rows: ``{"dev": .2}``.

    Raises:
        InputError: a class too small to be on each side.
    """
    split = rows["given"].copy()
    loose = rows[split == ""]
    quota: dict[tuple[str, str, str], float] = {}
    faults = []
    for (task, label), count in loose.groupby(["task", "label"]).size().items():
        sides = cuts[task]
        if sides and count < SMALLEST_CLASS:
            faults.append(f"task {task}: class '{label}' has {count} rows; at least {SMALLEST_CLASS} are needed to be on each side")
        for side, share in sides.items():
            quota[task, label, side] = max(1, round(share * count)) if share else 0
    if faults:
        raise InputError(faults)
    # a component that an earlier run placed pulls the new rows with it
    fixed = rows[rows["placed"] != ""].groupby("cluster")["placed"].agg(set).to_dict()
    placed_now = split.to_numpy(dtype=object)
    strata = list(zip(rows["task"].to_list(), rows["label"].to_list(), strict=True))
    members: dict[str, list[int]] = {}
    for position, (cluster, given) in enumerate(zip(rows["cluster"].to_list(), rows["given"].to_list(), strict=True)):
        if given == "":
            members.setdefault(cluster, []).append(position)
    for cluster in sorted(members):
        part = members[cluster]
        if cluster in fixed:
            side = next(iter(fixed[cluster])) if len(fixed[cluster]) == 1 else "yield"
        else:
            wanted = {s: sum(quota.get((*strata[p], s), 0) > 0 for p in part) for s in ("test", "dev")}
            side = next((s for s, n in wanted.items() if 2 * n >= len(part)), "train")
        for p in part:
            placed_now[p] = side
            if (*strata[p], side) in quota:
                quota[*strata[p], side] -= 1
    split[:] = placed_now
    return split


def cap(labels: pd.Series, keys: pd.Series, most: int, least: int = 2) -> pd.Series:
    """Return which rows stay under a cap: stratified, by hash of the text, at least ``least`` per class.

    The cap is raised where the classes need more rows than it allows.
    """
    if not most or len(labels) <= most:
        return pd.Series(True, index=labels.index)
    order = keys.sort_values(kind="stable").index
    counts = Counter(labels)
    share = {y: max(min(least, n), round(most * n / len(labels))) for y, n in counts.items()}
    while sum(share.values()) > most and max(share.values()) > least:
        share[max(share, key=lambda y: (share[y], y))] -= 1
    rank = labels.loc[order].groupby(labels.loc[order]).cumcount()
    return (rank < labels.loc[order].map(share)).reindex(labels.index)


def shares(task: str, cut: Cut, overrides: Mapping[str, float | str], published: Sequence[str]) -> tuple[dict[str, str], dict[str, float]]:
    """Return (published split to side, side to share) of one source.

    Raises:
        InputError: a named split that the source does not have.
    """
    sides: dict[str, str] = {}
    cuts: dict[str, float] = {}
    faults = []
    for side in ("test", "dev"):
        wanted = overrides.get(side, getattr(cut, side))
        if isinstance(wanted, str) and set(published) <= {"train"}:
            cuts[side] = 0.2  # there is no published held-out split to name
        elif isinstance(wanted, str) and wanted not in published:
            faults.append(f"task {task}: {side} should be the split '{wanted}', found only {', '.join(published)}; set splits.{side}")
        elif isinstance(wanted, str):
            sides[wanted] = side
        elif not 0 < wanted < 1:
            faults.append(f"task {task}: splits.{side} should be a split's name or a share between 0 and 1, found {wanted}")
        else:
            cuts[side] = float(wanted)
    if published and "train" not in published:
        faults.append(f"task {task}: there should be a split 'train', found only {', '.join(published)}")
    if faults:
        raise InputError(faults)
    return sides, cuts
