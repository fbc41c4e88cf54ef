"""Rules: which sets of tasks are alike enough to share a model (METHOD, section 2).

A rule takes Statistics, (N, k) sets, Options and the positions of the tasks that are searched over, and returns (N,)
whether each set passes. A test at level 0 rejects nothing and shows nothing, whatever rounding makes of p.
"""

from __future__ import annotations

import numpy as np

from cotrain.affinity.tests import holm
from cotrain.errors import InputError
from cotrain.grouping.options import Options
from cotrain.grouping.statistics import Statistics


def kept(p: np.ndarray, alpha: float) -> np.ndarray:
    """Return whether a test at ``alpha`` keeps its hypothesis."""
    return np.asarray((p > alpha) | (alpha == 0))


def shown(p: np.ndarray, alpha: float) -> np.ndarray:
    """Return whether a test at ``alpha`` rejects its hypothesis."""
    return ~kept(p, alpha)


def everything(statistics: Statistics, sets: np.ndarray, options: Options, searched: np.ndarray) -> np.ndarray:
    """Every set passes."""
    return np.ones(len(sets), dtype=bool)


def not_different(statistics: Statistics, sets: np.ndarray, options: Options, searched: np.ndarray) -> np.ndarray:
    """A pair by the pair test, three or more by the group test: raw p > alpha, for a correction would group more (the paper's)."""
    _, p = statistics.test(sets)
    return kept(p, options.alpha) & ~statistics.any_pair(statistics.few, sets)


def clique(statistics: Statistics, sets: np.ndarray, options: Options, searched: np.ndarray) -> np.ndarray:
    """Every pair by the pair test: raw p > alpha."""
    different = shown(statistics.pairs.p, options.alpha) | statistics.few
    return ~statistics.any_pair(different, sets)


def equivalent(statistics: Statistics, sets: np.ndarray, options: Options, searched: np.ndarray) -> np.ndarray:
    """Every pair shown equivalent: TOST p ≤ alpha, adjusted by Holm over all pairs searched.

    Within one set that was named in advance (``together``) nothing was searched: there p is not adjusted.

    Raises:
        InputError: a relative margin, where scores from outside do not tell the null model's bits.
    """
    if np.isnan(statistics.margin(options)[np.ix_(searched, searched)]).any():
        raise InputError(
            "the rule 'equivalent' needs a margin, and the relative one is a share of the null model's bits, which these scores do not "
            "tell; give the margin in bits with --margin-bits (0.1 is usual), or add log2_p_null to the file of scores"
        )
    raw = statistics.tost(options)
    p = np.ones_like(raw)
    a, b = np.triu_indices(len(searched), 1)
    a, b = searched[a], searched[b]
    p[a, b] = p[b, a] = holm(raw[a, b])
    for block in options.blocks:
        where = statistics.positions(block)
        p[np.ix_(where, where)] = raw[np.ix_(where, where)]
    return ~statistics.any_pair(~shown(p, options.alpha) | statistics.few, sets)
