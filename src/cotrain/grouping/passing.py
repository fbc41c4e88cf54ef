"""Which sets of tasks pass a rule (METHOD, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, islice
from math import comb
from typing import NamedTuple

import numpy as np

from cotrain.affinity.affinity import Affinity
from cotrain.choose import choose, unknown
from cotrain.errors import InputError
from cotrain.grouping import RULES
from cotrain.grouping.options import Options
from cotrain.grouping.rules import shown
from cotrain.grouping.statistics import Statistics

MOST_SETS = 2**20
"""Sets that are tested one by one: all of 20 tasks, or those of up to 4 of 71."""
_AT_ONCE = 2**16


class Passing(NamedTuple):
    """A set of tasks that passes, with the statistic and p of its test, and its dispersion in bits²."""

    tasks: tuple[str, ...]
    statistic: float
    p: float
    dispersion: float


def known(affinity: Affinity, options: Options) -> None:
    """Refuse constraints that name tasks which the affinity does not have.

    Raises:
        InputError: each such task, with a suggestion.
    """
    every = sorted(map(str, affinity.tasks["task"]))
    named = {t for sets in (*options.together, *options.apart, options.alone) for t in sets}
    if faults := [f"together, apart and alone: {unknown('task', t, every)}" for t in sorted(named - set(every))]:
        raise InputError(faults)


def eligible(affinity: Affinity, options: Options) -> list[str]:
    """Return the tasks that may be grouped, sorted: the learned ones, with ``paper`` all; none of ``alone``."""
    table = affinity.tasks
    found = table["task"] if options.paper else table.loc[table["state"] == "ok", "task"]
    return sorted(set(map(str, found)) - set(options.alone))


def passes(statistics: Statistics, sets: np.ndarray, affinity: Affinity, options: Options) -> np.ndarray:
    """Return (N,) whether (N, k) sets pass the rule.

    Raises:
        InputError: a rule that tests, where the affinity has no tests.
    """
    if options.rule in RULES and options.rule != "any" and len(sets) and not statistics.tested:
        raise InputError(
            f"the rule '{options.rule}' needs tests of pairs, and the affinity '{affinity.method}' has none, only values; "
            "use the rule 'any', with --select top1_per_target or partition"
        )
    rule = choose("rule", options.rule, RULES)
    return np.asarray(rule(statistics, sets, options, statistics.positions(eligible(affinity, options))), dtype=bool)


def count(n: int, largest: int) -> int:
    """Return how many sets of 2 to ``largest`` of n tasks there are.

    >>> count(15, 15)
    32752
    """
    return sum(comb(n, size) for size in range(2, min(n, largest) + 1))


def chunks(n: int, size: int) -> Iterator[np.ndarray]:
    """Yield every set of ``size`` of n positions as (N, size) arrays, in the order of positions, some at a time."""
    every = combinations(range(n), size)
    while len(found := np.fromiter(chain.from_iterable(islice(every, _AT_ONCE)), dtype=np.int64)):
        yield found.reshape(-1, size)


def passing(affinity: Affinity, options: Options, largest: int | None = None) -> list[Passing]:
    """Return every set of 2 to ``largest`` eligible tasks that passes the rule, ``apart`` respected; small sets first, then high p."""
    statistics = Statistics.of(affinity)
    where = statistics.positions(eligible(affinity, options))
    apart = statistics.apart(options)
    found: list[Passing] = []
    for size in range(2, min(largest or options.limit, len(where)) + 1):
        for positions in chunks(len(where), size):
            sets = where[positions]
            sets = sets[~statistics.any_pair(apart, sets)]
            found += described(statistics, sets[passes(statistics, sets, affinity, options)])
    return sorted(found, key=lambda g: (len(g.tasks), -g.p, g.tasks))


def described(statistics: Statistics, sets: np.ndarray) -> list[Passing]:
    """Return (N, k) sets with the statistic and p of their test and their dispersion."""
    if not len(sets):
        return []
    statistic, p = statistics.test(sets)
    names = np.array(statistics.names, dtype=object)[sets].tolist()
    numbers = zip(statistic.tolist(), p.tolist(), statistics.dispersion(sets).tolist(), strict=True)
    return [Passing(tuple(tasks), *of) for tasks, of in zip(names, numbers, strict=True)]


def outcomes(statistics: Statistics, sets: np.ndarray, options: Options) -> list[str]:
    """Return what is shown of each set at (alpha, margin): different, equivalent, both (negligible) or undecided.

    Different: by its pair or group test. Equivalent: every pair, by TOST. p is not adjusted here. Where no margin is known
    (scores from outside without the null model's bits) it is only ``different`` or not, and the words say so.
    """
    _, p = statistics.test(sets)
    different = shown(p, options.alpha)
    same = ~statistics.any_pair(~shown(statistics.tost(options), options.alpha), sets)
    words = {(True, True): "both (negligible)", (True, False): "different", (False, True): "equivalent", (False, False): "undecided"}
    open_margin = statistics.any_pair(np.isnan(statistics.margin(options)), sets)
    flags = zip(different.tolist(), same.tolist(), open_margin.tolist(), strict=True)
    return [words[d, s] + (", no margin known" if o else "") for d, s, o in flags]
