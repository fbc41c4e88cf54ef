"""The rows that are scored, and their bootstrap: one set of random weights per task and split, shared by all arms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cotrain.errors import InputError
from cotrain.tasks.task import Split
from cotrain.training.fit import Block, Fit

RESAMPLES = 1000
_CHUNK = 4_000_000  # weights in memory at once


@dataclass(frozen=True)
class Sheet:
    """The rows of one task on one split.

    Attributes:
        gold: (n,) label indices.
        labels: K, the number of labels of the task.
        clusters: the number of clusters.
        tie: the tasks whose clusters are (directly or by others) also this task's: they are resampled together.
        index: (n,) the cluster of each row, counted over the whole tie.
        universe: the number of clusters of the tie.
    """

    task: str
    split: Split
    gold: np.ndarray = field(repr=False)
    labels: int
    clusters: int
    tie: tuple[str, ...]
    index: np.ndarray = field(repr=False)
    universe: int

    def weights(self, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
        """Yield (b, n) random weights of the rows, ``resamples`` in all: a Bayesian bootstrap over clusters.

        Each cluster weighs an exponential variable (Rubin 1981). As with drawing clusters again, the variance of a
        weight is its mean squared; but no class ever vanishes from a resample, where macro-F1 would jump.
        """
        name = f"{seed}:{self.split}:{'+'.join(self.tie)}"
        random = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
        size = max(1, _CHUNK // self.universe)
        own = np.array_equal(self.index, np.arange(self.universe))
        for at in range(0, resamples, size):
            drawn = random.standard_exponential((min(size, resamples - at), self.universe), dtype=np.float32)
            yield drawn if own else drawn[:, self.index]


def small_sample(clusters: int) -> float:
    """Return what makes a variance over these resamples unbiased: (G + 1)/(G − 1).

    Normalised exponential weights give 1/(G + 1) of the variance in the sample, a mean has 1/(G − 1) of it.
    """
    return (clusters + 1) / max(1, clusters - 1)


def sheets(fits: Sequence[Fit], tasks: Sequence[str], split: Split) -> dict[str, Sheet]:
    """Return the Sheet of each task.

    Raises:
        InputError: fits that predict different rows or labels of one task.
    """
    first: dict[str, Fit] = {}
    faults = []
    for fit in fits:
        for task in fit.group.real:
            if task not in tasks:
                continue
            known = first.setdefault(task, fit)
            if known is not fit and not _same(known, fit, task, split):
                faults.append(
                    f"task {task}: the fits of {known.group.name} (seed {known.seed}) and {fit.group.name} (seed {fit.seed}) "
                    f"have different rows or labels in {split}; they belong to different data: train again"
                )
    if faults:
        raise InputError(faults)
    blocks = {task: first[task].blocks[task, split] for task in sorted(first)}
    names = {task: np.asarray(block.clusters, dtype=str) for task, block in blocks.items()}
    found = {}
    for tie in _ties({task: set(np.unique(ids)) for task, ids in names.items()}):
        universe, index = np.unique(np.concatenate([names[task] for task in tie]), return_inverse=True)
        ends = np.cumsum([len(names[task]) for task in tie])[:-1]
        for task, place in zip(tie, np.split(index, ends), strict=True):
            gold = blocks[task].gold
            found[task] = Sheet(task, split, gold, len(first[task].labels[task]), len(np.unique(place)), tie, place, len(universe))
    return found


def _same(a: Fit, b: Fit, task: str, split: Split) -> bool:
    """Whether two fits predict the same rows of a task, with the same labels in the same order."""
    one, two = a.blocks[task, split], b.blocks[task, split]
    return a.labels[task] == b.labels[task] and _rows_alike(one, two)


def _rows_alike(one: Block, two: Block) -> bool:
    """Whether two blocks have the same rows with the same gold."""
    return bool(np.array_equal(one.rows, two.rows) and np.array_equal(one.gold, two.gold))


def _ties(clusters: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Return the tasks in sets that have no cluster in common."""
    ties: list[tuple[set[str], set[str]]] = []
    for task, own in clusters.items():
        tasks, union = {task}, set(own)
        rest = []
        for other, ids in ties:
            if ids.isdisjoint(own):
                rest.append((other, ids))
            else:
                tasks |= other
                union |= ids
        ties = [*rest, (tasks, union)]
    return sorted(tuple(sorted(tasks)) for tasks, _ in ties)
