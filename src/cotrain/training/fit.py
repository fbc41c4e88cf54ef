"""A Fit: what training one Group with one seed left behind, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cotrain.tasks.task import Split
from cotrain.training.group import Group

Strings = np.ndarray[tuple[int], np.dtype[np.object_]]
Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class Block(NamedTuple):
    """The predictions of one task on one split at E stored evaluations: (n,) rows, (E,) epochs, (E, n, K) log2 p.

    Attributes:
        rows: (n,) row ids.
        clusters: (n,) cluster ids; the row ids themselves where nothing is known.
        gold: (n,) index of the true label in label order.
        epochs: (E,) epochs of the stored evaluations, ascending.
        log2_p: (E, n, K) log2 probability of each label.
    """

    rows: Strings
    clusters: Strings
    gold: Integers
    epochs: Integers
    log2_p: Floats

    def at(self, epoch: int) -> Floats:
        """Return the (n, K) log2 probabilities of one stored epoch; KeyError where it was not stored."""
        found = np.flatnonzero(self.epochs == epoch)
        if not len(found):
            raise KeyError(f"epoch {epoch} was not stored; stored: {self.epochs.tolist()}")
        return self.log2_p[int(found[0])]


@dataclass(frozen=True)
class Fit:
    """The result of training ``group`` with ``seed``.

    Attributes:
        key: hash of exactly what determines the numbers.
        group: what was trained.
        seed: the seed of heads, order and dropout.
        labels: label names of each member in the order of the columns of log2 p.
        train_counts: (K,) training rows per label of each member, in label order.
        blocks: (task, "dev" or "test") to predictions. Dev at every evaluation; test at each that a selection could
            pick. Members that are blank or permuted are predicted on dev and test with their real rows.
        history: one line per evaluation and task: ``epoch``, ``updates``, ``seconds``, ``task``, ``train_bits``
            (mean training loss in bits since the last evaluation), ``dev_bits``, ``dev_accuracy``, ``dev_macro_f1``.
        cost: ``seconds``, ``updates``, ``tokens`` (without padding), ``parameters``, ``peak_bytes``; of a trainer from outside those
            that it tells, seconds and memory.
        manifest: device, library versions, effective settings, host.
        failed: why the fit failed (a loss that is not a number, out of memory); empty where it did not.
        path: the folder of the fit, where it has one.
        class_weights: (K,) what each label of a member weighed in its loss; members whose labels all weighed 1 are not there.
    """

    key: str
    group: Group
    seed: int
    labels: Mapping[str, tuple[str, ...]]
    train_counts: Mapping[str, tuple[int, ...]]
    blocks: Mapping[tuple[str, Split], Block] = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    cost: Mapping[str, float]
    manifest: Mapping[str, object] = field(default_factory=dict, repr=False)
    failed: str = ""
    path: Path | None = None
    class_weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def unweighted(self, task: str, log2_p: Floats) -> Floats:
        """Return (…, K) log2 p of ``task`` without what class weights did to it: p ∝ p_w / w (METHOD, section 1)."""
        return unweighted(log2_p, self.class_weights.get(task, ()))

    @property
    def updates(self) -> int:
        """The number of optimiser updates of the fit; 0 where its trainer does not tell."""
        return int(self.cost.get("updates", 0))


def unweighted(log2_p: Floats, weights: Sequence[float]) -> Floats:
    """Return (…, K) log2 p that a model trained with class ``weights`` means: p ∝ p_w / w; as they are where there are none."""
    if not len(weights):
        return log2_p
    divided = log2_p - np.log2(np.asarray(weights, dtype=float))
    most = divided.max(axis=-1, keepdims=True)
    found: Floats = divided - most - np.log2(np.exp2(divided - most).sum(axis=-1, keepdims=True))
    return found
