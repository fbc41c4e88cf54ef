"""Pointwise V-usable information (Ethayarajh, Choi, Swayamdipta, ICML 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cotrain.errors import InputError


def prior(train_counts: Sequence[int]) -> np.ndarray:
    """Return (K,) log2 training frequencies: the best null model, in closed form; −inf for a label that train lacks.

    Raises:
        InputError: counts that are negative, or all 0.

    >>> prior([1, 1]).tolist()
    [-1.0, -1.0]
    """
    counts = np.asarray(train_counts, dtype=float)
    if not counts.sum() > 0 or (counts < 0).any():
        raise InputError(f"training rows per label should be 0 or more and not all 0, found {counts.tolist()}")
    with np.errstate(divide="ignore"):
        return np.log2(counts / counts.sum())


def entropy(train_counts: Sequence[int]) -> float:
    """Return the entropy in bits of the training labels.

    >>> entropy([2, 1, 1])
    1.5
    """
    counts = np.asarray(train_counts, dtype=float)
    there = counts[counts > 0] / counts.sum()
    return float(-(there * np.log2(there)).sum())


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
