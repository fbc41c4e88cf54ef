"""What the report is made of, from the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from cotrain.affinity import METHODS, losses
from cotrain.affinity.affinity import Affinity
from cotrain.grouping.group import group
from cotrain.grouping.listing import listing
from cotrain.grouping.plan import Plan
from cotrain.grouping.robustness import sentences
from cotrain.grouping.stability import pairs_pass
from cotrain.pvi.scores import Scores
from cotrain.reporting.tables import RunTables
from cotrain.study import data, methods
from cotrain.study.steps import scored_groups, size, trained_groups
from cotrain.study.study import Study
from cotrain.training.fit import Fit


def tables(study: Study) -> RunTables:
    """Return everything that the run folder holds; what is not there yet is None or empty."""
    scores, affinity = study.find_scores("pvi"), study.find_affinity("pvi")
    plans = [plan for plan in study.plans() if plan.kind != "recommended"]
    passing = stability = settled = None
    unforced: dict[str, Plan] = {}
    if affinity is not None:
        found = listing(affinity, study.resolved.plan, study.resolved.plan.limit)
        passing, settled = found.sets, found.pairs[["target", "helper", "rows_to_settle"]]
        if affinity.resamples is not None:
            tested = replace(study.resolved.plan, rule="clique") if study.resolved.plan.rule == "any" else study.resolved.plan
            stability = pairs_pass(affinity, tested)
        if study.resolved.plan.together or study.resolved.plan.apart or study.resolved.plan.alone:
            free = replace(study.resolved.plan, together=(), apart=(), alone=())
            unforced = {plan.name: plan for plan in group(affinity, free, "pvi", size(study, affinity, free))}
    resolved = study.resolved
    of_same = {} if affinity is None else {n: a for n, a in study.affinities.items() if set(a.tasks["task"]) == set(affinity.tasks["task"])}
    notes = sentences(scores, resolved.plan, resolved.test, resolved.group_test) if scores is not None else ()
    return RunTables(
        name=study.resolved.name, tasks_rows=_rows(study, scores), check=study.checked, scores=scores, affinity=affinity, plans=plans,
        comparison=study.load_comparison(), costs=costs(study), spec=study.resolved.plain(), provenance=study.provenance,
        looks_at_test=len(study.looks), known=study.known or None, without_overrides=unforced, passing=passing, stability=stability,
        settle=settled, prompted=study.prompted, shared=study.shared, affinities=of_same, truth=truth(study, of_same), notes=notes,
    )  # fmt: skip


def _rows(study: Study, scores: Scores | None) -> pd.DataFrame:
    """Return the rows of a report; where scores from outside are all that is known, the rows scored."""
    if not study.resolved.outside or scores is None:
        return data.rows(study)
    return scores.table.drop_duplicates(["task", "row"])[["task", "row", "split", "gold", "cluster", "source"]].rename(
        columns={"gold": "label"}
    )


def truth(study: Study, affinities: Mapping[str, Affinity]) -> dict[str, Any]:
    """Return what tasks lose on test alone and in every pair, by seed, and the methods that read fits of these seeds; nothing without
    ``oracle``. A seed counts where every fit is there and none failed.
    """
    if "oracle" not in affinities or study.resolved.outside:
        return {}
    one = methods.chosen(study, "oracle")
    fits = [fit for fit in data.fits(study, one.groups, one.seeds) if not fit.failed]
    whole = {seed for seed in one.seeds if len({fit.group for fit in fits if fit.seed == seed}) == len(one.groups)}
    alone, pairs = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    for fit in (fit for fit in fits if fit.seed in whole):
        for task in fit.group.tasks:
            helpers = [name for name in fit.group.tasks if name != task]
            (pairs if helpers else alone).append((task, *helpers, fit.seed, losses.test(fit, task)))
    return {
        "alone": pd.DataFrame(alone, columns=["task", "seed", "loss"]),
        "pairs": pd.DataFrame(pairs, columns=["target", "helper", "seed", "loss"]),
        "coupled": tuple(name for name, found in affinities.items() if name != "oracle" and whole & set(_seeds(study, name, found))),
    }


def _seeds(study: Study, name: str, affinity: Affinity) -> tuple[int, ...]:
    """Return the seeds of the fits that a method read; none where it read none."""
    if name in ("pvi", "accuracy"):
        table = study.load_scores("pvi").table
        return tuple(map(int, table.loc[table["estimator"] == "finetune", "seed"].unique()))
    if not affinity.cost.get("fits", 0) + affinity.cost.get("reused", 0):
        return ()
    # a method from outside need not be there any more
    own = study.resolved.methods.get(name, {}).get("seeds")
    return methods.chosen(study, name).seeds if name in METHODS else tuple(own or study.resolved.seeds)


def costs(study: Study) -> pd.DataFrame:
    """Return one line per fit of the study: ``group``, ``seed``, ``seconds``, ``updates``, ``tokens``, ``parameters``."""
    columns = ("seconds", "updates", "tokens", "parameters")
    groups = [*trained_groups(study), *scored_groups(study, "crossfit")]
    fits: dict[str, Fit] = {}
    for fit in data.fits(study, groups):
        fits.setdefault(fit.key, fit)  # one can have several names
    lines = [{"group": f.group.name, "seed": f.seed, **_of(f.cost, columns)} for f in fits.values()]
    return pd.DataFrame(lines, columns=["group", "seed", *columns])


def _of(cost: Mapping[str, float], columns: tuple[str, ...]) -> dict[str, float]:
    """Return the named costs of a fit."""
    return {column: float(cost.get(column, float("nan"))) for column in columns}
