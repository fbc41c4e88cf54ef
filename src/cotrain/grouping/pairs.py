"""``select: max_abs_t`` and ``min_gap``: each task is served by a pair of its own choice; groups overlap (METHOD, section 3)."""

from __future__ import annotations

from collections.abc import Callable

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.draft import Draft, serving_all
from cotrain.grouping.exact import at, splits_none
from cotrain.grouping.options import Options
from cotrain.grouping.passing import Passing, passing
from cotrain.grouping.plan import Serving
from cotrain.grouping.statistics import Statistics
from cotrain.training.group import Group


def max_abs_t(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the paper's plan: each task with the passing partner of the largest |T|, that is the *least* similar one."""
    kind = "the largest |T| (the least similar one), as the paper has it"
    return [_draft(affinity, options, name, lambda g: -abs(g.statistic), kind, options.candidates)]


def min_gap(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the plan in which each task has the passing partner with the smallest difference of mean PVI."""
    statistics = Statistics.of(affinity)

    def gap(g: Passing) -> float:
        a, b = statistics.positions(g.tasks)
        return float(abs(statistics.difference[a, b]))

    return [_draft(affinity, options, name, gap, "the smallest difference of mean PVI", options.candidates or 0)]


def _many(n: int, one: str) -> str:
    """Return ``1 pair passes`` or ``3 pairs pass``."""
    return f"{n} {one} passes" if n == 1 else f"{n} {one}s pass"


def _draft(affinity: Affinity, options: Options, name: str, badness: Callable[[Passing], float], kind: str, most: int | None) -> Draft:
    """Return the plan of the best pair of each task; a task without one is served alone, one of ``together`` by its set.

    Passing sets of three or more, ``most`` of them, are trained as candidates and serve nobody here.
    """
    blocks = options.blocks
    found = [g for g in passing(affinity, options) if splits_none(g.tasks, blocks) and g.tasks not in blocks]
    pairs = [g for g in found if len(g.tasks) == 2]
    forced = {t for block in blocks for t in block}
    serves: dict[tuple[str, ...], list[str]] = {}
    for task in sorted(map(str, affinity.tasks["task"])):
        mine = [g for g in pairs if task in g.tasks]
        if task not in forced:
            serves.setdefault(min(mine, key=lambda g: (badness(g), g.tasks)).tasks if mine else (task,), []).append(task)
    servings = tuple(Serving(Group.of(g), tuple(who)) for g, who in sorted(serves.items()))
    larger = [g for g in found if len(g.tasks) > 2]
    kept = sorted(larger, key=lambda g: (-g.p, g.tasks))[:most]
    why = [f"{_many(len(pairs), 'pair')} the rule '{options.rule}'{at(options)}; each task is served by its pair with {kind}."]
    if larger:
        which = "all" if len(kept) == len(larger) else f"the {len(kept)} with the highest p" if kept else "none"
        why.append(f"Of sets of 3 to {options.limit} tasks {len(larger)} pass too; candidates that serve nobody in this plan: {which}.")
    candidates = tuple(Group.of(g.tasks) for g in larger if g in kept)
    return Draft(name, tuple(sorted(servings + serving_all(blocks), key=lambda s: s.group.tasks)), tuple(why), candidates=candidates)
