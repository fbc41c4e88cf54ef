"""Controls: what a nominated plan must beat or match before anything is believed (METHOD, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cotrain.affinity.affinity import Affinity
from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.grouping import CONTROLS
from cotrain.grouping.partition import partition, subsets
from cotrain.grouping.plan import Plan, Serving
from cotrain.training.group import Group, Member


def controls(names: Sequence[str], nominated: Sequence[Plan], affinity: Affinity, seed: int = 0) -> list[Plan]:
    """Return the control plans named; ``placebo`` and ``matched_updates`` for every task that the first plan groups.

    Raises:
        InputError: an unknown control.
    """
    if faults := [unknown("control", n, CONTROLS) for n in names if n not in CONTROLS]:
        raise InputError(faults)
    plans = []
    for name in dict.fromkeys(names):
        if name in ("placebo", "matched_updates"):
            grouped = [t for s in nominated[0].servings if len(s.group.tasks) > 1 for t in s.serves]
            plans += on_demand(nominated[0], grouped, (name,))
        else:
            plans.append(_control(name, nominated[0], affinity, seed))
    return plans


def _control(name: str, nominated: Plan, affinity: Affinity, seed: int) -> Plan:
    """Return one control that is made before training."""
    every = sorted(affinity.tasks["task"])
    sizes = sorted((len(s.group.tasks) for s in nominated.servings if s.serves), reverse=True)
    if name == "alone":
        return _of(name, [(t,) for t in every], "Every task alone.")
    if name == "together":
        return _of(name, [tuple(every)], "All tasks in one model.")
    if name == "random":
        sizes = _fit(sizes, len(every))
        order = np.random.default_rng(seed).permutation(len(every)).tolist()
        groups = [tuple(sorted(every[order.pop()] for _ in range(size))) for size in sizes]
        return _of(name, groups, f"Groups of the same sizes as {nominated.name}, drawn at random (seed {seed}).")
    tasks = affinity.tasks.set_index("task")
    if name == "different":
        return _different(every, affinity)
    column = {"by_entropy": "entropy_bits", "by_accuracy": "accuracy"}[name]
    order_by = sorted(every, key=lambda t: (tasks.loc[t, column], t))
    groups, sizes = [], _fit(sizes, len(every))
    for size in sorted(sizes):
        groups.append(tuple(order_by[:size]))
        order_by = order_by[size:]
    return _of(name, groups, f"Neighbours in {column}, group sizes of {nominated.name}.")


def _fit(sizes: list[int], n: int) -> list[int]:
    """Return group sizes that add up to ``n`` tasks: overlapping groups (max_abs_t) are cut off or filled with singles."""
    kept: list[int] = []
    for size in sizes:
        if sum(kept) + size <= n:
            kept.append(size)
    return kept + [1] * (n - sum(kept))


def _different(every: list[str], affinity: Affinity) -> Plan:
    """Return the partition into pairs with the largest total difference of mean PVI (paper, Tables 5 and 6)."""
    gap = {frozenset((r["target"], r["helper"])): abs(r["difference_bits"]) for r in affinity.pairs.to_dict("records")}
    cost = {g: (-gap[frozenset(g)] if len(g) == 2 else 0.0,) for g in subsets(every, 2)}
    best = partition(every, cost, -(-len(every) // 2))[0]
    return _of("different", list(best), "Pairs of tasks whose mean PVI differs most.")


def _of(name: str, groups: list[tuple[str, ...]], why: str) -> Plan:
    """Return a control plan in which every group serves its members."""
    return Plan(name, "control", tuple(Serving(Group.of(g), tuple(sorted(g))) for g in sorted(groups)), why=(why,))


def on_demand(plan: Plan, claims: Sequence[str], names: Sequence[str] = ("placebo", "matched_updates")) -> list[Plan]:
    """Return the two controls that separate transfer from more optimisation, for the tasks where a gain is claimed.

    ``placebo``: the same group, the helpers' labels permuted. ``matched_updates``: the task alone. Both train exactly as
    many updates as the controlled group did at that seed.
    """
    made: dict[str, list[Serving]] = {"placebo": [], "matched_updates": []}
    for task in claims:
        group = plan.serving(task).group
        if len(group.tasks) < 2:
            continue
        members = tuple(m if m.task == task else Member(m.task, "permuted", 1) for m in group.members)
        made["placebo"].append(Serving(Group(members, group.name), (task,)))
        made["matched_updates"].append(Serving(Group((Member(task),), group.name), (task,)))
    why = {
        "placebo": "Helpers with permuted labels, as many updates: a gain not above this is more training, not transfer.",
        "matched_updates": "The task alone, with as many updates as its group took.",
    }
    return [Plan(name, "control", tuple(made[name]), why=(why[name],)) for name in names if made[name]]
