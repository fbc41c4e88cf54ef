from __future__ import annotations

import doctest

import numpy as np
import pytest

from cotrain.evaluation import verdicts
from cotrain.evaluation.intervals import Difference
from cotrain.evaluation.verdicts import verdict


@pytest.mark.parametrize(
    ("value", "se", "p_adjusted", "word"),
    [
        (0.03, 0.01, 0.02, "gain"),
        (-0.03, 0.01, 0.02, "harm"),
        (0.004, 0.001, 0.001, "gain"),  # gain comes before equivalent
        (-0.004, 0.001, 0.001, "harm"),  # a small harm is harm
        (0.002, 0.005, 0.9, "equivalent"),
        (0.015, 0.01, 0.2, "not worse"),  # the 90 % interval reaches beyond +δ, not −δ
        (0.03, 0.01, 0.06, "not worse"),  # significant alone, not among the tasks of its plan
        (-0.01, 0.01, 0.5, "undecided"),
        (0.0, 0.02, 1.0, "undecided"),
        (0.0, 0.0, 1.0, "equivalent"),
    ],
)
def test_the_first_word_that_applies(value, se, p_adjusted, word):
    assert verdict(Difference(value, se, 50.0, 0.0), p_adjusted, delta=0.02) == word


def test_the_ends_of_the_90_percent_interval_decide():
    """With df 50 the 90 % interval of 0 has half-width 1.676 SE."""
    just, not_quite = 0.02 / 1.68, 0.02 / 1.67
    assert verdict(Difference(0.0, just, 50.0, 0.0), 1.0, 0.02) == "equivalent"
    assert verdict(Difference(0.0, not_quite, 50.0, 0.0), 1.0, 0.02) == "undecided"


def test_every_word_is_named():
    words = {verdict(Difference(v, 0.01, 50.0, 0.0), p, 0.02) for v in np.linspace(-0.05, 0.05, 41) for p in (0.01, 1.0)}
    assert words <= set(verdicts.VERDICTS) and len(words) >= 4


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(verdicts).failed == 0
