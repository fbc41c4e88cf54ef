"""Where to cut: above which probability the second of two labels is given."""

from __future__ import annotations

import numpy as np

from cotrain.evaluation.metrics import LEAST_BITS, value

CHOSEN = ("half", "dev")
"""How: the likeliest label, which is one half; or the best for the metric of the task on dev."""
_GRID = np.arange(1, 100) / 100
_OF_PROBABILITIES = ("log_loss", "auprc", "calibration_error")
"""Metrics that no threshold changes; macro-F1 stands in for them."""


def threshold(metric: str, gold: np.ndarray, log2_p: np.ndarray) -> float:
    """Return the best threshold for a metric of (n,) gold labels and (n, 2) predictions, in hundredths; of equals the nearest to one half.

    >>> threshold("macro_f1", np.array([0, 0, 1, 1]), np.log2([[.9, .1], [.8, .2], [.7, .3], [.6, .4]]))
    0.29
    """
    by = "macro_f1" if metric in _OF_PROBABILITIES else metric
    p = np.exp2(log2_p[:, 1].astype(float))
    found = {t: value(by, gold, np.where(np.array([[False, True]]) == (p > t)[:, None], 0.0, LEAST_BITS)) for t in _GRID.tolist()}
    return float(max(found, key=lambda t: (round(found[t], 12), -abs(t - 0.5))))
