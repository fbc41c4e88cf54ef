"""Pointwise V-usable information (Ethayarajh, Choi, Swayamdipta, ICML 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def prior(train_counts: Sequence[int]) -> np.ndarray:
    """Return (K,) log2 training frequencies: the best null model, in closed form.

    >>> prior([1, 1]).tolist()
    [-1.0, -1.0]
    """
    counts = np.asarray(train_counts, dtype=float)
    return np.log2(counts / counts.sum())


def pvi(log2_p: np.ndarray, gold: np.ndarray, log2_null: np.ndarray) -> np.ndarray:
    """Return (n,) PVI in bits: log2 g'[x](y) − log2 g[∅](y) (Algorithm 1).

    Args:
        log2_p: (n, K) log2 probabilities of the model that sees inputs.
        gold: (n,) indices of the true labels.
        log2_null: (K,) or (n, K) log2 probabilities of the null model.

    >>> pvi(np.log2([[.5, .5], [.25, .75]]), np.array([0, 1]), prior([1, 1])).round(3).tolist()
    [0.0, 0.585]
    """
    rows = np.arange(len(gold))
    null = np.broadcast_to(log2_null, log2_p.shape)
    return np.asarray(log2_p[rows, gold] - null[rows, gold], dtype=float)
