"""``compare``: every plan and control beside the tasks alone; dev decides, test confirms (METHOD, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.evaluation import notes as facts
from cotrain.evaluation.arms import Epochs, arms
from cotrain.evaluation.comparison import Comparison
from cotrain.evaluation.decision import GOALS, Evidence
from cotrain.evaluation.estimate import said
from cotrain.evaluation.metrics import ALWAYS, METRICS
from cotrain.evaluation.outside import Outside
from cotrain.evaluation.recommendation import recommend
from cotrain.evaluation.table import Results, table
from cotrain.evaluation.trained import Trained
from cotrain.grouping.plan import Plan
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.selection import Metric


def compare(
    fits: Sequence[Fit], plans: Sequence[Plan], metrics: Mapping[str, str], deltas: Mapping[str, float],
    by: str | Metric = "macro_f1", goal: str = "fewer", capped: Mapping[str, int] = MappingProxyType({}), seed: int = 0,
    outside: Sequence[Outside] = (),
) -> Comparison:  # fmt: skip
    """Return the Comparison of ``plans`` on dev (cross-selected) and test, and the recommended plan, which dev decides.

    Candidates of the recommendation are all trained groups with only real members and no budget, whatever plan they
    come from. Each arm has its own number of seeds: fits that failed are left out of its mean and counted.

    Args:
        fits: of every task alone, of every group of the plans, and of further groups.
        metrics: task to its primary metric; its keys are the tasks of the study.
        deltas: task to the loss of its primary metric that the owner can accept.
        by: what selects the epoch of a fit.
        goal: ``fewer`` models, or ``better`` ones.
        capped: task to the rows that a cap left out of its dev.
        seed: of the resampling.
        outside: predictions of other models; they are shown, and decide nothing.

    Raises:
        InputError: all faults at once: unknown names, labels alone where the metric needs probabilities, a plan that is not
            trained, a task whose every fit alone failed, fits of different rows.
    """
    _check(plans, metrics, deltas, goal, outside)
    tasks, plans = sorted(metrics), [plan for plan in plans if plan.kind != "recommended"]
    wanted = [*(Group.of([task]) for task in tasks), *(s.group for plan in plans for s in plan.servings if s.serves)]
    trained = Trained.of(fits, wanted, tasks)
    epochs = {(group, fit.seed): Epochs.of(fit, by) for group, found in trained.usable.items() for fit in found}
    names = {task: tuple(dict.fromkeys([metrics[task], *ALWAYS])) for task in tasks}
    on_split = {split: arms(trained.usable, epochs, split, names, seed, outside=outside) for split in ("dev", "test")}
    results = Results(trained, on_split, names, deltas)  # type: ignore[arg-type]
    evidence = [_evidence(results, g) for g in trained.usable if g.deployable and len(g.tasks) > 1]
    recommended, candidates = recommend(evidence, tasks, goal)
    means = {str(split): facts.three(facts.against(results, recommended, None, tasks, split)) for split in results.arms}
    recommended = replace(recommended, why=(*recommended.why, _means(means, len(tasks))))
    open_tasks = facts.undecided(evidence, recommended, goal)
    rows = {task: len(trained.usable[Group.of([task])][0].blocks[task, "dev"].gold) for task in tasks}
    found: dict[str, Any] = {
        "undecided": tuple(open_tasks), "mean_difference": means,
        "claims": facts.claims({e.group: e for e in evidence}, recommended),
        **facts.needed(results, open_tasks, rows, capped),
        **facts.best_control(results, plans, recommended, tasks),
        "without_collapsed": facts.without_collapsed(results, [*plans, recommended], epochs, seed),
        "arms": {other.name: facts.outside(results, other) for other in outside}, "select": by,
    }  # fmt: skip
    found["distrust"] = tuple(facts.distrust(results, plans, recommended, found))
    return Comparison(table(results, [*plans, recommended], outside), candidates, recommended, found)


def _means(means: Mapping[str, facts.Three], tasks: int) -> str:
    """Return the mean difference of the recommended plan in words."""
    each = "; ".join(f"{split} {said(value, sign=True)} [{said(low)}, {said(high)}]" for split, (value, low, high) in means.items())
    return f"Mean difference over all {tasks} tasks, 0 for those alone: {each}."


def _evidence(results: Results, group: Group) -> Evidence:
    """Return what dev says of a group; where it, or a member alone, is left with one seed by fits that failed, it may not be served."""
    shared = {t: results.arm(group, t, "dev") for t in group.tasks}
    alone = {t: results.alone(t, "dev") for t in group.tasks}
    why_not = []
    for one in (group, *(Group.of([t]) for t in group.tasks)):
        seeds, lost = len(results.trained.usable[one]), len(results.trained.failed[one])
        if lost and seeds == 1:
            of = f"its {seeds + lost} fits" if one == group else f"the {seeds + lost} fits of {one.name} alone"
            why_not.append(f"{lost} of {of} failed; one does not show how much fits vary")
    return Evidence.of(group, shared, alone, results.deltas, "; ".join(why_not))


def _check(plans: Sequence[Plan], metrics: Mapping[str, str], deltas: Mapping[str, float], goal: str, outside: Sequence[Outside]) -> None:
    """Raise InputError with every unknown name, missing or impossible δ, and metric that an arm cannot have."""
    taken = {*metrics, *(plan.name for plan in plans), "recommended"}
    faults = [f"arm {other.name}: its name is that of a task or plan; choose another" for other in outside if other.name in taken]
    faults += [fault for other in outside for fault in other.unfit(metrics)]
    faults += [unknown("goal", goal, GOALS)] if goal not in GOALS else []
    for task, metric in metrics.items():
        if metric not in METRICS:
            faults.append(f"task {task}: {unknown('metric', metric, METRICS)}")
        if not deltas.get(task, 0) > 0:
            faults.append(f"task {task}: delta should be above 0, found {deltas.get(task)}")
    for plan in plans:
        if strangers := sorted({task for serving in plan.servings for task in serving.group.tasks} - set(metrics)):
            faults.append(f"plan {plan.name} has tasks that the study does not have: {', '.join(strangers)}")
    if faults:
        raise InputError(faults)
