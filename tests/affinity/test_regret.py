"""Plans that methods choose, against every plan there is: by hand, by a matching of another library, and without luck of the oracle."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

from cotrain import InputError
from cotrain.affinity import regret
from cotrain.affinity.judge import Losses


def cells(generator: np.random.Generator, n: int) -> np.ndarray:
    found = generator.normal(size=(n, n))
    np.fill_diagonal(found, np.nan)
    return found


def partitions(tasks: list[int]) -> list[list[tuple[int, ...]]]:
    """Return every partition into pairs and singles, another way."""
    if not tasks:
        return [[]]
    first, rest = tasks[0], tasks[1:]
    found = [[(first,), *more] for more in partitions(rest)]
    for other in rest:
        found += [[(first, other), *more] for more in partitions([t for t in rest if t != other])]
    return found


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_plans_are_every_partition_into_pairs_and_singles_once(n: int) -> None:
    found = {tuple(sorted({tuple(sorted({i, int(j)})) for i, j in enumerate(plan)})) for plan in regret.plans(n)}
    assert found == {tuple(sorted(plan)) for plan in partitions(list(range(n)))} and len(found) == len(regret.plans(n))


def test_nine_tasks_have_2620_plans() -> None:
    assert len(regret.plans(9)) == 2620
    with pytest.raises(InputError, match="at most 12 tasks, found 13"):
        regret.plans(13)


def test_what_a_plan_gains_by_hand() -> None:
    gains = np.array([[np.nan, 0.3, 0.1], [-0.6, np.nan, 0.2], [0.5, 0.1, np.nan]])
    by_plan = {tuple(map(int, plan)): float(gain) for plan, gain in zip(regret.plans(3), regret.gains_of(gains), strict=True)}
    assert by_plan == pytest.approx({(0, 1, 2): 0.0, (1, 0, 2): -0.1, (2, 1, 0): 0.2, (0, 2, 1): 0.1})
    best = regret.chosen(gains, are_gains=True)
    assert regret.plans(3)[best].tolist() == [[2, 1, 0]] and regret.plan_gain(gains, best) == pytest.approx(0.2)
    assert regret.percentile(gains, best) == pytest.approx(3.5 / 4)
    worst = regret.chosen(-gains, are_gains=True)
    assert regret.plans(3)[worst].tolist() == [[1, 0, 2]] and regret.percentile(gains, worst) == pytest.approx(0.5 / 4)


@pytest.mark.parametrize("n", [5, 6, 8])
def test_the_plan_of_a_method_is_the_matching_of_another_library(n: int) -> None:
    generator = np.random.default_rng(n)
    for _ in range(10):
        values = cells(generator, n)
        for are_gains in (True, False):
            sums = values.copy()
            if not are_gains:
                other = ~np.eye(n, dtype=bool)
                sums[other] = values[other].argsort().argsort() + 1.0
            graph = networkx.Graph()
            graph.add_nodes_from(range(n))
            graph.add_weighted_edges_from((i, j, sums[i, j] + sums[j, i]) for i in range(n) for j in range(i))
            best = networkx.max_weight_matching(graph, maxcardinality=not are_gains)
            wanted = np.arange(n)
            for i, j in best:
                wanted[i], wanted[j] = j, i
            found = regret.plans(n)[regret.chosen(values, are_gains)].tolist()
            assert wanted.tolist() in found and (len(found) == 1 or not are_gains), "ranks may tie"


def test_whoever_loses_stays_alone_where_values_are_gains_and_only_there() -> None:
    loss = np.where(np.eye(4, dtype=bool), np.nan, -1.0)
    loss[0, 1] = loss[1, 0] = 0.5
    assert regret.plans(4)[regret.chosen(loss, are_gains=True)].tolist() == [[1, 0, 2, 3]]
    assert regret.plans(4)[regret.chosen(loss, are_gains=False)].tolist() == [[1, 0, 3, 2]]


def test_a_method_that_cannot_tell_plans_apart_chooses_all_of_them() -> None:
    gains = cells(np.random.default_rng(0), 5)
    same = np.where(np.eye(5, dtype=bool), np.nan, 0.7)
    choice = regret.chosen(same, are_gains=False)
    assert choice.sum() == 15, "one of five alone, three ways to pair the others"
    alone = (regret.plans(5) == np.arange(5)).sum(axis=1)
    assert regret.plan_gain(gains, choice) == pytest.approx(regret.gains_of(gains)[alone == 1].mean())


def test_names_of_tasks_change_no_plan() -> None:
    generator = np.random.default_rng(1)
    gains = cells(generator, 7)
    half = generator.integers(0, 3, (7, 7)) / 3
    values, order = np.where(np.eye(7, dtype=bool), np.nan, half + half.T), generator.permutation(7)
    for are_gains in (True, False):
        choice, moved = regret.chosen(values, are_gains), regret.chosen(values[np.ix_(order, order)], are_gains)
        other = gains[np.ix_(order, order)]
        assert regret.plan_gain(other, moved) == pytest.approx(regret.plan_gain(gains, choice))
        assert regret.percentile(other, moved) == pytest.approx(regret.percentile(gains, choice))


def noisy(generator: np.random.Generator, gains: np.ndarray, seeds: int, noise: float, alone: float = 0.0) -> Losses:
    n = len(gains)
    pairs = -gains + noise * np.array([cells(generator, n) for _ in range(seeds)])
    return Losses(tuple("abcdefgh"[:n]), alone * generator.normal(size=(seeds, n)), pairs)


def test_the_oracle_is_the_best_plan_where_there_is_no_noise() -> None:
    generator = np.random.default_rng(2)
    gains = cells(generator, 6)
    losses = noisy(generator, gains, 5, 0.0)
    assert regret.oracle_gain(losses) == pytest.approx(regret.gains_of(gains).max())
    assert regret.oracle_gain(losses) - regret.plan_gain(losses.gains(), regret.chosen(gains, are_gains=True)) == pytest.approx(0)


@pytest.mark.parametrize("alone", [0.0, 1.0])
def test_luck_does_not_flatter_the_oracle_where_nothing_is_to_gain(alone: float) -> None:
    """The best plan on the seeds that it was chosen by gains much, on other seeds nothing; the same where only tasks alone are noisy."""
    generator = np.random.default_rng(3)
    nothing = np.where(np.eye(7, dtype=bool), np.nan, 0.0)
    worlds = [noisy(generator, nothing, 4, 1.0 - alone, alone) for _ in range(120)]
    flattered = [regret.gains_of(one.gains()).max() for one in worlds]
    honest = np.array([regret.oracle_gain(one, draws=10) for one in worlds])
    assert np.mean(flattered) > 0.15
    assert abs(honest.mean()) < 4 * honest.std() / np.sqrt(len(honest))


def test_an_oracle_needs_other_seeds() -> None:
    generator = np.random.default_rng(4)
    with pytest.raises(InputError, match="needs two of them at least, found 1 alone and 1 of pairs"):
        regret.oracle_gain(noisy(generator, cells(generator, 4), 1, 1.0))
