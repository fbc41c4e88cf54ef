"""The studentised permutation test against SciPy's machinery, and its size where Welch's assumptions fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from cotrain.affinity.permutation import Units, p_of
from cotrain.affinity.pvi import relate
from cotrain.pvi.scores import Scores

Make = Callable[..., Scores]
RANDOM = np.random.default_rng(1)


def welch_t(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """The statistic, written down once more."""
    return np.asarray(stats.ttest_ind(x, y, axis=axis, equal_var=False).statistic)


def units(x: np.ndarray, y: np.ndarray) -> Units:
    return Units(np.concatenate([x, y]), np.ones(len(x) + len(y)), len(x))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_tiny_samples_are_exact(shift: float) -> None:
    x, y = RANDOM.normal(size=5), RANDOM.normal(shift, 2, size=8)
    truth = stats.permutation_test((x, y), welch_t, vectorized=True, n_resamples=np.inf, alternative="two-sided")
    both = np.mean(np.abs(truth.null_distribution) >= abs(truth.statistic) - 1e-9)
    assert p_of(units(x, y), np.random.default_rng(0)) == pytest.approx(both)


def test_larger_samples_are_drawn_and_agree_with_scipy_within_its_error(scores: Make) -> None:
    x, y = RANDOM.exponential(size=40), RANDOM.exponential(size=70) + 0.3
    line = relate(scores({"a": x[None], "b": y[None]}), "permutation").pairs.iloc[0]
    truth = stats.permutation_test((x, y), welch_t, vectorized=True, n_resamples=9999, rng=np.random.default_rng(3))
    both = np.mean(np.abs(truth.null_distribution) >= abs(truth.statistic))
    assert line["p"] == pytest.approx(both, abs=4 * (both * (1 - both) / 9999) ** 0.5)
    assert (line["test"], line["statistic"]) == ("permutation", pytest.approx(float(welch_t(x, y))))


def test_it_is_repeatable_and_the_seed_matters_little(scores: Make) -> None:
    table = scores({"a": RANDOM.normal(size=(1, 50)), "b": RANDOM.normal(0.4, 1, size=(1, 50))})
    one, again, other = (relate(table, "permutation", seed=s).pairs["p"][0] for s in (0, 0, 1))
    assert one == again != other and one == pytest.approx(other, abs=0.02)


def test_clusters_change_sides_as_a_whole(scores: Make) -> None:
    """Four copies of each row in a cluster say no more than the row."""
    x, y = RANDOM.normal(size=7), RANDOM.normal(0.8, 1, size=8)
    once = relate(scores({"a": x[None], "b": y[None]}), "permutation").pairs["p"][0]
    clusters = {"a": [f"a{i // 4}" for i in range(28)], "b": [f"b{i // 4}" for i in range(32)]}
    copies = scores({"a": np.repeat(x, 4)[None], "b": np.repeat(y, 4)[None]}, clusters=clusters)
    assert relate(copies, "permutation").pairs["p"][0] == pytest.approx(once, abs=1e-12)


def test_what_seeds_share_is_not_permuted_away(scores: Make) -> None:
    """Fits that differ as a whole: rows alone would show a difference, the seeds do not."""
    x = RANDOM.normal(size=(3, 400)) * 0.1 + np.array([[-0.5], [0.0], [0.5]])
    y = RANDOM.normal(size=(3, 400)) * 0.1 + np.array([[-0.3], [0.2], [0.7]])
    related = scores({"a": x, "b": y})
    rows = relate(scores({"a": x.mean(axis=0)[None], "b": y.mean(axis=0)[None]}), "permutation").pairs["p"][0]
    line = relate(related, "permutation").pairs.iloc[0]
    assert rows < 0.001 < 0.3 < line["p"] == relate(related, "welch").pairs["p"][0]


def test_tasks_without_variance_are_equal_or_different(scores: Make) -> None:
    same = relate(scores({"a": np.full((1, 20), 0.5), "b": np.full((1, 30), 0.5)}), "permutation").pairs.iloc[0]
    other = relate(scores({"a": np.full((1, 20), 0.5), "b": np.full((1, 30), 0.7)}), "permutation").pairs.iloc[0]
    assert (same["state"], same["p"]) == ("no variance", 1.0)
    assert other["state"] == "no variance" and other["p"] == pytest.approx(1e-4)
