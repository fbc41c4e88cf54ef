"""A Plan checks itself and is read back as it was written."""

from __future__ import annotations

import pytest
import yaml

from cotrain.errors import InputError
from cotrain.grouping.controls import on_demand
from cotrain.grouping.draft import serving_all
from cotrain.grouping.plan import Plan, Serving
from cotrain.training.group import Group

PLAN = Plan(
    "pvi", "nominated", (*serving_all(["cd"]), Serving(Group.of("ab"), ("a",)), Serving(Group.of("b"), ("b",))),
    candidates=(Group.of("abc"), Group.of("ab")), why=("because",), runner_up="a; b", settings={"alpha": 0.01, "together": [["c", "d"]]},
    overrides=("together: c, d",),
)  # fmt: skip


@pytest.mark.parametrize("plan", [PLAN, *on_demand(PLAN, ["a", "c"])])
def test_a_plan_is_read_back_from_yaml(plan: Plan) -> None:
    assert Plan.from_dict(yaml.safe_load(yaml.safe_dump(plan.to_dict()))) == plan


def test_what_a_plan_needs_trained_is_each_group_once() -> None:
    assert [g.name for g in PLAN.groups] == ["c+d", "a+b", "b", "a+b+c"]
    assert (PLAN.models, PLAN.tasks, PLAN.serving("a").group.name) == (3, ("a", "b", "c", "d"), "a+b")


def test_a_task_has_one_model_and_a_group_serves_its_real_members_only() -> None:
    with pytest.raises(InputError, match="serves b twice"):
        Plan("p", "nominated", (*serving_all(["ab"]), *serving_all(["b"])))
    with pytest.raises(InputError, match="cannot serve"):
        Serving(Group.parse("a+b[permuted:1]"), ("b",))
    with pytest.raises(InputError, match="Did you mean 'nominated'"):
        Plan("p", "nominate", ())  # type: ignore[arg-type]


def test_a_plan_that_is_none_is_refused() -> None:
    good = PLAN.to_dict()
    with pytest.raises(InputError, match="format 2"):
        Plan.from_dict(good | {"format": 2})
    with pytest.raises(InputError, match="kind"):
        Plan.from_dict({k: v for k, v in good.items() if k != "kind"})
    with pytest.raises(InputError, match="not the name of a group"):
        Plan.from_dict(good | {"candidates": ["a++b"]})
