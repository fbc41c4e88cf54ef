"""The exact partition, against brute force."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

import pytest

from cotrain.errors import InputError
from cotrain.grouping.partition import Cost, Groups, partition

Costs = Mapping[tuple[str, ...], Cost]


def subsets(names: Iterable[str], largest: int) -> list[tuple[str, ...]]:
    ordered = sorted(names)
    return [c for k in range(1, largest + 1) for c in combinations(ordered, k)]


def every_partition(tasks: tuple[str, ...]) -> Iterator[Groups]:
    """Yield all partitions of a set."""
    if not tasks:
        yield ()
        return
    first, rest = tasks[0], tasks[1:]
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            left = tuple(t for t in rest if t not in others)
            yield from (((first, *others), *more) for more in every_partition(left))


def brute(tasks: tuple[str, ...], cost: Costs, models: int | None) -> list[Groups]:
    """Return the two best partitions by trying all: least cost, then fewer groups, then the order of names."""
    found = []
    for groups in every_partition(tasks):
        if all(g in cost for g in groups) and (models is None or len(groups) <= models):
            total = tuple(sum(part) for part in zip(*(cost[g] for g in groups), strict=True))
            found.append((total, len(groups), groups))
    return [groups for _, _, groups in sorted(found)[:2]]


def instance(seed: int) -> tuple[tuple[str, ...], Costs, int | None]:
    """Return random tasks, groups with costs (in eighths: sums are exact), some of them ties, and a number of models."""
    chance = random.Random(seed)
    tasks = tuple("abcdefgh"[: chance.randint(1, 8)])
    share, largest, wide = chance.choice([0.3, 0.7, 1.0]), chance.randint(1, len(tasks)), chance.random() < 0.5
    cost: dict[tuple[str, ...], Cost] = {}
    for group in subsets(tasks, largest):
        if chance.random() < share:
            value = chance.randint(-20, 20) / 8
            cost[group] = (float(chance.choice([1, 1, 2])), value) if wide else (value,)
    return tasks, cost, chance.choice([None, 1, 2, 3, 5])


@pytest.mark.parametrize("seed", range(150))
def test_the_best_and_the_second_best_are_those_of_brute_force(seed: int) -> None:
    tasks, cost, models = instance(seed)
    truth = brute(tasks, cost, models)
    if truth:
        assert partition(tasks, cost, models) == truth
        fewest = partition(tasks, dict.fromkeys(cost, (1.0,)))[0]
        assert len(fewest) == min(len(groups) for groups in every_partition(tasks) if set(groups) <= set(cost))
    else:
        with pytest.raises(InputError, match="no partition"):
            partition(tasks, cost, models)


def test_neither_the_order_of_tasks_nor_of_groups_nor_names_in_a_group_matters() -> None:
    tasks, cost, _ = instance(5)
    turned = {tuple(reversed(group)): value for group, value in reversed(list(cost.items()))}
    assert partition(tuple(reversed(tasks)), turned) == partition(tasks, cost)


def test_the_first_number_of_a_cost_rules_and_no_small_one_is_lost_beside_a_large_one() -> None:
    cost = {("a",): (1.0, 0.0), ("b",): (1.0, 0.0), ("a", "b"): (1.0, 1e9)}
    assert partition("ab", cost)[0] == (("a", "b"),)
    near = {("a",): (1e6,), ("b",): (1e6,), ("a", "b"): (2e6 + 1e-3,)}
    assert partition("ab", near)[0] == (("a",), ("b",))


def test_groups_with_foreign_tasks_are_left_out() -> None:
    assert partition("a", {("a",): (1.0,), ("a", "z"): (0.0,), ("z",): (0.0,)}) == [(("a",),)]
    assert partition("", {}) == [()]


def test_sixteen_tasks_are_exact_and_more_are_refused() -> None:
    tasks = [f"t{i:02d}" for i in range(16)]
    chance = random.Random(0)
    cost = {group: (1.0, chance.random()) for group in subsets(tasks, 4)}
    best, second = partition(tasks, cost, 6)
    assert len(best) == 4 == len(second), "four groups of four are the fewest"
    with pytest.raises(InputError, match="up to 16 tasks, found 17"):
        partition([*tasks, "t16"], cost)


def test_costs_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="no partition"):
        partition("ab", {("a",): (1.0,)})
    with pytest.raises(InputError, match="finite"):
        partition("a", {("a",): (float("nan"),)})
