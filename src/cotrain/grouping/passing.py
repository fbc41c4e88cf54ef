"""Which sets of tasks pass a rule, and the listing of them for people (METHOD, section 2)."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.tests import detectable
from cotrain.choose import choose
from cotrain.grouping import RULES
from cotrain.grouping.options import Options
from cotrain.grouping.rules import shown
from cotrain.grouping.statistics import Statistics

__all__ = ["LISTED", "Options", "Passing", "eligible", "listing", "outcomes", "passes", "passing"]

LISTED = ("tasks", "statistic", "p", "outcome", "detectable_bits", "dispersion")


class Passing(NamedTuple):
    """A set of tasks that passes, with the statistic and p of its test, and its dispersion in bits²."""

    tasks: tuple[str, ...]
    statistic: float
    p: float
    dispersion: float


def eligible(affinity: Affinity, options: Options) -> list[str]:
    """Return the tasks that may be grouped, sorted: the learned ones; with ``paper`` all."""
    table = affinity.tasks
    return sorted(map(str, table["task"] if options.paper else table.loc[table["state"] == "ok", "task"]))


def passes(statistics: Statistics, sets: np.ndarray, affinity: Affinity, options: Options) -> np.ndarray:
    """Return (N,) whether (N, k) sets pass the rule."""
    rule = choose("rule", options.rule, RULES)
    return np.asarray(rule(statistics, sets, options, statistics.positions(eligible(affinity, options))), dtype=bool)


def passing(affinity: Affinity, options: Options, largest: int | None = None) -> list[Passing]:
    """Return every set of 2 to ``largest`` eligible tasks that passes the rule, ``apart`` respected; small sets first, then high p."""
    statistics, names = Statistics.of(affinity), eligible(affinity, options)
    where = statistics.positions(names)
    found = []
    for size in range(2, min(largest or options.limit, len(names)) + 1):
        sets = where[np.array(list(combinations(range(len(names)), size)))]
        sets = sets[passes(statistics, sets, affinity, options)]
        if not len(sets):
            continue
        statistic, p = statistics.test(sets)
        for line, t, value, dispersion in zip(sets, statistic, p, statistics.dispersion(sets), strict=True):
            tasks = tuple(statistics.names[k] for k in line)
            if not options.apart_in(tasks):
                found.append(Passing(tasks, float(t), float(value), float(dispersion)))
    return sorted(found, key=lambda g: (len(g.tasks), -g.p, g.tasks))


def outcomes(statistics: Statistics, sets: np.ndarray, options: Options) -> list[str]:
    """Return what is shown of each set at (alpha, margin): different, equivalent, both (negligible) or undecided.

    Different: by its pair or group test. Equivalent: every pair, by TOST. p is not adjusted here. Where no margin is known
    (scores from outside without the null model's bits) it is only ``different`` or not, and the words say so.
    """
    _, p = statistics.test(sets)
    different = shown(p, options.alpha)
    same = ~statistics.any_pair(~shown(statistics.tost(options), options.alpha), sets)
    words = {(True, True): "both (negligible)", (True, False): "different", (False, True): "equivalent", (False, False): "undecided"}
    unknown = statistics.any_pair(np.isnan(statistics.margin(options)), sets)
    return [words[bool(d), bool(s)] + (", no margin known" if u else "") for d, s, u in zip(different, same, unknown, strict=True)]


def listing(affinity: Affinity, options: Options) -> pd.DataFrame:
    """Return the sets that pass, columns ``LISTED``; none under the rule ``any``, which every set passes.

    ``detectable_bits`` is the gap that 80 % power sees at alpha; of the least sure pair in larger sets.
    """
    found = [] if options.rule == "any" else passing(affinity, options)
    statistics = Statistics.of(affinity)
    gaps = np.where(statistics.few, np.inf, detectable(statistics.pairs.se, statistics.pairs.df, options.alpha))
    lines = []
    for group in found:
        where = statistics.positions(group.tasks)
        [outcome] = outcomes(statistics, where[None], options)
        gap = float(gaps[np.ix_(where, where)].max())
        lines.append((group.tasks, group.statistic, group.p, outcome, gap, group.dispersion))
    return pd.DataFrame(lines, columns=list(LISTED))
