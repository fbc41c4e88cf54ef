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
            chose) and metric. ``value`` and ``alone`` are means over seeds with the paper's interval over seeds, in the
            unit of the metric; ``difference`` is shared minus alone, turned so that higher is better for shared
            (alone minus shared for log-loss). ``p_adjusted``: Holm over the tasks of the plan that share. ``delta``,
            ``p_loss`` and ``verdict`` belong to the primary metric; others have nan and an empty word. A task that a
            plan serves alone has difference 0 and verdict ``alone``. ``updates``, ``seconds``, ``parameters``: mean
            over seeds of the fits of the group. Predictions from outside are plans of kind ``outside``, served by themselves.
        candidates: columns ``CANDIDATE_COLUMNS``: per trained group a line for all its members, for the largest and
            for the recommended set of them that passes, on dev, with the reason why it does not pass; ``gain_p`` is the
            two-sided p of the mean difference.
        recommended: the exact best partition over the candidates that pass.
        notes: facts for the first screen, plain values: ``undecided`` (tasks served alone: no candidate passed, none
            showed a loss above δ), ``needed_rows``, ``needed_seeds``, ``needed_rows_at_seeds``, ``capped`` (per undecided
            task: what would decide it), ``best_control`` (named on dev), ``best_control_difference`` (on test: control
            minus recommended: value, low, high), ``claims`` (tasks of the recommended plan whose dev gain is above 0
            with 95 %), ``mean_difference`` (dev and test: value, low, high over all tasks), ``without_collapsed`` (a
            dict per difference that had collapsed seeds), ``arms`` (by name of predictions from outside: ``seeds``,
            ``labels_only``, ``unanswered``, ``unused``, ``mean_difference``), ``distrust`` (sentences), ``select`` (what chose the epochs).
    """

    table: pd.DataFrame = field(repr=False)
    candidates: pd.DataFrame
    recommended: Plan
    notes: Mapping[str, Any] = field(default_factory=dict)
