"""Metrics from (n,) gold and (n, K) log2 probabilities, as scikit-learn counts them, and their cluster bootstrap."""

from __future__ import annotations

import numpy as np

METRICS = ("macro_f1", "accuracy", "log_loss", "positive_f1", "mcc", "auprc")
HIGHER = {"log_loss": False}
PAPER = ("accuracy", "macro_f1", "log_loss")


def value(metric: str, gold: np.ndarray, log2_p: np.ndarray) -> float:
    """Return a metric; ``log_loss`` in bits, ``positive_f1`` and ``auprc`` of the last label."""
    if metric == "auprc":
        from sklearn.metrics import average_precision_score

        return float(average_precision_score(gold == log2_p.shape[1] - 1, log2_p[:, -1]))
    if metric == "log_loss":
        return float(-log2_p[np.arange(len(gold)), gold].mean())
    return float(from_counts(metric, *(c.sum(axis=0)[None] for c in row_counts(gold, log2_p)))[0])


def row_counts(gold: np.ndarray, log2_p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return per row (n, K) indicators: right, gold, guessed."""
    k = log2_p.shape[1]
    true = np.eye(k)[gold]
    guess = np.eye(k)[log2_p.argmax(axis=1)]
    return true * guess, true, guess


def from_counts(metric: str, right: np.ndarray, gold: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Return (B,) metric values from (B, K) weighted counts."""
    total = gold.sum(axis=1)
    if metric == "accuracy":
        return np.asarray(right.sum(axis=1) / total)
    both = gold + guess
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(both > 0, 2 * right / both, np.nan)
        if metric == "macro_f1":
            there = both > 0
            return np.asarray(np.where(there, np.nan_to_num(f1), 0).sum(axis=1) / there.sum(axis=1))
        if metric == "positive_f1":
            return np.nan_to_num(f1[:, -1])
        # Matthews correlation of K classes (Gorodkin 2004)
        covariance = right.sum(axis=1) * total - (gold * guess).sum(axis=1)
        spread = np.sqrt((total**2 - (guess**2).sum(axis=1)) * (total**2 - (gold**2).sum(axis=1)))
        return np.nan_to_num(np.where(spread > 0, covariance / spread, 0.0))


def weights(clusters: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return (B, n) row weights of a bootstrap over clusters."""
    _, index = np.unique(clusters.astype(str), return_inverse=True)
    n = int(index.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    return drawn[:, index].astype(np.float32)


def resampled(metric: str, gold: np.ndarray, log2_p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return (B,) values of a metric under (B, n) row weights."""
    if metric == "log_loss":
        nll = -log2_p[np.arange(len(gold)), gold]
        return np.asarray(weight @ nll / weight.sum(axis=1))
    if metric == "auprc":
        from sklearn.metrics import average_precision_score

        return np.array([average_precision_score(gold == log2_p.shape[1] - 1, log2_p[:, -1], sample_weight=w) for w in weight[:200]])
    return from_counts(metric, *((weight @ c.astype(np.float32)).astype(float) for c in row_counts(gold, log2_p)))
