"""The exact best partition of tasks into candidate groups, by dynamic programming over all subsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cotrain.errors import InputError

MOST_TASKS = 16
Cost = tuple[float, ...]
Groups = tuple[tuple[str, ...], ...]
_BITS = 60
_FAR = 1 << (_BITS + 1)


class NoPartition(InputError):
    """No partition of the tasks fits the groups and the number of models."""

    def __init__(self) -> None:
        super().__init__("no partition of the tasks fits these groups and this number of models; allow more models or larger groups")


def partition(tasks: Sequence[str], cost: Mapping[tuple[str, ...], Cost], models: int | None = None) -> list[Groups]:
    """Return the best and the second best partition of ``tasks`` into groups that have a cost, each group and all sorted.

    Ties go to fewer groups, then to the first in the order of names. Costs nearer than about 1e-12 of the largest are ties.

    Args:
        cost: group to a tuple that is summed over groups and compared lexicographically, smaller is better. Groups with
            other tasks are left out.
        models: the number of groups at most.

    Raises:
        NoPartition: none exists.
        InputError: more than 16 tasks, a cost that is not finite.

    >>> partition(["a", "b"], {("a",): (1.0,), ("b",): (1.0,), ("a", "b"): (1.5,)})[0]
    (('a', 'b'),)
    """
    if len(tasks) > MOST_TASKS:
        raise InputError(f"the table of all subsets takes up to {MOST_TASKS} tasks, found {len(tasks)}")
    names = sorted(tasks)
    if not names:
        return [()]
    inside = {tuple(sorted(group)): value for group, value in cost.items() if set(group) <= set(names)}
    table = _Table.of(names, _integers(inside), models)
    full = (1 << len(names)) - 1
    value, count = table.cheapest(full)
    if value >= _FAR // 2:
        raise NoPartition
    best = table.groups_of(full, count)
    others = []
    mask, spent = full, 0
    for done, own in enumerate(best):  # another partition parts from the best one at one of its groups
        first = min((table.completed(mask, group, done, spent) for group in table.by_first_of(mask) if group != own), default=None)
        if first is not None and first[0] < _FAR // 2:
            value, group, count = first
            others.append((value, (*best[:done], group, *table.groups_of(mask & ~table.mask[group], count))))
        mask, spent = mask & ~table.mask[own], spent + table.cost[own]
    return [best, *(groups for _, groups in sorted(others)[:1])]


def _integers(cost: Mapping[tuple[str, ...], Cost]) -> dict[tuple[str, ...], int]:
    """Return one integer per group whose sums compare as sums of its tuple do, then by the number of groups.

    Whole numbers are kept; the bits that they leave are shared by the others. Sums of integers are exact in any order.
    """
    if not cost:
        return {}
    values = np.array([(*value, 1.0) for value in cost.values()], dtype=float)
    if not np.isfinite(values).all():
        raise InputError("costs of groups should be finite numbers")
    # a sum has as many groups as tasks at most
    largest = np.abs(values).max(axis=0) * (MOST_TASKS + 1) + 1
    whole = (values == np.round(values)).all(axis=0) & (largest < 2**20)
    taken = sum(int(np.ceil(np.log2(size))) + 1 for size in largest[whole])
    free = min(44, (_BITS - taken) // max(1, int((~whole).sum())))
    found = [0] * len(cost)
    for column, size, exact in zip(values.T, largest, whole, strict=True):
        need = int(np.ceil(np.log2(size)))
        bits = need + 1 if exact else free
        # a power of two, so that fractions of halves stay exact
        scale = 1.0 if exact else 2.0 ** (bits - 1 - need)
        found = [(total << bits) + round(v * scale) for total, v in zip(found, column.tolist(), strict=True)]
    return dict(zip(cost, found, strict=True))


@dataclass(frozen=True)
class _Table:
    """The least cost of every subset of tasks (a bit mask) by number of groups.

    Attributes:
        cost: of each group; ``mask``: its bits; ``by_first``: the groups of each first task in the order of names.
        least: (2^n, L) costs of subsets in exactly 0, 1, … groups; L is 1 where any number will do.
    """

    cost: Mapping[tuple[str, ...], int]
    mask: Mapping[tuple[str, ...], int]
    by_first: list[list[tuple[str, ...]]]
    least: np.ndarray

    @classmethod
    def of(cls, names: list[str], cost: Mapping[tuple[str, ...], int], models: int | None) -> _Table:
        """Return the table; a subset is completed by a group with its first task."""
        n = len(names)
        bit = {name: 1 << k for k, name in enumerate(names)}
        mask = {group: sum(bit[t] for t in group) for group in cost}
        by_first = [sorted(group for group in cost if group[0] == name) for name in names]
        limited = models is not None and models < n
        least = np.full((1 << n, models + 1 if models is not None and limited else 1), _FAR, dtype=np.int64)
        least[0, 0] = 0
        for first in reversed(range(n)):
            later = np.arange(1 << (n - 1 - first))
            below = least[later << (first + 1)]
            mine = np.full_like(below, _FAR)
            if limited:
                below = np.concatenate([mine[:, :1], below[:, :-1]], axis=1)  # one group more
            for group in by_first[first]:
                others = mask[group] >> (first + 1)
                rest = later[(later & others) == 0]
                whole = rest | others
                mine[whole] = np.minimum(mine[whole], below[rest] + cost[group])
            least[(later << (first + 1)) | (1 << first)] = np.where(mine < _FAR // 2, mine, _FAR)
        return cls(cost, mask, by_first, least)

    def cheapest(self, mask: int, done: int = 0) -> tuple[int, int]:
        """Return the least cost of a subset and how many groups it takes, where ``done`` groups are there already."""
        costs = self.least[mask]
        if len(costs) > 1:
            costs = costs[: len(costs) - done]
        count = int(costs.argmin())
        return int(costs[count]), count

    def by_first_of(self, mask: int) -> list[tuple[str, ...]]:
        """Return the groups with the first task of a subset."""
        return self.by_first[(mask & -mask).bit_length() - 1]

    def completed(self, mask: int, group: tuple[str, ...], done: int, spent: int) -> tuple[int, tuple[str, ...], int]:
        """Return the least cost of a partition with ``group`` after ``done`` groups that cost ``spent``, then what makes it."""
        if self.mask[group] & ~mask:
            return _FAR, group, 0
        value, count = self.cheapest(mask & ~self.mask[group], done + 1)
        return spent + self.cost[group] + value, group, count

    def groups_of(self, mask: int, count: int) -> Groups:
        """Return the first in the order of names of the cheapest partitions of a subset into ``count`` groups."""
        found = []
        while mask:
            whole, before = int(self.least[mask, count]), max(0, count - 1)
            for group in self.by_first_of(mask):
                rest = mask & ~self.mask[group]
                # FAR is more than any cost, so it is never part of a whole that is there
                if not self.mask[group] & ~mask and int(self.least[rest, before]) + self.cost[group] == whole:
                    found.append(group)
                    mask, count = rest, before
                    break
        return tuple(found)
