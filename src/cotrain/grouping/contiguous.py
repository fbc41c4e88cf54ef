"""The best partition into neighbours by mean, for hundreds of tasks (Fisher 1958, by dynamic programming)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cotrain.grouping.partition import NoPartition


class Line(NamedTuple):
    """(I,) items in the order of their means: how many ``tasks`` each holds, their rows, mean, and dispersion within."""

    tasks: np.ndarray
    rows: np.ndarray
    mean: np.ndarray
    within: np.ndarray


def contiguous(
    line: Line, limit: int | None, apart: np.ndarray, passes: Callable[[int, int], np.ndarray], models: int | None, each: int
) -> list[tuple[tuple[int, int], ...]]:
    """Return the best and the second best partition into runs (start, end) of neighbours: least dispersion.

    Args:
        limit: tasks in a run of two items or more, at most.
        apart: (I, I) whether two items must be apart.
        passes: whether runs pass, from how many items they have and how many such runs there are: (N,) in order of starts.
        models: runs, at most.
        each: 1 for as few runs as possible, −1 for as many, 0 where dispersion alone decides.

    Raises:
        NoPartition: none has so few runs.
    """
    n = len(line.mean)
    cost = _costs(line, limit, apart, passes)
    least = _fewest(cost)
    if models is not None and models < least:
        raise NoPartition
    counts = least if each > 0 else min(n, models or n)
    value = np.full((n + 1, counts + 1, 2), np.inf)  # of the best and the second best of the first items in so many runs
    before = np.zeros((n + 1, counts + 1, 2), dtype=np.int64)  # where the last run starts, and which of the two it follows
    value[0, 0, 0] = 0.0
    for end in range(1, n + 1):
        width = min(end, cost.shape[1])
        starts = np.arange(end - width, end)
        ways = value[starts, :-1] + cost[starts, end - starts - 1][:, None, None]
        ways = ways.transpose(0, 2, 1).reshape(2 * width, counts)  # a way is a start, and which of its two
        for rank in range(2):
            first = ways.argmin(axis=0)
            value[end, 1:, rank] = ways[first, np.arange(counts)]
            before[end, 1:, rank] = 2 * starts[first // 2] + first % 2
            ways[first, np.arange(counts)] = np.inf
    ends = [(float(value[n, k, rank]), k, rank) for k in range(1, counts + 1) for rank in range(2) if np.isfinite(value[n, k, rank])]
    return [_runs(before, n, k, rank) for _, k, rank in sorted(ends, key=lambda end: (each * end[1], *end))[:2]]


def _costs(line: Line, limit: int | None, apart: np.ndarray, passes: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """Return (I, L) the dispersion of the run of 1, 2, … items from each start; inf where it may not be."""
    n = len(line.mean)
    rows, mean = np.cumsum([0.0, *line.rows]), line.mean - line.mean.mean()
    first, second = np.cumsum([0.0, *line.rows * mean]), np.cumsum([0.0, *line.rows * mean**2 + line.within])
    tasks = np.cumsum([0, *line.tasks])
    longest = n if limit is None else max(1, int((np.searchsorted(tasks, tasks[:-1] + limit, side="right") - np.arange(n) - 1).max()))
    # the last item that an item up to each must be apart from: a run that starts there or before holds both
    barred = np.maximum.accumulate(np.where(np.tri(n, k=-1) * apart, np.arange(n), -1).max(axis=1))
    cost = np.full((n, longest), np.inf)
    cost[:, 0] = line.within
    for items in range(2, longest + 1):
        starts = np.arange(n - items + 1)
        ends = starts + items
        spread = second[ends] - second[starts] - (first[ends] - first[starts]) ** 2 / (rows[ends] - rows[starts])
        may = passes(items, len(starts)) & (starts > barred[ends - 1])
        if limit is not None:
            may &= tasks[ends] - tasks[starts] <= limit
        cost[starts, items - 1] = np.where(may, np.maximum(spread, 0.0), np.inf)
    return cost


def _fewest(cost: np.ndarray) -> int:
    """Return the least number of runs."""
    n, longest = cost.shape
    least = np.zeros(n + 1, dtype=int)
    for end in range(1, n + 1):
        starts = np.arange(max(0, end - longest), end)
        least[end] = 1 + least[starts[np.isfinite(cost[starts, end - starts - 1])]].min()
    return int(least[n])


def _runs(before: np.ndarray, end: int, count: int, rank: int) -> tuple[tuple[int, int], ...]:
    """Return the runs of a partition of the first items."""
    found = []
    while end:
        start, following = divmod(int(before[end, count, rank]), 2)
        found.append((start, end))
        end, count, rank = start, count - 1, following
    return tuple(reversed(found))
