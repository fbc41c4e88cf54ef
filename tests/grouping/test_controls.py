"""Controls: as much sharing as the plan, other partners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise, permutations

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping import CONTROLS
from cotrain.grouping.controls import controls, on_demand, wrong
from cotrain.grouping.draft import serving_all
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.plan import Plan, Serving
from cotrain.training.group import Group

Make = Callable[..., Affinity]
Names = Callable[[Plan], list[str]]
MEAN = {"a": 0.1, "b": 0.15, "c": 0.4, "d": 0.45, "e": 0.8}
PARTITION = Plan("pvi", "nominated", serving_all(["ab", "cd", "e"]))
OVERLAPPING = Plan("pvi", "nominated", (
    Serving(Group.of("ab"), ("a",)), Serving(Group.of("bc"), ("b", "c")), Serving(Group.of("cd"), ("d",)), Serving(Group.of("e"), ("e",)),
))  # fmt: skip


def sizes(plan: Plan) -> Counter[tuple[int, int]]:
    return Counter((len(s.group.tasks), len(s.serves)) for s in plan.servings)


@pytest.mark.parametrize("name", [c for c in CONTROLS if c not in ("placebo", "matched_updates")])
@pytest.mark.parametrize("plan", [PARTITION, OVERLAPPING])
def test_every_control_serves_each_task_once_and_is_called_what_was_asked_for(affinity: Make, name: str, plan: Plan) -> None:
    [made] = controls([name], [plan], affinity(MEAN))
    assert (made.name, made.kind, made.tasks) == (name, "control", tuple("abcde")) and made.why


def test_alone_and_together(affinity: Make, groups: Names) -> None:
    alone, together = controls(["alone", "together"], [PARTITION], affinity(MEAN))
    assert groups(alone) == list("abcde") and groups(together) == ["a+b+c+d+e"]


@pytest.mark.parametrize("plan", [PARTITION, OVERLAPPING])
def test_random_draws_have_the_sizes_and_overlaps_of_the_plan_and_differ_from_it_and_each_other(affinity: Make, plan: Plan) -> None:
    drawn = controls(["random:6"], [plan], affinity(MEAN), seed=3)
    assert [p.name for p in drawn] == ["random", "random-2", "random-3", "random-4", "random-5", "random-6"]
    assert all(sizes(p) == sizes(plan) for p in drawn)
    assert len({frozenset(p.servings) for p in [plan, *drawn]}) == 7
    assert drawn == controls(["random:6"], [plan], affinity(dict(reversed(MEAN.items()))), seed=3), "the order of tasks changes nothing"
    assert drawn != controls(["random:6"], [plan], affinity(MEAN), seed=4)
    assert controls(["random"], [plan], affinity(MEAN), seed=3) == drawn[:1]


def test_random_draws_are_uniform_over_the_other_plans(affinity: Make) -> None:
    """Four tasks in two pairs have two other pairings."""
    plan, related = Plan("pvi", "nominated", serving_all(["ab", "cd"])), affinity(dict.fromkeys("abcd", 0.5))
    drawn = Counter(frozenset(s.group.name for s in controls(["random"], [plan], related, seed=s)[0].servings) for s in range(300))
    assert len(drawn) == 2 and min(drawn.values()) > 110


def test_a_plan_without_another_of_its_sizes_is_repeated_and_says_so(affinity: Make) -> None:
    [made] = controls(["random"], [Plan("pvi", "nominated", serving_all(["ab"]))], affinity({"a": 0.1, "b": 0.2}))
    assert made.servings == serving_all(["ab"]) and "no other plan of these sizes" in made.why[0]


@pytest.mark.parametrize("name", ["random", "by_entropy", "by_accuracy"])
def test_a_plan_that_groups_nothing_has_controls_that_say_so(affinity: Make, name: str) -> None:
    [made] = controls([name], [Plan("pvi", "nominated", serving_all("abcde"))], affinity(MEAN))
    assert made.models == 5 and made.why[-1] == "The plan groups nothing, so this is every task alone."


@pytest.mark.parametrize("n", [2, 3, 6, 7])
def test_different_pairs_have_the_largest_total_difference_and_then_the_largest_least(affinity: Make, n: int) -> None:
    mean = dict(zip("abcdefg"[:n], np.random.default_rng(n).normal(size=n).tolist(), strict=True))
    [made] = controls(["different"], [PARTITION], affinity(mean))
    pairs = [s.group.tasks for s in made.servings if len(s.group.tasks) == 2]

    def value(chosen: list[tuple[str, ...]]) -> tuple[float, float]:
        gaps = [abs(mean[a] - mean[b]) for a, b in chosen]
        return round(sum(gaps), 9), round(min(gaps), 9)

    everything = ([order[i : i + 2] for i in range(0, n - 1, 2)] for order in permutations(sorted(mean)))
    assert value(pairs) == max(value(chosen) for chosen in everything)
    assert len(pairs) == n // 2


def test_by_entropy_and_by_accuracy_group_neighbours_with_the_sizes_of_the_plan(affinity: Make, groups: Names) -> None:
    related = affinity(
        MEAN, entropy={"a": 0.1, "b": 0.9, "c": 0.2, "d": 1.0, "e": 0.5}, accuracy={"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.52, "e": 0.91}
    )
    entropy, accuracy = controls(["by_entropy", "by_accuracy"], [PARTITION], related)
    assert groups(entropy) == ["a+c", "b+d", "e"] and groups(accuracy) == ["a+e", "b+d", "c"]


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_are_the_least_spread_of_all_arrangements_in_runs(affinity: Make, seed: int) -> None:
    value = dict(zip("abcdefg", np.random.default_rng(seed).normal(size=7).tolist(), strict=True))
    plan = Plan("pvi", "nominated", serving_all(["abc", "de", "f", "g"]))
    [made] = controls(["by_entropy"], [plan], affinity(dict.fromkeys(value, 0.5), entropy=value))
    order = sorted(value, key=lambda t: value[t])

    def spread(groups: list[list[str]]) -> float:
        return float(sum(np.var([value[t] for t in g]) * len(g) for g in groups))

    runs = []
    for lengths in permutations([3, 2, 1, 1]):
        ends = np.cumsum([0, *lengths])
        runs.append(spread([order[a:b] for a, b in pairwise(ends)]))
    assert spread([list(s.group.tasks) for s in made.servings]) == pytest.approx(min(runs))
    assert sorted(len(s.group.tasks) for s in made.servings) == [1, 1, 2, 3]


def test_in_overlapping_plans_each_task_has_its_nearest_helper(affinity: Make) -> None:
    related = affinity(MEAN, entropy={"a": 0.1, "b": 0.9, "c": 0.2, "d": 0.6, "e": 0.55})
    [made] = controls(["by_entropy"], [OVERLAPPING], related)
    assert {t: made.serving(t).group.name for t in "abcde"} == {"a": "a+c", "b": "b+d", "c": "a+c", "d": "d+e", "e": "e"}


def test_of_nested_plans_controls_follow_the_finer_one(affinity: Make) -> None:
    related = affinity({t: i / 8 for i, t in enumerate("abcdefgh")})
    plans = group(related, Options(select="nested"))
    [made] = controls(["random"], plans, related)
    assert sizes(made) == sizes(plans[0]) != sizes(plans[1])
    assert "pvi-half" in made.why[0]


def test_placebo_permutes_the_helpers_and_matched_updates_leaves_them_out_with_the_updates_of_the_group(affinity: Make) -> None:
    plan = Plan("pvi", "nominated", serving_all(["abc", "de"]))
    placebo, matched = on_demand(plan, ["b", "a", "e"])
    assert {t: placebo.serving(t).group.name for t in placebo.tasks} == {
        "a": "a+b[permuted:1]+c[permuted:1]@a+b+c", "b": "a[permuted:1]+b+c[permuted:1]@a+b+c", "e": "d[permuted:1]+e@d+e",
    }  # fmt: skip
    assert {t: matched.serving(t).group.name for t in matched.tasks} == {"a": "a@a+b+c", "b": "b@a+b+c", "e": "e@d+e"}
    assert not any(g.deployable for p in (placebo, matched) for g in p.groups)


def test_controls_on_demand_are_made_for_tasks_that_share_only(affinity: Make) -> None:
    assert on_demand(PARTITION, ["e"]) == []
    [placebo] = controls(["placebo"], [PARTITION], affinity(MEAN))
    assert placebo.tasks == ("a", "b", "c", "d")
    [matched] = controls(["matched_updates"], [OVERLAPPING], affinity(MEAN))
    assert {t: matched.serving(t).group.name for t in matched.tasks} == {"a": "a@a+b", "b": "b@b+c", "c": "c@b+c", "d": "d@c+d"}


def test_names_of_controls_are_checked_all_at_once(affinity: Make) -> None:
    with pytest.raises(InputError) as caught:
        controls(["alone", "randon", "random:x", "together:2"], [PARTITION], affinity(MEAN))
    assert len(caught.value.faults) == 3
    assert "Did you mean 'random'" in caught.value.faults[0]
    assert wrong("random:12") == wrong("alone") == wrong("their_module:their_control") == ""
