"""``nested``: two partitions without a p-value, the second made of whole groups of the first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.plan import Plan

Make = Callable[..., Affinity]
Names = Callable[[Plan], list[str]]


def random_means(n: int, seed: int) -> dict[str, float]:
    values = np.random.default_rng(seed).normal(0.5, 0.3, n)
    return {f"t{i:02d}": float(v) for i, v in enumerate(values)}


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9, 13, 16])
def test_there_are_half_and_a_quarter_as_many_groups_as_learned_tasks(affinity: Make, n: int) -> None:
    states = {"noise": "not_learned", "worse": "overfit"}
    plans = group(affinity(random_means(n, n) | {"noise": 0.0, "worse": 0.5}, states=states), Options(select="nested"))
    wanted = sorted({-(-n // 2), -(-n // 4)}, reverse=True)
    assert [p.models - 2 for p in plans] == wanted, "two tasks stand alone besides"
    assert [p.name for p in plans] == ["pvi-half", "pvi-quarter"][: len(wanted)]
    if len(plans) == 2:
        fine, coarse = ([set(s.group.tasks) for s in p.servings] for p in plans)
        assert all(any(small <= large for large in coarse) for small in fine)


@pytest.mark.parametrize("seed", range(6))
def test_the_first_is_the_least_dispersed_of_all_ways_to_cut_the_sorted_means(affinity: Make, seed: int) -> None:
    """With equal sizes least dispersion is k-means in one dimension, whose groups are runs: all cuts can be tried."""
    mean = random_means(8, seed)
    [first, _] = group(affinity(mean), Options(select="nested", largest=8))
    values = np.sort(list(mean.values()))

    def spread(cuts: tuple[int, ...]) -> float:
        return sum(float(((values[a:b] - values[a:b].mean()) ** 2).sum()) for a, b in pairwise((0, *cuts, 8)))

    best = min(spread((i, j, k)) for i in range(1, 8) for j in range(i + 1, 8) for k in range(j + 1, 8))
    mine = sum(np.var([mean[t] for t in s.group.tasks]) * len(s.group.tasks) for s in first.servings)
    assert mine == pytest.approx(best)


def test_no_p_value_is_involved(affinity: Make) -> None:
    mean = random_means(6, 0)
    plans = [group(affinity(mean, n=n), Options(select="nested", alpha=alpha)) for n in (50, 50_000) for alpha in (0, 0.5, 1)]
    servings = [[p.servings for p in each] for each in plans]
    assert all(s == servings[0] for s in servings)
    assert plans[0][0].settings["rule"] == "any"
    assert "no p-value is involved" in plans[0][0].why[0]


def test_groups_of_the_first_have_four_tasks_at_most_those_of_the_second_as_many_as_it_takes(affinity: Make, groups: Names) -> None:
    mean = {f"low{i}": 0.1 + i / 1000 for i in range(6)} | {"mid": 0.5, "high": 0.9}
    fine, coarse = group(affinity(mean), Options(select="nested"))
    assert max(len(s.group.tasks) for s in fine.servings) <= 4
    assert groups(coarse) == ["high+mid", "low0+low1+low2+low3+low4+low5"]


def test_a_largest_group_that_a_person_sets_holds_in_both(affinity: Make) -> None:
    mean = random_means(8, 1)
    fine, coarse = group(affinity(mean), Options(select="nested", largest=3))
    assert max(len(s.group.tasks) for p in (fine, coarse) for s in p.servings) <= 3
    assert coarse.models == 3 and any("2 groups were wanted" in why and "allow 3 or more" in why for why in coarse.why)
    [only] = group(affinity(mean), Options(select="nested", largest=2))
    assert only.models == 4


def test_what_is_apart_stays_apart_when_groups_are_merged(affinity: Make) -> None:
    mean = {"a": 0.1, "b": 0.1, "c": 0.11, "d": 0.11}
    plans = group(affinity(mean), Options(select="nested", apart=(("a", "b"), ("a", "c"), ("a", "d"))))
    assert all(p.serving("a").group.tasks == ("a",) for p in plans)


def test_equal_means_still_make_the_number_of_groups_asked_for(affinity: Make) -> None:
    assert [p.models for p in group(affinity(dict.fromkeys("abcdefgh", 0.5)), Options(select="nested"))] == [4, 2]
