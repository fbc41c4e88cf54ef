"""Batches: each row once per epoch, one task at a time, the order of a task its own."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotrain.errors import InputError
from cotrain.training.sampling import Batches, counts, derived_seed
from cotrain.training.settings import Settings

Lengths = dict[str, list[int]]
tasks = st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 50), min_size=1, max_size=60), min_size=1)


@given(lengths=tasks, size=st.integers(1, 9), seed=st.integers(0, 99), epoch=st.integers(0, 5))
def test_an_epoch_has_each_row_once_in_batches_of_one_task(lengths: Lengths, size: int, seed: int, epoch: int) -> None:
    batches = Batches(lengths, size, seed)
    batches.set_epoch(epoch)
    found = list(batches)
    assert len(found) == len(batches)
    assert all(len({task for task, _ in batch}) == 1 and 1 <= len(batch) <= size for batch in found)
    assert sorted(chain.from_iterable(found)) == sorted((task, i) for task, rows in lengths.items() for i in range(len(rows)))
    assert found == list(batches), "an epoch can be drawn again"
    turned = Batches(dict(reversed(lengths.items())), size, seed)
    turned.set_epoch(epoch)
    assert list(turned) == found, "the order in which tasks are named is nothing"


@given(lengths=tasks, size=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_batches_of_a_task_do_not_depend_on_its_company(lengths: Lengths, size: int, seed: int) -> None:
    together = list(Batches(lengths, size, seed))
    for task, rows in lengths.items():
        alone = list(Batches({task: rows}, size, seed))
        assert sorted(alone) == sorted(batch for batch in together if batch[0][0] == task)


def test_epochs_and_seeds_and_names_have_their_own_order() -> None:
    lengths = {"a": [5] * 40, "b": [5] * 40}
    orders = {}
    for seed in (1, 2):
        batches = Batches(lengths, 40, seed)
        for epoch in (0, 1):
            batches.set_epoch(epoch)
            for (task, *_), order in ((batch[0], tuple(i for _, i in batch)) for batch in batches):
                orders[seed, epoch, task] = order
    assert len(set(orders.values())) == len(orders) == 8


def test_rows_of_like_length_are_together() -> None:
    random = np.random.default_rng(0)
    rows = random.integers(1, 100, 512).tolist()
    padded = [sum(max(rows[i] for _, i in batch) * len(batch) for batch in Batches({"a": rows}, 16, seed)) for seed in range(3)]
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
    assert len(Batches({"a": [1] * n}, size, 0)) == batches


def settings(**given: object) -> Settings:
    return Settings("encoder", batch_size=10, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("sampling", "given", "expected"), [
    ("proportional", {}, {"a": 10, "b": 40, "c": 90}),
    ("uniform", {}, {"a": 47, "b": 47, "c": 46}),
    ("sqrt", {}, {"a": 23, "b": 47, "c": 70}),
    ("temperature", {"temperature": 2.0}, {"a": 23, "b": 47, "c": 70}),
    ("temperature", {"temperature": 1.0}, {"a": 10, "b": 40, "c": 90}),
    ("temperature", {"temperature": 1.0, "sampling_cap": 100}, {"a": 47, "b": 47, "c": 46}),
    ("explicit", {"shares": {"a": 2, "b": 1, "c": 1}}, {"a": 70, "b": 35, "c": 35}),
])  # fmt: skip
def test_shares_of_an_epoch(sampling: str, given: dict[str, object], expected: dict[str, int]) -> None:
    """100, 400 and 900 rows in batches of 10: an epoch of 140 batches, divided by the share of each task."""
    assert counts({"a": 100, "b": 400, "c": 900}, settings(sampling=sampling, **given)) == expected


@given(rows=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3000), min_size=1),
       sampling=st.sampled_from(["proportional", "uniform", "sqrt", "temperature"]))  # fmt: skip
def test_an_epoch_is_as_long_whatever_its_shares_and_every_task_is_in_it(rows: dict[str, int], sampling: str) -> None:
    found, whole = counts(rows, settings(sampling=sampling)), counts(rows, settings())
    assert all(n >= 1 for n in found.values())
    assert sum(found.values()) == sum(whole.values())
    assert len(rows) > 1 or found == whole, "a task alone is trained on each row once, so that arms stay comparable"


@given(lengths=tasks, size=st.integers(1, 9), seed=st.integers(0, 99), number=st.integers(1, 30))
def test_batches_go_on_where_the_last_epoch_ended(lengths: Lengths, size: int, seed: int, number: int) -> None:
    """Over as many epochs as it takes every row of a pass comes once before any comes again."""
    batches = Batches(lengths, size, seed, dict.fromkeys(lengths, number))
    seen: dict[str, list[tuple[str, int]]] = {task: [] for task in lengths}
    by_pass: dict[str, set[tuple[tuple[str, int], ...]]] = {task: set() for task in lengths}
    for epoch in range(4):
        batches.set_epoch(epoch)
        for batch in batches:
            by_pass[batch[0][0]].add(tuple(batch))
            seen[batch[0][0]] += batch
    for task, rows in lengths.items():
        passes, rest = divmod(4 * number, -(-len(rows) // size))
        times = [seen[task].count((task, i)) for i in range(len(rows))]
        assert min(times) >= passes and max(times) <= passes + (rest > 0)


def test_tasks_on_the_same_rows_have_their_shares_together() -> None:
    chosen = settings(sampling="explicit", shares={"a": 1, "b": 1, "c": 2, "d": 100})
    assert counts({"a+b": 100, "c": 300}, chosen) == {"a+b": 20, "c": 20}
    with pytest.raises(InputError, match="lacks e"):
        counts({"a+e": 100, "c": 300}, chosen)


def test_a_share_that_is_not_named_is_an_error() -> None:
    with pytest.raises(InputError, match="lacks b, c"):
        counts({"a": 5, "b": 5, "c": 5}, settings(sampling="explicit", shares={"a": 1.0}))
    with pytest.raises(InputError, match="temperature should be at least 1"):
        settings(temperature=0.5)
