"""Epochs are chosen by dev, each half of it by the other."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from cotrain import Fit, Group
from cotrain.errors import InputError
from cotrain.training.fit import Block
from cotrain.training.selection import SELECTIONS, chosen, cross_selected, goodness, half_of, macro_f1, null_bits, select_epoch


def fit(seed: int = 0, tasks: str = "ab", n: int = 40, epochs: int = 6, group: str = "") -> Fit:
    """A drawn fit: every epoch has predictions of its own."""
    random = np.random.default_rng(seed)
    blocks: dict[Any, Block] = {}
    for k, (task, split) in enumerate(product(tasks, ("dev", "test"))):
        gold = random.integers(0, 2, n)
        gold[:4] = [0, 1, 0, 1]
        right = random.beta(2, 1.5, (epochs, n))
        log2_p = np.log2(np.where(gold[None, :, None] == np.arange(2), right[..., None], 1 - right[..., None])).astype(np.float32)
        ids = np.array([f"{split}:{k}:{i}" for i in range(n)], dtype=object)
        blocks[task, split] = Block(ids, ids, gold, np.arange(2, 2 + epochs), log2_p)
    names = dict.fromkeys(tasks, ("no", "yes"))
    counts = dict.fromkeys(tasks, (30, 10))
    return Fit("k", Group.parse(group or "+".join(tasks)), 1, names, counts, blocks, pd.DataFrame(), {"updates": 1})


def value(block: Block, log2_p: np.ndarray, keep: np.ndarray, by: str) -> float:
    """The same by scikit-learn."""
    gold, p = block.gold[keep], np.exp2(log2_p[keep].astype(float))
    if by == "log_loss":
        null = log_loss(gold, np.tile([0.75, 0.25], (len(gold), 1)), labels=[0, 1])
        return -log_loss(gold, p / p.sum(axis=1, keepdims=True), labels=[0, 1]) / null
    guess = p.argmax(axis=1)
    return float(accuracy_score(gold, guess) if by == "accuracy" else f1_score(gold, guess, average="macro"))


@pytest.mark.parametrize("by", ["macro_f1", "accuracy", "log_loss"])
@pytest.mark.parametrize("seed", range(5))
def test_the_epoch_with_the_best_mean_over_the_members_is_chosen(by: str, seed: int) -> None:
    found = fit(seed)
    for half in (None, 0, 1):
        means = []
        for e in range(6):
            values = []
            for task in "ab":
                block = found.blocks[task, "dev"]
                keep = np.ones(40, dtype=bool) if half is None else half_of(block.clusters) == half
                values.append(value(block, block.log2_p[e], keep, by))
            means.append(np.mean(values))
        assert select_epoch(found, by, half=half) == 2 + int(np.argmax(np.round(means, 9)))


def test_only_real_members_count_unless_there_are_none() -> None:
    group = fit(3, group="a+b[permuted:1]")
    assert select_epoch(group, "log_loss") == select_epoch(group, "log_loss", tasks=["a"])
    blank = fit(3, tasks="a", group="a[blank]")
    assert select_epoch(blank, "accuracy") == select_epoch(blank, "accuracy", tasks=["a"])


def test_last_is_last_and_equals_are_the_first() -> None:
    found = fit(1, tasks="a")
    assert select_epoch(found, "last") == 7
    block = found.blocks["a", "dev"]
    flat = Block(block.rows, block.clusters, block.gold, block.epochs, np.repeat(block.log2_p[:1], 6, axis=0))
    same = Fit("k", found.group, 1, found.labels, found.train_counts, {**found.blocks, ("a", "dev"): flat}, found.history, found.cost)
    assert all(select_epoch(same, by) == 2 for by in ("macro_f1", "accuracy", "log_loss"))


@pytest.mark.parametrize("by", SELECTIONS)
def test_no_row_of_dev_helps_to_choose_its_own_epoch(by: str) -> None:
    found = fit(2)
    before = cross_selected(found, "a", by)
    for half in (0, 1):
        blocks = dict(found.blocks)
        for task in "ab":
            # the predictions of one half become perfect at another epoch
            block = blocks[task, "dev"]
            log2_p = block.log2_p.copy()
            rows = np.flatnonzero(half_of(block.clusters) == half)
            for e in range(6):
                log2_p[e, rows] = np.where(block.gold[rows, None] == np.arange(2), -0.01, -7.0) if e == 3 else [-1.0, -1.0]
            blocks[task, "dev"] = block._replace(log2_p=log2_p)
        after = cross_selected(Fit("k", found.group, 1, found.labels, found.train_counts, blocks, found.history, found.cost), "a", by)
        mine = half_of(before.clusters) == half
        np.testing.assert_array_equal(after.epoch[mine], before.epoch[mine])
        if by != "last":
            assert set(after.epoch[~mine]) == {5}, "the other half follows"


def test_test_is_read_at_the_epoch_that_all_of_dev_chooses() -> None:
    found = fit(4)
    for by in SELECTIONS:
        test = chosen(found, "b", "test", by)
        assert set(test.epoch) == {select_epoch(found, by)}
        np.testing.assert_array_equal(test.log2_p, found.blocks["b", "test"].at(select_epoch(found, by)))


def test_halves_go_by_cluster_and_are_alike_for_all_tasks() -> None:
    clusters = np.array([f"p{i // 3}" for i in range(3000)], dtype=object)
    halves = half_of(clusters)
    assert all(len(set(halves[i : i + 3])) == 1 for i in range(0, 3000, 3))
    assert 0.45 < halves.mean() < 0.55
    np.testing.assert_array_equal(half_of(clusters[::-1]), halves[::-1])


def test_a_half_without_a_class_leaves_the_choice_to_all_of_dev() -> None:
    found = fit(5, tasks="a")
    block = found.blocks["a", "dev"]
    lonely = np.zeros(40, dtype=np.int64)
    lonely[0] = 1
    blocks = {**found.blocks, ("a", "dev"): block._replace(gold=lonely)}
    one = Fit("k", found.group, 1, found.labels, found.train_counts, blocks, found.history, found.cost)
    without = 1 - int(half_of(block.clusters)[0])
    assert select_epoch(one, "accuracy", half=without) == select_epoch(one, "accuracy") != select_epoch(one, "accuracy", half=1 - without)


def test_a_member_that_lacks_a_class_in_a_half_leaves_the_halves_of_the_others_alone() -> None:
    found = fit(5)
    lonely = np.zeros(40, dtype=np.int64)
    lonely[0] = 1
    block = found.blocks["a", "dev"]._replace(gold=lonely)
    one = Fit("k", found.group, 1, found.labels, found.train_counts, {**found.blocks, ("a", "dev"): block}, found.history, found.cost)
    without = 1 - int(half_of(block.clusters)[0])
    total = np.zeros(len(block.epochs))
    for task in found.group.real:
        of = one.blocks[task, "dev"]
        keep = np.ones(40, dtype=bool) if task == "a" else half_of(of.clusters) == without
        total += [(log2_p[keep].argmax(axis=1) == of.gold[keep]).mean() for log2_p in of.log2_p]
    assert select_epoch(one, "accuracy", half=without) == block.epochs[np.round(total, 9).argmax()]


def test_a_metric_chooses_among_the_epochs_with_test_predictions() -> None:
    found = fit(6, tasks="a")
    block = found.blocks["a", "test"]
    few = {**found.blocks, ("a", "test"): block._replace(epochs=block.epochs[[1, 4]], log2_p=block.log2_p[[1, 4]])}
    one = Fit("k", found.group, 1, found.labels, found.train_counts, few, found.history, found.cost)
    assert select_epoch(one, lambda gold, log2_p: -float(log2_p[0, 0])) in (3, 6)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    gold, guess = np.array(pairs).T
    assert macro_f1(gold, guess, 4) == pytest.approx(f1_score(gold, guess, average="macro", zero_division=0))


def test_the_null_of_log_loss_is_the_label_frequency_of_train() -> None:
    gold = np.array([0, 0, 1])
    assert null_bits((30, 10), gold) == pytest.approx((2 * np.log2(4 / 3) + 2) / 3)
    frequency = np.log2(np.tile([0.75, 0.25], (3, 1)))
    assert goodness(frequency.astype(np.float32), gold, (30, 10), "log_loss") == pytest.approx(-1)


def test_unknown_selections_and_missing_epochs_are_named() -> None:
    with pytest.raises(InputError, match=r"'macro-f1'\. Did you mean 'macro_f1'"):
        select_epoch(fit(), "macro-f1")
    found = fit(7, tasks="a")
    block = found.blocks["a", "test"]
    few = {**found.blocks, ("a", "test"): block._replace(epochs=block.epochs[:1], log2_p=block.log2_p[:1])}
    with pytest.raises(InputError, match="epoch 7 are not stored"):
        chosen(Fit("k", found.group, 1, found.labels, found.train_counts, few, found.history, found.cost), "a", "test", "last")
    with pytest.raises(KeyError, match="stored"):
        block.at(99)
