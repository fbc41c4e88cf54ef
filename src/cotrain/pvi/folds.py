"""Folds of rows: whole clusters, each class in its share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np


def deal(clusters: Sequence[str], labels: Sequence[str], folds: int) -> np.ndarray:
    """Return (n,) the fold of each row, from 0: clusters in the order of their ids go where rows of their classes are fewest.

    Ids of clusters are hashes, so that their order is random, and the same whatever the order of the rows.

    >>> deal(["a", "b", "b", "c", "d"], ["no", "no", "no", "no", "yes"], 2).tolist()
    [0, 1, 1, 0, 0]
    """
    members: dict[str, list[str]] = defaultdict(list)
    for cluster, label in zip(clusters, labels, strict=True):
        members[cluster].append(label)
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(folds))
    place = {}
    for cluster in sorted(members):
        alike = np.sum([counts[label] for label in members[cluster]], axis=0)
        # of equals the smallest fold, of those the first
        place[cluster] = int(np.lexsort((np.sum(list(counts.values()), axis=0), alike))[0])
        for label in members[cluster]:
            counts[label][place[cluster]] += 1
    return np.array([place[cluster] for cluster in clusters], dtype=np.int64)
