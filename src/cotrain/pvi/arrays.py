"""``scores_of``: PVI of models that a person scored anywhere, from arrays of log-probabilities alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.pvi.pvi import entropy, prior, pvi
from cotrain.pvi.scores import Scores
from cotrain.pvi.seeds import Moments, mean_with_seeds
from cotrain.pvi.states import state
from cotrain.tasks.task import Split, Task

_SUM_BITS = 0.01


@dataclass(frozen=True)
class Predictions:
    """What the models of one task say about its held-out rows.

    Attributes:
        log2_p: (n, K) or (S, n, K) log2 probabilities of each label, of one model or of S models that differ by seed.
        gold: (n,) index of the true label in the columns of ``log2_p``.
        train_counts: (K,) training rows per label: the null model.
        rows: (n,) row ids; the positions where none are given.
        clusters: (n,) ids of the patient, document or text of each row. Equal ids of two tasks are the same cluster, so that
            those tasks are compared as dependent; the rows themselves where none are given.
        source: where the rows come from; tasks of one source with equal row ids are the same rows. The task by default.
        labels: (K,) label names; the positions where none are given.
        seeds: (S,) seeds; 0, 1, … where none are given.
    """

    log2_p: np.ndarray
    gold: np.ndarray
    train_counts: Sequence[int]
    rows: Sequence[str] | None = None
    clusters: Sequence[str] | None = None
    source: str = ""
    labels: Sequence[str] | None = None
    seeds: Sequence[int] | None = None

    @classmethod
    def of(cls, task: Task, split: Split, log2_p: np.ndarray) -> Self:
        """Return what one model says of the rows of a split of a task: (n, K) ``log2_p`` in the order of rows and labels."""
        rows = task.split(split)
        return cls(
            log2_p, task.gold(split), task.train_counts, rows["row"].tolist(), rows["cluster"].tolist(), task.source, task.labels
        )  # fmt: skip


def scores_of(predictions: Mapping[str, Predictions], split: str = "dev", estimator: str = "arrays", notes: tuple[str, ...] = ()) -> Scores:
    """Return the Scores of tasks from their predictions on held-out rows, against the prior null.

    The epochs were chosen by whoever trained the models, so no state can be ``overfit`` and nothing is known by epoch.

    Raises:
        InputError: every array of the wrong shape, probabilities that do not sum to 1 (natural instead of binary logarithms),
            a label that train lacks, row ids that are not unique.

    >>> log2_p = np.log2([[.9, .1], [.2, .8], [.8, .2], [.3, .7]])
    >>> scores = scores_of({"negation": Predictions(log2_p, np.array([0, 1, 0, 1]), [50, 50])})
    >>> scores.table["pvi_bits"].round(3).tolist()
    [0.848, 0.678, 0.678, 0.485]
    """
    if faults := [fault for task, p in predictions.items() for fault in _faults(task, p)]:
        raise InputError(faults)
    if not predictions:
        raise InputError("there are no predictions to score")
    tables = [_table(task, p, split) for task, p in predictions.items()]
    facts = [
        facts_of(task, table, len(p.train_counts), int(np.sum(p.train_counts)), entropy(p.train_counts))
        for (task, p), table in zip(predictions.items(), tables, strict=True)
    ]
    return Scores(pd.concat(tables, ignore_index=True).assign(estimator=estimator), pd.DataFrame(facts), notes=notes)


def _faults(task: str, p: Predictions) -> Iterator[str]:
    """Yield what is wrong with the arrays of a task."""
    log2_p, gold, counts = np.asarray(p.log2_p), np.asarray(p.gold), np.asarray(p.train_counts)
    if log2_p.ndim not in (2, 3) or 0 in log2_p.shape or log2_p.shape[-1] < 2:
        yield f"task {task}: log2_p should be (n, K) or (S, n, K) with two labels or more, found {log2_p.shape}"
        return
    seeds, (n, k) = (1 if log2_p.ndim == 2 else len(log2_p)), log2_p.shape[-2:]
    for name, value, length in (("gold", gold, n), ("train_counts", counts, k), ("rows", p.rows, n), ("clusters", p.clusters, n),
                                ("labels", p.labels, k), ("seeds", p.seeds, seeds)):  # fmt: skip
        if value is not None and len(value) != length:
            yield f"task {task}: {name} should have {length} entries as log2_p has, found {len(value)}"
    for name, unique in (("rows", p.rows), ("labels", p.labels), ("seeds", p.seeds)):
        if unique is not None and len(set(unique)) != len(unique):
            yield f"task {task}: {name} should be unique, {len(unique) - len(set(unique))} are repeated"
    sums = np.exp2(log2_p).sum(axis=-1).reshape(seeds, n)
    if (bad := np.flatnonzero((~(np.abs(sums - 1) < _SUM_BITS)).any(axis=0))).size:
        yield (
            f"task {task}: the probabilities of {len(bad)} rows do not sum to 1, first at row {bad[0]}; "
            "log2_p should be logarithms to base 2 (natural ones divided by ln 2)"
        )
    if not np.issubdtype(gold.dtype, np.integer) or gold.min() < 0 or gold.max() >= k:
        yield f"task {task}: gold should be integers from 0 to {k - 1}, the columns of log2_p"
    elif len(gold) == n and len(counts) == k:
        if lacking := sorted(set(np.unique(gold).tolist()) - set(np.flatnonzero(counts > 0).tolist())):
            yield f"task {task}: held-out rows have labels without training rows: {', '.join(map(str, lacking))}"
        worst = np.take_along_axis(log2_p.reshape(seeds, n, k), np.broadcast_to(gold, (seeds, n))[..., None], axis=2)
        if (bad := np.flatnonzero(~np.isfinite(worst).all(axis=(0, 2)))).size:
            yield f"task {task}: the true label has probability 0 in {len(bad)} rows, first at row {bad[0]}; PVI would be infinite"


def _table(task: str, p: Predictions, split: str) -> pd.DataFrame:
    """Return the score rows of one task, seed after seed."""
    n, k = np.shape(p.log2_p)[-2:]
    log2_p = np.asarray(p.log2_p, dtype=float).reshape(-1, k)
    seeds = len(log2_p) // n
    gold = np.tile(np.asarray(p.gold), seeds)
    rows = _names(p.rows, n)
    names, null, index = _names(p.labels, k), prior(p.train_counts), np.arange(len(log2_p))
    return pd.DataFrame({
        "task": task, "row": np.tile(rows, seeds), "split": split, "seed": np.repeat(np.arange(seeds) if p.seeds is None else p.seeds, n),
        "estimator": "", "null": "prior", "epoch": -1, "log2_p_x": log2_p[index, gold], "log2_p_null": null[gold],
        "pvi_bits": pvi(log2_p, gold, null), "gold": names[gold], "guess": names[log2_p.argmax(axis=1)],
        "cluster": np.tile(rows if p.clusters is None else _names(p.clusters, n), seeds), "source": p.source or task,
    })  # fmt: skip


def _names(given: Sequence[str] | None, n: int) -> np.ndarray:
    """Return (n,) names as strings; positions where none are given."""
    return np.array([str(v) for v in (range(n) if given is None else given)], dtype=object)


def facts_of(
    task: str, table: pd.DataFrame, labels: float, n_train: float, entropy_bits: float, best: pd.DataFrame | None = None
) -> dict[str, object]:
    """Return the line of a task from its score rows, the same rows for every seed.

    Args:
        best: the rows at the epoch of the best log-loss; ``table`` where somebody else chose the epoch.
    """
    moments = _moments(table)
    name, reason = state(moments if best is None else _moments(best), moments)
    return {
        "task": task, "labels": labels, "n_train": n_train, "entropy_bits": entropy_bits, "state": name, "state_reason": reason,
        "collapsed_seeds": "", "failed_seeds": "", "null_gap_bits": float("nan"), "v_bits": moments.mean,
        "v_bits_without_collapsed": moments.mean,
    }  # fmt: skip


def _moments(table: pd.DataFrame) -> Moments:
    """Return the moments of the PVI of one task."""
    seeds = table["seed"].nunique()
    ordered = table.sort_values(["seed", "row"]) if seeds > 1 else table
    bits = ordered["pvi_bits"].to_numpy(dtype=float).reshape(seeds, -1)
    return mean_with_seeds(bits, ordered["cluster"].to_numpy(dtype=object)[: bits.shape[1]])
