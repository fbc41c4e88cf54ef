"""Means of tasks that share clusters: the joint bootstrap against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from cotrain.affinity.joint import joint


def _names(codes: np.ndarray, prefix: str = "") -> np.ndarray:
    return np.array([f"{prefix}{c}" for c in codes], dtype=object)


def _closed_form(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Return the cluster-robust correlation of two means: sums of deviations per cluster."""
    names = np.union1d(a, b)
    one, other = ([(v - v.mean())[c == name].sum() for name in names] for v, c in ((x, a), (y, b)))
    return float(np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))


def test_the_correlation_is_the_closed_form_of_partly_shared_clusters() -> None:
    random = np.random.default_rng(0)
    effect = random.normal(size=400)
    a, b = np.repeat(np.arange(0, 300), 2), np.arange(150, 400)
    x, y = effect[a] + random.normal(size=600), effect[b] + 0.5 * random.normal(size=250)
    found = joint([x, y], [_names(a), _names(b)])
    assert found.correlation[0, 1] == pytest.approx(_closed_form(x, y, a, b), abs=0.05)
    assert found.correlation[0, 1] > 0.3
    assert found.shared.tolist() == [[600, 150], [150, 250]], "rows in clusters of both tasks; the smaller count"


def test_tasks_without_shared_clusters_are_independent() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    found = joint([x, y], [_names(np.arange(50), "a"), _names(np.arange(50), "b")])
    assert found.correlation.tolist() == [[1, 0], [0, 1]] and found.shared[0, 1] == 0


def test_the_same_values_on_the_same_rows_have_correlation_one() -> None:
    x, rows = np.random.default_rng(0).normal(size=50), _names(np.arange(50))
    assert joint([x, x], [rows, rows]).correlation[0, 1] == pytest.approx(1)


def test_a_task_without_variance_has_no_covariance() -> None:
    rows = _names(np.arange(50))
    found = joint([np.ones(50), np.arange(50.0)], [rows, rows])
    assert found.correlation.tolist() == [[1, 0], [0, 1]]


def test_linked_tasks_are_drawn_together_so_that_their_correlations_fit() -> None:
    random = np.random.default_rng(3)
    effect, rows = random.normal(size=30), _names(np.arange(30))
    tasks = [effect + 0.05 * random.normal(size=30) for _ in range(6)]
    correlation = joint(tasks, [rows] * 6).correlation
    assert np.linalg.eigvalsh(correlation).min() > -1e-12
    assert (correlation > 0.9).all()


def test_neither_the_order_of_tasks_nor_of_rows_changes_anything() -> None:
    random = np.random.default_rng(0)
    a, b = np.arange(60), np.arange(30, 90)
    x, y = random.normal(size=(2, 60))
    shuffled = random.permutation(60)
    one = joint([x, y], [_names(a), _names(b)]).correlation[0, 1]
    assert joint([y, x], [_names(b), _names(a)]).correlation[1, 0] == pytest.approx(one, abs=1e-12)
    assert joint([x[shuffled], y], [_names(a[shuffled]), _names(b)]).correlation[0, 1] == pytest.approx(one, abs=1e-12)
    assert joint([x, y], [_names(a), _names(b)], seed=1).correlation[0, 1] != one


def test_a_task_far_from_the_others_does_not_change_their_correlation() -> None:
    random = np.random.default_rng(0)
    x, y, z = random.normal(size=(3, 40))
    rows = _names(np.arange(40))
    two = joint([x, y], [rows, rows]).correlation[0, 1]
    assert joint([x, z, y], [rows, _names(np.arange(40), "far"), rows]).correlation[0, 2] == two


def test_tasks_that_only_a_third_one_links_are_independent() -> None:
    random = np.random.default_rng(0)
    x, y, z = random.normal(size=(3, 40))
    found = joint([x, y, z], [_names(np.arange(start, start + 40)) for start in (0, 30, 60)])
    assert found.shared.tolist() == [[40, 10, 0], [10, 40, 10], [0, 10, 40]]
    assert found.correlation[0, 2] == 0 and found.correlation[0, 1] != 0
