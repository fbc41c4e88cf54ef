"""Affinity: how alike tasks are, as a table of tasks and a table of pairs, whatever method made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import pandas as pd

from cotrain.errors import InputError

TASK_COLUMNS = (
    "task", "n", "clusters", "seeds", "mean_bits", "sd_bits", "se_bits", "df", "seed_sd_bits", "low_bits", "high_bits",
    "nll_null_bits", "v_normalised", "entropy_bits", "accuracy", "state", "state_reason",
)  # fmt: skip
PAIR_COLUMNS = (
    "target", "helper", "value", "unit", "n_target", "n_helper", "clusters_target", "clusters_helper", "seeds_target",
    "seeds_helper", "mean_target_bits", "mean_helper_bits", "sd_target_bits", "sd_helper_bits", "difference_bits", "se_bits",
    "low_bits", "high_bits", "test", "statistic", "df", "p", "p_holm", "p_bh", "hedges_g", "hedges_g_low", "hedges_g_high",
    "detectable_bits", "difference_normalised", "low_normalised", "high_normalised", "p_normalised", "covariance_bits2",
    "shared_rows", "state",
)  # fmt: skip
RESAMPLED_TASKS = ("resample", "task", "mean_bits", "se_bits", "df", "sd_bits")
RESAMPLED_PAIRS = ("resample", "target", "helper", "difference_bits", "se_bits", "df", "statistic", "p")


@dataclass(frozen=True)
class Resamples:
    """What the statistics of an affinity are when clusters and seeds are drawn anew, B times (``resample`` from 0).

    Attributes:
        tasks: B lines per task, columns ``RESAMPLED_TASKS``, tasks in the order of the affinity within each resample.
        pairs: B lines per pair, columns ``RESAMPLED_PAIRS``, pairs in the order of the affinity within each resample.
    """

    tasks: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)

    def __post_init__(self) -> None:
        for name, table, columns in (("tasks", self.tasks, RESAMPLED_TASKS), ("pairs", self.pairs, RESAMPLED_PAIRS)):
            if missing := [c for c in columns if c not in table.columns]:
                raise InputError(f"the resampled {name} of an affinity lack the columns {', '.join(missing)}")

    def __len__(self) -> int:
        return int(self.tasks["resample"].max()) + 1 if len(self.tasks) else 0


@dataclass(frozen=True)
class Affinity:
    """The relation of tasks: ``value`` of a pair is higher where the method says they should train together.

    Attributes:
        method: what made it: ``pvi``, or another name of ``cotrain.affinity.METHODS``.
        test: the pair test of independent samples: ``student``, ``welch``, ``permutation`` or ``paired``; empty where there is none.
        group_test: the test of three or more tasks: ``anova`` or ``welch_anova``; likewise.
        tasks: one line per task, columns ``TASK_COLUMNS``: sizes, mean PVI with its standard error, moments, state. With
            fewer than two clusters nothing is known of the error (nan).
        pairs: one line per unordered pair (target < helper by name), columns ``PAIR_COLUMNS``; a directed method has one of
            both orders. ``test`` is what was run: ``paired`` on the same rows, ``joint`` (bootstrap) where some rows or
            clusters are shared, else the test asked for. A state is empty, ``identical`` (all differences 0), ``shared rows``
            (tested as if independent, preset ``paper``), ``no variance`` (p is 0 or 1) or ``too few`` (a task with fewer
            than two clusters; p is 1 and means nothing). ``shared_rows`` counts rows in clusters of both tasks;
            ``covariance_bits2`` is that of the two means over drawing clusters (0 for tasks without shared rows).
            Normalised columns compare 1 − NLL/NLL_null, nan where a null is too small or not known.
        cost: what making it cost besides the fits of the single-task learners: ``fits``, ``seconds``; of other methods than PVI
            also ``reused``, ``fit_seconds``, ``gradient_passes`` and ``peak_bytes``.
        resamples: the statistics of each bootstrap resample, or None where none was asked for.
    """

    method: str
    test: str
    group_test: str
    tasks: pd.DataFrame
    pairs: pd.DataFrame
    cost: Mapping[str, float] = field(default_factory=dict)
    resamples: Resamples | None = None

    def __post_init__(self) -> None:
        for name, table, columns in (("tasks", self.tasks, TASK_COLUMNS), ("pairs", self.pairs, PAIR_COLUMNS)):
            if missing := [c for c in columns if c not in table.columns]:
                raise InputError(f"the {name} table of an affinity lacks the columns {', '.join(missing)}; relate the tasks again")
        if self.tasks["task"].duplicated().any():
            raise InputError("an affinity has a task twice")
        known = set(self.tasks["task"])
        if strangers := sorted((set(self.pairs["target"]) | set(self.pairs["helper"])) - known):
            raise InputError(f"the pairs of an affinity name tasks that it does not have: {', '.join(strangers)}")

    def resampled(self, number: int) -> Self:
        """Return the affinity as it is in one resample: other means, errors and tests, the same states."""
        assert self.resamples is not None
        t, p = len(self.tasks), len(self.pairs)
        tasks, pairs = self.tasks.copy(), self.pairs.copy()
        for table, drawn, columns, size in ((tasks, self.resamples.tasks, RESAMPLED_TASKS[2:], t),
                                            (pairs, self.resamples.pairs, RESAMPLED_PAIRS[3:], p)):  # fmt: skip
            for column in columns:
                table[column] = drawn[column].to_numpy()[number * size : (number + 1) * size]
        pairs["value"] = -pairs["difference_bits"].abs()
        return replace(self, tasks=tasks, pairs=pairs, resamples=None)
