"""The exact best partition of tasks into candidate groups, by dynamic programming over subsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from cotrain.errors import InputError

MOST_TASKS = 16
Cost = tuple[float, ...]


def partition(tasks: Sequence[str], cost: Mapping[tuple[str, ...], Cost], models: int | None = None) -> list[tuple[tuple[str, ...], ...]]:
    """Return the best and the second best partition of ``tasks`` into groups that have a cost.

    Args:
        cost: sorted group to a tuple that is summed over groups and compared lexicographically, smaller is better.
        models: the number of groups at most.

    Raises:
        InputError: no partition exists, or more than 16 tasks.

    >>> partition(["a", "b"], {("a",): (1.0,), ("b",): (1.0,), ("a", "b"): (1.5,)})[0]
    (('a', 'b'),)
    """
    names = sorted(tasks)
    if len(names) > MOST_TASKS:
        raise InputError(f"the exact partition takes up to {MOST_TASKS} tasks, found {len(names)}")
    bit = {name: 1 << k for k, name in enumerate(names)}
    groups: dict[int, list[tuple[int, tuple[str, ...], Cost]]] = {}
    for group, value in cost.items():
        if all(t in bit for t in group):
            mask = sum(bit[t] for t in group)
            groups.setdefault(mask & -mask, []).append((mask, tuple(sorted(group)), value))
    limit = models or len(names)
    # best[count][mask]: up to two best (cost, groups) that cover exactly mask with count groups
    layers: list[dict[int, list[tuple[Cost, tuple[tuple[str, ...], ...]]]]] = [{0: [((), ())]}]
    full = (1 << len(names)) - 1
    ends: list[tuple[Cost, tuple[tuple[str, ...], ...]]] = []
    for _ in range(limit):
        nxt: dict[int, list[tuple[Cost, tuple[tuple[str, ...], ...]]]] = {}
        for mask, found in layers[-1].items():
            free = full & ~mask
            for group_mask, group, value in groups.get(free & -free, ()):
                if group_mask & mask:
                    continue
                for spent, chosen in found:
                    total = tuple(round(a + b, 12) for a, b in zip(spent or (0.0,) * len(value), value, strict=True))
                    kept = nxt.setdefault(mask | group_mask, [])
                    kept.append((total, (*chosen, group)))
        layers.append({mask: sorted(kept)[:2] for mask, kept in nxt.items()})
        ends += layers[-1].get(full, [])
    if not ends:
        raise InputError("no partition of the tasks fits these groups and this budget; allow more models or larger groups")
    return [groups_of for _, groups_of in sorted(ends)[:2]]


def subsets(names: Iterable[str], largest: int) -> list[tuple[str, ...]]:
    """Return every non-empty sorted set of up to ``largest`` names."""
    ordered = sorted(names)
    return [c for k in range(1, min(largest, len(ordered)) + 1) for c in combinations(ordered, k)]
