"""Controls that copy the sizes of a plan, or pair what is least alike: the same amount of sharing, other partners."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.draft import serving_all
from cotrain.grouping.plan import Plan, Serving, control
from cotrain.training.group import Group

_TRIES = 1000


def different(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return the pairs whose mean PVI differs most in total, and among those in the least different pair (paper, Tables 5, 6).

    Every pairing of the lower with the upper half has the largest total; rank i with rank i + n/2 has the largest minimum.
    An odd task, the median, stands alone.
    """
    order = _ranked(affinity, "mean_bits")
    half = len(order) // 2
    pairs = zip(order[:half], order[len(order) - half :], strict=True)
    middle = [order[half : len(order) - half]] if len(order) % 2 else []
    return [control("different", serving_all([*pairs, *middle]), "Pairs of tasks whose mean PVI differs most.")]


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
        found.append(control("random" if draw == 1 else f"random-{draw}", servings, why))
    return found


def by_entropy(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return groups of the sizes of ``plan`` with the most alike entropy of training labels."""
    return [control("by_entropy", _alike(plan, affinity, "entropy_bits"), f"Most alike in label entropy, group sizes of {plan.name}.")]


def by_accuracy(plan: Plan, affinity: Affinity, draws: int = 1, seed: int = 0) -> list[Plan]:
    """Return groups of the sizes of ``plan`` with the most alike accuracy of the tasks alone, on the rows scored."""
    return [control("by_accuracy", _alike(plan, affinity, "accuracy"), f"Most alike in accuracy alone, group sizes of {plan.name}.")]


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
