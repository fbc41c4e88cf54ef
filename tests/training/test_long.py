"""Texts longer than inputs: head and tail, and windows that overlap; the same in training, in scoring and in a model's folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain import Group, Task
from cotrain.tasks.readers.entities import MARKERS
from cotrain.training import encoder, models
from cotrain.training.ledger import fit_key
from cotrain.training.long import Windows, joined, shown, spread
from cotrain.training.scoring import predict
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train


def text(n: int, start: int = 0) -> str:
    """Words that say where they stand."""
    return " ".join(f"w{(start + i) % 40:02d}" for i in range(n))


@pytest.fixture
def tokens(tiny_bert: Path) -> Any:
    return encoder.tokenizer(tiny_bert, 64, MARKERS)


def encoded(tokens: Any, texts: list[str], how: Any, max_length: int = 12, pairs: list[str] | None = None) -> list[Any]:
    table = pd.DataFrame({"text": texts, "pair": pairs or [""] * len(texts)})
    return encoder.encode(table, pairs is not None, tokens, max_length, how)


def words(tokens: Any, row: Any) -> list[str]:
    assert {len(values) for values in row.values()} == {len(row["input_ids"])}
    found: list[str] = tokens.convert_ids_to_tokens(row["input_ids"])
    return found


def test_head_and_tail_leave_out_the_middle(tokens: Any) -> None:
    short, long = encoded(tokens, [text(10), text(30)], "head_tail")
    assert words(tokens, short) == ["[CLS]", *text(10).split(), "[SEP]"]
    assert words(tokens, long) == ["[CLS]", *text(5).split(), *text(5, 25).split(), "[SEP]"]
    [odd] = encoded(tokens, [text(30)], "head_tail", 13)
    assert words(tokens, odd) == ["[CLS]", *text(6).split(), *text(5, 25).split(), "[SEP]"]


@pytest.mark.parametrize("n", [11, 12, 18, 25, 39])
def test_windows_cover_the_text_in_order_and_overlap_by_a_quarter(tokens: Any, n: int) -> None:
    [row] = encoded(tokens, [text(n)], "windows")
    inside = [words(tokens, window)[1:-1] for window in row.all]
    assert row == row.all[0] and all(len(window) == 10 for window in inside)
    places = [int(window[0][1:]) for window in inside]
    assert all(window == text(10, start).split() for window, start in zip(inside, places, strict=True))
    assert places[0] == 0 and places[-1] == n - 10
    steps = np.diff(places)
    assert steps.max() <= 8 and steps.max() - steps.min() <= 1
    assert len(places) == math.ceil((n - 10) / 8) + 1, "no more windows than the overlap needs"


@pytest.mark.parametrize("how", ["head_tail", "windows"])
def test_the_second_text_keeps_half_of_the_room_or_what_a_short_first_one_leaves(tokens: Any, how: str) -> None:
    for n, m, kept in ((30, 3, 3), (30, 30, 5), (4, 30, 6), (2, 30, 8)):
        [row] = encoded(tokens, [text(n)], how, 13, [text(m, 20)])
        for window in row.all if isinstance(row, Windows) else [row]:
            found = words(tokens, window)
            middle = found.index("[SEP]")
            assert len(found) == 13 and found[middle + 1 : -1] == text(kept, 20).split()
            assert sum(window["token_type_ids"]) == kept + 1
        assert isinstance(row, Windows) == (how == "windows")


@pytest.mark.parametrize("how", ["head_tail", "windows"])
def test_rows_with_an_entity_are_cut_around_it_whatever_is_asked(tokens: Any, how: str) -> None:
    marked = f"{text(20)} <e> w39 </e> {text(20)}"
    assert encoded(tokens, [marked], how) == encoded(tokens, [marked], "beginning")


def test_training_sees_one_window_after_another(tokens: Any) -> None:
    short, long = encoded(tokens, [text(5), text(25)], "windows")
    assert [shown(long, turn) for turn in range(4)] == [*long.all, long.all[0]]
    assert all(shown(short, turn) == short for turn in range(3))


def test_means_over_windows_are_those_of_a_loop() -> None:
    rows: list[Any] = [{"a": [0]}, Windows([{"a": [1]}, {"a": [2]}, {"a": [3]}]), {"a": [4]}, Windows([{"a": [5]}, {"a": [6]}])]
    flat, owners = spread(rows)
    assert [row["a"] for row in flat] == [[i] for i in range(7)] and owners.tolist() == [0, 1, 1, 1, 2, 3, 3]
    values = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    expected = [values[owners == i].mean(axis=0) for i in range(4)]
    np.testing.assert_allclose(joined(values, owners), expected, rtol=1e-6)


@pytest.fixture(scope="module")
def long_task(task: Callable[..., Task]) -> Task:
    """A task whose label stands at the end of a text that is three times as long as inputs are."""
    plain = task("a", train=160, dev=16, test=32)
    random = np.random.default_rng(5)
    texts = [
        " ".join([*(f"w{i:02d}" for i in random.integers(2, 40, 26)), *["w01" if label == "yes" else "w00"] * 4])
        for label in plain.rows["label"]
    ]
    return replace(plain, rows=plain.rows.assign(text=texts))


@pytest.mark.parametrize(("how", "learned"), [("beginning", False), ("head_tail", True), ("windows", True)])
def test_what_stands_at_the_end_is_learned_where_it_is_read_and_a_folder_predicts_as_its_fit(
    long_task: Task, settings: Callable[..., Settings], tmp_path: Path, how: Any, learned: bool
) -> None:
    chosen = settings(max_length=12, long_texts=how, epochs=16 if how == "windows" else 6)
    [fit] = train([Group.of("a")], {"a": long_task}, chosen, [1], tmp_path / "fits", Options(workers=1, extras=("weights",)))
    block = fit.blocks["a", "test"]
    right = (block.log2_p[-1].argmax(axis=1) == block.gold).mean()
    assert (right >= 0.9) == learned, right
    np.testing.assert_allclose(np.exp2(block.log2_p).sum(axis=2), 1, atol=1e-5)
    shared = models.load(models.write(fit, int(block.epochs[-1]), {"a": long_task}, chosen, tmp_path / "model"), "cpu", "fp32")
    assert shared.about["long_texts"] == how
    found = shared.predict(long_task.split("test")["text"].tolist())["a"]
    np.testing.assert_allclose(np.log2(found), block.log2_p[-1], atol=1e-4)


def test_a_row_in_windows_has_the_mean_of_their_log_probabilities(
    long_task: Task, settings: Callable[..., Settings], trained: Callable[..., Any], tokens: Any
) -> None:
    _, model = trained(Group.of("a"), {"a": long_task}, settings(max_length=12, long_texts="windows", epochs=2))
    rows = encoder.encode(long_task.split("test"), False, tokens, 12, "windows")
    found = predict(model, "a", [{"input_ids": [2, 5, 3], "token_type_ids": [0] * 3, "attention_mask": [1] * 3}, *rows], tokens)
    for row, log2_p in zip(rows, found[1:], strict=True):
        mean = predict(model, "a", list(row.all), tokens).mean(axis=0)  # type: ignore[attr-defined]
        p = np.exp2(mean) / np.exp2(mean).sum()
        np.testing.assert_allclose(np.exp2(log2_p), p, atol=1e-5)


def test_fits_of_before_are_found_and_each_way_is_another_fit(long_task: Task, settings: Callable[..., Settings]) -> None:
    keys = {
        how: fit_key(Group.of("a"), {"a": long_task}, settings(long_texts=how), "encoder", 1, None)
        for how in ("beginning", "head_tail", "windows")
    }
    assert len(set(keys.values())) == 3
    before = replace(settings(), long_texts="beginning")
    assert fit_key(Group.of("a"), {"a": long_task}, before, "encoder", 1, None) == keys["beginning"]
