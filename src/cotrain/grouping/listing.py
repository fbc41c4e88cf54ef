"""The listing of every set of tasks that passes, for people: the paper's Tables 1 and 2, and beyond."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import networkx as nx
import numpy as np
import pandas as pd

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.tests import detectable
from cotrain.grouping.options import Options
from cotrain.grouping.passing import MOST_SETS, Passing, count, described, eligible, known, outcomes, passes, passing
from cotrain.grouping.settle import settle
from cotrain.grouping.statistics import Statistics

LISTED = ("tasks", "statistic", "p", "outcome", "detectable_bits", "dispersion")
PAIRS = ("target", "helper", "difference_bits", "statistic", "p", "p_holm", "p_equivalent", "outcome", "passes", "rows_to_settle")
MOST_CLIQUES = 10_000


class Listing(NamedTuple):
    """What passes a rule: every ``pairs``, columns ``PAIRS``; the ``sets`` that pass, columns ``LISTED``; what was looked at, in words."""

    pairs: pd.DataFrame
    sets: pd.DataFrame
    note: str


def listing(affinity: Affinity, options: Options, largest: int | None = None) -> Listing:
    """Return the pairs, and the sets of 2 to ``largest`` tasks that pass the rule, small sets first, then high p.

    Where there are more than ``MOST_SETS`` sets (20 tasks without a limit), the maximal cliques of passing pairs.

    Raises:
        InputError: constraints that name unknown tasks.
    """
    known(affinity, options)
    statistics = Statistics.of(affinity)
    may = eligible(affinity, options)
    n, most = len(may), min(len(may), largest or len(may))
    if options.rule == "any":
        found, note = [], "Every set passes the rule 'any'."
    elif count(n, most) <= MOST_SETS:
        found = passing(affinity, options, most)
        note = f"Every set of 2 to {most} of {n} tasks was tested." if most > 1 else "There are no two tasks that may share."
    else:
        found, all_there = _cliques(affinity, options, statistics)
        note = f"There are too many sets of {n} tasks to test each: these are the maximal cliques, sets in which every pair passes."
        if options.rule not in ("clique", "equivalent"):
            note += f" The rule '{options.rule}' tests larger sets as a whole: it may pass others, and may not pass these."
        note += "" if all_there else f" Of more than {MOST_CLIQUES:,} the first that were found."
    if left_out := sorted(set(statistics.names) - set(may)):
        note += f" In no set, as they are not learned or must stand alone: {', '.join(left_out)}."
    return Listing(_pairs(affinity, options, statistics), _table(statistics, found, options), note)


def _cliques(affinity: Affinity, options: Options, statistics: Statistics) -> tuple[list[Passing], bool]:
    """Return the maximal sets of two or more tasks whose every pair passes and may share, and whether these are all."""
    where = statistics.positions(eligible(affinity, options))
    a, b = np.triu_indices(len(where), 1)
    sets = np.stack([where[a], where[b]], axis=1)
    sets = sets[passes(statistics, sets, affinity, options) & ~statistics.any_pair(statistics.apart(options), sets)]
    graph = nx.Graph()
    graph.add_edges_from(sets.tolist())  # sets of positions in the order of names: the same graph whatever the order of tasks
    cliques = list(islice(nx.find_cliques(graph), MOST_CLIQUES + 1))
    by_size: dict[int, list[list[int]]] = {}
    for clique in cliques[:MOST_CLIQUES]:
        by_size.setdefault(len(clique), []).append(sorted(clique))
    found = [one for size in sorted(by_size) for one in described(statistics, np.array(by_size[size]))]
    return sorted(found, key=lambda g: (len(g.tasks), -g.p, g.tasks)), len(cliques) <= MOST_CLIQUES


def _table(statistics: Statistics, found: Iterable[Passing], options: Options) -> pd.DataFrame:
    """Return sets as lines; ``detectable_bits`` is the gap that 80 % power sees at alpha, of the least sure pair in larger sets."""
    gaps = np.where(statistics.few, np.inf, detectable(statistics.pairs.se, statistics.pairs.df, options.alpha))
    by_size: dict[int, list[Passing]] = {}
    for group in found:
        by_size.setdefault(len(group.tasks), []).append(group)
    lines: list[tuple[object, ...]] = []
    for groups in by_size.values():
        sets = np.stack([statistics.positions(group.tasks) for group in groups])
        least_sure = statistics.largest(gaps, sets).tolist()
        for group, outcome, gap in zip(groups, outcomes(statistics, sets, options), least_sure, strict=True):
            lines.append((group.tasks, group.statistic, group.p, outcome, gap, group.dispersion))
    return pd.DataFrame(lines, columns=list(LISTED))


def _pairs(affinity: Affinity, options: Options, statistics: Statistics) -> pd.DataFrame:
    """Return every pair with p, p by Holm, p of equivalence, what is shown of it, whether it passes the rule; high p first.

    ``rows_to_settle``: held-out rows per task that would decide it (``settle``); nan where it is decided.
    """
    pairs = affinity.pairs
    if pairs.empty:
        return pd.DataFrame(columns=list(PAIRS))
    sets = np.stack([statistics.positions(pairs[side].tolist()) for side in ("target", "helper")], axis=1)
    may = np.isin(sets, statistics.positions(eligible(affinity, options))).all(axis=1)
    may &= ~statistics.any_pair(statistics.apart(options), sets)
    tested = {name: pairs[name].to_numpy() for name in PAIRS[:6]}
    found = pd.DataFrame({
        **tested, "p_equivalent": statistics.tost(options)[tuple(sets.T)], "outcome": outcomes(statistics, sets, options),
        "passes": may & passes(statistics, sets, affinity, options),
    })  # fmt: skip
    needed = settle(affinity, options).rename(columns={"rows": "rows_to_settle"})[["target", "helper", "rows_to_settle"]]
    found = found.merge(needed, on=["target", "helper"], how="left")
    return found.sort_values(["p", "target", "helper"], ascending=[False, True, True]).reset_index(drop=True)
