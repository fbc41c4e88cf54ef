"""Affinity: how alike tasks are, as a table of tasks and a table of pairs, whatever method made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from cotrain.errors import InputError

TASK_COLUMNS = (
    "task", "n", "clusters", "seeds", "mean_bits", "sd_bits", "se_bits", "df", "seed_sd_bits", "low_bits", "high_bits",
    "nll_null_bits", "v_normalised", "entropy_bits", "accuracy", "state", "state_reason",
)  # fmt: skip
PAIR_COLUMNS = (
    "target", "helper", "value", "unit", "difference_bits", "se_bits", "low_bits", "high_bits", "test", "statistic",
    "df", "p", "p_holm", "p_bh", "hedges_g", "hedges_g_low", "hedges_g_high", "detectable_bits", "covariance_bits2",
    "shared_rows", "state",
)  # fmt: skip


@dataclass(frozen=True)
class Affinity:
    """The relation of tasks: ``value`` of a pair is higher where the method says they should train together.

    Attributes:
        method: what made it: ``pvi``.
        test: the pair test of independent samples: ``student``, ``welch`` or ``paired``.
        group_test: the test of three or more tasks: ``anova`` or ``welch_anova``.
        tasks: one line per task, columns ``TASK_COLUMNS``: sizes, mean PVI with its standard error, moments, state. With
            fewer than two clusters nothing is known of the error (nan).
        pairs: one line per unordered pair (target < helper by name), columns ``PAIR_COLUMNS``. ``test`` is what was run:
            ``paired`` on the same rows, ``joint`` (bootstrap) where some rows or clusters are shared, else the test asked
            for. A state is empty, ``identical`` (all differences 0), ``shared rows`` (tested as if independent, preset
            ``paper``), ``no variance`` (p is 0 or 1) or ``too few`` (a task with fewer than two clusters; p is 1 and means
            nothing). ``shared_rows`` counts rows in clusters of both tasks; ``covariance_bits2`` is that of the two means
            over drawing clusters (0 for tasks without shared rows).
        cost: what making it cost besides the fits of the single-task learners: ``fits``, ``seconds``.
    """

    method: str
    test: str
    group_test: str
    tasks: pd.DataFrame
    pairs: pd.DataFrame
    cost: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, table, columns in (("tasks", self.tasks, TASK_COLUMNS), ("pairs", self.pairs, PAIR_COLUMNS)):
            if missing := [c for c in columns if c not in table.columns]:
                raise InputError(f"the {name} table of an affinity lacks the columns {', '.join(missing)}")
        if self.tasks["task"].duplicated().any():
            raise InputError("an affinity has a task twice")
        known = set(self.tasks["task"])
        if strangers := sorted((set(self.pairs["target"]) | set(self.pairs["helper"])) - known):
            raise InputError(f"the pairs of an affinity name tasks that it does not have: {', '.join(strangers)}")
