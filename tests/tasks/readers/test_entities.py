from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotrain.errors import InputError
from cotrain.tasks.readers.entities import MARKERS, Window, covering, marked, window

NOTE = "Seen today.  He denies\r\nchest pain, but has a non-smoker's cough!\n\nPlan: rest. Return if worse."
PAIN = (NOTE.index("chest"), NOTE.index("pain") + 4)
TEXTS = st.text(alphabet="ab .\r\n\t<e>/é", min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        (Window(10, "characters"), "denies <e> chest pain </e> , but has"),
        (Window(11, "characters"), "He denies <e> chest pain </e> , but has a"),
        (Window(8, "characters"), "denies <e> chest pain </e> , but"),  # half a token on either side is left out
        (Window(0, "characters"), "<e> chest pain </e>"),
        (Window(1, "tokens"), "denies <e> chest pain </e> ,"),
        (Window(3, "tokens"), "today. He denies <e> chest pain </e> , but has"),
        (Window(0, "tokens"), "<e> chest pain </e>"),
        (Window(0, "sentence"), "He denies <e> chest pain </e> , but has a non-smoker's cough!"),
        (Window(0, "document"), f"Seen today. He denies <e> chest pain </e> , but has {' '.join(NOTE[NOTE.index('a non') :].split())}"),
    ],
)
def test_a_window_shows_whole_tokens_on_one_line(around: Window, expected: str) -> None:
    assert marked(NOTE, *PAIN, around) == expected


def test_an_entity_in_a_token_is_marked_by_itself() -> None:
    begin = NOTE.index("smoker")
    assert marked(NOTE, begin, begin + 6, Window(14, "characters")) == "but has a non- <e> smoker </e> 's cough!"
    # the token is longer than the window: what touches the entity is left out with it
    assert marked(NOTE, begin, begin + 6, Window(2, "characters")) == "<e> smoker </e> 's"


def test_a_sentence_ends_with_the_entity_that_has_its_full_stop() -> None:
    begin = NOTE.index("rest.")
    assert marked(NOTE, begin, begin + 5, Window(0, "sentence")) == "Plan: <e> rest. </e>"


def test_markers_of_the_note_itself_are_broken() -> None:
    text = "a <e> b </e> c"
    assert marked(text, 6, 7, Window(100, "characters")) == "a < e> <e> b </e> < /e> c"
    assert marked(text, 0, len(text), Window(100, "characters")) == "<e> a < e> b < /e> c </e>"


@given(text=TEXTS, places=st.tuples(st.integers(0, 79), st.integers(1, 80)), size=st.integers(0, 30),
       unit=st.sampled_from(["characters", "tokens", "sentence", "document"]))  # fmt: skip
def test_every_row_has_its_entity_between_one_pair_of_markers_and_nothing_that_the_note_lacks(
    text: str, places: tuple[int, int], size: int, unit: str
) -> None:
    span = covering([places], text)
    if span is None:
        begin, end = places
        assert not begin < end <= len(text) or text[begin:end].isspace()
        return
    row = marked(text, *span, Window(size, unit))
    assert [row.count(marker) for marker in MARKERS] == [1, 1]
    before, entity, after = (part.split() for part in row.replace("</e>", "<e>").split("<e>"))

    def words(text: str) -> list[str]:
        return text.replace("</e>", "< /e>").replace("<e>", "< e>").split()

    assert "".join(entity) == "".join(words(text[slice(*span)]))
    left, right = (words(" ".join(part.split())) for part in (text[: span[0]], text[span[1] :]))
    assert before == left[len(left) - len(before) :] and after == right[: len(after)]  # whole tokens, the nearest ones
    for side in (before, after):
        seen = " ".join(side).replace("< ", "<")
        assert unit != "tokens" or len(seen.split()) <= size
        assert unit != "characters" or len(seen) <= size
    assert unit != "document" or (before, after) == (left, right)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [([(3, 5)], (3, 5)), ([(6, 8), (0, 2)], (0, 8)), ([(0, 8)], (0, 8)), ([], None), ([(3, 3)], None), ([(5, 3)], None),
     ([(-1, 2)], None), ([(7, 9)], None), ([(0, 1), (7, 9)], None), ([(2, 3)], None)],
)  # fmt: skip
def test_spans_are_covered_from_the_first_part_to_the_last_or_refused(
    spans: list[tuple[int, int]], expected: tuple[int, int] | None
) -> None:
    assert covering(spans, "ab cd ef") == expected


@pytest.mark.parametrize("written", ["100", "wide", "-3", "20tokens", "20 words", -1, True, ""])
def test_a_window_that_is_none_is_refused(written: int | str) -> None:
    with pytest.raises(InputError, match="window should be characters"):
        window(written)
