"""``select: nested``: two plans without any p-value, the coarser one made of whole groups of the finer (METHOD, section 3)."""

from __future__ import annotations

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.draft import Draft, serving_all
from cotrain.grouping.exact import dispersion, runner_up, splits_none
from cotrain.grouping.options import Options
from cotrain.grouping.partition import Groups, fewest, partition, subsets
from cotrain.grouping.passing import eligible
from cotrain.grouping.statistics import Statistics


def nested(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the partitions of least dispersion of the n learned tasks into ⌈n/2⌉ and ⌈n/4⌉ groups, the others alone.

    Where ``largest`` or ``apart`` leave no such partition, the fewest groups that they allow; where ``together`` makes fewer
    groups, those. Without a second number of groups there is one plan.
    """
    learned, blocks = eligible(affinity, options), options.blocks
    forced = {t for block in blocks for t in block}
    whole = [block for block in blocks if set(block) <= set(learned)]
    free = [t for t in learned if t not in forced or any(t in block for block in whole)]
    outside = (t for t in sorted(map(str, affinity.tasks["task"])) if t not in free and t not in forced)
    rest: list[tuple[str, ...]] = [(t,) for t in outside]
    rest += [block for block in blocks if block not in whole]
    if len(free) < 2:
        why = "Fewer than two tasks were learned, so PVI nominates no group."
        return [Draft(name, serving_all([*rest, *((t,) for t in free)]), (why,))]
    statistics, half, quarter = Statistics.of(affinity), -(-len(free) // 2), -(-len(free) // 4)
    allowed = [g for g in subsets(free, options.limit) if splits_none(g, blocks) and not options.apart_in(g)]
    allowed += [block for block in whole if block not in allowed]
    first = _least(statistics, free, {g: g for g in allowed}, half)
    plans = [_draft(f"{name}-half", f"The {len(free)} learned tasks in", statistics, first, rest, half)]
    second = _merged(statistics, first[0], options, quarter)
    if len(second[0]) < len(first[0]):
        plans.append(_draft(f"{name}-quarter", f"The groups of {name}-half merged into", statistics, second, rest, quarter))
    return plans


def _draft(name: str, what: str, statistics: Statistics, found: list[Groups], rest: list[tuple[str, ...]], wanted: int) -> Draft:
    """Return the draft of the best partition that was found, with tasks that it leaves as they are."""
    groups = found[0]
    why = [f"{what} {len(groups)} groups of least dispersion of mean PVI; no p-value is involved."]
    if len(groups) > wanted:
        why.append(f"{wanted} groups were wanted; the largest group size and what must be apart allow {len(groups)} or more.")
    return Draft(name, serving_all([*rest, *groups]), tuple(why), runner_up(statistics, found, len(rest)))


def _merged(statistics: Statistics, groups: Groups, options: Options, number: int) -> list[Groups]:
    """Return the best and the second best way to merge whole groups; an explicit ``largest`` holds here too."""
    names = {"+".join(g): g for g in groups}
    unions = {}
    for some in subsets(names, len(names)):
        tasks = tuple(sorted(t for block in some for t in names[block]))
        if len(some) == 1 or (not options.apart_in(tasks) and len(tasks) <= (options.largest or len(tasks))):
            unions[some] = tasks
    found = _least(statistics, list(names), unions, number)
    return [tuple(sorted(unions[some] for some in each)) for each in found]


def _least(statistics: Statistics, names: list[str], groups: dict[tuple[str, ...], tuple[str, ...]], number: int) -> list[Groups]:
    """Return the partitions of least dispersion into ``number`` groups (key: what is covered, value: the tasks), or the fewest possible."""
    number = max(number, fewest(names, groups))
    # at equal dispersion more groups, so that the number asked for is reached
    return partition(names, {key: (dispersion(statistics, tasks), -1.0) for key, tasks in groups.items()}, number)
