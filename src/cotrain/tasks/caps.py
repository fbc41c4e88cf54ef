"""At most so many rows of a split, each class in its share."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

LEAST = 2


def cap(rows: pd.DataFrame, most: int, seed: int) -> pd.Series:
    """Return which rows stay under a cap: by hash of the text within each class, at least two of each class.

    The cap is raised where the classes need more rows than it allows.

    Args:
        rows: columns ``row``, ``label``, ``key``, and ``placed`` (rows of an earlier run, not empty, always stay).
        most: rows to keep; 0 keeps all.
    """
    if not most or len(rows) <= most:
        return pd.Series(True, index=rows.index)
    hashes = {key: hashlib.sha256(f"{seed}:{key}".encode()).hexdigest() for key in rows["key"].unique()}
    order = pd.DataFrame({"new": rows["placed"] == "", "hash": rows["key"].map(hashes), "row": rows["row"]}, index=rows.index)
    first = order.sort_values(["new", "hash", "row"], kind="stable").index
    counts = rows["label"].value_counts().sort_index()
    rank = rows["label"].loc[first].groupby(rows["label"].loc[first]).cumcount()
    stay = rank < rows["label"].loc[first].map(_kept(counts, most)).astype(int)
    return stay.reindex(rows.index) | (rows["placed"] != "")


def _kept(counts: pd.Series, most: int) -> pd.Series:
    """Return how many rows of each class stay: its share of ``most`` by largest remainders, at least two."""
    floor = np.minimum(LEAST, counts)
    exact = counts * most / counts.sum()
    kept = np.maximum(floor, np.floor(exact)).astype(int)
    while kept.sum() < most:
        kept[(exact - kept).where(kept < counts, -np.inf).idxmax()] += 1
    while kept.sum() > most and (kept > floor).any():
        kept[(kept - exact).where(kept > floor, -np.inf).idxmax()] -= 1
    return kept
