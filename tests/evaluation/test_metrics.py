"""Every metric equals scikit-learn's, with and without weights of the rows, also where a class is missing."""

from __future__ import annotations

import doctest
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from cotrain.evaluation import metrics


@st.composite
def predictions(draw, most: int = 5):
    """Gold, (S, n, K) log2 p and (B, n) positive weights; gold and guesses may lack classes, scores may be tied."""
    k = draw(st.integers(2, most))
    n, s = draw(st.integers(2, 30)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    present = draw(st.integers(1, k))
    gold = random.permutation(k)[:present][random.integers(0, present, n)]
    p = random.dirichlet(np.full(k, draw(st.sampled_from([0.3, 3.0]))), (s, n)).round(draw(st.integers(1, 4))) + 1e-3
    if draw(st.booleans()):
        p[:, :, 0] = 9.0  # one class is all that is guessed
    p /= p.sum(axis=2, keepdims=True)
    return gold, np.log2(p), random.exponential(size=(4, n))


def sklearn(metric: str, gold: np.ndarray, log2_p: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The metric as scikit-learn has it."""
    k = log2_p.shape[1]
    guess, p = log2_p.argmax(axis=1), np.exp2(log2_p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says that a class is missing, and counts 0
        if metric == "accuracy":
            return sk.accuracy_score(gold, guess, sample_weight=weight)
        if metric == "macro_f1":
            return sk.f1_score(gold, guess, average="macro", sample_weight=weight, zero_division=0)
        if metric == "positive_f1":
            return sk.f1_score(gold, guess, labels=[k - 1], average="macro", sample_weight=weight, zero_division=0)
        if metric == "mcc":
            return sk.matthews_corrcoef(gold, guess, sample_weight=weight)
        if metric == "log_loss":
            return sk.log_loss(gold, p, labels=range(k), sample_weight=weight) / np.log(2)
        if metric == "auprc":
            labels = [1] if k == 2 else sorted(set(gold))
            return np.mean([sk.average_precision_score(gold == y, log2_p[:, y], sample_weight=weight) for y in labels])
        specificity = float(metric.removeprefix("sensitivity_at_specificity_")) / 100
        wrong, right, _ = sk.roc_curve(gold == k - 1, log2_p[:, -1], sample_weight=weight, drop_intermediate=False)
        wrong, right = (np.nan_to_num(x) for x in (wrong, right))  # nan where a class is missing
        return right[wrong <= 1 - specificity + 1e-9].max()


KNOWN = [m for m in metrics.METRICS if m != "calibration_error"]


@pytest.mark.parametrize("metric", KNOWN)
@given(predictions())
@settings(max_examples=60, deadline=None)
def test_a_metric_equals_scikit_learn(metric, made):
    gold, log2_p, _ = made
    for p in log2_p:
        assert metrics.value(metric, gold, p) == pytest.approx(sklearn(metric, gold, p), abs=1e-9)


@pytest.mark.parametrize("metric", KNOWN)
@given(predictions())
@settings(max_examples=40, deadline=None)
def test_a_resampled_metric_equals_scikit_learn_with_these_weights(metric, made):
    gold, log2_p, weight = made
    if metric in metrics.WEIGHED:
        found = np.stack([metrics.WEIGHED[metric](gold, p, weight) for p in log2_p], axis=1)
    else:
        sums = weight @ metrics.columns(gold, log2_p)
        found = metrics.from_counts(metric, metrics.counts(sums, log2_p.shape[2]))
    assert found.shape == (len(weight), len(log2_p))
    for b, w in enumerate(weight):
        for s, p in enumerate(log2_p):
            assert found[b, s] == pytest.approx(sklearn(metric, gold, p, w), abs=1e-9)


def test_the_correlation_of_a_constant_guess_is_zero_under_single_precision_weights():
    """The difference of two equal sums is only nearly 0 there, and a ratio of two such numbers could be anything."""
    gold = np.arange(500) % 3
    log2_p = np.log2(np.tile([0.8, 0.1, 0.1], (1, 500, 1)))
    weight = np.random.default_rng(0).standard_exponential((200, 500), dtype=np.float32)
    sums = weight @ metrics.columns(gold, log2_p).astype(np.float32)
    assert (metrics.from_counts("mcc", metrics.counts(sums, 3)) == 0).all()


def test_a_probability_of_zero_gives_a_finite_loss():
    assert metrics.value("log_loss", np.array([0, 1]), np.array([[-np.inf, 0.0], [-1.0, -1.0]])) == (1074 + 1) / 2


def test_calibration_error_is_zero_for_honest_and_the_gap_for_over_sure_predictions():
    """Right in 8 of 10 rows with .8 is honest; with .95 it is .15 too sure."""
    gold = np.array([0] * 8 + [1] * 2)
    for confidence, gap in ((0.8, 0.0), (0.95, 0.15)):
        log2_p = np.log2(np.tile([confidence, 1 - confidence], (10, 1)))
        assert metrics.value("calibration_error", gold, log2_p) == pytest.approx(gap)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(metrics).failed == 0
