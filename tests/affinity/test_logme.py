"""LogME beside a direct maximisation of the Gaussian evidence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from cotrain.affinity.logme import logme


def brute(x: np.ndarray, y: np.ndarray) -> float:
    """Return the largest log density per row of y ~ N(0, 1/β + X Xᵀ/α), over α and β."""

    def loss(logs: np.ndarray) -> float:
        covariance = np.exp(-logs[1]) * np.eye(len(y)) + np.exp(-logs[0]) * x @ x.T
        return float(-multivariate_normal.logpdf(y, np.zeros(len(y)), covariance))

    best = min((minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}) for start in ([0, 0], [3, 1])),
               key=lambda found: found.fun)  # fmt: skip
    return float(-best.fun / len(y))


@pytest.mark.parametrize(("n", "d"), [(30, 5), (12, 20)], ids=["more rows", "more columns"])
def test_it_is_the_largest_evidence_mean_over_labels(n: int, d: int) -> None:
    random = np.random.default_rng(n)
    x = random.normal(size=(n, d)) + 0.5
    gold = (x[:, 0] + 0.5 * random.normal(size=n) > 0.5).astype(int) + (x[:, 1] > 1)
    expected = np.mean([brute(x, (gold == k).astype(float)) for k in range(3)])
    assert logme(x, gold) == pytest.approx(expected, abs=1e-4)


def test_labels_that_the_features_tell_have_more_of_it_and_their_names_do_not_matter() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4))
    told = (x[:, 0] > 0).astype(int)
    assert logme(x, told) > logme(x, random.permutation(told))
    assert logme(x, told) == pytest.approx(logme(x, 1 - told), abs=1e-12)
    assert logme(x @ np.linalg.qr(random.normal(size=(4, 4)))[0], told) == pytest.approx(logme(x, told), abs=1e-9), "turned features"
