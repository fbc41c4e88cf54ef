"""Facts of a comparison for the first screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cotrain.evaluation.arms import At, Epochs, arms
from cotrain.evaluation.decision import Evidence
from cotrain.evaluation.estimate import said
from cotrain.evaluation.intervals import Difference, Joint, difference
from cotrain.evaluation.outside import Outside
from cotrain.evaluation.power import RISK, needed_rows, needed_seeds
from cotrain.evaluation.recommendation import braces
from cotrain.evaluation.table import Results
from cotrain.grouping.plan import Plan
from cotrain.tasks.task import Split
from cotrain.training.group import Group

FEW_CLUSTERS = 20
_FEWER_ROWS = 0.9  # more seeds are named where they save a tenth of the rows

Three = tuple[float, float, float]
"""Value and the ends of its 95 % interval."""


def three(found: Difference) -> Three:
    """Return value, low and high."""
    return (found.value, *found.interval(0.95))


def against(results: Results, plan: Plan, other: Plan | None, tasks: Sequence[str], split: Split) -> Difference:
    """Return the mean over tasks of a plan minus another plan, or minus every task alone (None)."""
    signed = []
    for task in tasks:
        mine = plan.serving(task).group
        theirs = other.serving(task).group if other is not None else Group.of([task])
        if mine != theirs:
            signed += [(1.0, results.arm(mine, task, split)), (-1.0, results.arm(theirs, task, split))]
    if not signed:
        return Difference(0.0, 0.0, 1.0, 0.0)
    return Joint([arm for _, arm in signed]).difference([sign / len(tasks) for sign, _ in signed])


def best_control(results: Results, plans: Sequence[Plan], plan: Plan, tasks: Sequence[str]) -> dict[str, Any]:
    """Return the control of all tasks with the best mean difference on dev, and how it differs from ``plan`` on test."""
    whole = [
        p for p in plans
        if p.kind == "control" and set(p.tasks) == set(tasks) and results.whole(p)
        and any(p.serving(t).group != Group.of([t]) for t in tasks)
        and any(p.serving(t).group != plan.serving(t).group for t in tasks)
    ]  # fmt: skip
    if not whole:
        return {"best_control": "", "best_control_difference": None}
    best = min(whole, key=lambda p: (-against(results, p, None, tasks, "dev").value, p.name))
    return {"best_control": best.name, "best_control_difference": three(against(results, best, plan, tasks, "test"))}


def claims(evidence: Mapping[Group, Evidence], plan: Plan) -> tuple[str, ...]:
    """Return the tasks whose gain on dev is above 0 with 95 %; of a group that gains only as a whole, each that gains."""
    found: list[str] = []
    for serving in plan.servings:
        if (e := evidence.get(serving.group)) is None:
            continue
        gaps = {t: e.differences[e.tasks.index(t)] for t in serving.serves}
        sure = [t for t, gap in gaps.items() if gap.interval(0.95)[0] > 0]
        if not sure and e.mean(serving.serves).interval(0.95)[0] > 0:
            sure = [t for t, gap in gaps.items() if gap.value > 0]
        found += sure
    return tuple(sorted(found))


def undecided(evidence: Sequence[Evidence], plan: Plan, goal: str) -> dict[str, Evidence]:
    """Return the tasks served alone of which no candidate passed and none showed a loss above δ, each with its best candidate."""
    found = {}
    for task in plan.tasks:
        mine = [e for e in evidence if task in e.tasks and not e.why_not]
        if plan.serving(task).group != Group.of([task]) or not mine or any(e.may_serve(task, goal) for e in mine):
            continue
        p = [float(e.p_loss[e.tasks.index(task)]) for e in mine]
        if max(p) < 1 - RISK and not (goal == "better" and min(p) <= RISK):  # harmless, without a gain: that is decided
            found[task] = mine[p.index(min(p))]
    return found


def needed(results: Results, open_tasks: Mapping[str, Evidence], rows: Mapping[str, int], capped: Mapping[str, int]) -> dict[str, Any]:
    """Return what would decide each undecided task if sharing is harmless.

    ``needed_rows``: rows of dev at these seeds, None where the seeds alone forbid it. ``needed_seeds``: more seeds, where
    they save rows. ``needed_rows_at_seeds``: the rows that are enough at the most of these seeds. ``capped``: rows that a cap
    left out, where they would have been enough.
    """
    noise: dict[str, tuple[float, float]] = {}
    same: dict[str, int] = {}
    notes: dict[str, dict[str, Any]] = {"needed_rows": {}, "needed_seeds": {}, "needed_rows_at_seeds": {}, "capped": {}}
    for task, e in open_tasks.items():
        n, delta = rows[task], results.deltas[task]
        pair = [results.arm(e.group, task, "dev"), results.alone(task, "dev")]
        gap = difference(*pair)
        per_row, between = n * (gap.se**2 - gap.se_training**2), sum(arm.seed_variance for arm in pair)
        seeds = min(len(arm.values) for arm in pair)
        noise[task] = per_row, between
        here = needed_rows(delta, seeds, per_row, between)
        if gap.se == 0:  # no row differs, which few rows show of any two models
            here = math.ceil(n / gap.rows * math.log(RISK) / math.log1p(-min(delta, 0.5)))
            same[task] = here
        if here is not None and here <= n:
            continue
        notes["needed_rows"][task] = here
        more = needed_seeds(delta, between)
        then = max(n, needed_rows(delta, more, per_row, between) or n)
        if more > seeds and (here is None or then < _FEWER_ROWS * here):
            notes["needed_seeds"][task] = more
        least = here if here is not None else then
        if n < least <= n + capped.get(task, 0):
            notes["capped"][task] = capped[task]
    if notes["needed_seeds"]:
        most = max(notes["needed_seeds"].values())
        for task in notes["needed_rows"]:
            there = same.get(task) or needed_rows(results.deltas[task], most, *noise[task])
            notes["needed_rows_at_seeds"][task] = None if there is None else max(rows[task], there)
    return notes


def without_collapsed(
    results: Results, plans: Sequence[Plan], epochs: Mapping[tuple[Group, int], Epochs], seed: int
) -> list[dict[str, Any]]:
    """Return the differences without collapsed seeds, wherever a seed of either arm collapsed."""
    trained, found = results.trained, []
    served = {(s.group, t) for p in plans for s in p.servings for t in s.serves if s.group in trained.usable}
    for group, task in sorted(served, key=lambda pair: (pair[0].name, pair[1])):
        single = Group.of([task])
        out = {g: trained.collapsed[g, task] for g in (group, single)}
        if group == single or not any(out.values()):
            continue
        kept = {g: trained.without_collapsed(g, task) for g in (group, single)}
        for split in results.arms:
            two = arms(kept, epochs, split, {task: results.names[task][:1]}, seed)
            shared, alone = (next(arm for at, arm in two.items() if at.group == g) for g in (group, single))
            value, low, high = three(difference(shared, alone))
            found.append({
                "served_by": group.name, "task": task, "split": split, "metric": results.names[task][0],
                "collapsed": list(out[group]), "collapsed_alone": list(out[single]), "difference": value, "low95": low, "high95": high,
            })  # fmt: skip
    return found


def outside(results: Results, other: Outside) -> dict[str, Any]:
    """Return what is to be said of predictions from outside: answers per row, what they lack, and their mean difference to alone."""
    means: dict[str, Three] = {}
    for split, arms_ in results.arms.items():
        if tasks := [task for task in other.seeds if At(other, task, results.names[task][0]) in arms_]:
            pairs = [arm for task in tasks for arm in (results.arm(other, task, split), results.alone(task, split))]
            means[split] = three(Joint(pairs).difference([sign / len(tasks) for _ in tasks for sign in (1.0, -1.0)]))
    return {
        "seeds": dict(other.seeds), "labels_only": list(other.labels_only), "unanswered": other.unanswered, "unused": dict(other.unused),
        "mean_difference": means,
    }  # fmt: skip


def distrust(results: Results, plans: Sequence[Plan], plan: Plan, notes: Mapping[str, Any]) -> Iterator[str]:
    """Yield what only the comparison knows against its own recommendation."""
    for group, seeds in results.trained.failed.items():
        if group not in results.trained.usable:
            names = sorted({p.name for p in plans for s in p.servings if s.group == group and s.serves})
            where = f", so it is not compared (plan {', '.join(names)})" if names else ""
            yield f"Every fit of {braces(group.tasks)} failed ({next(iter(seeds.values()))}){where}."
    shared = [t for t in plan.tasks if plan.serving(t).group != Group.of([t])]
    few = {t: k for t in shared if (k := results.alone(t, "dev").clusters) < FEW_CLUSTERS}
    if few:
        yield f"Fewer than {FEW_CLUSTERS} clusters in dev, which decides: {', '.join(f'{t} ({k})' for t, k in few.items())}."
    for serving in plan.servings:
        if len(serving.serves) == 1 < len(serving.group.tasks) and serving.serves[0] not in notes["claims"]:
            (task,) = serving.serves
            value, low, high = three(difference(results.arm(serving.group, task, "dev"), results.alone(task, "dev")))
            yield (
                f"{task} alone would be as many models: {braces(serving.group.tasks)} serves it for a difference of "
                f"{said(value, sign=True)} [{said(low)}, {said(high)}] on dev, which is not shown to be a gain."
            )
    for line in notes["without_collapsed"]:
        if line["split"] == "test" and line["task"] in shared and line["served_by"] == plan.serving(line["task"]).group.name:
            yield (
                f"Without collapsed fits the difference of {line['task']} on test is {said(line['difference'], sign=True)} "
                f"[{said(line['low95'])}, {said(line['high95'])}]."
            )
    for task, left_out in notes["capped"].items():
        yield f"{task} is undecided because of max_held_out: it leaves {left_out:,} rows out of dev, with them there would be enough."
