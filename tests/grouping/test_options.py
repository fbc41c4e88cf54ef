"""Options: every fault at once, and what collides is named."""

from __future__ import annotations

import pytest

from cotrain.errors import InputError
from cotrain.grouping.options import Options, merged


def faults(**values: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        Options(**values)  # type: ignore[arg-type]
    return caught.value.faults


def test_every_fault_is_told_at_once() -> None:
    found = faults(rule="clicque", select="partitoin", alpha=2, margin=0, margin_bits=-1, models=0, largest=1, candidates=-1)
    assert len(found) == 8
    assert "Did you mean 'clique'?" in found[0] and "Did you mean 'partition'?" in found[1]
    assert "alpha should be between 0 and 1, found 2" in found[2]


def test_a_budget_needs_a_number() -> None:
    assert "needs models, or a budget" in faults(objective="budget")[0]
    assert Options(objective="budget", models=3).models == 3
    assert Options(objective="budget", budget=1e8, cost="parameters").cost == "parameters"
    assert "both say how many models" in faults(models=3, budget=3)[0]
    assert "give the budget too" in faults(cost="bytes")[0]
    assert "Did you mean 'parameters'" in faults(budget=1e8, cost="paramters")[0]
    assert all("budget should be above 0" in faults(budget=value)[0] for value in (0, -1, float("inf"), float("nan")))


def test_rules_of_others_are_named_by_their_module() -> None:
    assert Options(rule="my_module:my_rule").rule == "my_module:my_rule"
    assert "unknown objective" in faults(objective="my:objective")[0]


@pytest.mark.parametrize("sets", [("cb", "rte"), (("cb",),), (("cb", "cb"),)])
def test_sets_hold_two_tasks_or_more(sets: object) -> None:
    assert all("sets of two tasks or more" in fault for fault in faults(together=sets))


def test_overlapping_sets_of_together_are_one() -> None:
    assert merged([("c", "b"), ("x", "y"), ("a", "b")]) == (("a", "b", "c"), ("x", "y"))
    assert merged([("a", "b"), ("c", "d"), ("b", "c")]) == (("a", "b", "c", "d"),)


def test_what_is_both_together_and_apart_is_named() -> None:
    [fault] = faults(together=(("a", "b"),), apart=(("b", "a", "z"),))
    assert fault == "together and apart collide: a and b are in both"


def test_a_collision_over_overlapping_sets_is_found_and_explained() -> None:
    [fault] = faults(together=(("a", "b"), ("b", "c")), apart=(("a", "c"),))
    assert "a and c are in both" in fault and "overlap join a, b, c" in fault


def test_who_must_share_and_may_never_share_is_named() -> None:
    [fault] = faults(together=(("a", "b", "c"),), alone=("b", "d"))
    assert fault == "together and alone collide: b must share with a, c and may never share"
    assert "alone should be a list of tasks" in faults(alone=(("a", "b"),))[0]


def test_every_collision_is_told_at_once() -> None:
    assert len(faults(together=(("a", "b"), ("c", "d")), apart=(("a", "b"), ("c", "d")), alone=("d",))) == 3
