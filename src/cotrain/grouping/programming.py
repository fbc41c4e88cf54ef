"""The exact best partition by mixed-integer programming, where there are too many tasks for a table of all subsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import LinearConstraint, linprog
from scipy.sparse import csc_array, vstack

from cotrain.grouping.partition import NoPartition
from cotrain.grouping.solver import minimise

_SCALE = 1e4
"""Largest cost that the solver sees; its gap is 1e-6, so costs nearer than 1e-10 of the largest are ties."""
_MODEL = 1e-5
"""What a model costs then: of equal costs the fewer models are taken."""
_FIRST = 60
"""Groups of each task that the first try chooses from."""
_TINY = 2e-6
"""Costs nearer than this are ties: twice the solver's gap."""


class Candidates(NamedTuple):
    """Groups that may be chosen: for each the (flat) positions of its items, where they start (N + 1), and its (N, c) costs."""

    items: np.ndarray
    starts: np.ndarray
    costs: np.ndarray

    @property
    def number(self) -> int:
        """How many groups there are."""
        return len(self.starts) - 1

    def group(self, k: int) -> tuple[int, ...]:
        """Return the items of one group."""
        return tuple(self.items[self.starts[k] : self.starts[k + 1]].tolist())


def program(n: int, candidates: Candidates, models: int | None = None, more: bool = False) -> list[tuple[tuple[int, ...], ...]]:
    """Return the best and the second best partition of n items into candidate groups, ``models`` of them at most.

    Costs are summed over groups and compared one column after the other; ties go to fewer groups, or to ``more``. Another
    partition lacks a group of the best one.

    Raises:
        NoPartition: none exists.
    """
    cover = csc_array((np.ones(len(candidates.items)), candidates.items, candidates.starts), shape=(n, candidates.number))
    rules = [] if models is None else [(np.ones(candidates.number), float(models))]
    each = -_MODEL if more else _MODEL
    if (best := _lexicographic(candidates.costs, each, cover, rules)) is None:
        raise NoPartition
    taken = np.zeros(candidates.number)
    taken[best] = 1
    second = _lexicographic(candidates.costs, each, cover, [*rules, (taken, len(best) - 1.0)])
    return [tuple(sorted(candidates.group(k) for k in chosen)) for chosen in (best, second) if chosen is not None]


def _lexicographic(costs: np.ndarray, each: float, cover: csc_array, rules: Sequence[tuple[np.ndarray, float]]) -> list[int] | None:
    """Return the groups of the best partition, or None; ``rules`` are sums over groups and what they may be at most."""
    chosen: list[int] | None = None
    held = list(rules)
    for level in range(costs.shape[1]):
        cost = costs[:, level]
        whole = (np.abs(cost) == 1).all()
        scaled = cost if whole else cost * (_SCALE / (np.abs(cost).max() or 1.0)) + each
        following = costs[:, level + 1] if level + 1 < costs.shape[1] else scaled
        if (chosen := _minimise(scaled, following, cover, held, chosen or [])) is None:
            return None
        held.append((scaled, float(scaled[chosen].sum()) + _TINY))
    return chosen


def _minimise(cost: np.ndarray, following: np.ndarray, cover: csc_array, rules: list[tuple[np.ndarray, float]],
              known: list[int]) -> list[int] | None:  # fmt: skip
    """Return the groups of a partition of least cost, or None; exact, though only a few of the groups are looked at.

    The relaxation without whole numbers prices each group: one whose reduced cost is above what the best partition so far
    costs more than the relaxation is in no better one.

    Args:
        following: what decides between groups of equal price, of which to look at first.
        known: a partition that meets the rules, or nothing.
    """
    limits = np.array([most for _, most in rules])
    sums = np.array([row for row, _ in rules]).reshape(len(rules), len(cost))
    relaxed = linprog(cost, A_ub=sums if rules else None, b_ub=limits if rules else None, A_eq=cover, b_eq=np.ones(cover.shape[0]),
                      bounds=(0, None), method="highs-ds")  # fmt: skip
    if relaxed.x is None:
        return None
    reduced = cost - cover.T @ relaxed.eqlin.marginals - (sums.T @ relaxed.ineqlin.marginals if rules else 0.0)
    step = 1.0 if (np.abs(cost) == 1).all() else _TINY  # by how much another one would be better at least
    order = np.lexsort((following, np.round(reduced, 9)))
    near, looked_at = _FIRST, np.zeros(len(cost), dtype=bool)
    looked_at[[*known, *_greedy(cover, np.lexsort((following, reduced, -np.diff(cover.indptr))))]] = True
    while True:
        looked_at[_of_each(cover, order, near)] = True
        chosen = _solve(cost, cover, sums, limits, np.flatnonzero(looked_at))
        if chosen is None and looked_at.all():
            return None
        if chosen is None:
            near *= 8
            continue
        gap = cost[chosen].sum() - relaxed.fun - step + _TINY / 2
        needed = reduced <= gap
        if gap < 0 or not (needed & ~looked_at).any():
            return chosen
        looked_at |= needed
        return _solve(cost, cover, sums, limits, np.flatnonzero(looked_at))


def _greedy(cover: csc_array, order: np.ndarray) -> list[int]:
    """Return a partition: the first group in an order, then the first that holds none of its items, and so on."""
    chosen: list[int] = []
    free = np.ones(len(order), dtype=bool)
    while free.any():
        chosen.append(int(order[free[order].argmax()]))
        free &= cover.T @ cover[:, [chosen[-1]]].toarray()[:, 0] == 0
    return chosen


def _of_each(cover: csc_array, order: np.ndarray, number: int) -> np.ndarray:
    """Return the first groups of each item in an order, so many of them."""
    there = cover[:, order].tocsr()
    return order[np.unique(np.concatenate([there.indices[a:b][:number] for a, b in zip(there.indptr, there.indptr[1:], strict=False)]))]


def _solve(cost: np.ndarray, cover: csc_array, sums: np.ndarray, limits: np.ndarray, among: np.ndarray) -> list[int] | None:
    """Return the groups of the best partition among some, or None."""
    part = cover[:, among]
    low, high = np.ones(part.shape[0] + len(limits)), np.ones(part.shape[0] + len(limits))
    if len(limits):
        part, low[cover.shape[0] :], high[cover.shape[0] :] = vstack([part, csc_array(sums[:, among])], format="csc"), -np.inf, limits
    found = minimise(cost[among], LinearConstraint(part, low, high))
    return None if found is None else among[found == 1].tolist()
