"""A Comparison: alone, plan and controls per task, with verdicts, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cotrain.grouping.plan import Plan

COLUMNS = (
    "plan", "kind", "task", "served_by", "split", "metric", "primary", "n", "clusters", "rarest_class", "seeds",
    "failed_seeds", "collapsed_seeds", "value", "value_low", "value_high", "alone", "alone_low", "alone_high",
    "difference", "se", "df", "low95", "high95", "low90", "high90", "se_training", "p", "p_adjusted", "delta",
    "p_loss", "verdict", "updates", "seconds", "parameters",
)  # fmt: skip
CANDIDATE_COLUMNS = (
    "group", "serves", "tasks_served", "passes", "reason", "mean_difference", "mean_low95", "mean_high95",
    "mean_in_deltas", "worst_task", "worst_p_loss", "gain_p",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Every plan beside the single-task learners, and the plan that the fits recommend.

    Attributes:
        table: columns ``COLUMNS``: one line per plan, task, split (dev cross-selected, test at the epoch that dev
            chose) and metric. A task that a plan serves alone has difference 0 and verdict ``alone``.
        candidates: columns ``CANDIDATE_COLUMNS``: one line per trained group (and served subset) that the decision
            looked at, on dev, with the reason why it does not pass.
        recommended: the exact best partition over the candidates that pass.
        notes: facts for the first screen: ``undecided`` (tasks), ``needed_rows``, ``needed_seeds``,
            ``best_control`` (named on dev), ``best_control_difference`` (low, high), ``claims`` (tasks of the
            recommended plan whose dev gain is above 0 with 95 %), ``distrust`` (sentences).
    """

    table: pd.DataFrame = field(repr=False)
    candidates: pd.DataFrame
    recommended: Plan
    notes: Mapping[str, Any] = field(default_factory=dict)
