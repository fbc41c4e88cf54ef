"""A threshold is the best of all for its metric on the rows that it was chosen on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef, recall_score

from cotrain.evaluation.thresholds import threshold


def world(n: int = 300, rare: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return gold labels, log2 predictions, and p of the second label, which is too small for rare positives."""
    random = np.random.default_rng(5)
    gold = (random.random(n) < rare).astype(int)
    p = 1 / (1 + np.exp(2.5 - 2 * gold - random.normal(0, 1, n)))
    return gold, np.log2(np.stack([1 - p, p], axis=1)), p


@pytest.mark.parametrize(
    ("metric", "by"),
    [("macro_f1", lambda y, x: f1_score(y, x, average="macro")), ("positive_f1", f1_score), ("mcc", matthews_corrcoef),
     ("log_loss", lambda y, x: f1_score(y, x, average="macro")),
     ("sensitivity_at_specificity_90", lambda y, x: recall_score(y, x) * (recall_score(1 - y, 1 - x) >= 0.9))],
)  # fmt: skip
def test_no_other_threshold_is_better(metric: str, by: object) -> None:
    gold, log2_p, p = world()
    assert callable(by)
    found = threshold(metric, gold, log2_p)
    best = max(by(gold, (p > t / 100).astype(int)) for t in range(1, 100))
    assert by(gold, (p > found).astype(int)) == pytest.approx(best)
    assert best > by(gold, (p > 0.5).astype(int))


def test_of_equals_it_is_the_nearest_to_one_half() -> None:
    log2_p = np.log2([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8]])
    assert threshold("macro_f1", np.array([0, 0, 1]), log2_p) == 0.5
    assert threshold("macro_f1", np.array([0, 1, 1]), log2_p) == 0.19
