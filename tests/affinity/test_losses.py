"""Losses of fits: temperatures beside a search over all of them, and the share of the null model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax

from cotrain.affinity import losses
from cotrain.errors import InputError
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group


def predictions(n: int, sure: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 3) log2 p whose logits are ``sure`` times the right ones, and (n,) gold drawn from the right ones."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, 3))
    gold = np.array([random.choice(3, p=np.exp(row)) for row in log_softmax(logits, axis=1)])
    return log_softmax(sure * logits, axis=1) / np.log(2), gold


def test_the_temperature_has_the_least_loss_and_undoes_what_was_too_sure() -> None:
    log2_p, gold = predictions(4000, 3.0, 0)
    found = losses.temperature(log2_p, gold)
    grid = np.exp(np.linspace(-2, 2, 801))
    assert losses.nll(losses.scaled(log2_p, found), gold) <= min(losses.nll(losses.scaled(log2_p, t), gold) for t in grid) + 1e-9
    assert found == pytest.approx(3.0, rel=0.1)
    assert np.exp2(losses.scaled(log2_p, 7.0)).sum(axis=1) == pytest.approx(1.0)


def test_the_loss_on_test_is_scaled_on_dev_and_a_share_of_that_of_label_frequencies() -> None:
    """Probabilities that are three times too sure lose what the right ones lose."""
    counts, task = (50, 30, 20), "a"

    def fit(sure: float) -> Fit:
        blocks = {}
        for split, seed in (("dev", 1), ("test", 2)):
            log2_p, gold = predictions(3000, sure, seed)
            rows = np.array([f"{split}{i}" for i in range(len(gold))], dtype=object)
            blocks[task, split] = Block(rows, rows, gold, np.array([3]), log2_p[None].astype(np.float32))
        return Fit("k", Group.of([task]), 1, {task: ("x", "y", "z")}, {task: counts}, blocks, pd.DataFrame(), {})  # type: ignore[arg-type]

    right, gold = predictions(3000, 1.0, 2)
    null = -np.log2(np.array(counts) / 100)[gold].mean()
    with pytest.raises(InputError, match="training needs two labels, and each of the held-out rows"):
        losses.dev(replace(fit(3.0), train_counts={task: (50, 50, 0)}), task)
    assert losses.test(fit(3.0), task) == pytest.approx(losses.nll(right, gold) / null, abs=0.005)
    raw, held = predictions(3000, 3.0, 1)
    assert losses.dev(fit(3.0), task) == pytest.approx(losses.nll(raw, held) / -np.log2(np.array(counts) / 100)[held].mean(), rel=1e-4)
