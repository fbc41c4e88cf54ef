"""What a fit loses on a task, as a share of what label frequencies lose on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from cotrain.affinity.method import Found, Ground, pairs
from cotrain.errors import InputError
from cotrain.tasks.task import Split
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.selection import cross_selected, null_bits, select_epoch

Loss = Callable[[Fit, str], float]


def dev(fit: Fit, task: str) -> float:
    """Return NLL/NLL_null on dev, each half at the epoch that the other half chose by log-loss."""
    null = _null(fit, task, "dev")
    found = cross_selected(fit, task, "log_loss")
    return nll(fit.unweighted(task, found.log2_p), found.gold) / null


def test(fit: Fit, task: str, epoch: int | None = None) -> float:
    """Return NLL/NLL_null on test, temperature-scaled on dev (METHOD, section 5).

    Args:
        epoch: one whose test predictions are stored; the best of the group on dev by log-loss where none is named.
    """
    null = _null(fit, task, "test")
    epoch = select_epoch(fit, "log_loss") if epoch is None else epoch
    held, block = fit.blocks[task, "dev"], fit.blocks[task, "test"]
    scale = temperature(fit.unweighted(task, held.at(epoch)), held.gold)
    return nll(scaled(fit.unweighted(task, block.at(epoch)), scale), block.gold) / null


def _null(fit: Fit, task: str, split: Split) -> float:
    """Return what label frequencies lose on the rows of a split.

    Raises:
        InputError: they lose nothing, or without end: one label in training, or a held-out one that training lacks.
    """
    known = np.flatnonzero(fit.train_counts[task])
    if len(known) < 2 or not all(np.isin(fit.blocks[task, side].gold, known).all() for side in ("dev", "test")):
        raise InputError(
            f"task {task}: gains are shares of what label frequencies lose; training needs two labels, and each of the held-out rows"
        )
    return null_bits(fit.train_counts[task], fit.blocks[task, split].gold)


def nll(log2_p: np.ndarray, gold: np.ndarray) -> float:
    """Return the mean bits of (n,) gold labels under (n, K) log2 p."""
    return float(-log2_p[np.arange(len(gold)), gold].mean(dtype=float))


def scaled(log2_p: np.ndarray, temperature: float) -> np.ndarray:
    """Return (n, K) log2 p with logits divided by a temperature (Guo et al. 2017)."""
    divided = log2_p.astype(float) / temperature
    most = divided.max(axis=1, keepdims=True)
    return np.asarray(divided - most - np.log2(np.exp2(divided - most).sum(axis=1, keepdims=True)))


def temperature(log2_p: np.ndarray, gold: np.ndarray) -> float:
    """Return the temperature between 1/20 and 20 at which (n,) gold labels have the least loss."""
    found = minimize_scalar(lambda t: nll(scaled(log2_p, float(np.exp(t))), gold), bounds=(-np.log(20), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def mean_losses(fits: Sequence[Fit], loss: Loss) -> dict[tuple[tuple[str, ...], str], float]:
    """Return (tasks of the group, task) to the mean loss over the seeds."""
    found: dict[tuple[tuple[str, ...], str], list[float]] = {}
    for fit in fits:
        for task in fit.group.tasks:
            found.setdefault((fit.group.tasks, task), []).append(loss(fit, task))
    return {key: float(np.mean(values)) for key, values in found.items()}


def singles(tasks: Sequence[str], options: Mapping[str, Any] = MappingProxyType({})) -> list[Group]:
    """Return the groups of one task, which are the baseline's."""
    return [Group.of([name]) for name in sorted(tasks)]


def singles_and_pairs(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
    """Return the groups of one task and of two."""
    return [Group.of(names) for size in (1, 2) for names in combinations(sorted(tasks), size)]


def pair_gains(ground: Ground, loss: Loss) -> Found:
    """Return what each target gains with each helper: (loss alone − loss in the pair)/NLL_null, means over seeds."""
    found = mean_losses(ground.fits(singles_and_pairs(ground.names, {})), loss)
    table = pairs(ground.names, lambda i, j: found[(i,), i] - found[Group.of((i, j)).tasks, i], directed=True)
    return Found(table, "gain, share of NLL_null")
