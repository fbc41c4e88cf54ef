"""``select: partition``: every task served once, the best partition under the rule (METHOD, section 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.draft import Draft, serving_all, words
from cotrain.grouping.options import Options
from cotrain.grouping.partition import Groups, NoPartition
from cotrain.grouping.passing import eligible, passes
from cotrain.grouping.search import Found, Problem
from cotrain.grouping.statistics import Statistics

_WHAT = {
    "fewest": "the fewest models, ties by least {dispersion}",
    "budget": "at most {models} models, least {dispersion}",
    "gain": "the largest sum of predicted gains{within}",
}


def exact(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the partition with the ``fewest`` models, of least dispersion within a ``budget``, or of largest ``gain``.

    Ties of ``fewest`` go to the least dispersion. The gain of a task in a group is the mean of ``value`` over the others as its
    helpers, 0 alone. A set that must be together is a group whatever the rule says; further tasks join it only if the whole
    passes. Tasks that may not share or are not learned stand alone and count in the budget.

    Raises:
        InputError: a budget that cannot be met, with the number of models that can and the constraints in its way; the
            objective ``gain`` where values are no gains; too many tasks for an objective without means.
    """
    if options.objective == "gain" and not gains(affinity):
        raise InputError(
            f"the objective gain needs values that are gains; those of '{affinity.method}' are {unit(affinity)} and say how alike tasks "
            "are, not what sharing brings: choose the objective budget or fewest, or give measured gains with cotrain group --gains FILE"
        )
    problem, rest = _problem(affinity, options)
    statistics = problem.statistics
    try:
        found = problem.search(_left(options, len(rest)))
    except NoPartition:
        raise InputError(_too_few(affinity, options)) from None
    said = {"dispersion": "dispersion of mean PVI" if statistics.moments else "dispersion of values",
            "models": options.models, "within": f" of at most {options.models} models" if options.models else ""}  # fmt: skip
    why = [f"{found.how}: {_WHAT[options.objective].format(**said)}."]
    if found.allowed is not None:
        why = [f"{found.allowed} sets of up to {options.limit} tasks pass the rule '{options.rule}'{at(options)}; {why[0]}"]
    if options.rule == "not_different":
        why.append("Not different is not alike: small held-out sets pass most easily. Training will judge.")
    return [Draft(name, serving_all([*rest, *found.partitions[0]]), tuple(why), runner_up(problem, found, len(rest)))]


def gains(affinity: Affinity) -> bool:
    """Whether the values of an affinity are gains, by their unit."""
    return bool(affinity.pairs["unit"].astype(str).str.contains("gain").all())


def unit(affinity: Affinity) -> str:
    """Return the unit of the values in words."""
    return "in " + " and ".join(sorted(set(affinity.pairs["unit"].astype(str)))) if len(affinity.pairs) else "not there"


def _problem(affinity: Affinity, options: Options) -> tuple[Problem, list[tuple[str, ...]]]:
    """Return what is to be searched, and the groups that stand as they are: tasks alone, and forced sets that no task may join."""
    statistics, learned = Statistics.of(affinity), set(eligible(affinity, options))
    items, rest = parts(affinity, options, learned)
    passing = None if options.rule == "any" else lambda sets: passes(statistics, sets, affinity, options)
    each = 1 if options.objective == "fewest" else 0
    return Problem(statistics, items, passing, statistics.apart(options), options.limit, each, options.objective == "gain"), rest


def parts(affinity: Affinity, options: Options, learned: set[str]) -> tuple[Groups, list[tuple[str, ...]]]:
    """Return the tasks, and sets of tasks that must be together, that may be grouped, and those that may not; sorted."""
    forced = {t for block in options.blocks for t in block}
    single: list[tuple[str, ...]] = [(t,) for t in sorted(map(str, affinity.tasks["task"])) if t not in forced]
    every = sorted([*single, *options.blocks])
    return tuple(item for item in every if set(item) <= learned), [item for item in every if not set(item) <= learned]


def _left(options: Options, rest: int) -> int | None:
    """Return how many models are left for the tasks that may be grouped, or None for any number."""
    return None if options.models is None else max(0, options.models - rest)


def least(affinity: Affinity, options: Options) -> int:
    """Return the least number of models."""
    problem, rest = _problem(affinity, options)
    return len(rest) + (len(replace(problem, each=1, gain=False).search().partitions[0]) if problem.items else 0)


def _too_few(affinity: Affinity, options: Options) -> str:
    """Return why a plan cannot have so few models: the least number, and each constraint without which there could be fewer."""
    needed = least(affinity, options)
    freed: dict[str, dict[str, Any]] = {
        f"the rule '{options.rule}'": {"rule": "any"},
        f"the largest group of {options.limit}": {"largest": len(affinity.tasks)},
        **{f"apart {', '.join(sets)}": {"apart": tuple(s for s in options.apart if s != sets)} for sets in options.apart},
        f"alone {', '.join(options.alone)}": {"alone": ()},
        "the states of tasks that are not learned": {"paper": True},
    }
    there = {words: change for words, change in freed.items() if any(getattr(options, key) != value for key, value in change.items())}
    single = [words for words, change in there.items() if least(affinity, replace(options, **change)) < needed]
    why = f"; in the way: {', '.join(single)}" if single else f"; in the way together: {', '.join(there)}" if there else ""
    return f"at most {options.models} models are asked for, and {needed} are needed{why}; allow more models, or loosen one of these"


def at(options: Options) -> str:
    """Return the level of the rule in words; nothing for the rule that tests nothing."""
    return "" if options.rule == "any" else f" at alpha {options.alpha:g}"


def runner_up(problem: Problem, found: Found, alone: int) -> str:
    """Return the second best partition beside the best in words, or nothing."""
    if len(found.partitions) < 2:
        return ""
    best, second = found.partitions
    statistics = problem.statistics

    def total(groups: Groups) -> float:
        measure = statistics.gain if problem.gain else statistics.dispersion
        return sum(float(measure(statistics.positions(g)[None])[0]) for g in groups)

    models = f"{len(second) + alone} models instead of {len(best) + alone}, " if len(best) != len(second) else ""
    what, unit = ("gain", "") if problem.gain else ("dispersion", " bit² · rows" if statistics.moments else "")
    numbers = f"{total(second):.3g} instead of {total(best):.3g}".replace("-", "−")
    return f"{words(second)} ({models}{what} {numbers}{unit})"
