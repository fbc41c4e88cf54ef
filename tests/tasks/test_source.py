from __future__ import annotations

from collections.abc import Callable

import pytest

from cotrain.tasks.rendering import pieces
from cotrain.tasks.source import Cut, Source
from cotrain.tasks.splits import sides


def test_published_validation_is_test_and_dev_is_cut_from_train() -> None:
    assert sides(Source("t"), Cut(), ["train", "validation", "test"]) == ({"validation": "test"}, {"dev": 0.2})


def test_a_source_of_training_rows_alone_is_cut_twice() -> None:
    assert sides(Source("t"), Cut(), []) == ({}, {"test": 0.2, "dev": 0.2})
    assert sides(Source("t"), Cut(), ["train"]) == ({}, {"test": 0.2, "dev": 0.2})


def test_a_task_overrides_the_study() -> None:
    source = Source("t", splits={"test": "test", "dev": "dev"})
    assert sides(source, Cut(), ["train", "validation", "test"]) == ({"test": "test", "validation": "dev"}, {})


REFUSED = {
    "not published": (Source("t"), Cut(), ["train", "test"], ["'validation'", "train, test", "splits: {test: NAME}"]),
    "named by the task, not there": (Source("t", splits={"test": "test"}), Cut(), [], ["'test'", "found the splits: none"]),
    "one split on two sides": (Source("t"), Cut(dev="val"), ["train", "validation"], ["test and dev at once"]),
    "train as test": (Source("t"), Cut(test="train"), ["train", "test"], ["'train' cannot be test"]),
    "share of 0": (Source("t", splits={"dev": 0}), Cut(), ["train", "validation"], ["between 0 and 1", "found 0"]),
    "share of 1": (Source("t", splits={"dev": 1.0}), Cut(), ["train", "validation"], ["between 0 and 1"]),
    "not a number": (Source("t", splits={"dev": float("nan")}), Cut(), ["train", "validation"], ["between 0 and 1"]),
    "unknown side": (Source("t", splits={"valid": 0.2}), Cut(), ["train", "validation"], ["keys test and dev", "valid"]),
    "no train": (Source("t"), Cut(), ["validation"], ["a split 'train'"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_splits_that_are_not_there_are_refused(refused: Callable, case: str) -> None:
    source, cut, published, words = REFUSED[case]
    message = refused(sides, source, cut, published)
    for word in words:
        assert word in message


def test_a_template_is_text_and_columns() -> None:
    assert pieces("sentence 1") == [("", "sentence 1")]
    assert pieces("{a} | {{x}} {b.c}!") == [("", "a"), (" | {", None), ("x}", None), (" ", "b.c"), ("!", None)]


@pytest.mark.parametrize("template", ["{a", "a}", "{}", "{a:>5}", "{a!r}", "{{a}}"])
def test_templates_that_are_none_are_refused(refused: Callable, template: str) -> None:
    refused(pieces, template)
