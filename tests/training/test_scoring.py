"""Predictions do not depend on batches, padding, or the precision of training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cotrain import Group
from cotrain.training import encoder
from cotrain.training.model import build, load_base
from cotrain.training.models import load, write
from cotrain.training.scoring import batches, pad, predict
from cotrain.training.train import Options, train

ROWS = [{"input_ids": [5, 6, 7], "token_type_ids": [0, 0, 1], "attention_mask": [1, 1, 1]},
        {"input_ids": [8], "token_type_ids": [1], "attention_mask": [1]}]  # fmt: skip


@pytest.mark.parametrize(("side", "second"), [("right", [8, 9, 9]), ("left", [9, 9, 8])])
def test_rows_are_padded_on_the_side_of_the_tokenizer(side: str, second: list[int]) -> None:
    tokens = SimpleNamespace(pad_token_id=9, pad_token_type_id=4, padding_side=side)
    batch = pad(ROWS, tokens)
    assert batch["input_ids"].tolist() == [[5, 6, 7], second]
    assert batch["attention_mask"].tolist()[1] == [int(i != 9) for i in second]
    assert batch["token_type_ids"].tolist()[1] == [1 if i == 8 else 4 for i in second]


@pytest.mark.parametrize("name", ["tiny_bert", "tiny_roberta"])
def test_each_row_is_predicted_as_if_it_were_alone(name: str, request: pytest.FixtureRequest, task: Callable[..., Any]) -> None:
    folder: Path = request.getfixturevalue(name)
    tokens = encoder.tokenizer(folder, 32)
    model = build(load_base(folder, "eager"), {"a": ("x", "y", "z")}, 1).eval()
    rows = encoder.encode(task("a", test=150).split("test"), False, tokens, 32)
    found = predict(model, "a", rows, tokens)
    assert found.dtype == np.float32 and found.shape == (150, 3)
    np.testing.assert_allclose(np.exp2(found).sum(axis=1), 1, atol=1e-5)
    for i in (0, 1, 77, 149):
        with torch.no_grad():
            logits = model.logits("a", **{k: torch.tensor([v]) for k, v in rows[i].items()})
        np.testing.assert_allclose(found[i], torch.log_softmax(logits[0], dim=0) / math.log(2), atol=1e-4)


def test_a_model_trained_in_bf16_is_scored_in_float32(task: Callable[..., Any], settings: Callable[..., Any], tmp_path: Path) -> None:
    """What the fit stored is what its weights, loaded in float32, predict."""
    tasks = {"a": task("a")}
    half, single = (settings(precision=precision, epochs=2) for precision in ("bf16", "fp32"))
    [fit] = train([Group.of("a")], tasks, half, [1], tmp_path / "fits", Options(1, extras=("weights",)))
    [other] = train([Group.of("a")], tasks, single, [1], tmp_path / "fits", Options(1))
    stored = fit.blocks["a", "test"].at(2)
    shared = load(write(fit, 2, tasks, half, tmp_path / "model"), precision="fp32")
    found = np.log2(shared.predict(tasks["a"].split("test")["text"].tolist())["a"])
    np.testing.assert_allclose(found, stored, atol=1e-5)
    assert 1e-5 < np.abs(stored - other.blocks["a", "test"].at(2)).max() < 0.5, "training itself should differ, a little"


def test_batches_of_a_budget_cover_the_rows_and_cost_least() -> None:
    """Brute force: every way to cut eight rows."""
    random = np.random.default_rng(0)
    for budget in (20, 60, 200):
        for _ in range(20):
            lengths = np.sort(random.integers(1, 21, 8))

            def cost(cuts: list[slice], lengths: np.ndarray = lengths, budget: int = budget) -> float:
                return sum((c.stop - c.start) * lengths[c.stop - 1] + budget / 20 for c in cuts)

            found = list(batches(lengths, budget))
            assert [i for c in found for i in range(c.start, c.stop)] == list(range(8))
            assert all((c.stop - c.start) * lengths[c.stop - 1] <= budget or c.stop - c.start == 1 for c in found)
            every = []
            for marks in itertools.product((0, 1), repeat=7):
                ends = [0, *(i + 1 for i, mark in enumerate(marks) if mark), 8]
                cuts = [slice(a, b) for a, b in itertools.pairwise(ends)]
                if all((c.stop - c.start) * lengths[c.stop - 1] <= budget for c in cuts):
                    every.append(cost(cuts))
            assert cost(found) <= 1.15 * min(every), "lengths are kept together, which can cost a little"
    assert list(batches(np.array([], dtype=int), 10)) == []
    assert list(batches(np.full(130, 7), None)) == [slice(0, 64), slice(64, 128), slice(128, 192)]
