"""Which published split is which side, and which rows must stay together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.placement import names_only
from cotrain.tasks.source import DEFAULT_SHARE, SPLIT_NAMES, Cut, Source


class Sides(NamedTuple):
    """Published split to side (``{"validation": "test"}``), and the shares still to be cut (``{"dev": .2}``)."""

    given: dict[str, str]
    shares: dict[str, float]


def sides(source: Source, cut: Cut, published: Sequence[str]) -> Sides:
    """Return what becomes of the published splits of one source.

    A source that has training rows alone is cut by .2 where ``cut`` names a split.

    Raises:
        InputError: a named split that the source does not have, one split on two sides, a share outside 0 to 1.
    """
    given: dict[str, str] = {}
    shares: dict[str, float] = {}
    faults = []
    # so many, or such names, are values of another column
    strange = len(published) > 10 or not names_only([split for split in published if not split.isdecimal()])
    found = f"{len(published)} values that are no names of splits" if strange else ", ".join(published) or "none"
    if unknown := sorted(set(source.splits) - {"test", "dev"}):
        faults.append(f"{source.place}: splits should have the keys test and dev, found {', '.join(unknown)}")
    for side in ("test", "dev"):
        wanted = source.splits.get(side, getattr(cut, side))
        if isinstance(wanted, str):
            split = SPLIT_NAMES.get(wanted.lower(), wanted)
            if set(published) <= {"train"} and side not in source.splits:
                shares[side] = DEFAULT_SHARE
            elif split == "train":
                faults.append(f"{source.place}: the split 'train' cannot be {side}; name another split or give a share")
            elif split not in published:
                faults.append(
                    f"{source.place}: {side} should be the published split '{wanted}', found the splits: {found}; "
                    f"set splits: {{{side}: NAME}} to one of them, or to a share to be cut from train"
                )
            elif split in given:
                faults.append(f"{source.place}: the split '{wanted}' cannot be test and dev at once")
            else:
                given[split] = side
        elif isinstance(wanted, bool) or not 0 < wanted < 1:
            faults.append(f"{source.place}: splits.{side} should be a split's name or a share between 0 and 1, found {wanted}")
        else:
            shares[side] = float(wanted)
    if published and "train" not in published:
        faults.append(f"{source.place}: there should be a split 'train', found the splits: {found}")
    if faults:
        raise InputError(faults)
    return Sides(given, shares)


def components(rows: pd.DataFrame, seed: int) -> pd.Series:
    """Return the id of the component of each row: rows that share a text or a group, over all tasks, transitively.

    Args:
        rows: columns ``key`` (of the text) and ``group`` (empty where there is none).
        seed: of the cut; part of the ids, so that sorting by them is a random order.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    texts, keys = pd.factorize(rows["key"])
    nodes = len(keys)
    groups, _ = pd.factorize(rows["group"])
    linked = (rows["group"] != "").to_numpy()
    size = nodes + (int(groups.max()) + 1 if len(groups) else 0)
    edges = coo_matrix((np.ones(linked.sum(), dtype=np.int8), (texts[linked], groups[linked] + nodes)), shape=(size, size))
    _, part = connected_components(edges, directed=False)
    # named by its smallest text, so that the order of rows and tasks does not matter
    first: dict[int, str] = {}
    for number, key in zip(part[:nodes].tolist(), keys, strict=True):
        first[number] = min(key, first.get(number, key))
    names = {number: hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:12] for number, key in first.items()}
    of_text = np.array([names[number] for number in part[:nodes]], dtype=object)
    return pd.Series(of_text[texts], index=rows.index, dtype=object)
