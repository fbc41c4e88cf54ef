"""``select: max_abs_t``, ``min_gap`` and ``top1_per_target``: each task is served by a pair of its own choice; groups overlap.

METHOD, section 3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.draft import Draft, serving_all
from cotrain.grouping.exact import at, gains
from cotrain.grouping.options import Options, Sets
from cotrain.grouping.passing import MOST_SETS, Passing, count, eligible, passing
from cotrain.grouping.plan import Serving
from cotrain.grouping.statistics import Statistics
from cotrain.training.group import Group

Badness = Callable[[Statistics], np.ndarray]
"""(T, T) how bad each helper (column) is for each target (row); nan: it is none."""


def max_abs_t(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the paper's plan: each task with the passing partner of the largest |T|, that is the *least* similar one."""
    _needs(Statistics.of(affinity).tested, affinity, "max_abs_t", "tests of pairs")
    kind = "the largest |T| (the least similar one), as the paper has it"
    return [_draft(affinity, options, name, lambda s: -np.abs(s.pairs.statistic), kind, options.candidates)]


def min_gap(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the plan in which each task has the passing partner with the smallest difference of mean PVI."""
    _needs(Statistics.of(affinity).moments, affinity, "min_gap", "means of tasks")
    kind = "the smallest difference of mean PVI"
    return [_draft(affinity, options, name, lambda s: np.abs(s.difference), kind, options.candidates or 0)]


def top1_per_target(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the plan in which each task has its best passing helper by ``value``, of gains only those above 0."""
    gain = gains(affinity)
    kind = f"the helper of the largest value ({affinity.method}{', gains above 0 alone' if gain else ''})"

    def badness(s: Statistics) -> np.ndarray:
        return -np.where(s.value > 0, s.value, np.nan) if gain else -s.value

    return [_draft(affinity, options, name, badness, kind, options.candidates or 0)]


def _needs(there: bool, affinity: Affinity, select: str, what: str) -> None:
    """Refuse a selection that reads what the affinity does not have."""
    if not there:
        raise InputError(f"the selection {select} needs {what}, and '{affinity.method}' has none, only values; choose top1_per_target")


def _many(n: int, one: str) -> str:
    """Return ``1 pair passes`` or ``3 pairs pass``."""
    return f"{n} {one} passes" if n == 1 else f"{n} {one}s pass"


def _draft(affinity: Affinity, options: Options, name: str, badness: Badness, kind: str, most: int | None) -> Draft:
    """Return the plan of the best pair of each task; a task without one is served alone, one of ``together`` by its set.

    Passing sets of three or more, ``most`` of them, are trained as candidates and serve nobody here.
    """
    statistics = Statistics.of(affinity)
    forced = {t for block in options.blocks for t in block}
    few = count(len(eligible(affinity, options)), options.limit) <= MOST_SETS
    found = [g for g in passing(affinity, options, None if few else 2) if _whole(g.tasks, options.blocks)]
    pairs = [g for g in found if len(g.tasks) == 2]
    serves: dict[tuple[str, ...], list[str]] = {}
    for task, group in _chosen(statistics, pairs, badness(statistics)).items():
        if task not in forced:
            serves.setdefault(group, []).append(task)
    servings = tuple(Serving(Group.of(g), tuple(who)) for g, who in sorted(serves.items()))
    larger = [g for g in found if len(g.tasks) > 2]
    kept = set(sorted(larger, key=lambda g: (-g.p, g.tasks))[:most])
    why = [f"{_many(len(pairs), 'pair')} the rule '{options.rule}'{at(options)}; each task is served by its pair with {kind}."]
    if larger:
        which = "all" if len(kept) == len(larger) else f"the {len(kept)} with the highest p" if kept else "none"
        why.append(f"Of sets of 3 to {options.limit} tasks {len(larger)} pass too; candidates that serve nobody in this plan: {which}.")
    if not few:
        why.append("Larger sets are too many to be tested; no candidates.")
    candidates = tuple(Group.of(g.tasks) for g in larger if g in kept)
    everybody = sorted(servings + serving_all(options.blocks), key=lambda s: s.group.tasks)
    return Draft(name, tuple(everybody), tuple(why), candidates=candidates)


def _whole(tasks: tuple[str, ...], blocks: Sets) -> bool:
    """Whether a set has all of each set that must be together, or nothing of it, and is none of them."""
    inside = set(tasks)
    return tasks not in blocks and not any(0 < len(inside & set(block)) < len(block) for block in blocks)


def _chosen(statistics: Statistics, pairs: list[Passing], badness: np.ndarray) -> dict[str, tuple[str, ...]]:
    """Return task to the least bad of its pairs, of equally bad ones the first by name, or the task alone."""
    cost = np.full(badness.shape, np.inf)
    where = np.array([statistics.positions(g.tasks) for g in pairs], dtype=int).reshape(-1, 2)
    for target, helper in (where.T, where.T[::-1]):
        cost[target, helper] = np.where(np.isnan(badness[target, helper]), np.inf, badness[target, helper])
    names = statistics.names
    best = cost.argmin(axis=1)  # the first by name
    return {
        names[i]: tuple(sorted((names[i], names[k]))) if cost[i, k] < np.inf else (names[i],) for i, k in enumerate(best.tolist())
    }  # fmt: skip
