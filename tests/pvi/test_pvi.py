"""PVI in bits, the prior null, and worlds whose V-information is known."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from scipy import stats

from cotrain.errors import InputError
from cotrain.pvi.pvi import entropy, prior, pvi


def test_pvi_is_zero_where_the_text_changes_nothing_and_log2_of_the_odds_elsewhere() -> None:
    log2_p = np.log2([[0.5, 0.5], [0.25, 0.75], [0.25, 0.75]])
    assert pvi(log2_p, np.array([1, 1, 0]), np.log2([0.5, 0.5])) == pytest.approx([0, np.log2(1.5), -1])


def test_a_null_may_differ_by_row() -> None:
    log2_p = np.log2([[0.5, 0.5], [0.5, 0.5]])
    assert pvi(log2_p, np.array([0, 0]), np.log2([[0.5, 0.5], [0.25, 0.75]])) == pytest.approx([0, 1])


@pytest.mark.parametrize("k", [2, 3, 8])
def test_balanced_noise_free_classes_hold_log2_of_their_number(k: int) -> None:
    gold = np.repeat(np.arange(k), 5)
    log2_p = np.where(gold[:, None] == np.arange(k), 0.0, -60.0)
    assert pvi(log2_p, gold, prior([7] * k)).mean() == pytest.approx(np.log2(k))


def test_a_copied_label_with_error_e_holds_one_minus_its_binary_entropy() -> None:
    e, n = 0.1, 4000
    gold = np.repeat([0, 1], n // 2)
    token = np.where(np.tile(np.arange(n // 2) < e * n // 2, 2), 1 - gold, gold)  # exactly a tenth is wrong
    log2_p = np.log2(np.where(token[:, None] == np.arange(2), 1 - e, e))
    assert pvi(log2_p, gold, prior([1, 1])).mean() == pytest.approx(1 - stats.entropy([e, 1 - e], base=2))


def test_the_best_constant_is_the_training_frequency() -> None:
    counts = [20, 60, 20]
    assert -(2 ** prior(counts) * prior(counts)).sum() == pytest.approx(stats.entropy(counts, base=2)) == entropy(counts)


def test_a_label_that_train_lacks_has_no_finite_null() -> None:
    assert prior([4, 0]).tolist() == [0.0, -np.inf]
    assert entropy([4, 0]) == 0


@pytest.mark.parametrize("counts", [[0, 0], [3, -1], []])
def test_counts_that_are_none_are_refused(counts: list[int]) -> None:
    with pytest.raises(InputError, match="training rows per label"):
        prior(counts)


@pytest.mark.parametrize("module", [
    "pvi.pvi", "pvi.arrays", "affinity.tests", "grouping.options", "grouping.partition", "grouping.draft", "grouping.controls",
    "grouping.copies",
])  # fmt: skip
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"cotrain.{module}")).failed == 0
