"""Nominated plans: what holds for every rule and selection, and each selection's own promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping import OBJECTIVES, RULES, SELECTIONS
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.passing import passing
from cotrain.grouping.plan import Plan

Make = Callable[..., Affinity]
Names = Callable[[Plan], list[str]]
MEAN = {"a": 0.30, "b": 0.32, "c": 0.50, "d": 0.52, "e": 0.90, "f": 0.93, "noise": 0.01}
STATES = {"noise": "not_learned"}
OF_BITS = [select for select in SELECTIONS if select != "overlapping"]
"""Selections of any values; ``overlapping`` needs gains and has the same laws in test_overlapping.py."""
BOUND = [select for select in OF_BITS if select != "spectral"]
"""Those of them that keep what a person forces; ``spectral`` refuses it."""
WAYS = [
    (rule, select, objective)
    for rule, select, objective in product(RULES, OF_BITS, OBJECTIVES)
    if objective == "fewest" or (select == "partition" and objective == "budget")
]


def options(way: tuple[str, str, str], **more: object) -> Options:
    rule, select, objective = way
    plain: dict[str, object] = {"rule": rule, "select": select, "objective": objective, "margin": 0.3}
    return Options(**(plain | {"models": 7 if objective == "budget" else None} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
def test_every_plan_serves_each_task_once(affinity: Make, way: tuple[str, str, str]) -> None:
    for plan in group(affinity(MEAN, states=STATES), options(way)):
        assert plan.tasks == tuple(sorted(MEAN)) and plan.kind == "nominated"
        assert plan.why and plan.settings["select"] == way[1]


@pytest.mark.parametrize("way", WAYS)
def test_a_task_that_is_not_learned_stands_alone_and_the_plan_says_why(affinity: Make, way: tuple[str, str, str]) -> None:
    for plan in group(affinity(MEAN, states=STATES), options(way)):
        assert plan.serving("noise").group.tasks == ("noise",)
        assert all("noise" not in g.tasks for g in plan.groups if len(g.tasks) > 1)
        assert "noise is not learned (because) and stands alone." in plan.why


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_tasks_changes_nothing(affinity: Make, way: tuple[str, str, str]) -> None:
    related = affinity(MEAN, states=STATES)
    turned = replace(related, tasks=related.tasks.iloc[::-1], pairs=related.pairs.iloc[::-1])
    assert group(related, options(way)) == group(turned, options(way))


@pytest.mark.parametrize("way", [way for way in WAYS if way[1] in BOUND])
def test_what_must_be_together_is_and_what_must_be_apart_is_not(affinity: Make, way: tuple[str, str, str]) -> None:
    """Also against the rule, and against the state of a task; each is shown as an override."""
    related = affinity(MEAN, states=STATES)
    forced = options(way, together=(("a", "f"), ("e", "noise")), apart=(("c", "d"),))
    for plan in group(related, forced):
        assert plan.serving("a").group == plan.serving("f").group and plan.serving("e").group == plan.serving("noise").group
        assert all(not {"c", "d"} <= set(g.tasks) for g in plan.groups)
        together_af, together_en, apart_cd = plan.overrides
        assert together_af.startswith("together: a, f") and together_en.startswith("together: e, noise")
        assert "PVI would not group noise" in together_en and apart_cd == "apart: c, d"
        assert any("noise is not learned" in why and "it was forced" in why for why in plan.why)
    assert all(plan.overrides == () for plan in group(related, options(way)))


def test_an_override_says_whether_the_rule_would_pass_it(affinity: Make) -> None:
    related = affinity(MEAN)
    [plan] = group(related, Options(together=(("a", "b"), ("c", "f"))))
    assert plan.overrides[0] == "together: a, b"
    assert plan.overrides[1].startswith("together: c, f (the rule 'not_different' at alpha 0.01 does not pass it, p = ")


@pytest.mark.parametrize("select", BOUND)
def test_a_forced_set_may_be_larger_than_the_largest_group(affinity: Make, select: str) -> None:
    for plan in group(affinity(MEAN), Options(select=select, rule="any", largest=2, together=(("a", "b"), ("b", "e"), ("e", "f")))):
        assert plan.serving("a").group.tasks == ("a", "b", "e", "f")


@pytest.mark.parametrize("select", ["partition", "max_abs_t", "min_gap"])
def test_at_level_1_everybody_stands_alone(affinity: Make, select: str) -> None:
    for rule in ("not_different", "clique"):
        [plan] = group(affinity(MEAN), Options(rule=rule, alpha=1, select=select))
        assert plan.models == len(MEAN)


@pytest.mark.parametrize("rule", ["not_different", "clique"])
def test_at_level_0_the_fewest_models_are_as_few_as_the_largest_group_allows(affinity: Make, rule: str) -> None:
    for largest, models in ((2, 4), (3, 3), (4, 2), (7, 1)):
        [plan] = group(affinity(MEAN), Options(rule=rule, alpha=0, largest=largest))
        assert plan.models == models


@pytest.mark.parametrize(
    "way", [("clique", "partition", "fewest"), ("clique", "min_gap", "fewest"), ("not_different", "min_gap", "fewest")]
)
def test_identical_tasks_end_together(affinity: Make, way: tuple[str, str, str]) -> None:
    mean = {"a": 0.3, "twin": 0.3, "z": 0.9}
    related = affinity(mean, covariance={("a", "twin"): 1 / 200}, pair_states={("a", "twin"): "identical"})
    related.pairs.loc[0, ["statistic", "p", "se_bits"]] = [0.0, 1.0, 0.0]
    [plan] = group(related, options(way))
    assert plan.serving("a").group.tasks == plan.serving("twin").group.tasks == ("a", "twin")


@pytest.mark.parametrize("rule", RULES)
def test_identical_tasks_end_together_where_a_budget_forces_a_merge(affinity: Make, rule: str) -> None:
    mean = {"a": 0.3, "twin": 0.3, "y": 0.5, "z": 0.9}
    related = affinity(mean, n=20_000, covariance={("a", "twin"): 1 / 20_000}, pair_states={("a", "twin"): "identical"})
    related.pairs.loc[0, ["statistic", "p", "se_bits"]] = [0.0, 1.0, 0.0]
    [plan] = group(related, Options(rule=rule, objective="budget", models=3, margin_bits=0.05))
    assert plan.serving("a").group.tasks == ("a", "twin") and plan.models == 3


@pytest.mark.parametrize(("n", "models"), [(5000, 2), (50, 3)])
def test_equal_tasks_are_grouped_as_equivalent_where_there_are_rows_enough_to_show_it(affinity: Make, n: int, models: int) -> None:
    [plan] = group(affinity({"a": 0.3, "twin": 0.3, "z": 0.9}, n=n), Options(rule="equivalent", margin_bits=0.1))
    assert plan.models == models


@pytest.mark.parametrize("select", ["partition", "min_gap", "top1_per_target", "nested"])
def test_alone_tasks_share_with_nobody_and_the_plan_says_who_forced_it(affinity: Make, select: str) -> None:
    related = affinity(MEAN, states=STATES)
    for plan in group(related, Options(select=select, rule="any", alone=("a", "noise"))):
        assert all(not {"a", "noise"} & set(g.tasks) for g in plan.groups if len(g.tasks) > 1)
        assert plan.tasks == tuple(sorted(MEAN)) and "alone: a, noise" in plan.overrides
        assert plan.settings["alone"] == ["a", "noise"]
    [plan] = group(related, Options(rule="any", objective="budget", models=4, alone=("a", "c")))
    assert plan.models == 4, "they count in the budget"


GAINS = {("a", "b"): 0.3, ("b", "a"): 0.1, ("a", "c"): 0.2, ("c", "a"): 0.2, ("b", "c"): -0.5, ("c", "b"): -0.5}


def test_the_largest_gain_may_leave_tasks_alone_and_keeps_to_a_budget(valued: Make, groups: Names) -> None:
    [best] = group(valued(GAINS), Options(rule="any", objective="gain"))
    assert groups(best) == ["a+b", "c"] and best.runner_up == "a+c; b (gain 0.4 instead of 0.4)"
    assert best.why[0].endswith("the exact best partition: the largest sum of predicted gains.")
    [one] = group(valued(GAINS), Options(rule="any", objective="gain", models=1))
    assert groups(one) == ["a+b+c"] and "of at most 1 models" in one.why[0]
    harm = dict.fromkeys(GAINS, -0.1)
    assert group(valued(harm), Options(rule="any", objective="gain"))[0].models == 3


def test_values_that_are_distances_are_no_gains(affinity: Make) -> None:
    with pytest.raises(InputError, match=r"needs values that are gains; those of 'pvi' are in bits .* with cotrain group --gains FILE"):
        group(affinity(MEAN), Options(rule="any", objective="gain"))


def test_a_pair_whose_gain_is_not_known_is_in_no_group(valued: Make, groups: Names) -> None:
    known = {pair: gain for pair, gain in GAINS.items() if pair != ("b", "a")}
    assert groups(group(valued(known), Options(rule="any", objective="gain"))[0]) == ["a+c", "b"]


def test_without_means_values_within_groups_decide(valued: Make, groups: Names) -> None:
    cosine = {("a", "b"): 0.9, ("a", "c"): 0.2, ("b", "c"): 0.1, ("a", "d"): 0.1, ("b", "d"): 0.3, ("c", "d"): 0.8}
    [plan] = group(valued(cosine, unit="cosine"), Options(rule="any", objective="budget", models=2, largest=2))
    assert groups(plan) == ["a+b", "c+d"]
    half, quarter = group(valued(cosine, unit="cosine"), Options(select="nested"))
    assert groups(half) == ["a+b", "c+d"] and groups(quarter) == ["a+b+c+d"]
    assert "of least dispersion of values" in half.why[0]


def test_a_constant_added_to_values_changes_no_groups(valued: Make, groups: Names) -> None:
    """Three pairs of tasks that are alike: whether values are cosines near 1 or distances below 0 says nothing of the sizes of groups."""
    tasks = "abcdef"
    alike = {pair: 0.99 if pair in (("a", "b"), ("c", "d"), ("e", "f")) else 0.9 for pair in combinations(tasks, 2)}
    for constant in (0.0, -2.0):
        related = valued({pair: value + constant for pair, value in alike.items()}, unit="cosine")
        plans = group(related, Options(select="nested")), group(related, Options(rule="any", objective="budget", models=3))
        for plan in (plans[0][0], *plans[1]):
            assert groups(plan) == ["a+b", "c+d", "e+f"]


def test_why_a_number_of_models_cannot_be_met_is_named(affinity: Make) -> None:
    related = affinity({f"t{i:02d}": 0.5 for i in range(5)})
    few = Options(rule="any", objective="budget", models=2, largest=5)
    with pytest.raises(InputError, match=r"at most 2 models.* 3 are needed; in the way: apart t00, t01, t02; allow more"):
        group(related, replace(few, apart=(("t00", "t01", "t02"), ("t03", "t04"))))
    with pytest.raises(InputError, match=r"3 are needed; in the way: alone t00, t01;"):
        group(related, replace(few, alone=("t00", "t01")))
    with pytest.raises(InputError, match=r"in the way: the largest group of 2;"):
        group(related, replace(few, largest=2))
    many = affinity({f"t{i:02d}": i / 10 for i in range(19)}, n={f"t{i:02d}": 100.0 + i for i in range(19)})
    with pytest.raises(InputError, match=r"at most 6 models.* 7 are needed; in the way: the largest group of 4, alone t00, t01;"):
        group(many, Options(rule="any", objective="budget", models=6, alone=("t00", "t01")))


def brute(related: Affinity, chosen: Options, allowed: set[tuple[str, ...]]) -> tuple[int, float]:
    """Return (models, dispersion) of the best partition of the tasks by trying all of them."""
    n, mean = (dict(zip(related.tasks["task"], related.tasks[c].astype(float), strict=True)) for c in ("n", "mean_bits"))

    @cache
    def spread(tasks: tuple[str, ...]) -> float:
        centre = sum(n[t] * mean[t] for t in tasks) / sum(n[t] for t in tasks)
        return sum(n[t] * (mean[t] - centre) ** 2 for t in tasks)

    best: list[tuple[int, float]] = []

    def rest(tasks: tuple[str, ...], models: int, total: float) -> None:
        if not tasks:
            best.append((models, total))
            return
        for k in range(len(tasks)):
            for others in combinations(tasks[1:], k):
                mine = (tasks[0], *others)
                if mine in allowed:
                    rest(tuple(t for t in tasks if t not in mine), models + 1, total + spread(mine))

    rest(tuple(sorted(n)), 0, 0.0)
    if chosen.objective == "fewest":
        return min(best)
    return min((b for b in best if b[0] <= (chosen.models or 99)), key=lambda b: (round(b[1], 9), b[0]))


def found_cost(related: Affinity, plan: Plan) -> tuple[int, float]:
    table = related.tasks.set_index("task")
    total = 0.0
    for serving in plan.servings:
        rows = np.repeat(table.loc[list(serving.group.tasks), "mean_bits"], table.loc[list(serving.group.tasks), "n"].astype(int))
        total += float(((rows - rows.mean()) ** 2).sum())
    return plan.models, total


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("objective", ["fewest", "budget"])
@pytest.mark.parametrize("rule", ["not_different", "any"])
def test_the_partition_is_that_of_brute_force(affinity: Make, seed: int, objective: str, rule: str) -> None:
    random = np.random.default_rng(seed)
    tasks = "abcdefgh"[: int(random.integers(2, 9))]
    related = affinity({t: float(random.normal(0.5, 0.3)) for t in tasks}, n={t: float(random.integers(30, 900)) for t in tasks})
    chosen = Options(
        rule=rule, objective=objective, models=len(tasks) if rule == "not_different" else 1 + len(tasks) // 2, apart=(("a", "b"),)
    )
    allowed = {g.tasks for g in passing(related, chosen)} | {(t,) for t in tasks}
    [plan] = group(related, chosen)
    models, spread = found_cost(related, plan)
    best = brute(related, chosen, allowed)
    assert (models, spread) == (best[0], pytest.approx(best[1]))


def test_the_runner_up_is_told_with_what_it_costs(affinity: Make) -> None:
    [plan] = group(affinity({"a": 0.30, "b": 0.32, "c": 0.36}), Options(largest=2, alpha=0.001))
    assert plan.serving("a").group.tasks == ("a", "b")
    spread = 200 * (0.04**2 / 2), 200 * (0.02**2 / 2)
    assert plan.runner_up == f"a; b+c (dispersion {spread[0]:.3g} instead of {spread[1]:.3g} bit² · rows)"


def test_a_budget_counts_the_tasks_alone_and_says_what_the_rule_needs(affinity: Make, groups: Names) -> None:
    related = affinity(MEAN, states=STATES)
    [plan] = group(related, Options(rule="any", objective="budget", models=4))
    assert plan.models == 4 and groups(plan) == ["a+b", "c+d", "e+f", "noise"]
    with pytest.raises(InputError, match="at most 2 models are asked for, and 3 are needed"):
        group(related, Options(objective="budget", models=2))


def test_a_forced_set_takes_further_tasks_only_if_the_whole_passes(affinity: Make, groups: Names) -> None:
    related = affinity({"a": 0.3, "b": 0.3, "c": 0.3, "z": 3.0})
    [alike] = group(related, Options(together=(("a", "b"),)))
    assert groups(alike) == ["a+b+c", "z"]
    [unlike] = group(related, Options(together=(("a", "z"),)))
    assert groups(unlike) == ["a+z", "b+c"]


def test_unknown_tasks_in_constraints_are_named_with_a_suggestion(affinity: Make) -> None:
    with pytest.raises(InputError) as caught:
        group(affinity({"boolq": 0.3, "rte": 0.3}), Options(together=(("boolk", "rte"),), apart=(("rte", "cb"),)))
    assert len(caught.value.faults) == 2 and "Did you mean 'boolq'" in caught.value.faults[0]


def test_shared_rows_that_the_paper_ignores_are_told(affinity: Make) -> None:
    related = affinity({"a": 0.3, "b": 0.3}, pair_states={("a", "b"): "shared rows"})
    [plan] = group(related, Options(paper=True))
    assert any("a and b share rows, yet were tested as if independent" in why for why in plan.why)


def test_the_paper_groups_what_is_not_learned_with_a_warning(affinity: Make) -> None:
    related = affinity({"a": 0.0, "b": 0.0, "c": 0.9}, states={"a": "not_learned", "b": "not_learned"})
    [plan] = group(related, Options(paper=True, select="max_abs_t"))
    assert plan.serving("a").group.tasks == ("a", "b")
    assert "a is not learned (because) and is grouped all the same: the paper groups such tasks too." in plan.why


def test_nothing_learned_nominates_nothing(affinity: Make) -> None:
    related = affinity({"a": 0.0, "b": 0.0}, states={"a": "not_learned", "b": "not_learned"})
    for select in OF_BITS:
        [plan] = group(related, Options(select=select))
        assert plan.models == 2
