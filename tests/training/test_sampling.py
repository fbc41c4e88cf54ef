"""Batches: each row once per epoch, one task at a time, the order of a task its own."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotrain.training.sampling import ProportionalBatches, derived_seed

Lengths = dict[str, list[int]]
tasks = st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 50), min_size=1, max_size=60), min_size=1)


@given(lengths=tasks, size=st.integers(1, 9), seed=st.integers(0, 99), epoch=st.integers(0, 5))
def test_an_epoch_has_each_row_once_in_batches_of_one_task(lengths: Lengths, size: int, seed: int, epoch: int) -> None:
    batches = ProportionalBatches(lengths, size, seed)
    batches.set_epoch(epoch)
    found = list(batches)
    assert len(found) == len(batches)
    assert all(len({task for task, _ in batch}) == 1 and 1 <= len(batch) <= size for batch in found)
    assert sorted(chain.from_iterable(found)) == sorted((task, i) for task, rows in lengths.items() for i in range(len(rows)))
    assert found == list(batches), "an epoch can be drawn again"
    turned = ProportionalBatches(dict(reversed(lengths.items())), size, seed)
    turned.set_epoch(epoch)
    assert list(turned) == found, "the order in which tasks are named is nothing"


@given(lengths=tasks, size=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_batches_of_a_task_do_not_depend_on_its_company(lengths: Lengths, size: int, seed: int) -> None:
    together = list(ProportionalBatches(lengths, size, seed))
    for task, rows in lengths.items():
        alone = list(ProportionalBatches({task: rows}, size, seed))
        assert sorted(alone) == sorted(batch for batch in together if batch[0][0] == task)


def test_epochs_and_seeds_and_names_have_their_own_order() -> None:
    lengths = {"a": [5] * 40, "b": [5] * 40}
    orders = {}
    for seed in (1, 2):
        batches = ProportionalBatches(lengths, 40, seed)
        for epoch in (0, 1):
            batches.set_epoch(epoch)
            for (task, *_), order in ((batch[0], tuple(i for _, i in batch)) for batch in batches):
                orders[seed, epoch, task] = order
    assert len(set(orders.values())) == len(orders) == 8


def test_rows_of_like_length_are_together() -> None:
    random = np.random.default_rng(0)
    rows = random.integers(1, 100, 512).tolist()
    padded = [sum(max(rows[i] for _, i in batch) * len(batch) for batch in ProportionalBatches({"a": rows}, 16, seed)) for seed in range(3)]
    apart = sum(max(rows[i : i + 16]) * 16 for i in range(0, 512, 16))
    assert max(padded) < 1.2 * sum(rows) < 0.7 * apart


def test_seeds_depend_on_all_names_in_their_order() -> None:
    seeds = [
        derived_seed(1),
        derived_seed(2),
        derived_seed(1, "a"),
        derived_seed(1, "a", "b"),
        derived_seed(1, "b", "a"),
        derived_seed(1, "ab"),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derived_seed(42, "head", "rte") == derived_seed(42, "head", "rte")


@pytest.mark.parametrize(("n", "size", "batches"), [(1, 8, 1), (8, 8, 1), (9, 8, 2)])
def test_the_last_batch_may_be_smaller(n: int, size: int, batches: int) -> None:
    assert len(ProportionalBatches({"a": [1] * n}, size, 0)) == batches
