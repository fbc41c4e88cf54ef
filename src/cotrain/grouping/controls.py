"""Controls: what a nominated plan must beat or match before anything is believed (METHOD, section 3).

A control takes the nominated plan, the affinity, how many draws, and a seed, and returns plans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from cotrain.affinity.affinity import Affinity
from cotrain.choose import choose, unknown
from cotrain.errors import InputError
from cotrain.grouping import CONTROLS
from cotrain.grouping.draft import serving_all
from cotrain.grouping.plan import Plan, Serving
from cotrain.training.group import Group, Member

ON_DEMAND = ("placebo", "matched_updates")
_TRIES = 1000
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
        kind, _, draws = name.partition(":") if name.partition(":")[0] in CONTROLS else (name, "", "")
        control = choose("control", kind, CONTROLS)
        plans |= {plan.name: plan for plan in control(nominated[0], affinity, int(draws or 1), seed)}
    return list(plans.values())


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
    return [_control("alone", serving_all([t] for t in affinity.tasks["task"]), "Every task alone.")]


def together(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return all tasks in one model."""
    return [_control("together", serving_all([affinity.tasks["task"]]), "All tasks in one model.")]


def different(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return the pairs whose mean PVI differs most in total, and among those in the least different pair (paper, Tables 5, 6).

    Every pairing of the lower with the upper half has the largest total; rank i with rank i + n/2 has the largest minimum.
    An odd task, the median, stands alone.
    """
    order = _ranked(affinity, "mean_bits")
    half = len(order) // 2
    pairs = zip(order[:half], order[len(order) - half :], strict=True)
    middle = [order[half : len(order) - half]] if len(order) % 2 else []
    return [_control("different", serving_all([*pairs, *middle]), "Pairs of tasks whose mean PVI differs most.")]


def random(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return ``plan`` with its tasks permuted at random: the same group sizes and overlaps, other partners.

    A draw that gives the plan itself or an earlier draw is drawn again, as long as there are others.
    """
    every = np.array(sorted(map(str, affinity.tasks["task"])), dtype=object)
    generator = np.random.default_rng(seed)
    seen, found = {frozenset(plan.servings)}, []
    for draw in range(1, draws + 1):
        for _ in range(_TRIES):
            place = dict(zip(every, every[generator.permutation(len(every))], strict=True))
            servings = tuple(
                Serving(Group.of(place[t] for t in s.group.tasks), tuple(sorted(place[t] for t in s.serves))) for s in plan.servings
            )
            if frozenset(servings) not in seen:
                break
        repeated = "; there is no other plan of these sizes" if frozenset(servings) in seen else ""
        seen.add(frozenset(servings))
        why = f"The group sizes of {plan.name}, tasks drawn at random (seed {seed}, draw {draw}){repeated}."
        found.append(_control("random" if draw == 1 else f"random-{draw}", servings, why))
    return found


def _renamed(serving: Serving, place: Mapping[str, str]) -> Serving:
    """Return a serving with other tasks in the places of its own."""
    return Serving(Group.of(place[t] for t in serving.group.tasks), tuple(sorted(place[t] for t in serving.serves)))


def by_entropy(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return groups of the sizes of ``plan`` with the most alike entropy of training labels."""
    return [_control("by_entropy", _alike(plan, affinity, "entropy_bits"), f"Most alike in label entropy, group sizes of {plan.name}.")]


def by_accuracy(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return groups of the sizes of ``plan`` with the most alike accuracy of the tasks alone, on the rows scored."""
    return [_control("by_accuracy", _alike(plan, affinity, "accuracy"), f"Most alike in accuracy alone, group sizes of {plan.name}.")]


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
    return [_control(name, tuple(made[name]), _WHY[name]) for name in names if made[name]]


def _control(name: str, servings: tuple[Serving, ...], why: str) -> Plan:
    """Return a control plan; one that groups nothing says so."""
    single = name != "alone" and name not in ON_DEMAND and all(len(s.group.tasks) < 2 for s in servings)
    return Plan(name, "control", servings, why=(why, "The plan groups nothing, so this is every task alone.") if single else (why,))


def _grouped(plan: Plan) -> list[str]:
    """Return the tasks that a plan serves by groups."""
    return [t for s in plan.servings if len(s.group.tasks) > 1 for t in s.serves]


def _ranked(affinity: Affinity, column: str) -> list[str]:
    """Return the tasks in the order of a column, by name where it is equal."""
    value = dict(zip(map(str, affinity.tasks["task"]), affinity.tasks[column], strict=True))
    return sorted(value, key=lambda t: (value[t], t))


def _alike(plan: Plan, affinity: Affinity, column: str) -> tuple[Serving, ...]:
    """Return neighbours in a column: least spread for the sizes of a partition, the nearest helpers where groups overlap."""
    order = _ranked(affinity, column)
    value = dict(zip(map(str, affinity.tasks["task"]), affinity.tasks[column].astype(float), strict=True))
    sizes = [len(s.group.tasks) for s in plan.servings if s.serves]
    if sum(sizes) == len(order):
        cuts = _cuts(tuple(value[t] for t in order), tuple(sorted(Counter(sizes).items())))
        return serving_all(order[start:end] for start, end in cuts)
    serves: dict[tuple[str, ...], list[str]] = {}
    for task in order:
        near = sorted((t for t in order if t != task), key=lambda t: (abs(value[t] - value[task]), t))
        group = tuple(sorted([task, *near[: len(plan.serving(task).group.tasks) - 1]]))
        serves.setdefault(group, []).append(task)
    return tuple(Serving(Group.of(group), tuple(sorted(who))) for group, who in sorted(serves.items()))


def _cuts(values: tuple[float, ...], sizes: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Return (start, end) of runs of sorted values whose sizes are (size, how many), with the least spread within runs."""

    @cache
    def best(start: int, left: tuple[tuple[int, int], ...]) -> tuple[float, tuple[tuple[int, int], ...]]:
        if start == len(values):
            return 0.0, ()
        found = []
        for size, _ in left:
            rest = tuple((s, c - (s == size)) for s, c in left if c - (s == size))
            spread, runs = best(start + size, rest)
            part = np.array(values[start : start + size])
            found.append((round(spread + float(((part - part.mean()) ** 2).sum()), 12), ((start, start + size), *runs)))
        return min(found)

    return list(best(0, sizes)[1])
