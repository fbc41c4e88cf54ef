"""``select: nested``: two plans without any p-value, the coarser one made of whole groups of the finer (METHOD, section 3)."""

from __future__ import annotations

from dataclasses import replace

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.draft import Draft, serving_all
from cotrain.grouping.exact import parts, runner_up
from cotrain.grouping.options import Options
from cotrain.grouping.partition import NoPartition
from cotrain.grouping.passing import eligible
from cotrain.grouping.search import Found, Problem
from cotrain.grouping.statistics import Statistics


def nested(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the partitions of least dispersion of the n learned tasks into ⌈n/2⌉ and ⌈n/4⌉ groups, the others alone.

    Where ``largest`` or ``apart`` leave no such partition, the fewest groups that they allow; where ``together`` makes fewer
    groups, those. Without a second number of groups there is one plan.
    """
    items, rest = parts(affinity, options, set(eligible(affinity, options)))
    free = sum(map(len, items))
    if free < 2:
        why = "Fewer than two tasks were learned and may share, so PVI nominates no group."
        return [Draft(name, serving_all([*rest, *items]), (why,))]
    statistics, half, quarter = Statistics.of(affinity), -(-free // 2), -(-free // 4)
    problem = Problem(statistics, items, None, statistics.apart(options), options.limit, each=-1)
    first = _least(problem, half)
    plans = [_draft(f"{name}-half", f"The {free} learned tasks in", problem, first, rest, half)]
    # whole groups are merged; an explicit ``largest`` holds here too
    problem = replace(problem, items=first.partitions[0], limit=options.largest)
    second = _least(problem, quarter)
    if len(second.partitions[0]) < len(first.partitions[0]):
        plans.append(_draft(f"{name}-quarter", f"The groups of {name}-half merged into", problem, second, rest, quarter))
    return plans


def _draft(name: str, what: str, problem: Problem, found: Found, rest: list[tuple[str, ...]], wanted: int) -> Draft:
    """Return the draft of the best partition that was found, with tasks that it leaves as they are."""
    groups = found.partitions[0]
    of = "of least dispersion of " + ("mean PVI" if problem.statistics.moments else "values")
    how = f" ({found.how})" if len(problem.items) > 16 else ""
    why = [f"{what} {len(groups)} groups {of}{how}; no p-value is involved."]
    if len(groups) > wanted:
        why.append(f"{wanted} groups were wanted; the largest group size and what must be apart allow {len(groups)} or more.")
    return Draft(name, serving_all([*rest, *groups]), tuple(why), runner_up(problem, found, len(rest)))


def _least(problem: Problem, number: int) -> Found:
    """Return the partitions of least dispersion into ``number`` groups, or the fewest possible."""
    try:
        return problem.search(number)
    except NoPartition:
        return problem.search(len(replace(problem, each=1).search().partitions[0]))
