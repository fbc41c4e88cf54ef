"""Prompts have the shape of the paper's Tables 17 and 18, character for character."""

from __future__ import annotations

import pytest

from cotrain.prompting.form import Form, options, wrong_template
from cotrain.tasks.source import Source

TABLE_17 = """\
SENTENCE1: The lamp went out and nobody moved.

SENTENCE2: It was dark

QUESTION: Is this (0) entailment, (1) contradiction, or (2) neutral?

ANSWER: 0

SENTENCE1: She never opened the letter.

SENTENCE2: she read the letter

QUESTION: Is this (0) entailment, (1) contradiction, or (2) neutral?

ANSWER: 1

SENTENCE1: He asked whether the shop was open.

SENTENCE2: the shop was open

QUESTION: Is this (0) entailment, (1) contradiction, or (2) neutral?

ANSWER: 2

SENTENCE1: They had met before.

SENTENCE2: they were strangers

QUESTION: Is this (0) entailment, (1) contradiction, or (2) neutral?

ANSWER:"""
TABLE_18 = """\
CONTEXT: Walking was associated with better sleep.

QUESTION: Is this (0) no relationship, (1) correlation, (2) conditional causation, or (3) direct causation?

ANSWER: 1

CONTEXT: Salt raises blood pressure.

QUESTION: Is this (0) no relationship, (1) correlation, (2) conditional causation, or (3) direct causation?

ANSWER:"""


def test_a_pair_is_asked_about_as_in_table_17() -> None:
    form = Form.of(Source("cb", text="sentence1", pair="sentence2"), ["entailment", "contradiction", "neutral"])
    shots = [
        {"text": "The lamp went out and nobody moved.", "pair": "It was dark", "label": "entailment"},
        {"text": "She never opened the letter.", "pair": "she read the letter", "label": "contradiction"},
        {"text": "He asked whether the shop was open.", "pair": "the shop was open", "label": "neutral"},
    ]
    assert form.shots(shots) + form.block("They had met before.", "they were strangers") == TABLE_17


def test_a_text_is_asked_about_as_in_table_18() -> None:
    labels = ["no_relationship", "correlation", "conditional_causation", "direct_causation"]
    form = Form.of(Source("causal", text="context"), labels)
    shots = form.shots([{"text": "Walking was associated with better sleep.", "pair": "", "label": "correlation"}])
    assert shots + form.block("Salt raises blood pressure.") == TABLE_18


@pytest.mark.parametrize(
    ("text", "pair", "titles"),
    [("premise", None, ["PREMISE"]), ("{premise}", "hypothesis", ["PREMISE", "HYPOTHESIS"]),
     ("{premise} What was the {question}?", "{choice1} | {choice2}", ["TEXT", "PAIR"])],
)  # fmt: skip
def test_fields_are_named_after_their_columns_where_each_is_one(text: str, pair: str | None, titles: list[str]) -> None:
    block = Form.of(Source("t", text=text, pair=pair), ["no", "yes"]).block("a", "b")
    assert [line.partition(":")[0] for line in block.split("\n\n")] == [*titles, "QUESTION", "ANSWER"]


def test_two_options_have_no_comma() -> None:
    assert options(["no", "yes"]) == "(0) no or (1) yes"


def test_a_blank_row_leaves_no_blank_after_its_fields() -> None:
    form = Form.of(Source("t", text="a", pair="b"), ["no", "yes"])
    assert form.block("", "") == "A:\n\nB:\n\nQUESTION: Is this (0) no or (1) yes?\n\nANSWER:"


def test_a_task_may_have_a_template_of_its_own() -> None:
    form = Form.of(Source("t", prompt="Note: {text}\nWhich of {options}? {{x}}\nA:"), ["no", "yes"])
    assert form.block("{pair} stays", label="yes") == "Note: {pair} stays\nWhich of (0) no or (1) yes? {x}\nA: 1"


def test_placeholders_show_the_shape_and_no_text() -> None:
    shown = Form.of(Source("t", text="context"), ["no", "yes"]).placeholders()
    assert shown.count("QUESTION: Is this (0) no or (1) yes?") == 3
    assert shown.endswith("CONTEXT: <text of the row>\n\nQUESTION: Is this (0) no or (1) yes?\n\nANSWER:")


@pytest.mark.parametrize(
    ("template", "fault"),
    [("{premise} {options}", "prompt has {premise}"), ("{text}", "prompt should have {options}"),
     ("{options}", "prompt should have {text}"),
     ("{text", "braces"), ("{text} {options}", "")],
)  # fmt: skip
def test_templates_that_cannot_be_filled_are_refused(template: str, fault: str) -> None:
    found = wrong_template(template)
    assert found.startswith(fault) if fault.startswith("prompt") or not fault else fault in found
    assert bool(found) == bool(fault)
