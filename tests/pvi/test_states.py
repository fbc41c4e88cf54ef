"""Not learned, over-fitted, collapsed: what may be said of a task and of a fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from cotrain.pvi.seeds import Moments, mean_with_seeds
from cotrain.pvi.states import collapsed, flat, interval, state
from cotrain.training.fit import Fit

GOLD = np.tile([0, 1], 20)


def moments(mean: float, se: float, df: float = 30) -> Moments:
    return Moments(mean, se, df, 1.0, se**2, 0.0, 31, 31, 1)


def test_the_interval_is_that_of_scipy() -> None:
    low, high = stats.t.interval(0.95, 12, loc=0.3, scale=0.1)
    assert interval(moments(0.3, 0.1, 12)) == pytest.approx((low, high))


def test_a_task_is_learned_if_its_lower_bound_is_above_zero() -> None:
    assert state(moments(0.30, 0.1), moments(0.30, 0.1))[0] == "ok"
    name, reason = state(moments(0.20, 0.1), moments(0.20, 0.1))
    assert name == "not_learned" and "0.200 bit" in reason and "−0.004" in reason


def test_exactly_no_information_is_not_learned() -> None:
    """A constant output has V-information 0 without any variance."""
    assert state(moments(0.0, 0.0), moments(0.0, 0.0))[0] == "not_learned"


def test_overfit_is_learned_at_its_best_epoch_and_surely_below_zero_at_the_scored_one() -> None:
    assert state(moments(0.3, 0.01), moments(-0.3, 0.01))[0] == "overfit"
    assert state(moments(0.3, 0.01), moments(-0.01, 0.01))[0] == "ok"
    assert state(moments(0.0, 0.01), moments(-0.3, 0.01))[0] == "not_learned"


def test_one_cluster_says_nothing() -> None:
    m = mean_with_seeds(np.full((2, 30), 0.9), np.array(["patient"] * 30, dtype=object))
    name, reason = state(m, m)
    assert name == "not_learned" and "30 held-out rows in 1 cluster" in reason


@pytest.mark.parametrize(("losses", "is_flat"), [
    ([1.01, 0.99, 0.985], True), ([1.0, 0.979, 1.0], False), ([np.nan, 0.99], True), ([np.nan, 0.5], False), ([np.nan], False),
])  # fmt: skip
def test_a_fit_is_flat_whose_training_loss_is_never_below_98_hundredths_of_the_label_entropy(
    fit: Callable[..., Fit], confident: Callable[..., np.ndarray], losses: list[float], is_flat: bool
) -> None:
    log2_p = np.stack([confident(GOLD, 0.6, 0.5)] * len(losses))
    assert flat(fit(log2_p, GOLD, train_bits=losses), "rte") is is_flat


def test_the_entropy_is_that_of_the_labels(fit: Callable[..., Fit], confident: Callable[..., np.ndarray]) -> None:
    """A loss of .6 bit is learning where labels are balanced, and none where one in ten is positive (.469 bit)."""
    log2_p = confident(GOLD, 0.6, 0.5)[None]
    assert not flat(fit(log2_p, GOLD, train_bits=[0.6]), "rte")
    assert flat(fit(log2_p, GOLD, train_bits=[0.6], counts=(90, 10)), "rte")


def test_a_constant_output_is_flat_whatever_the_loss(fit: Callable[..., Fit]) -> None:
    constant = np.log2(np.tile([[0.4, 0.6]], (40, 1)))[None]
    assert flat(fit(constant, GOLD, train_bits=[0.1]), "rte")


def test_one_row_of_dev_is_no_constant_output(fit: Callable[..., Fit]) -> None:
    assert not flat(fit(np.log2([[[0.4, 0.6]]]), GOLD[:1], train_bits=[0.1]), "rte")


def test_a_fit_collapsed_if_another_seed_learned(fit: Callable[..., Fit], confident: Callable[..., np.ndarray]) -> None:
    log2_p = confident(GOLD, 0.8, 0.5)[None]
    good, bad, failed = (
        fit(log2_p, GOLD, seed=1, train_bits=[0.3]), fit(log2_p, GOLD, seed=2, train_bits=[1.0]), fit(log2_p, GOLD, seed=3, failed="nan")
    )  # fmt: skip
    assert collapsed([good, bad, failed], "rte") == [2]
    assert collapsed([bad, failed], "rte") == [], "no seed learned: the task is not learned, no fit collapsed"
    assert collapsed([good, failed], "rte") == []


def test_accuracy_below_the_majority_class_is_no_collapse(fit: Callable[..., Fit], confident: Callable[..., np.ndarray]) -> None:
    wrong = confident(1 - GOLD, 0.7, 0.5)[None]
    good = confident(GOLD, 0.7, 0.5)[None]
    assert collapsed([fit(wrong, GOLD, seed=1, train_bits=[0.5]), fit(good, GOLD, seed=2, train_bits=[0.5])], "rte") == []
