from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cotrain.evaluation import power
from cotrain.evaluation.power import needed_rows, needed_seeds, smallest_delta


def test_the_factor_is_2_12():
    assert pytest.approx(2.12, abs=0.005) == power.FACTOR


def test_at_the_smallest_delta_a_harmless_task_passes_in_80_percent():
    """Normal differences with the assumed variance, judged by P(loss > δ) ≤ .1."""
    n, seeds = 700, 5
    delta, se = smallest_delta(n, seeds), math.sqrt(0.05 / n + 2 * 0.01**2 / seeds)
    drawn = np.random.default_rng(0).normal(0, se, 200_000)
    assert np.mean(stats.norm.cdf((-delta - drawn) / se) <= 0.1) == pytest.approx(0.8, abs=0.004)


@given(st.integers(50, 20_000), st.integers(1, 20), st.floats(0.005, 0.2), st.floats(0, 0.02))
def test_needed_rows_undo_the_smallest_delta(n, seeds, discordant, seed_sd):
    delta = smallest_delta(n, seeds, discordant, seed_sd)
    rows = needed_rows(delta, seeds, discordant, 2 * seed_sd**2)
    assert rows is not None and rows == pytest.approx(n, abs=1 + n * 1e-6)
    fewer = needed_rows(delta, seeds + 1, discordant, 2 * seed_sd**2)
    assert fewer is not None and fewer <= rows


def test_where_the_seeds_alone_forbid_it_no_rows_help_and_more_seeds_do():
    """Seeds of sd .03: two arms of 5 give SE .019, far above .02/2.12."""
    assert needed_rows(0.02, 5, 0.05, 2 * 0.03**2) is None
    more = needed_seeds(0.02, 2 * 0.03**2)
    assert more > 5 and needed_rows(0.02, more, 0.05, 2 * 0.03**2) is not None


def test_nothing_varies_so_one_row_is_enough():
    assert needed_rows(0.02, 1, 0.0, 0.0) == 1 and needed_seeds(0.02, 0.0) == 1


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(power).failed == 0
