"""A grid of settings: every group is trained at every point of it, and dev chooses, seeds together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cotrain.study import data
from cotrain.study.study import Study
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.selection import goodness, select_epoch
from cotrain.training.settings import Settings


def best(study: Study, points: Sequence[Settings], fits: Sequence[Sequence[Fit]]) -> list[Fit]:
    """Return the fits of each group at the point whose mean over seeds and tasks on dev is best, and let the study remember them.

    The table of all points goes to ``grid.parquet``. A point where a fit failed is worse than any where none did; of equals the
    first. Null models are chosen by log-loss: a constant guess has no best accuracy.

    Args:
        points: settings.
        fits: per point the same groups and seeds, in one order.
    """
    names = [", ".join(f"{key}={getattr(point, key)}" for key in study.resolved.grid) for point in points]
    lines, chosen = list[dict[str, object]](), list[Fit]()
    for group in dict.fromkeys(fit.group for fit in fits[0]):
        by = study.resolved.select if group.real and study.resolved.select != "last" else "log_loss"
        there = [[fit for fit in at if fit.group == group] for at in fits]
        values = np.array([[_dev(fit, by) for fit in at] for at in there])
        before = _chosen(study, group, {fit.seed for fit in there[0]})
        first = int(values.mean(axis=1).argmax()) if before is None else names.index(before)
        chosen += there[first]
        for k, at in enumerate(there):
            lines += [
                {
                    "group": group.name, "seed": fit.seed, "settings": names[k], "epoch": 0 if fit.failed else select_epoch(fit, by),
                    "metric": by, "dev": value if np.isfinite(value) else np.nan, "chosen": k == first, "key": fit.key,
                }
                for fit, value in zip(at, values[k], strict=True)
            ]  # fmt: skip
    study.save_grid(pd.DataFrame(lines))
    data.remember(study, chosen)
    by_name = {(fit.group, fit.seed): fit for fit in chosen}
    return [by_name[fit.group, fit.seed] for fit in fits[0]]


def _chosen(study: Study, group: Group, seeds: set[int]) -> str | None:
    """Return the point that other seeds of a group chose, so that all of its fits are of one; None where none did."""
    if (table := study.grid) is None or set(study.resolved.seeds) & seeds:
        return None
    mine = table[(table["group"] == group.name) & table["chosen"] & ~table["seed"].isin(seeds)]
    return str(mine["settings"].iloc[0]) if len(mine) else None


def _dev(fit: Fit, by: str) -> float:
    """Return the mean of a metric over the members on dev at its best epoch; −inf for a fit that failed."""
    if fit.failed:
        return -np.inf
    epoch = select_epoch(fit, by)
    blocks = {task: fit.blocks[task, "dev"] for task in fit.group.real or fit.group.tasks}
    weights = {task: fit.class_weights.get(task, ()) for task in blocks}
    return float(np.mean([goodness(b.at(epoch), b.gold, fit.train_counts[t], by, weights[t]) for t, b in blocks.items()]))
