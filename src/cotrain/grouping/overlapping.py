"""``select: overlapping``: models within a budget, each task served by the best of them (Standley et al. 2020; Fifty et al. 2021)."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.draft import Draft
from cotrain.grouping.exact import gains, unit
from cotrain.grouping.gains import Gains
from cotrain.grouping.measured import measured
from cotrain.grouping.options import Options
from cotrain.grouping.passing import MOST_SETS, count, eligible, passes
from cotrain.grouping.statistics import Statistics


def overlapping(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the models of the largest sum of predicted gains; groups may overlap and carry helpers that they do not serve.

    There are ``models`` of them at most, or as many as there are tasks.

    Raises:
        InputError: values that are no gains, too few models, sets that must be together, too many groups.
    """
    if not gains(affinity):
        raise InputError(f"the selection overlapping needs values that are gains; those of '{affinity.method}' are {unit(affinity)}")
    if options.together:
        raise InputError("the selection overlapping lets every task be served by what is best for it, so nothing can be kept together")
    most = options.models or len(affinity.tasks)
    free = len(eligible(affinity, options))
    if most < (least := len(affinity.tasks) - free + -(-free // options.limit)):
        raise InputError(
            f"at most {most} models are asked for, and {least} or more are needed: {len(affinity.tasks) - free} tasks stand alone, "
            f"the others are in groups of up to {options.limit}"
        )
    found = measured(predicted(affinity, options), float(most))
    why = (
        f"Up to {most} models of up to {options.limit} tasks with the largest sum of predicted gains: of a task in a group "
        "the mean over the others as its helpers. Groups may overlap.",
        found.plan.why[1],
    )
    return [Draft(name, found.plan.servings, why, found.plan.runner_up)]


def predicted(affinity: Affinity, options: Options) -> Gains:
    """Return what each task gains in every group that may be: the mean of ``value`` over the others as helpers, 0 alone (HOA).

    Raises:
        InputError: too many groups.
    """
    statistics, may = Statistics.of(affinity), eligible(affinity, replace(options, together=()))
    if count(len(may), options.limit) > MOST_SETS:
        raise InputError(
            f"{count(len(may), options.limit):,} groups of up to {options.limit} of {len(may)} tasks are too many; lower largest"
        )
    apart = statistics.apart(options)
    lines = [(task, task, 0.0) for task in statistics.names]
    for size in range(2, min(options.limit, len(may)) + 1):
        sets = np.array([statistics.positions(names) for names in combinations(may, size)])
        sets = sets[~statistics.any_pair(apart, sets)]
        for where in sets[passes(statistics, sets, affinity, options)]:
            names = [statistics.names[k] for k in where]
            values = statistics.value[np.ix_(where, where)]
            lines += zip(["+".join(names)] * size, names, np.nansum(values, axis=1) / (size - 1), strict=True)
    table = pd.DataFrame(lines, columns=["group", "task", "loss"])
    return Gains(table.assign(split="all", cost=1.0, loss=-table["loss"])[["split", "group", "cost", "task", "loss"]], "gain")
