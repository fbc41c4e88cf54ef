"""Budgets in parameters and bytes are a number of models: against the costs of every partition."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.budget import BYTES, Size, affordable
from cotrain.grouping.group import group
from cotrain.grouping.options import Options

Make = Callable[..., Affinity]
MEAN = {"a": 0.1, "b": 0.2, "c": 0.5, "d": 0.6, "e": 0.9}
SIZE = Size(1000, {"a": 10, "b": 20, "c": 30, "d": 40, "e": 50})


@pytest.mark.parametrize(("cost", "unit"), [("parameters", 1), ("bytes", BYTES)])
@pytest.mark.parametrize("room", [1150, 2149, 2150, 3000, 4150, 9000])
def test_a_plan_costs_no_more_than_its_budget_and_one_model_more_would(affinity: Make, cost: str, unit: int, room: int) -> None:
    """A group costs an encoder and the heads of its tasks."""
    [plan] = group(affinity(MEAN), Options(rule="any", budget=room * unit, cost=cost, objective="budget", largest=5), size=SIZE)
    spent = sum(SIZE.encoder + sum(SIZE.heads[t] for t in s.group.tasks) for s in plan.servings)
    assert spent <= room
    assert spent + SIZE.encoder > room or plan.models == len(MEAN)
    assert any("buys" in why and f"{unit * 1000:,} each" in why for why in plan.why)


def test_a_budget_in_models_is_short_for_models(affinity: Make) -> None:
    [one] = group(affinity(MEAN), Options(rule="any", objective="budget", budget=3.7))
    [other] = group(affinity(MEAN), Options(rule="any", objective="budget", models=3))
    assert one == other


def test_both_limits_hold() -> None:
    assert affordable(Options(budget=4150, cost="parameters", models=2), SIZE).models == 2
    assert affordable(Options(budget=4150, cost="parameters", models=5), SIZE).models == 4


@pytest.mark.parametrize(("options", "size", "words"), [
    (Options(budget=0.5), None, "below one model"),
    (Options(budget=1e9, cost="bytes"), None, "a budget in bytes needs an encoder"),
    (Options(budget=1000, cost="parameters"), SIZE, "below one model for all tasks; that takes 1,150"),
    (Options(budget=1000, cost="bytes"), SIZE, "that takes 4,600"),
])  # fmt: skip
def test_budgets_that_buy_nothing(options: Options, size: Size | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        affordable(options, size)
