"""``run``: everything in one go; what is there already is used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cotrain.evaluation.comparison import Comparison
from cotrain.grouping.controls import on_demand
from cotrain.grouping.plan import Plan, Serving
from cotrain.reporting.words import plural
from cotrain.study import data, methods, steps
from cotrain.study.cost import afterwards
from cotrain.study.models import models
from cotrain.study.status import unchecked
from cotrain.study.study import Study
from cotrain.study.ways import ways
from cotrain.training.fit import Fit
from cotrain.training.outside import is_outside

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a run leaves.

    Attributes:
        study: with everything in its run folder.
        check: what the verb found.
        comparison: with the recommended plan; None where the study has no seeds, so that nothing is trained.
        models: the folders of the recommended models, each with what it serves; none where the trainer is from outside.
        report: the HTML file.
        fits: every fit of the study.
        trained: how many of them this run made.
        seconds: of this run.
        predicted: seconds of training that the speed measured by ``check`` gives for all these fits; None where unknown.
    """

    study: Study
    check: dict[str, Any] = field(repr=False)
    comparison: Comparison | None
    models: Mapping[Path, Serving]
    report: Path
    fits: tuple[Fit, ...] = field(repr=False)
    trained: int
    seconds: float
    predicted: float | None = None


def run(study: Study, show: steps.Show | None = None, say: Say = lambda line: None) -> Outcome:
    """Check, score, relate, group, train, compare, train the controls that a claim needs, compare, models, report.

    Without seeds (preset ``instant``) nothing is trained: check, score, relate, group, report.

    Args:
        show: is told the progress of training.
        say: is told what each verb found, in one line.

    Raises:
        InputError: faults of data, settings or plans.
    """
    data.needs_rows(study, "run")
    began = time.perf_counter()
    before = set(study.index.values())
    checked = study.checked if not unchecked(study) else steps.check(study)
    say(f"check: {len(study.tasks)} tasks, {len(checked['warnings'])} warnings")
    if times := steps.costly(study):
        say(times)
    if study.resolved.by != "pvi":
        # before the tasks alone are trained for their scores, so that what their fits leave for the method is written the first time
        steps.refuse_failed(methods.train(study, methods.chosen(study, study.resolved.by), show))
    scores = steps.score(study, show)
    unlearned = scores.tasks.loc[scores.tasks["state"] != "ok", "task"].tolist()
    say(
        f"score: {len(study.tasks) - len(unlearned)} of {len(study.tasks)} tasks learned"
        + (f"; not: {', '.join(unlearned)}" if unlearned else "")
    )
    steps.relate(study)
    if study.resolved.by != "pvi":
        methods.relate(study, study.resolved.by)
    plans = steps.group(study)
    say(f"group: {_listed(plans)}")
    if not study.resolved.seeds:
        return Outcome(study, checked, None, {}, steps.report(study), (), 0, time.perf_counter() - began)
    fits = steps.train(study, steps.groups_named(study, None), show)
    if study.resolved.share:
        say(f"train: other ways to share ({', '.join(study.resolved.share)})")
        ways(study, show)
    comparison = steps.compare(study, look=False)
    claims = _claimed(comparison)
    if claims and not all("updates" in fit.cost for fit in fits):
        say(f"train: no controls for the gains claimed of {', '.join(claims)}: the trainer does not say how many updates it makes")
    elif claims:
        extra = _separating(study, comparison, claims)
        say(f"train: controls for the gains claimed of {', '.join(claims)}")
        fits = [*fits, *steps.train(study, [group for plan in extra for group in plan.groups], show)]
    comparison = steps.compare(study)
    best = comparison.recommended
    trainer, found = study.resolved.settings.trainer, f"compare: {len(best.tasks)} tasks → {plural(best.models, 'model')}"
    if is_outside(trainer):
        say(f"{found}; none is kept: the trainer {trainer} is from outside and gives predictions alone")
    else:
        say(f"{found}; those not kept yet are trained once more, at their best seed")
    ready = models(study, show, "none" if is_outside(trainer) else "best")
    every = data.fits(study, steps.trained_groups(study))
    return Outcome(
        study, checked, comparison, ready, steps.report(study), tuple(every),
        len({fit.key for fit in every} - before), time.perf_counter() - began, afterwards(study, every),
    )  # fmt: skip


def _listed(plans: Sequence[Plan]) -> str:
    """Return the nominated plans and controls in one line."""
    nominated = [f"{p.name} ({p.models} models)" for p in plans if p.kind == "nominated"]
    made = [p.name for p in plans if p.kind == "control"]
    return f"nominated {', '.join(nominated)}" + (f"; controls {', '.join(made)}" if made else "")


def _claimed(comparison: Comparison) -> list[str]:
    """Return the tasks of which the recommended plan claims a gain; decided on dev, so test was not looked at for it."""
    return [task for task in comparison.notes.get("claims", ()) if len(comparison.recommended.serving(task).group.tasks) > 1]


def _separating(study: Study, comparison: Comparison, claims: Sequence[str]) -> list[Plan]:
    """Return placebo and matched updates for the claims of the recommended plan, kept beside what is there of them."""
    wanted = on_demand(comparison.recommended, claims)
    there = {plan.name: plan for plan in study.plans()}
    merged = []
    for plan in wanted:
        old = there.get(plan.name)
        kept = tuple(s for s in old.servings if not set(s.serves) & set(plan.tasks)) if old else ()
        merged.append(Plan(plan.name, "control", (*plan.servings, *kept), why=plan.why, settings={steps.ORIGIN: "study"}))
    study.save_plans(merged)
    return merged
