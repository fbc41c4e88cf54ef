"""Which epoch of a fit is used: a pure function of stored dev predictions (METHOD, section 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.tasks.task import Split
from cotrain.training.fit import Block, Fit, Floats, Integers, Strings, unweighted

SELECTIONS = ("macro_f1", "accuracy", "log_loss", "last")
"""What an epoch can be chosen by. Test is scored at every epoch that one of these could choose."""

Metric = Callable[[Integers, Floats], float]
"""A metric of (n,) gold and (n, K) log2 p, higher is better."""


class Chosen(NamedTuple):
    """Predictions at the epochs that were chosen: (n, K) log2 p, (n,) epochs, gold, rows and clusters."""

    log2_p: Floats
    epoch: Integers
    gold: Integers
    rows: Strings
    clusters: Strings


CrossSelected = Chosen


def half_of(clusters: Strings) -> Integers:
    """Return (n,) 0 or 1: the half of dev that each row is in, by hash of its cluster, alike for all tasks; read-only."""
    return _halves(tuple(np.asarray(clusters).tolist()))


@lru_cache(maxsize=256)  # every fit of a task asks for the same rows, several times
def _halves(clusters: tuple[str, ...]) -> Integers:
    """Return what ``half_of`` does."""
    sides = {c: hashlib.sha256(str(c).encode()).digest()[0] & 1 for c in set(clusters)}
    halves = np.array([sides[c] for c in clusters], dtype=np.int64)
    halves.setflags(write=False)
    return halves


def macro_f1(gold: Integers, guess: Integers, classes: int) -> float:
    """Return macro-F1 over the classes that are there or guessed, as scikit-learn counts them."""
    true = np.bincount(gold[gold == guess], minlength=classes).astype(float)
    both = np.bincount(gold, minlength=classes) + np.bincount(guess, minlength=classes)
    there = both > 0
    return float(np.mean(2 * true[there] / both[there]))


def null_bits(train_counts: Sequence[int], gold: Integers) -> float:
    """Return NLL_null of rows with the prior null: mean −log2 of the training frequency of their labels."""
    frequency = np.asarray(train_counts, dtype=float) / sum(train_counts)
    return float(-np.log2(frequency[gold]).mean())


def goodness(log2_p: Floats, gold: Integers, train_counts: Sequence[int], by: str | Metric, class_weights: Sequence[float] = ()) -> float:
    """Return how good (n, K) predictions are, higher is better; ``log_loss`` gives −NLL/NLL_null, corrected for ``class_weights``."""
    if callable(by):
        return float(by(gold, log2_p))
    if by == "log_loss":
        bits = -unweighted(log2_p, class_weights)[np.arange(len(gold)), gold].mean(dtype=float)
        return float(-bits / null_bits(train_counts, gold))
    guess = log2_p.argmax(axis=1)
    return float((guess == gold).mean()) if by == "accuracy" else macro_f1(gold, guess, log2_p.shape[1])


def select_epoch(fit: Fit, by: str | Metric, tasks: Sequence[str] | None = None, half: int | None = None) -> int:
    """Return the epoch with the best mean dev metric over the real members of the group; the first of equals.

    Args:
        by: one of ``SELECTIONS`` (``log_loss``: the mean of NLL/NLL_null), or a metric; a metric chooses among the
            epochs whose test predictions are stored.
        tasks: the members to look at; all real ones by default (all members of a group without real ones).
        half: use only the dev rows of one half (``half_of``); of a member that lacks rows or a class of dev in that half
            all of them, in every group alike.

    Raises:
        InputError: an unknown ``by``, a failed fit.
    """
    if isinstance(by, str) and by not in SELECTIONS:
        raise InputError(unknown("selection of epochs", by, SELECTIONS))
    if fit.failed:
        raise InputError(f"fit {fit.group.name} seed {fit.seed} failed ({fit.failed}); it has no epochs to choose from")
    members = tuple(tasks or fit.group.real or fit.group.tasks)
    epochs = fit.blocks[members[0], "dev"].epochs
    if by == "last":
        return int(epochs[-1])
    total = np.zeros(len(epochs))
    for task in members:
        block = fit.blocks[task, "dev"]
        keep = _rows_of(block, half)
        weights = fit.class_weights.get(task, ())
        total += [goodness(log2_p[keep], block.gold[keep], fit.train_counts[task], by, weights) for log2_p in block.log2_p]
    if callable(by):
        total[~np.isin(epochs, fit.blocks[members[0], "test"].epochs)] = -np.inf
    return int(epochs[int(total.argmax())])


def _rows_of(block: Block, half: int | None) -> Integers:
    """Return the positions of the rows of one half of dev, or of all of it where none is named or this one lacks a class."""
    every = np.arange(len(block.gold))
    kept = every if half is None else np.flatnonzero(half_of(block.clusters) == half)
    return kept if len(np.unique(block.gold[kept])) == len(np.unique(block.gold)) else every


def cross_selected(fit: Fit, task: str, by: str | Metric) -> Chosen:
    """Return dev predictions, each half at the epoch that the other half chose: no row helps to choose its own epoch."""
    block = fit.blocks[task, "dev"]
    other = np.array([select_epoch(fit, by, half=1), select_epoch(fit, by, half=0)])
    return _at(block, other[half_of(block.clusters)])


def chosen(fit: Fit, task: str, split: Split, by: str | Metric) -> Chosen:
    """Return the predictions at the selected epoch: dev cross-selected, test at the epoch that all of dev selects."""
    if split == "dev" and by != "last":
        return cross_selected(fit, task, by)
    block = fit.blocks[task, split]
    return _at(block, np.full(len(block.gold), select_epoch(fit, by)))


def _at(block: Block, epochs: Integers) -> Chosen:
    """Return the predictions of each row at its epoch."""
    if strange := sorted(set(epochs.tolist()) - set(block.epochs.tolist())):
        raise InputError(f"predictions of epoch {strange[0]} are not stored; stored: {block.epochs.tolist()}")
    position = np.searchsorted(block.epochs, epochs)
    return Chosen(block.log2_p[position, np.arange(len(epochs))], epochs, block.gold, block.rows, block.clusters)
