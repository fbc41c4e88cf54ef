"""``surrogate``: random groups are trained, and a linear model says what each helper brings (Li, Nguyen and Zhang, TMLR 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np

from cotrain.affinity import losses
from cotrain.affinity.method import TRAINED, Found, Ground, Method, pairs
from cotrain.errors import InputError
from cotrain.training.group import Group

FITS = ("ridge", "linear", "mean")
POOLS = ("shared", "target")
_LOOKED_AT = 32
"""Random groups of which the one with the most new pairs is taken."""
_STRENGTH = 1.0
"""Of the ridge, in groups: as if each helper had been seen once more, without any gain."""


def groups(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
    """Return the tasks alone and random groups of ``size``: ``subsets`` in all (pool ``shared``), or with each task (``target``).

    Raises:
        InputError: options that are none; too few groups for every pair of tasks to be in one.
    """
    _refuse(options, len(tasks))
    names, size = sorted(tasks), options["size"]
    random = np.random.default_rng(options["draw"])
    if options["pool"] == "shared":
        found = drawn(names, size, options["subsets"], random)
    else:
        found = {
            tuple(sorted((task, *rest)))
            for task in names
            for rest in drawn([t for t in names if t != task], size - 1, options["subsets"], random)
        }
    lacking = set(combinations(names, 2)) - {pair for group in found for pair in combinations(group, 2)}
    if lacking:
        raise InputError(
            f"methods.surrogate: {options['subsets']} groups of {size} leave {len(lacking)} pairs of tasks that are in none; raise subsets"
        )
    return [*(Group.of([task]) for task in names), *(Group.of(group) for group in sorted(found))]


def relate(ground: Ground) -> Found:
    """Return what target i gains in a group of ``size`` whose other members are as helper j, less ``threshold``.

    The gain of i in a trained group S is (NLL_alone − NLL_S)/NLL_null on dev. ``linear``: least squares of it on which helpers are
    in S, without a constant; ``ridge``: with the squares of the coefficients, so that little evidence is no gain; ``mean``: the mean
    gain over the groups with j. Every group with i is evidence for i.

    Raises:
        InputError: options that are none, groups that do not tell the helpers apart.
    """
    options, names = ground.options, ground.names
    found = losses.mean_losses(ground.fits(groups(names, options)), losses.dev)
    sets = sorted({group for group, _ in found if len(group) > 1})
    value: dict[str, dict[str, float]] = {}
    for target in names:
        others = [t for t in names if t != target]
        mine = [group for group in sets if target in group]
        inside = np.array([[t in group for t in others] for group in mine], dtype=float)
        gain = np.array([found[(target,), target] - found[group, target] for group in mine])
        value[target] = dict(zip(others, helpers(inside, gain, options["fit"]).tolist(), strict=True))
    table = pairs(names, lambda i, j: value[i][j] - options["threshold"], directed=True)
    return Found(table, "gain, share of NLL_null")


def helpers(inside: np.ndarray, gain: np.ndarray, fit: str) -> np.ndarray:
    """Return (h,) what each helper brings to a whole group, from (N, h) whether it is inside of each and (N,) gains.

    Raises:
        InputError: groups that do not tell the helpers apart, of a ``linear`` fit.
    """
    if fit == "mean":
        return np.asarray(inside.T @ gain / inside.sum(axis=0))
    ridge = _STRENGTH if fit == "ridge" else 0.0
    if not ridge and np.linalg.matrix_rank(inside) < inside.shape[1]:
        raise InputError("methods.surrogate: the groups do not tell the helpers apart, so the linear fit has no one answer; "
                         "raise subsets, or choose fit: ridge")  # fmt: skip
    return np.asarray(inside.sum(axis=1).mean() * np.linalg.solve(inside.T @ inside + ridge * np.eye(inside.shape[1]), inside.T @ gain))


def drawn(names: Sequence[str], size: int, number: int, random: np.random.Generator) -> set[tuple[str, ...]]:
    """Return ``number`` different random sets of ``size``, all where there are no more; those with pairs that no other has first."""
    if comb(len(names), size) <= number:
        return set(combinations(names, size))
    found, seen = set[tuple[str, ...]](), set[tuple[str, ...]]()
    while len(found) < number:
        several = (tuple(sorted(random.choice(names, size, replace=False).tolist())) for _ in iter(int, 1))
        new = [group for group in islice(several, _LOOKED_AT) if group not in found]
        if new:
            best = max(new, key=lambda group: len(set(combinations(group, 2)) - seen))
            found.add(best)
            seen.update(combinations(best, 2))
    return found


def _refuse(options: Mapping[str, Any], tasks: int) -> None:
    """Refuse options that are none for so many tasks."""
    faults = [f"methods.surrogate.{key} should be {' or '.join(known)}, found '{options[key]}'"
              for key, known in (("fit", FITS), ("pool", POOLS)) if options[key] not in known]  # fmt: skip
    if not 2 <= options["size"] < tasks or options["subsets"] < 1:
        faults.append(
            f"methods.surrogate: groups should be 1 or more of 2 to {tasks - 1} tasks, found {options['subsets']} of {options['size']}"
        )
    if faults:
        raise InputError(faults)


METHOD = Method(
    relate, sees="gains", groups=groups, least=4, directed=True,
    options={"subsets": 40, "size": 3, "pool": "shared", "fit": "ridge", "threshold": 0.0, "draw": 0, **TRAINED, "repeats": 1},
)  # fmt: skip
