"""What the plan that a method chooses gives up: every plan of pairs and single tasks, against an oracle that is not flattered by noise."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.stats import rankdata

from cotrain.affinity.judge import Losses
from cotrain.errors import InputError

MOST = 12
"""Tasks whose plans are enumerated: 140,152."""
_SAME = 1e-9


@cache
def plans(n: int) -> np.ndarray:
    """Return (M, n) the partner of each task in every partition of n tasks into pairs and singles, its own number where it is alone.

    >>> [len(plans(n)) for n in (2, 3, 9)]
    [2, 4, 2620]

    Raises:
        InputError: more than ``MOST`` tasks.
    """
    if n > MOST:
        raise InputError(f"all plans of pairs are enumerated for at most {MOST} tasks, found {n}")
    found = np.arange(n, dtype=np.intp)[None]
    for first in range(n):
        # a task that still is alone takes each later one that is alone too
        parts = [found]
        for other in range(first + 1, n):
            free = found[(found[:, first] == first) & (found[:, other] == other)].copy()
            free[:, [first, other]] = other, first
            parts.append(free)
        found = np.concatenate(parts)
    return found


def gains_of(values: np.ndarray) -> np.ndarray:
    """Return (M,) the mean over tasks of what each plan gains by (n, n) values of ordered pairs; alone is 0."""
    every = plans(len(values))
    return np.asarray(np.where(np.eye(len(values), dtype=bool), 0.0, values)[np.arange(len(values)), every].mean(axis=1))


def chosen(values: np.ndarray, are_gains: bool) -> np.ndarray:
    """Return (M,) whether a method chooses each plan: those with the largest sum of values over tasks with their partners.

    Ruled: where values are gains, alone is 0, and whoever does not gain stays alone. Other values have no zero, so as many tasks as there
    can be are paired (one of an odd number stays alone), by the sum of the ranks of the values over ordered pairs. A method that cannot
    tell plans apart chooses all of them, so that names of tasks settle nothing.
    """
    n = len(values)
    if are_gains:
        sums = gains_of(values) / (float(np.nanmax(np.abs(values))) or 1.0)
    else:
        other = ~np.eye(n, dtype=bool)
        ranks = np.zeros(values.shape)
        ranks[other] = rankdata(np.round(values[other] / (float(np.abs(values[other]).max()) or 1.0), 9)) / other.sum()
        alone = (plans(n) == np.arange(n)).sum(axis=1)
        sums = np.where(alone == n % 2, gains_of(ranks), -np.inf)
    return np.asarray(sums >= sums.max() - _SAME)


def plan_gain(gains: np.ndarray, choice: np.ndarray) -> float:
    """Return what the (M,) plans chosen gain, the mean over them."""
    return float(gains_of(gains)[choice].mean())


def percentile(gains: np.ndarray, choice: np.ndarray) -> float:
    """Return the share of all plans that gain less than the plans chosen, plans that gain the same counted half; 1 is best."""
    every = gains_of(gains)
    ranks = rankdata(np.round(every / (float(np.abs(every).max()) or 1.0), 9)) - 0.5
    return float(ranks[choice].mean() / len(every))


def oracle_gain(losses: Losses, draws: int = 50, seed: int = 0) -> float:
    """Return what the best plan gains, chosen on a random half of the seeds and evaluated on the other, swapped, and averaged.

    The best of many plans on the seeds that it is chosen by is best by luck too. Seeds of tasks alone are halved as well: all gains of a
    task hold its loss alone. Regret of a method is this less ``plan_gain``.

    Raises:
        InputError: fewer than two seeds, alone or of pairs; too many tasks.
    """
    generator, sizes = np.random.default_rng(seed), (len(losses.alone), len(losses.pairs))
    if min(sizes) < 2:
        raise InputError(
            f"an oracle that is evaluated on other seeds needs two of them at least, found {sizes[0]} alone and {sizes[1]} of pairs"
        )
    found = []
    for _ in range(draws):
        alone, pairs = (np.array_split(generator.permutation(size), 2) for size in sizes)
        first, second = (gains_of(losses.gains(a.tolist(), p.tolist())) for a, p in zip(alone, pairs, strict=True))
        found += [second[first.argmax()], first[second.argmax()]]
    return float(np.mean(found))
