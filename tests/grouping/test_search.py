"""Three ways to the best partition: they agree where they apply, and none is worse than a greedy one beyond."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.partition import NoPartition, partition
from cotrain.grouping.plan import Plan
from cotrain.grouping.programming import Candidates, program
from cotrain.grouping.search import Problem
from cotrain.grouping.statistics import Statistics

Make = Callable[..., Affinity]


def means(n: int, seed: int) -> dict[str, float]:
    return {f"t{i:03d}": float(v) for i, v in enumerate(np.random.default_rng(seed).normal(0.5, 0.3, n))}


def sizes(n: int, seed: int) -> dict[str, float]:
    return {f"t{i:03d}": float(v) for i, v in enumerate(np.random.default_rng(seed).integers(50, 900, n))}


def spread(affinity: Affinity, groups: list[tuple[str, ...]]) -> float:
    table = affinity.tasks.set_index("task")
    n, mean = (table[c].astype(float).to_dict() for c in ("n", "mean_bits"))
    total = 0.0
    for g in groups:
        centre = sum(n[t] * mean[t] for t in g) / sum(n[t] for t in g)
        total += sum(n[t] * (mean[t] - centre) ** 2 for t in g)
    return total


def greedy(affinity: Affinity, models: int, limit: int) -> list[tuple[str, ...]]:
    """Return the partition that comes of merging again and again the two groups whose union adds least dispersion."""
    groups = [(t,) for t in affinity.tasks["task"]]
    n, mean = (affinity.tasks[c].to_numpy(dtype=float, copy=True) for c in ("n", "mean_bits"))
    while len(groups) > models:
        size = np.array([len(g) for g in groups])
        added = n[:, None] * n / (n[:, None] + n) * (mean[:, None] - mean) ** 2
        added[np.tri(len(n), dtype=bool) | (size[:, None] + size > limit)] = np.inf
        a, b = np.unravel_index(added.argmin(), added.shape)
        mean[a], n[a], groups[a] = np.average(mean[[a, b]], weights=n[[a, b]]), n[a] + n[b], groups[a] + groups[b]
        n, mean = np.delete(n, b), np.delete(mean, b)
        del groups[b]
    return groups


def shared(plan: Plan) -> list[tuple[str, ...]]:
    return [s.group.tasks for s in plan.servings]


@pytest.mark.parametrize("seed", range(40))
def test_integer_programming_is_the_table_of_all_subsets(seed: int) -> None:
    chance = random.Random(seed)
    n, wide, models = chance.randint(2, 10), chance.random() < 0.5, chance.choice([None, 2, 4, 6])
    sets = [s for k in range(1, n + 1) for s in combinations(range(n), k) if k == 1 or chance.random() < 0.6]
    first = chance.choice([1.0, -1.0])
    costs = [((first,) if wide else ()) + (0.0 if len(s) == 1 else chance.uniform(-1, 2),) for s in sets]
    flat, starts = np.array([i for s in sets for i in s]), np.cumsum([0, *map(len, sets)])
    names = "abcdefghij"[:n]
    of = {tuple(names[i] for i in s): c for s, c in zip(sets, costs, strict=True)}
    try:
        truth = partition(names, of, models)
    except NoPartition:
        with pytest.raises(NoPartition):
            program(n, Candidates(flat, starts, np.array(costs)), models)
        return
    found = program(n, Candidates(flat, starts, np.array(costs)), models)
    assert len(found) == len(truth)
    for mine, theirs in zip(found, truth, strict=True):
        totals = (np.sum([of[tuple(names[i] for i in g)] for g in mine], axis=0), np.sum([of[g] for g in theirs], axis=0))
        assert totals[0] == pytest.approx(totals[1], abs=1e-7)
    assert len(found) == 1 or found[0] != found[1]


@pytest.mark.parametrize("seed", range(12))
def test_neighbours_are_the_optimum_without_limit_and_with_equal_sizes(affinity: Make, seed: int) -> None:
    n = 4 + seed % 9
    for rows, limit in ((sizes(n, seed), None), (200.0, 2 + seed % 4)):
        related = affinity(means(n, seed), n=rows)
        statistics = Statistics.of(related)
        problem = Problem(statistics, tuple((t,) for t in statistics.names), None, np.zeros((n, n), dtype=bool), limit)
        models = -(-n // 2)
        assert problem._neighbours_are_best
        line, table = problem._neighbours(models), problem.search(models).partitions
        assert spread(related, list(line[0])) == pytest.approx(spread(related, list(table[0])), abs=1e-9)
        assert len(set(line)) == len(line)


def test_with_unequal_sizes_and_a_limit_they_need_not_be(affinity: Make) -> None:
    """Two heavy tasks a bit apart: each takes a light one rather than the other heavy one."""
    related = affinity({"a": 0.0, "b": 0.1, "c": 1.0, "d": 3.0}, n={"a": 2.0, "b": 2.0, "c": 9000.0, "d": 9000.0})
    [plan] = group(related, Options(rule="any", models=2, objective="budget", largest=2))
    assert shared(plan) == [("a", "c"), ("b", "d")]
    statistics = Statistics.of(related)
    assert not Problem(statistics, tuple((t,) for t in "abcd"), None, np.zeros((4, 4), dtype=bool), 2)._neighbours_are_best


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("each", [1, 0, -1])
def test_neighbours_are_the_best_and_the_second_best_of_all_runs(affinity: Make, seed: int, each: int) -> None:
    """Under a rule, a limit and what is apart; every way to cut the sorted means is tried."""
    n, models, limit = 8, 4 + seed % 5, 2 + seed % 3
    related = affinity(means(n, seed), n=sizes(n, seed))
    statistics = Statistics.of(related)
    apart = statistics.apart(Options(apart=(("t000", "t001"),)))
    far = np.abs(statistics.difference) > 0.4
    problem = Problem(statistics, tuple((t,) for t in statistics.names), lambda s: ~statistics.any_pair(far, s), apart, limit, each)
    order = sorted(statistics.names, key=lambda t: float(statistics.tasks.mean[statistics.names.index(t)]))
    every = []
    for cuts in (c for k in range(n) for c in combinations(range(1, n), k)):
        runs = [tuple(order[a:b]) for a, b in pairwise((0, *cuts, n))]
        where = [statistics.positions(g) for g in runs]
        ok = all(len(g) <= limit and not (far | apart)[np.ix_(w, w)].any() for g, w in zip(runs, where, strict=True))
        if ok and len(runs) <= models:
            every.append((each * len(runs), spread(related, runs)))
    if not every:
        with pytest.raises(NoPartition):
            problem._neighbours(models)
        return
    found = [(each * len(groups), spread(related, list(groups))) for groups in problem._neighbours(models)]
    assert found == [pytest.approx(one) for one in sorted(every)[: len(found)]]
    assert len(found) == min(2, sum(1 for one in every if each <= 0 or one[0] == min(every)[0]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [18, 24])
def test_beyond_sixteen_tasks_it_is_exact_and_never_worse_than_greedy(affinity: Make, seed: int, n: int) -> None:
    related = affinity(means(n, seed), n=sizes(n, seed))
    models = n // 3
    [plan] = group(related, Options(rule="any", objective="budget", models=models))
    assert plan.models <= models and plan.tasks == tuple(sorted(related.tasks["task"]))
    assert spread(related, shared(plan)) <= spread(related, greedy(related, models, 4)) + 1e-9
    assert "exact best partition, by integer programming" in plan.why[0] and plan.runner_up
    turned = related.tasks.iloc[::-1]
    assert shared(group(Affinity("pvi", "welch", "welch_anova", turned, related.pairs), Options(rule="any", models=models, objective="budget"))[0]) == shared(plan)  # fmt: skip # noqa: E501


def test_hundreds_of_tasks_are_cut_into_neighbours_and_the_plan_says_what_that_is_worth(affinity: Make) -> None:
    n, models = 90, 30
    related = affinity(means(n, 0), n=sizes(n, 1))
    forced = Options(
        rule="any", objective="budget", models=models, together=(("t000", "t001"),), apart=(("t002", "t003"),), alone=("t004",)
    )
    [plan] = group(related, forced)
    assert plan.models <= models and len(plan.tasks) == n
    assert "neighbours by mean; other groups were not tried" in plan.why[0]
    assert plan.serving("t000").group == plan.serving("t001").group and plan.serving("t002").group != plan.serving("t003").group
    assert plan.serving("t004").group.tasks == ("t004",)
    free = Options(rule="any", objective="budget", models=models)
    [plan] = group(related, free)
    assert spread(related, shared(plan)) <= spread(related, greedy(related, models, 4)) + 1e-9
    [even] = group(affinity(means(n, 0)), free)
    assert "without constraints no other has less dispersion" in even.why[0]


def test_nested_goes_beyond_sixteen_tasks(affinity: Make) -> None:
    for n in (17, 90):
        related = affinity(means(n, n), n=sizes(n, n))
        fine, coarse = group(related, Options(select="nested"))
        assert (fine.models, coarse.models) == (-(-n // 2), -(-n // 4))
        assert all(any(set(g) <= set(whole) for whole in shared(coarse)) for g in shared(fine))


def test_too_many_groups_without_means_say_what_to_do(valued: Make) -> None:
    names = [f"t{i:03d}" for i in range(80)]
    value = dict.fromkeys(combinations(names, 2), 0.1)
    with pytest.raises(InputError, match="name a smaller --largest"):
        group(valued(value), Options(rule="any", objective="gain"))
    [plan] = group(valued(value), Options(rule="any", objective="gain", largest=2))
    assert plan.models == 40
