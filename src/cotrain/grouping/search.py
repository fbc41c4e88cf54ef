"""The best partition of tasks into groups: which are allowed, what they cost, and which way finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import numpy as np

from cotrain.errors import InputError
from cotrain.grouping.contiguous import Line, contiguous
from cotrain.grouping.partition import MOST_TASKS, Groups, partition
from cotrain.grouping.passing import MOST_SETS, chunks
from cotrain.grouping.programming import Candidates, program
from cotrain.grouping.statistics import Statistics

MOST_GROUPS = 2**17
"""Groups that a mixed-integer program chooses from: all of up to 4 of 42 tasks."""


class Found(NamedTuple):
    """The best and, where there is one, the second best partition; ``allowed`` groups of two or more, where they were counted; how."""

    partitions: list[Groups]
    allowed: int | None
    how: str


@dataclass(frozen=True)
class Problem:
    """What is to be cut into groups, and what a group must be.

    Attributes:
        statistics: of all tasks.
        items: sets of tasks that stay together, in the order of their names.
        passes: whether (N, k) sets of tasks are allowed; None: all are.
        apart: (T, T) whether two tasks must be apart.
        limit: tasks in a group of two items or more, at most.
        each: what a model costs before all else: 1 for as few as possible, −1 for as many, 0 where dispersion or gain decide.
        gain: the sum of gains counts, not dispersion.
    """

    statistics: Statistics
    items: Groups
    passes: Callable[[np.ndarray], np.ndarray] | None
    apart: np.ndarray
    limit: int | None = None
    each: int = 0
    gain: bool = False

    def search(self, models: int | None = None) -> Found:
        """Return the best partition into ``models`` groups at most.

        A table of all subsets to 16 items; neighbours by mean where they are the optimum; else a mixed-integer program while
        there are not too many groups, and neighbours beyond.

        Raises:
            NoPartition: there is none.
            InputError: too many groups, and no means to sort the tasks by.
        """
        n = len(self.items)
        if not n:
            return Found([()], 0, "the exact best partition")
        if n > MOST_TASKS and self._neighbours_are_best:
            how = "the exact best partition, as neighbours by mean: without constraints no other has less dispersion"
            return Found(self._neighbours(models), None, how)
        sets = sum(comb(n, k) for k in range(1, min(n, self.limit or n) + 1))
        candidates = self._candidates() if n <= MOST_TASKS or sets <= MOST_SETS else None
        if candidates is not None and n <= MOST_TASKS:
            names = [item[0] for item in self.items]
            costs = {tuple(names[i] for i in candidates.group(k)): tuple(candidates.costs[k].tolist()) for k in range(candidates.number)}
            of = {name: i for i, name in enumerate(names)}
            found = [[[of[name] for name in group] for group in groups] for groups in partition(names, costs, models)]
            return Found([self._groups(groups) for groups in found], candidates.number - n, "the exact best partition")
        if candidates is not None and candidates.number <= MOST_GROUPS:
            if self.each < 0 and self.statistics.moments:  # more groups never have more dispersion, so it decides alone
                candidates = candidates._replace(costs=candidates.costs[:, 1:])
            best = program(n, candidates, models, more=self.each < 0)
            how = "the exact best partition, by integer programming"
            return Found([self._groups(groups) for groups in best], candidates.number - n, how)
        how = "the best partition into neighbours by mean; other groups were not tried, so there may be a better one"
        return Found(self._neighbours(models), None, how)

    def _groups(self, chosen: list[list[int]] | tuple[tuple[int, ...], ...]) -> Groups:
        """Return groups of items as groups of tasks, all sorted."""
        return tuple(sorted(tuple(sorted(t for i in items for t in self.items[i])) for items in chosen))

    def _candidates(self) -> Candidates:
        """Return every item, and every set of items that is allowed and whose cost is known."""
        sets = [np.array([[i]]) for i in range(len(self.items))]
        costs = [self._cost(self._positions(item)) for item in sets]
        for chosen, cost in self._sets():
            sets.append(chosen)
            costs.append(cost)
        sizes = np.concatenate([np.full(len(each), each.shape[1]) for each in sets])
        return Candidates(np.concatenate([each.ravel() for each in sets]), np.concatenate([[0], np.cumsum(sizes)]), np.concatenate(costs))

    def _sets(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (N, k) sets of two items or more that are allowed, and their (N, c) costs."""
        sizes = np.array([len(item) for item in self.items])
        for k in range(2, min(len(self.items), self.limit or len(self.items)) + 1):
            for chosen in chunks(len(self.items), k):
                tasks = sizes[chosen].sum(axis=1)
                for size in np.unique(tasks[tasks <= (self.limit or tasks.max())]):
                    some = chosen[tasks == size]
                    sets = self._positions(some)
                    may = ~Statistics.any_pair(self.apart, sets)
                    if self.passes is not None:
                        may[may] = self.passes(sets[may])
                    cost = self._cost(sets[may])
                    there = np.isfinite(cost).all(axis=1)
                    yield some[may][there], cost[there]

    def _positions(self, chosen: np.ndarray) -> np.ndarray:
        """Return the (N, t) tasks of (N, k) sets of items that all have t tasks."""
        padded = np.full((len(self.items), max(map(len, self.items))), -1)
        for i, item in enumerate(self.items):
            padded[i, : len(item)] = self.statistics.positions(item)
        flat = padded[chosen].reshape(len(chosen), -1)
        return flat[flat >= 0].reshape(len(chosen), -1)

    def _cost(self, sets: np.ndarray) -> np.ndarray:
        """Return the (N, c) costs of sets of tasks."""
        worth = -self.statistics.gain(sets) if self.gain else self.statistics.dispersion(sets)
        return np.stack([np.full(len(sets), float(self.each)), worth], axis=1) if self.each else worth[:, None]

    def _neighbours(self, models: int | None) -> list[Groups]:
        """Return the best and second best partitions into runs of items sorted by their means."""
        if self.gain or not self.statistics.moments:
            raise InputError(
                f"{len(self.items)} tasks make too many groups of up to {self.limit or len(self.items)} to choose from, and without means "
                "of tasks neighbours cannot stand for them; name a smaller --largest (2 serves up to 500 tasks), or a stricter rule"
            )
        whole = [self.statistics.positions(item) for item in self.items]
        rows = np.array([self.statistics.tasks.n[p].sum() for p in whole])
        mean = np.array([np.average(self.statistics.tasks.mean[p], weights=self.statistics.tasks.n[p]) for p in whole])
        order = np.argsort(mean, kind="stable")
        items = [self.items[i] for i in order]
        within = np.array([float(self.statistics.dispersion(whole[i][None])[0]) for i in order])
        line = Line(np.array([len(item) for item in items]), rows[order], mean[order], within)
        member = np.zeros((len(items), len(self.statistics.names)))
        for k, i in enumerate(order):
            member[k, whole[i]] = 1.0
        apart = member @ self.apart @ member.T > 0
        flat, ends = np.concatenate([whole[i] for i in order]), np.cumsum([0, *line.tasks])

        def passes(k: int, number: int) -> np.ndarray:
            found = np.ones(number, dtype=bool)
            if self.passes is None:
                return found
            sizes = ends[k : k + number] - ends[:number]
            for size in np.unique(sizes):
                where = np.flatnonzero(sizes == size)
                within_limit = size <= (self.limit or size)
                found[where] = self.passes(flat[ends[where][:, None] + np.arange(size)]) if within_limit else False
            return found

        best = contiguous(line, self.limit, apart, passes, models, self.each)
        return [tuple(sorted(tuple(sorted(t for item in items[a:b] for t in item)) for a, b in runs)) for runs in best]

    @property
    def _neighbours_are_best(self) -> bool:
        """Whether no partition has less dispersion than the best one into neighbours.

        So it is without constraints; with limited sizes only where all tasks have as many rows.
        """
        sizes = self.statistics.tasks.n[self.statistics.positions([t for item in self.items for t in item])]
        free = self.limit is None or self.limit >= len(sizes) or (len(set(sizes.tolist())) == 1 and len(sizes) == len(self.items))
        return free and self.passes is None and not self.apart.any() and not self.gain and self.statistics.moments
