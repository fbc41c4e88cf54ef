"""The lines of a Comparison: a plan, a task, a split, a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cotrain.affinity.tests import holm
from cotrain.evaluation import metrics
from cotrain.evaluation.arms import At
from cotrain.evaluation.comparison import COLUMNS
from cotrain.evaluation.intervals import Arm, Difference, difference, seed_interval
from cotrain.evaluation.outside import Outside
from cotrain.evaluation.trained import Trained
from cotrain.evaluation.verdicts import verdict
from cotrain.grouping.plan import Plan
from cotrain.tasks.task import Split
from cotrain.training.group import Group


@dataclass(frozen=True)
class Results:
    """All arms of a comparison.

    Attributes:
        arms: split to where to Arm.
        names: the metrics of each task, the primary one first.
        deltas: of each task.
    """

    trained: Trained
    arms: Mapping[Split, Mapping[At, Arm]] = field(repr=False)
    names: Mapping[str, Sequence[str]]
    deltas: Mapping[str, float]
    _known: dict[tuple[Split, At], Difference] = field(default_factory=dict, repr=False)

    def arm(self, group: Group | Outside, task: str, split: Split) -> Arm:
        """Return the arm of the primary metric."""
        return self.arms[split][At(group, task, self.names[task][0])]

    def alone(self, task: str, split: Split) -> Arm:
        """Return the arm of the task alone, by its primary metric."""
        return self.arm(Group.of([task]), task, split)

    def difference(self, at: At, split: Split) -> Difference:
        """Return the difference to the task alone, computed once."""
        if (split, at) not in self._known:
            arms = self.arms[split]
            self._known[split, at] = difference(arms[at], arms[At(Group.of([at.task]), at.task, at.metric)])
        return self._known[split, at]

    def whole(self, plan: Plan) -> bool:
        """Whether every group of a plan that serves has a usable fit."""
        return all(s.group in self.trained.usable for s in plan.servings if s.serves)


def table(results: Results, plans: Sequence[Plan], outside: Sequence[Outside] = ()) -> pd.DataFrame:
    """Return the lines of the plans, then of predictions from outside; a group whose every fit failed has none."""
    facts = {(task, split): _rows(results, task, split) for task in results.names for split in results.arms}
    lines = [line for plan in plans for split in results.arms for line in _of_plan(results, plan, split, facts)]
    for other in outside:
        for split in results.arms:
            wanted = [at for at in results.arms[split] if at.group is other]
            lines += _lines(results, {"plan": other.name, "kind": "outside", "split": split}, wanted, facts)
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _rows(results: Results, task: str, split: Split) -> dict[str, int]:
    """Return rows, clusters and the rows of the rarest class."""
    fit = results.trained.usable[Group.of([task])][0]
    gold = fit.blocks[task, split].gold
    rarest = int(np.bincount(gold, minlength=len(fit.labels[task])).min())
    return {"n": len(gold), "clusters": results.alone(task, split).clusters, "rarest_class": rarest}


def _of_plan(results: Results, plan: Plan, split: Split, facts: Mapping[tuple[str, Split], Mapping[str, int]]) -> list[dict[str, object]]:
    """Return the lines of a plan on one split."""
    served = [(s.group, t) for s in plan.servings for t in sorted(s.serves) if s.group in results.trained.usable]
    wanted = [At(group, task, metric) for group, task in served for metric in results.names[task]]
    return _lines(results, {"plan": plan.name, "kind": plan.kind, "split": split}, wanted, facts)


def _lines(
    results: Results, common: Mapping[str, Any], wanted: Sequence[At], facts: Mapping[tuple[str, Split], Mapping[str, int]]
) -> list[dict[str, object]]:
    """Return a line per arm: p is adjusted over the tasks that are not alone, metric by metric."""
    split = common["split"]
    found = {at: results.difference(at, split) for at in wanted if at.group != Group.of([at.task])}
    adjusted: dict[At, float] = {}
    for metric in dict.fromkeys(at.metric for at in found):
        family = [at for at in found if at.metric == metric]
        adjusted |= dict(zip(family, holm(np.array([found[at].p() for at in family])).tolist(), strict=True))
    # the primary metrics of the tasks are one family, whatever they are
    family = [at for at in found if at.metric == results.names[at.task][0]]
    adjusted |= dict(zip(family, holm(np.array([found[at].p() for at in family])).tolist(), strict=True))
    return [{**common, **facts[at.task, split], **_line(results, at, split, found.get(at), adjusted.get(at, 1.0))} for at in wanted]


def _line(results: Results, at: At, split: Split, gap: Difference | None, p_adjusted: float) -> dict[str, object]:
    """Return the columns of one line; ``gap`` is None for a task alone."""
    single = Group.of([at.task])
    sign = 1 if metrics.HIGHER.get(at.metric, True) else -1
    primary = at.metric == results.names[at.task][0]
    arm, alone = (results.arms[split][At(group, at.task, at.metric)] for group in (at.group, single))
    mine, other = seed_interval(sign * arm.values), seed_interval(sign * alone.values)
    found = gap or Difference(0.0, 0.0, float(max(1, arm.clusters - 1)), 0.0)
    delta = results.deltas[at.task]
    word = "alone" if gap is None else verdict(gap, p_adjusted, delta) if primary else ""
    (low95, high95), (low90, high90) = found.interval(0.95), found.interval(0.90)
    return {
        "task": at.task, "served_by": at.group.name, "metric": at.metric, "primary": primary, "seeds": len(arm.values),
        "value": mine.value, "value_low": mine.low, "value_high": mine.high,
        "alone": other.value, "alone_low": other.low, "alone_high": other.high,
        "difference": found.value, "se": found.se, "df": found.df, "low95": low95, "high95": high95, "low90": low90, "high90": high90,
        "se_training": found.se_training, "p": found.p(), "p_adjusted": p_adjusted, "delta": delta if primary else float("nan"),
        "p_loss": found.p_loss(delta) if primary else float("nan"), "verdict": word, **_made(results.trained, at),
    }  # fmt: skip


def _made(trained: Trained, at: At) -> dict[str, object]:
    """Return what is known of the fits behind a line; of predictions from outside nothing."""
    costs = ("updates", "seconds", "parameters")
    if isinstance(at.group, Outside):
        return {"failed_seeds": 0, "collapsed_seeds": 0, **dict.fromkeys(costs, float("nan"))}
    failed, collapsed = trained.failed[at.group], trained.collapsed[at.group, at.task]
    return {"failed_seeds": len(failed), "collapsed_seeds": len(collapsed), **{what: trained.cost(at.group, what) for what in costs}}
