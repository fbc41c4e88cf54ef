"""Overlapping groups within a budget: the best of all sets of models, and what every selection promises."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.plan import Plan

Valued = Callable[..., Affinity]


def values(names: str = "abcde") -> dict[tuple[str, str], float]:
    random = np.random.default_rng(1)
    return {pair: float(random.normal()) for pair in permutations(names, 2)}


def overlapping(affinity: Affinity, **options: object) -> Plan:
    [plan] = group(affinity, Options(rule="any", select="overlapping", **options), "o")  # type: ignore[arg-type]
    return plan


def total(plan: Plan, value: dict[tuple[str, str], float]) -> float:
    """Return the sum of the predicted gains of the tasks served."""
    return sum(
        float(np.mean([value[t, o] for o in s.group.tasks if o != t])) for s in plan.servings for t in s.serves if len(s.group.tasks) > 1
    )


def test_without_a_budget_each_task_has_its_best_helper_or_stands_alone(valued: Valued) -> None:
    value = values()
    plan = overlapping(valued(value))
    best = sum(max(0.0, *(value[t, o] for o in "abcde" if o != t)) for t in "abcde")
    assert plan.tasks == tuple("abcde") and total(plan, value) == pytest.approx(best)


def test_more_models_never_gain_less_and_the_budget_is_kept(valued: Valued) -> None:
    value = values()
    plans = [overlapping(valued(value), models=models) for models in range(2, 6)]
    assert all(plan.models <= most and plan.tasks == tuple("abcde") for plan, most in zip(plans, range(2, 6), strict=True))
    gains = [total(plan, value) for plan in plans]
    assert gains == sorted(gains)


def test_the_order_of_pairs_changes_nothing_and_tasks_not_learned_stand_alone(valued: Valued) -> None:
    value = values()
    one, other = (overlapping(valued(v, states={"e": "not_learned"}), models=3) for v in (value, dict(reversed(value.items()))))
    assert one == other and one.serving("e").group.tasks == ("e",)
    assert all("e" not in s.group.tasks for s in one.servings if len(s.group.tasks) > 1)
    assert "e is not learned (because) and stands alone." in one.why
    apart = overlapping(valued(value), apart=(("a", "b", "c"),), alone=("d",))
    assert all(len({"a", "b", "c"} & set(s.group.tasks)) < 2 for s in apart.servings) and apart.serving("d").group.tasks == ("d",)


def test_what_it_cannot_do_is_refused(valued: Valued) -> None:
    with pytest.raises(InputError, match="needs values that are gains; those of 'measured' are in cosine"):
        overlapping(valued(values(), unit="cosine"))
    with pytest.raises(InputError, match=r"at most 2 models are asked for, and 3 or more are needed: 2 tasks stand alone"):
        overlapping(valued(values()), models=2, alone=("a", "b"))
    with pytest.raises(InputError, match="nothing can be kept together"):
        overlapping(valued(values()), together=(("a", "b"),))
