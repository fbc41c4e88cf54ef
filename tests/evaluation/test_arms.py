from __future__ import annotations

import numpy as np
import pytest

from cotrain.evaluation import metrics
from cotrain.evaluation.arms import At, Epochs, arms
from cotrain.training.group import Group
from cotrain.training.selection import SELECTIONS, chosen

NAMES = ("macro_f1", "accuracy", "log_loss", "auprc")


def moving(fit, changed):
    """A fit whose epochs differ: the predictions of each are noise around the first."""
    random = np.random.default_rng(fit.seed)

    def move(log2_p):
        p = np.exp2(log2_p) * random.uniform(0.3, 1, log2_p.shape)
        return np.log2(p / p.sum(axis=2, keepdims=True))

    return changed(fit, move)


@pytest.mark.parametrize("by", SELECTIONS)
def test_what_is_compared_is_what_the_selection_chooses(world, changed, by):
    """Dev cross-selected, test at the epoch of all of dev; the epochs are chosen once for all tasks of a fit."""
    w = world({"a": (80, 30), "b": (60, 20)}, epochs=6, seeds=(1, 2))
    for fit in (moving(f, changed) for f in w.fits("a+b")):
        epochs = Epochs.of(fit, by)
        for task in fit.group.tasks:
            for split in ("dev", "test"):
                assert np.array_equal(epochs.predictions(fit, task, split), chosen(fit, task, split, by).log2_p)


def test_an_arm_has_the_metric_of_each_seed_and_higher_is_better(world):
    w = world({"a": (20, 300), "b": (20, 200)}, labels={"b": 3}, seeds=(1, 2, 3))
    trained = {group: [w.fit(group, seed) for seed in w.seeds] for group in map(Group.parse, ("a", "b", "a+b"))}
    epochs = {(group, fit.seed): Epochs.of(fit, "last") for group, fits in trained.items() for fit in fits}
    found = arms(trained, epochs, "test", {"a": NAMES, "b": NAMES}, resamples=300)
    assert {at.group.name + at.task for at in found} == {"aa", "bb", "a+ba", "a+bb"}
    for at, arm in found.items():
        blocks = [fit.blocks[at.task, "test"] for fit in trained[at.group]]
        values = [metrics.value(at.metric, b.gold, b.log2_p[-1].astype(float)) for b in blocks]
        sign = -1 if at.metric == "log_loss" else 1
        assert arm.values == pytest.approx(np.multiply(sign, values))
        assert arm.drawn.shape == (300,)
        assert arm.drawn.mean() == pytest.approx(arm.values.mean(), abs=0.03)


def test_a_task_has_the_same_arm_whatever_else_is_compared(world):
    w = world({"a": (80, 30), "b": (60, 20)}, seeds=(1, 2))
    groups = [Group.parse(name) for name in ("a", "b", "a+b")]
    trained = {group: [w.fit(group, seed) for seed in w.seeds] for group in groups}
    epochs = {(group, fit.seed): Epochs.of(fit, "last") for group, fits in trained.items() for fit in fits}
    at = At(groups[0], "a", "macro_f1")
    every = arms(trained, epochs, "dev", {"a": NAMES, "b": NAMES})[at]
    alone = arms({groups[0]: trained[groups[0]]}, epochs, "dev", {"a": ("macro_f1",)})[at]
    assert np.allclose(every.drawn, alone.drawn, atol=1e-6) and every.seed_variance == pytest.approx(alone.seed_variance, abs=1e-9)
