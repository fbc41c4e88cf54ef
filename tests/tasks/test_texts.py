from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cotrain.tasks.texts import normalised, text_key


@pytest.mark.parametrize("other", ["no fever", "NO FEVER!", " No\tfever. ", "No-fever", "“No” fever…", "Ｎｏ ｆｅｖｅｒ", "no\u00a0fever"])
def test_case_punctuation_blanks_and_width_do_not_make_another_text(other: str) -> None:
    assert text_key("No fever.") == text_key(other)


@pytest.mark.parametrize("other", ["no fevers", "fever no", "no fevér", "no fever 2"])
def test_letters_digits_accents_and_order_do(other: str) -> None:
    assert text_key("no fever") != text_key(other)


def test_the_halves_of_a_pair_are_told_apart() -> None:
    assert text_key("a b") != text_key("a", "b") != text_key("", "ab")


def test_vowel_signs_of_other_scripts_are_kept() -> None:
    assert normalised("कि") != normalised("का")


def test_texts_of_punctuation_alone_are_compared_as_they_are() -> None:
    assert text_key("!!!") != text_key("???")
    assert text_key("🙂") != text_key("🙁")


@given(st.text())
def test_blanks_and_punctuation_around_a_text_never_matter(text: str) -> None:
    assume(normalised(text))
    assert text_key(text) == text_key(f"  “{text}…”")
