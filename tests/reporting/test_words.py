import doctest

import pytest

from cotrain.reporting import words


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0041, "−.004"), (0.0, "0"), (1.0, "1.000"), (-1.23456, "−1.235"), (float("nan"), "–"), (None, "–")],
)
def test_numbers_have_true_minus_signs_and_no_leading_zero(value, text):
    assert words.number(value) == text


def test_an_estimate_reads_like_the_first_screen_of_the_issue():
    assert words.estimate(-0.004, -0.009, 0.001) == "−.004 [−.009, .001]"
    assert words.estimate(0.001, -0.004, 0.006, sign=True) == "+.001 [−.004, .006]"


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< .001"), (0.9996, "> .999"), (0.034, ".034")])
def test_probabilities_are_never_zero_or_one(p, text):
    assert words.probability(p) == text


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (250, "4 min 10 s"), (240, "4 min"), (720, "12 min"), (12000, "3 h 20 min")])
def test_durations_have_the_unit_that_fits(seconds, text):
    assert words.duration(seconds) == text


def test_a_list_of_names_ends_with_and():
    assert words.listing(["a"]) == "a"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.listing([]) == ""


def test_markdown_keeps_names_and_intervals_readable():
    from cotrain.reporting import markdown

    assert doctest.testmod(markdown).failed == 0
    assert markdown._bullets(["Best control `by_entropy` differs"]) == "- Best control `by_entropy` differs"
