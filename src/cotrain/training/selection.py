"""Which epoch of a fit is used: a pure function of stored dev predictions (METHOD, section 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cotrain.errors import InputError
from cotrain.tasks.task import Split
from cotrain.training.fit import Block, Fit, Floats, Integers, Strings

SELECTIONS = ("macro_f1", "accuracy", "log_loss", "last")


class Chosen(NamedTuple):
    """Predictions at the epochs that were chosen: (n, K) log2 p, (n,) epochs, gold, rows and clusters."""

    log2_p: Floats
    epoch: Integers
    gold: Integers
    rows: Strings
    clusters: Strings


def half_of(clusters: Strings) -> Integers:
    """Return (n,) 0 or 1: the half of dev that each row is in, by hash of its cluster, alike for all tasks."""
    unique, inverse = np.unique(clusters.astype(str), return_inverse=True)
    sides = np.array([hashlib.sha256(c.encode()).digest()[0] & 1 for c in unique], dtype=np.int64)
    return sides[inverse]


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


def goodness(fit: Fit, task: str, by: str, rows: np.ndarray | None = None) -> np.ndarray:
    """Return (E,) how good each dev evaluation of one member is, higher is better."""
    block = fit.blocks[task, "dev"]
    keep = np.arange(len(block.gold)) if rows is None else np.flatnonzero(rows)
    gold, log2_p = block.gold[keep], block.log2_p[:, keep]
    if by == "log_loss":
        nll = -np.take_along_axis(log2_p, gold[None, :, None], axis=2)[..., 0].mean(axis=1)
        return -nll / null_bits(fit.train_counts[task], gold)
    guess = log2_p.argmax(axis=2)
    if by == "accuracy":
        return (guess == gold).mean(axis=1)
    return np.array([macro_f1(gold, g, log2_p.shape[2]) for g in guess])


def select_epoch(fit: Fit, by: str, half: int | None = None) -> int:
    """Return the epoch with the best mean dev metric over the real members of the group; the first of equals.

    Args:
        by: one of ``SELECTIONS``; ``log_loss`` is the mean of NLL/NLL_null over the members.
        half: use only the dev rows of one half (``half_of``).

    Raises:
        InputError: an unknown ``by``.
    """
    if by not in SELECTIONS:
        from cotrain.choose import unknown

        raise InputError(unknown("selection of epochs", by, SELECTIONS))
    members = fit.group.real or fit.group.tasks
    epochs = fit.blocks[members[0], "dev"].epochs
    if by == "last":
        return int(epochs[-1])
    total = np.zeros(len(epochs))
    for task in members:
        block = fit.blocks[task, "dev"]
        rows = None if half is None else half_of(block.clusters) == half
        if rows is not None and not rows.any():
            rows = None
        total += goodness(fit, task, by, rows)
    return int(epochs[int(total.argmax())])


def chosen(fit: Fit, task: str, split: Split, by: str) -> Chosen:
    """Return the predictions at the selected epoch: dev cross-selected, test at the epoch that all of dev selects."""
    block = fit.blocks[task, split]
    if split == "test" or by == "last":
        epoch = select_epoch(fit, by)
        return _at(block, np.full(len(block.gold), epoch))
    # each half is scored at the epoch that the other half chose, so that no row helps to choose its own epoch
    other = np.array([select_epoch(fit, by, half=1), select_epoch(fit, by, half=0)])
    return _at(block, other[half_of(block.clusters)])


def _at(block: Block, epochs: Integers) -> Chosen:
    """Return the predictions of each row at its epoch."""
    position = np.searchsorted(block.epochs, epochs)
    return Chosen(block.log2_p[position, np.arange(len(epochs))], epochs, block.gold, block.rows, block.clusters)
