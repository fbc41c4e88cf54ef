"""What an answer names; and probabilities of options from those of tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cotrain.prompting.answers import normalised, of_tokens, option, reply

NLI = ("entailment", "contradiction", "neutral")
ADVICE = ("no_advice", "weak_advice", "strong_advice")


@pytest.mark.parametrize(
    "said",
    ["1", " 1", "(1)", "[1]", "1.", "1)", "1:", "**1**", '"1"', "1\n\nSENTENCE1: more", "\n1", "(1) contradiction", "1: contradiction",
     "1 contradiction", "1 (contradiction)", "contradiction", "Contradiction.", "CONTRADICTION", "(contradiction)", "b", "B", "(b)", "b)",
     "B. contradiction", "[B]", "ANSWER: 1", "Answer: contradiction", "contradiction, because they cannot both hold",
     "1. They cannot both hold.", "1 - contradiction"],
)  # fmt: skip
def test_numbers_names_and_letters_are_understood(said: str) -> None:
    assert option(said, NLI) == 1


@pytest.mark.parametrize(
    "said",
    ["", "   ", "3", "(7)", "-1", "1.5", "10", "d", "z", "It is 1", "the answer is (1)", "0 or 1", "(0) or (1)", "0, 1", "0/1", "0 and 2",
     "(1) neutral", "entailment or contradiction", "entailments", "A dog barks", "a dog", "I think b", "2 of them", "None", "?", "()",
     "not entailment", "contradictory"],
)  # fmt: skip
def test_anything_else_names_no_option(said: str) -> None:
    assert option(said, NLI) is None


@pytest.mark.parametrize(
    ("said", "place"), [("no advice", 0), ("No_Advice", 0), ("strong advice", 2), ("weak-advice", 1), ("advice", None)]
)
def test_names_are_read_as_people_write_them(said: str, place: int | None) -> None:
    assert option(said, ADVICE) == place


def test_a_name_that_holds_another_is_read_whole() -> None:
    labels = ("entailment", "not_entailment")
    assert [option(said, labels) for said in ("not entailment", "entailment", "1", "not_entailment.")] == [1, 0, 1, 1]


def test_numbers_are_those_of_options_even_where_labels_are_numbers() -> None:
    assert [option(said, ("1", "2", "3")) for said in ("0", "1", "2", "3")] == [0, 1, 2, None]


def test_names_that_differ_in_signs_alone_are_told_apart() -> None:
    assert [option(said, ("+", "-")) for said in ("0", "1", "-", "(0) +", "Answer: +", "+ or -", "wombat")] == [0, 1, 1, 0, 0, None, None]
    assert [option(said, ("-1", "1")) for said in ("0", "1", "-1", "1 1", "Answer: -1")] == [0, 1, 0, 1, 0]


def test_more_than_ten_options_have_two_digits() -> None:
    labels = tuple(f"intent_{chr(97 + i)}" for i in range(15))
    assert [option(said, labels) for said in ("1", "10", "(14)", "15", "intent k")] == [1, 10, 14, None, 10]


def test_tokens_that_are_the_same_digit_add_up_and_the_rest_is_left_out() -> None:
    top = [(" 0", math.log(0.3)), ("0", math.log(0.1)), ("1", math.log(0.2)), ("The", math.log(0.3))]
    found = of_tokens(top, 2)
    assert found is not None
    assert np.exp2(found) == pytest.approx([2 / 3, 1 / 3])


def test_an_option_that_is_not_listed_gets_the_least_that_is() -> None:
    found = of_tokens([("0", math.log(0.8)), ("x", math.log(0.1))], 2)
    assert found is not None
    assert np.exp2(found) == pytest.approx([8 / 9, 1 / 9])


@pytest.mark.parametrize(("top", "k"), [([("The", -0.1)], 2), ([], 2), ([("1", -0.1)], 11), ([("0", -math.inf)], 2)])
def test_without_an_option_among_the_tokens_nothing_is_known(top: list[tuple[str, float]], k: int) -> None:
    assert of_tokens(top, k) is None


def test_normalised_probabilities_sum_to_one_whatever_the_constant() -> None:
    for shift in (0.0, -800.0, 5.0):
        assert np.exp2(normalised(np.log([0.2, 0.3, 0.1]) + shift)) == pytest.approx([1 / 3, 1 / 2, 1 / 6])


def test_the_text_decides_and_log_probabilities_where_it_names_nothing() -> None:
    top = [("0", math.log(0.6)), ("1", math.log(0.4))]
    both = reply("0", top, NLI, 5, 1)
    assert both.option == 0 and both.log2_p is not None
    assert reply("neutral", top, NLI, 5, 1)[:2] == (2, None)  # the digits were not the answer
    silent = reply("Well,", top, NLI, 5, 1)
    assert silent.option == 0 and silent.log2_p == both.log2_p
    assert reply("Well,", [], NLI, 5, 1) == (None, None, 5, 1)
