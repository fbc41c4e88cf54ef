"""Metrics from (n,) gold and (n, K) log2 probabilities, as scikit-learn counts them, under any weights of the rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

METRICS = (
    "macro_f1", "accuracy", "log_loss", "positive_f1", "mcc", "auprc", "sensitivity_at_specificity_90",
    "sensitivity_at_specificity_95", "calibration_error",
)  # fmt: skip
"""``log_loss`` is in bits; the positive label of ``positive_f1``, ``auprc`` and ``sensitivity_…`` is the last one;
``auprc`` of more than two labels is the mean over those that gold has."""
HIGHER = {"log_loss": False, "calibration_error": False}
"""Whether higher is better; it is, for every metric that is not named."""
ALWAYS = ("accuracy", "macro_f1", "log_loss")
"""What is shown beside the primary metric."""
PROBABILISTIC = ("log_loss", "auprc", "sensitivity_at_specificity_90", "sensitivity_at_specificity_95", "calibration_error")
"""Metrics that need probabilities; the others need the guessed label alone."""
ROW_MEANS = ("accuracy", "log_loss")
"""Metrics that are means over rows."""
BINS = 15
LEAST_BITS = -1074.0
"""A probability that underflowed to 0 counts as the smallest double, so that no loss is infinite."""


class Counts(NamedTuple):
    """Weighted sums over rows of S predictions: (…, S, K) right and guessed, (…, 1, K) gold, (…, S) bits of loss."""

    right: np.ndarray
    guess: np.ndarray
    gold: np.ndarray
    bits: np.ndarray


def columns(gold: np.ndarray, log2_p: np.ndarray) -> np.ndarray:
    """Return (n, K + S·(2K + 1)) columns of (S, n, K) predictions whose weighted sums :func:`counts` takes apart.

    A row of −inf guesses no label.
    """
    s, n, k = log2_p.shape
    true = gold[:, None] == np.arange(k)
    guess = (log2_p.argmax(axis=2)[..., None] == np.arange(k)) & (log2_p.max(axis=2, keepdims=True) > -np.inf)
    bits = -np.maximum(log2_p[:, np.arange(n), gold], LEAST_BITS)
    parts = np.concatenate([guess & true, guess, bits[..., None]], axis=2)
    return np.concatenate([true, parts.transpose(1, 0, 2).reshape(n, s * (2 * k + 1))], axis=1).astype(float)


def counts(sums: np.ndarray, k: int) -> Counts:
    """Return the Counts of (…, K + S·(2K + 1)) sums of :func:`columns`."""
    parts = sums[..., k:].reshape(*sums.shape[:-1], -1, 2 * k + 1)
    return Counts(parts[..., :k], parts[..., k : 2 * k], sums[..., None, :k], parts[..., 2 * k])


def from_counts(metric: str, c: Counts) -> np.ndarray:
    """Return (…, S) values of a metric that only needs Counts; what is undefined is 0, as in scikit-learn."""
    total = c.gold.sum(axis=-1)
    if metric == "accuracy":
        return np.asarray(c.right.sum(axis=-1) / total)
    if metric == "log_loss":
        return np.asarray(c.bits / total)
    if metric == "mcc":
        return _mcc(c, total)
    both = c.gold + c.guess
    f1 = 2 * c.right / np.where(both > 0, both, 1)
    return np.asarray(f1[..., -1] if metric == "positive_f1" else f1.sum(axis=-1) / (both > 0).sum(axis=-1))


def _mcc(c: Counts, total: np.ndarray) -> np.ndarray:
    """Return the Matthews correlation of K classes (Gorodkin 2004); 0 where one class is all of gold or all guesses."""
    covariance = c.right.sum(axis=-1) * total - (c.gold * c.guess).sum(axis=-1)
    none = total - c.guess.sum(axis=-1)  # a class of its own for rows without a guess
    spread = (total**2 - (c.guess**2).sum(axis=-1) - none**2) * (total**2 - (c.gold**2).sum(axis=-1))
    # counted, not compared with 0: under weights the difference of equal numbers is only nearly 0
    defined = ((c.guess > 0).sum(axis=-1) > 1) & ((c.gold > 0).sum(axis=-1) > 1) & (spread > 0)
    return np.asarray(np.where(defined, covariance / np.sqrt(np.where(defined, spread, 1)), 0.0))


def _passed(positive: np.ndarray, score: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, T) weights of the positive and of all rows at or above each distinct score, the highest first."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    ranked = weight[:, order].astype(float)
    return np.cumsum(ranked * positive[order], axis=1)[:, ends], np.cumsum(ranked, axis=1)[:, ends]


def _average_precision(positive: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return Σ (recall_i − recall_{i−1}) · precision_i."""
    if not positive.any():
        return np.zeros(len(weight))
    hits, passed = _passed(positive, score, weight)
    return np.asarray((np.diff(hits, axis=1, prepend=0) * hits / passed).sum(axis=1) / hits[:, -1])


def _auprc(gold: np.ndarray, log2_p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the area under the precision-recall curve of the last of two labels, else the mean over one against rest."""
    k = log2_p.shape[1]
    labels = [1] if k == 2 else np.unique(gold).tolist()
    return np.asarray(np.mean([_average_precision(gold == y, log2_p[:, y], weight) for y in labels], axis=0))


def _sensitivity(gold: np.ndarray, log2_p: np.ndarray, weight: np.ndarray, specificity: float) -> np.ndarray:
    """Return the largest sensitivity of a threshold on p of the last label with at least this specificity.

    The threshold is the best one of these very rows, in every arm alike.
    """
    positive = gold == log2_p.shape[1] - 1
    if not positive.any():
        return np.zeros(len(weight))
    hits, passed = _passed(positive, log2_p[:, -1], weight)
    wrong = passed - hits
    allowed = wrong <= (1 - specificity) * wrong[:, -1:] + 1e-9 * passed[:, -1:]
    return np.asarray(np.where(allowed, hits, 0).max(axis=1) / hits[:, -1])


def _calibration_error(gold: np.ndarray, log2_p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the expected calibration error of the guess, over bins of equal width (Guo et al., ICML 2017)."""
    guess = log2_p.argmax(axis=1)
    confidence = np.exp2(log2_p[np.arange(len(gold)), guess].astype(float))
    inside = np.minimum((confidence * BINS).astype(int), BINS - 1)[:, None] == np.arange(BINS)
    gaps = weight @ (inside * ((guess == gold) - confidence)[:, None])
    return np.asarray(np.abs(gaps).sum(axis=1) / weight.sum(axis=1))


WEIGHED: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "auprc": _auprc,
    "sensitivity_at_specificity_90": partial(_sensitivity, specificity=0.90),
    "sensitivity_at_specificity_95": partial(_sensitivity, specificity=0.95),
    "calibration_error": _calibration_error,
}
"""Metrics that need more than Counts: (n,) gold, (n, K) log2 p, (B, n) weights of the rows to (B,) values."""


def value(metric: str, gold: np.ndarray, log2_p: np.ndarray) -> float:
    """Return a metric of (n, K) predictions.

    >>> round(value("macro_f1", np.array([0, 1, 1]), np.log2([[.9, .1], [.8, .2], [.3, .7]])), 3)
    0.667
    """
    if metric in WEIGHED:
        return float(WEIGHED[metric](gold, log2_p, np.ones((1, len(gold))))[0])
    return float(from_counts(metric, counts(columns(gold, log2_p[None]).sum(axis=0), log2_p.shape[1]))[0])
