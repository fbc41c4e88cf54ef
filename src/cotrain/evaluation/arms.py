"""From fits to arms: every group, task and metric of a split in one pass over the random weights of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotrain.evaluation import metrics
from cotrain.evaluation.intervals import Arm
from cotrain.evaluation.outside import Outside
from cotrain.evaluation.sheets import RESAMPLES, Sheet, sheets, small_sample
from cotrain.pvi.seeds import seed_variance
from cotrain.tasks.task import Split
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.selection import Metric, half_of, select_epoch


class At(NamedTuple):
    """Where an arm stands: whose predictions (a group's, or somebody else's), task, metric."""

    group: Group | Outside
    task: str
    metric: str


class Epochs(NamedTuple):
    """The epochs of a fit that are compared: of the two halves of dev, each chosen by the other half, and of test."""

    dev: tuple[int, int]
    test: int

    @classmethod
    def of(cls, fit: Fit, by: str | Metric) -> Epochs:
        """Return the epochs of a fit, chosen once for all its tasks (as ``selection.chosen`` does for one)."""
        last = select_epoch(fit, by)
        return cls((last, last) if by == "last" else (select_epoch(fit, by, half=1), select_epoch(fit, by, half=0)), last)

    def predictions(self, fit: Fit, task: str, split: Split) -> np.ndarray:
        """Return the (n, K) log2 probabilities that are compared."""
        block = fit.blocks[task, split]
        if split == "test":
            return block.at(self.test)
        first, second = (block.at(epoch) for epoch in self.dev)
        return np.where(half_of(block.clusters)[:, None] == 0, first, second)


def arms(
    trained: Mapping[Group, Sequence[Fit]], epochs: Mapping[tuple[Group, int], Epochs], split: Split,
    names: Mapping[str, Sequence[str]], seed: int = 0, resamples: int = RESAMPLES, outside: Sequence[Outside] = (),
) -> dict[At, Arm]:  # fmt: skip
    """Return the arms of every real member of the trained groups, and of predictions from outside on the same rows.

    Args:
        trained: the usable fits of each group, by seed.
        epochs: of each group and seed.
        names: the metrics of each task; tasks without any are left out.

    Raises:
        InputError: fits of different rows.
    """
    found: dict[At, Arm] = {}
    for task, sheet in sheets([fit for fits in trained.values() for fit in fits], list(names), split).items():
        mine = {
            group: np.stack([epochs[group, fit.seed].predictions(fit, task, split) for fit in fits])
            for group, fits in trained.items()
            if task in group.real
        }
        found |= arms_of_task(sheet, mine, names[task], seed, resamples)
        for other in outside:  # apart, so that the fits have the same numbers to the last digit with and without them
            for log2_p, known in other.parts(task, split, names[task]):
                found |= arms_of_task(sheet, {other: log2_p}, known, seed, resamples)
    return found


def arms_of_task(
    sheet: Sheet, predicted: Mapping[Any, np.ndarray], names: Sequence[str], seed: int = 0, resamples: int = RESAMPLES
) -> dict[At, Arm]:
    """Return the arms of one task: (S, n, K) predictions of each group (or Outside), by each metric named."""
    if not names:
        return {}
    own: dict[At, tuple[np.ndarray, np.ndarray | None]] = {}
    columns = []
    for group, log2_p in predicted.items():
        exact = metrics.columns(sheet.gold, log2_p)
        own |= {At(group, sheet.task, m): _values(m, sheet, log2_p, exact) for m in names}
        columns.append(exact.astype(np.float32))
    sums, draws = [], {at: [] for at in own if at.metric in metrics.WEIGHED}  # type: ignore[var-annotated]
    stacked = np.concatenate(columns, axis=1)
    for weight in sheet.weights(seed, resamples):
        sums.append((weight @ stacked).astype(float))
        for at, parts in draws.items():
            parts.append(np.stack([metrics.WEIGHED[at.metric](sheet.gold, p, weight) for p in predicted[at.group]], axis=1))
    ends = np.cumsum([c.shape[1] for c in columns])[:-1]
    counted = dict(zip(predicted, np.split(np.concatenate(sums), ends, axis=1), strict=True))
    found = {}
    for at, (values, rows) in own.items():
        if at.metric in metrics.WEIGHED:
            per_seed = np.concatenate(draws[at])
        else:
            per_seed = metrics.from_counts(at.metric, metrics.counts(counted[at.group], sheet.labels))
        found[at] = _arm(sheet, at, values, per_seed, rows)
    return found


def _values(metric: str, sheet: Sheet, log2_p: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (S,) values of the metric, and (S, n) values of the rows where it is their mean."""
    if metric in metrics.WEIGHED:
        return np.array([metrics.value(metric, sheet.gold, p) for p in log2_p]), None
    values = metrics.from_counts(metric, metrics.counts(columns.sum(axis=0), sheet.labels))
    if metric not in metrics.ROW_MEANS:
        return values, None
    rows = metrics.counts(columns, sheet.labels)
    return values, np.asarray((rows.right.sum(axis=-1) if metric == "accuracy" else rows.bits).T)


def _arm(sheet: Sheet, at: At, values: np.ndarray, per_seed: np.ndarray, rows: np.ndarray | None) -> Arm:
    """Return the Arm of (S,) values, (B, S) resampled ones, and (S, n) values of the rows for a mean over rows.

    s²_seed is that of PVI for means over rows, else max(0, variance over seeds − (mean diagonal − mean off-diagonal of
    the bootstrap covariance between seeds)): what seeds differ by, less what they would differ by on other rows.
    """
    sign = 1 if metrics.HIGHER.get(at.metric, True) else -1
    s = len(values)
    if s < 2:
        between = 0.0
    elif rows is not None:
        between = seed_variance(rows, sheet.index)
    else:
        covariance = np.cov(per_seed.T) * small_sample(sheet.clusters)
        diagonal = float(np.trace(covariance)) / s
        off = (float(covariance.sum()) - diagonal * s) / (s * (s - 1))
        between = max(0.0, float(values.var(ddof=1)) - (diagonal - off))
    worth = _worth(at.metric, sheet)
    return Arm(at.group.name, sheet.task, sign * values, sign * per_seed.mean(axis=1), between, sheet.clusters, worth, sheet.tie)


def _worth(metric: str, sheet: Sheet) -> int:
    """Return how many rows of an accuracy those of a task are worth where two models differ in none of them.

    A share x of the n_c rows of one of K classes that gets worse costs about x/2 of its F1 and x/2K of their mean, so that no
    difference in n_c rows says of a loss of δ what none in 2K·n_c says of an accuracy: (1 − 2Kδ)^n_c ≈ (1 − δ)^(2K·n_c).
    """
    n = len(sheet.gold)
    if metric in metrics.ROW_MEANS:
        return n
    of = np.bincount(sheet.gold, minlength=sheet.labels)
    if metric == "positive_f1" or metric.startswith("sensitivity"):
        worth = (2 if metric == "positive_f1" else 1) * int(of[-1])
    else:
        there = of[of > 0]
        worth = 2 * len(there) * int(there.min())
    return min(n, max(worth, 1))  # without a row of the positive class, as good as none
