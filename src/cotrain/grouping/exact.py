"""``select: partition``: every task served once, the exact best partition under the rule (METHOD, section 3)."""

from __future__ import annotations

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.draft import Draft, serving_all, words
from cotrain.grouping.options import Options
from cotrain.grouping.partition import Cost, Groups, fewest, partition
from cotrain.grouping.passing import eligible, passing
from cotrain.grouping.statistics import Statistics


def exact(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the partition with the ``fewest`` models, ties by least dispersion, or of least dispersion within a ``budget``.

    A set that must be together is a group whatever the rule says; further tasks join it only if the whole passes. Tasks
    that are not learned stand alone and count in the budget.

    Raises:
        InputError: a budget that the rule cannot meet, with the number of models that it can.
    """
    every, blocks = sorted(map(str, affinity.tasks["task"])), options.blocks
    forced = {t for block in blocks for t in block}
    pool = sorted(set(eligible(affinity, options)) | forced)
    alone = [(t,) for t in every if t not in pool]
    found = passing(affinity, options)
    allowed = [(t,) for t in pool if t not in forced] + [*blocks]
    allowed += [g.tasks for g in found if splits_none(g.tasks, blocks) and g.tasks not in blocks]
    statistics = Statistics.of(affinity)
    first = 1.0 if options.objective == "fewest" else 0.0
    cost: dict[tuple[str, ...], Cost] = {g: (first, dispersion(statistics, g)) for g in allowed}
    best = partition(pool, cost, _budget(pool, cost, options, len(alone)))
    what = {
        "fewest": "the fewest models, ties by least dispersion of mean PVI",
        "budget": f"at most {options.models} models, least dispersion of mean PVI",
    }[options.objective]
    why = [
        f"{len(found)} sets of up to {options.limit} tasks pass the rule '{options.rule}'{at(options)}; the exact best partition: {what}."
    ]
    if options.rule == "not_different":
        why.append("Not different is not alike: small held-out sets pass most easily. Training will judge.")
    return [Draft(name, serving_all([*alone, *best[0]]), tuple(why), runner_up(statistics, best, len(alone)))]


def _budget(pool: list[str], cost: dict[tuple[str, ...], Cost], options: Options, alone: int) -> int | None:
    """Return how many models the tasks of ``pool`` may have, or None for any number."""
    if options.objective != "budget" or options.models is None:
        return None
    least = fewest(pool, cost)
    if options.models < alone + least:
        raise InputError(
            f"at most {options.models} models are asked for, the rule '{options.rule}' and the states of the tasks need {alone + least}; "
            "allow more models, larger groups or another rule"
        )
    return options.models - alone


def at(options: Options) -> str:
    """Return the level of the rule in words; nothing for the rule that tests nothing."""
    return "" if options.rule == "any" else f" at alpha {options.alpha:g}"


def splits_none(tasks: tuple[str, ...], blocks: Groups) -> bool:
    """Whether a group has all of each set that must be together, or nothing of it."""
    inside = set(tasks)
    return not any(0 < len(inside & set(block)) < len(block) for block in blocks)


def dispersion(statistics: Statistics, tasks: tuple[str, ...]) -> float:
    """Return Σ n_i (V_i − V̄_group)² of one group, bit² · rows."""
    return float(statistics.dispersion(statistics.positions(tasks)[None])[0])


def runner_up(statistics: Statistics, found: list[Groups], alone: int) -> str:
    """Return the second best partition beside the best in words, or nothing."""
    if len(found) < 2:
        return ""
    one, two = (sum(dispersion(statistics, g) for g in groups) for groups in found)
    models = f"{len(found[1]) + alone} models instead of {len(found[0]) + alone}, " if len(found[0]) != len(found[1]) else ""
    return f"{words(found[1])} ({models}dispersion {two:.3g} instead of {one:.3g} bit² · rows)"
