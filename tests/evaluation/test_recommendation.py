"""The recommended plan against the enumeration of all plans."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cotrain.evaluation.recommendation import recommend
from cotrain.training.group import Group


def ways(tasks, evidence, goal):
    """All plans that may be recommended: (models, sum of differences)."""
    by = {e.group.name: e for e in evidence}
    gain = {(e.group.name, t): d.value for e in evidence for t, d in zip(e.tasks, e.differences, strict=True)}
    known = {}
    for names in product(*([None, *(n for n, e in by.items() if t in e.tasks)] for t in tasks)):
        serves = {n: tuple(t for t, m in zip(tasks, names, strict=True) if m == n) for n in set(names) - {None}}
        for at in serves.items():
            if at not in known:
                known[at] = not by[at[0]].reason(at[1], goal)
        if all(known[at] for at in serves.items()):
            yield len(serves) + names.count(None), sum(gain[n, t] for n, t in zip(names, tasks, strict=True) if n)


@pytest.mark.parametrize("goal", ["fewer", "better"])
@pytest.mark.parametrize("seed", range(12))
def test_the_recommended_plan_is_the_best_of_all_plans_that_pass(goal, seed, made_up):
    """Overlapping groups, helpers that are not served, tasks in many groups: by enumeration."""
    random = np.random.default_rng(seed)
    tasks = ["a", "b", "c", "d", "e"][: int(random.integers(3, 6))]
    sets = {tuple(sorted(random.permutation(tasks)[: int(random.integers(2, len(tasks) + 1))])) for _ in range(4)}
    evidence = made_up(random, tasks, [Group.of(s) for s in sorted(sets)])
    plan, candidates = recommend(evidence, tasks, goal)
    gain = {(e.group.name, t): d.value for e in evidence for t, d in zip(e.tasks, e.differences, strict=True)}
    mine = sum(gain.get((s.group.name, t), 0.0) for s in plan.servings for t in s.serves)
    best = min(ways(tasks, evidence, goal), key=(lambda w: (w[0], -w[1])) if goal == "fewer" else (lambda w: -w[1]))
    assert plan.tasks == tuple(tasks)
    assert mine == pytest.approx(best[1], abs=1e-8)
    assert goal == "better" or plan.models == best[0]
    by = {e.group.name: e for e in evidence}
    for line in candidates.to_dict("records"):
        assert line["passes"] == (not by[line["group"]].reason(line["serves"], goal)) == (line["reason"] == "")
    assert {(s.group.name, s.serves) for s in plan.servings if len(s.group.tasks) > 1} <= {
        (line["group"], tuple(line["serves"])) for line in candidates.to_dict("records") if line["passes"]
    }


@pytest.mark.parametrize("goal", ["fewer", "better"])
def test_without_groups_every_task_stands_alone(goal):
    plan, candidates = recommend([], ["a", "b"], goal)
    assert plan.models == 2 and plan.runner_up == "" and not len(candidates)
    assert plan.why == ("No group of two or more tasks is trained, so every task stands alone.",)


def test_a_helper_is_carried_and_said(made_up):
    """A pair whose second member loses serves the first, if that gains."""
    (e,) = made_up(np.random.default_rng(0), "ab", [Group.of("ab")], means={"a": 0.02, "b": -0.06})
    plan, _ = recommend([e], ["a", "b"], "fewer")
    assert [(s.group.name, s.serves) for s in plan.servings] == [("a+b", ("a",)), ("b", ("b",))]
    assert plan.why[1].startswith("{a} with b as helpers: mean difference +.0")
    assert plan.why[2].startswith("b stands alone: at best ({a, b}) its difference on dev is −.0")


def test_the_runner_up_is_another_plan_in_words(made_up):
    (e,) = made_up(np.random.default_rng(0), "ab", [Group.of("ab")], means={"a": 0.0, "b": 0.0})
    plan, _ = recommend([e], ["a", "b"], "fewer")
    assert plan.models == 1 and ": 2 models, mean difference " in plan.runner_up
