"""Controls: what a nominated plan must beat or match before anything is believed (METHOD, section 3).

A control takes the nominated plan, the affinity, how many draws, and a seed, and returns plans.
"""

from __future__ import annotations

from collections.abc import Sequence

from cotrain.affinity.affinity import Affinity
from cotrain.choose import choose, unknown
from cotrain.errors import InputError
from cotrain.grouping import CONTROLS
from cotrain.grouping.draft import serving_all
from cotrain.grouping.plan import Plan, Serving, control
from cotrain.training.group import Group, Member

ON_DEMAND = ("placebo", "matched_updates")
_WHY = {
    "placebo": "Helpers with permuted labels, as many updates: a gain not above this is more training, not transfer.",
    "matched_updates": "The task alone, with as many updates as its group took.",
}


def controls(names: Sequence[str], nominated: Sequence[Plan], affinity: Affinity, seed: int = 0) -> list[Plan]:
    """Return the control plans named; ``random:3`` gives three draws, ``random``, ``random-2`` and ``random-3``.

    Controls that copy group sizes follow the first nominated plan: of nested plans the finer one, whose groups the coarser
    one only merges. ``placebo`` and ``matched_updates`` are made for every task that this plan groups.

    Raises:
        InputError: unknown controls.
    """
    if faults := [fault for name in names if (fault := wrong(name))]:
        raise InputError(faults)
    plans: dict[str, Plan] = {}
    for name in names:
        kind, draws = drawn(name)
        make = choose("control", kind, CONTROLS)
        plans |= {plan.name: plan for plan in make(nominated[0], affinity, draws, seed)}
    return list(plans.values())


def drawn(name: str) -> tuple[str, int]:
    """Return the kind of a control and how many draws of it are asked for; one from outside has a colon in its name.

    >>> drawn("random:3"), drawn("together"), drawn("mine:control")
    (('random', 3), ('together', 1), ('mine:control', 1))
    """
    kind, _, draws = name.partition(":")
    return (kind, int(draws or 1)) if kind in CONTROLS else (name, 1)


def wrong(name: str) -> str:
    """Return what is wrong with the name of a control, or nothing.

    >>> wrong("random:0")
    "control 'random:0': the number of draws should be 1 or more, as in random:3"
    """
    kind, colon, draws = name.partition(":")
    if kind in CONTROLS:
        if colon and kind != "random":
            return f"control '{name}': only random has draws, as in random:3"
        if colon and not (draws.isdecimal() and int(draws)):
            return f"control '{name}': the number of draws should be 1 or more, as in random:3"
        return ""
    return "" if colon else unknown("control", name, CONTROLS)


def alone(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return every task alone."""
    return [control("alone", serving_all([t] for t in affinity.tasks["task"]), "Every task alone.")]


def together(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return all tasks in one model."""
    return [control("together", serving_all([affinity.tasks["task"]]), "All tasks in one model.")]


def placebo(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return, for every task that ``plan`` groups, its group with the labels of the helpers permuted."""
    return on_demand(plan, _grouped(plan), ("placebo",))


def matched_updates(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return, for every task that ``plan`` groups, the task alone with the updates of its group."""
    return on_demand(plan, _grouped(plan), ("matched_updates",))


def on_demand(plan: Plan, claims: Sequence[str], names: Sequence[str] = ON_DEMAND) -> list[Plan]:
    """Return the two controls that separate transfer from more optimisation, for the tasks where a gain is claimed.

    ``placebo``: the same group, the helpers' labels permuted. ``matched_updates``: the task alone. Both train exactly as
    many updates as the controlled group did at that seed. Each claim has its own, also within one group.
    """
    made: dict[str, list[Serving]] = {"placebo": [], "matched_updates": []}
    for task in dict.fromkeys(claims):
        group = plan.serving(task).group
        if len(group.tasks) < 2:
            continue
        members = tuple(m if m.task == task else Member(m.task, "permuted", 1) for m in group.members)
        made["placebo"].append(Serving(Group(members, group.name), (task,)))
        made["matched_updates"].append(Serving(Group((Member(task),), group.name), (task,)))
    return [control(name, tuple(made[name]), _WHY[name]) for name in names if made[name]]


def _grouped(plan: Plan) -> list[str]:
    """Return the tasks that a plan serves by groups."""
    return [t for s in plan.servings if len(s.group.tasks) > 1 for t in s.serves]
