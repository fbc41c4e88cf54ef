"""The verbs on a study: each takes what is in the run folder, adds its artefact, and returns it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

import yaml

from cotrain.choose import choose, unknown
from cotrain.errors import ChangedStudy, FitsFailed, InputError
from cotrain.grouping import CONTROLS, UNTESTED
from cotrain.grouping.options import Options
from cotrain.grouping.plan import Plan, Serving
from cotrain.pvi import ESTIMATORS
from cotrain.study import data
from cotrain.study.grid import best
from cotrain.study.presets import WAYS, options
from cotrain.study.schema import wrong_plan
from cotrain.study.study import Study
from cotrain.tasks.task import wrong_name
from cotrain.training.fit import Fit
from cotrain.training.group import Group, Member

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.evaluation.comparison import Comparison
    from cotrain.grouping.budget import Size
    from cotrain.grouping.listing import Listing
    from cotrain.pvi.scores import Scores
    from cotrain.tasks.task import Split, Task
    from cotrain.training.train import Progress

Show = Callable[["Progress"], None]
ORIGIN = "origin"
"""The setting of a plan that says who made it: ``study`` for those that follow from the study file."""


def alone(study: Study) -> list[Group]:
    """Return the single-task groups, one per task of the study."""
    return [Group.of([task]) for task in study.tasks]


def blanks(study: Study) -> list[Group]:
    """Return the null models that the study wants trained: groups of one blank member, or nothing."""
    if study.resolved.null != "finetune":
        return []
    return [Group((Member(task, "blank"),)) for task in study.tasks]


def check(study: Study) -> dict[str, Any]:
    """Return what is wrong with the data, what they can decide, and what the study will cost; trains a few steps."""
    from cotrain.study.cost import cost
    from cotrain.study.power import decidable
    from cotrain.tasks.checks import check as look

    data.needs_rows(study, "check")
    found = data.tasks(study)
    result = look(found, data.lengths(study), data.settings(study).max_length, data.markers_lost(study))
    result = {**result, **decidable(study, found), "seeds": list(study.resolved.seeds), "cost": cost(study, found)}
    study.save_check(result)
    return result


def train(
    study: Study, groups: Iterable[Group], show: Show | None = None, tasks: Mapping[str, Task] | None = None,
    seeds: Sequence[int] = (), extras: Mapping[Group, tuple[str, ...]] = MappingProxyType({}),
) -> list[Fit]:  # fmt: skip
    """Return the fits of ``groups`` over the seeds of the study, training what is missing; failed ones have ``failed`` set.

    Args:
        tasks: those that the groups name, where they are not those of the study.
        seeds: others than those of the study.
        extras: of groups, what their fits should leave beside predictions.
    """
    from cotrain.training.train import Options as How
    from cotrain.training.train import train as fit

    data.needs_rows(study, "train")
    if not seeds:
        data.needs_seeds(study, "train")
    wanted = list(dict.fromkeys(groups))
    there, points = tasks or data.tasks(study), data.points(study)
    if set(there) <= set(study.tasks):  # not the folds of them
        _as_trained(study)
    # in a grid a fit counts when its group is trained at every point
    arrived: Callable[[Fit], None] = (lambda one: None) if len(points) > 1 else lambda one: data.remember(study, [one])
    how = How(workers=study.workers, executor=study.executor, progress=show, extras={g: extras.get(g, ()) for g in wanted}, arrived=arrived)
    at = [fit(wanted, there, point, seeds or study.resolved.seeds, study.fits, how) for point in points]
    found = at[0] if len(points) == 1 else best(study, points, at)
    study.save_provenance(data.provenance(study, found, " ".join(["cotrain", *sys.argv[1:]])))
    return found


def _as_trained(study: Study) -> None:
    """Refuse to train beside fits of other rows or of another encoder; where that was accepted, forget those.

    Raises:
        ChangedStudy: what is not what it was, and ``update`` is not set.
    """
    before, now = study.provenance, data.hashes(study)
    then = before.get("data_sha256", {})
    found = [f"rows of {task}" for task, content in now["data_sha256"].items() if then.get(task, content) != content]
    found += ["the encoder"] if before.get("model_sha256", now["model_sha256"]) != now["model_sha256"] else []
    if not found or not study.index:
        return
    if not study.update:
        raise ChangedStudy(
            f"{study.path}: {' and '.join(found)} differ from what its fits were trained on, and would stand beside them. Restore them, or "
            "accept the change: cotrain run STUDY --update"
        )
    checked = study.checked  # of the rows of today: they were read before anything is trained
    study.outdated()
    if checked:
        study.save_check(checked)
    study.save_provenance({**before, **now})


def groups_named(study: Study, names: Sequence[str] | None) -> list[Group]:
    """Return groups by name, or every group of every plan where none is named.

    Raises:
        InputError: a name that is no group, a task that the study does not have, no plans yet.
    """
    if names:
        groups = [Group.parse(name) for name in names]
        strangers = {task for group in groups for task in group.named} - set(study.tasks)
        if strangers:
            raise InputError([unknown("task", task, study.tasks) for task in sorted(strangers)])
        return [Group.of(group.tasks) if group.deployable else group for group in groups]
    plans = study.plans()
    if not plans:
        raise InputError(f"{study.path}: no plans yet; first: cotrain group {study.path}, or name groups such as cb+rte")
    return [*alone(study), *(group for plan in plans for group in plan.groups)]


def refuse_failed(fits: Sequence[Fit]) -> None:
    """Raise FitsFailed that names every failed fit, if there is one."""
    if failed := [f"fit {fit.group.name} seed {fit.seed}: {fit.failed}" for fit in fits if fit.failed]:
        raise FitsFailed("\n".join(failed))


def score(study: Study, show: Show | None = None, estimator: str | None = None) -> Scores:
    """Return the Scores of every task by the estimator of the study, or by another one, kept beside them as ``pvi-ESTIMATOR``.

    Fits that it needs are trained if missing.

    Raises:
        InputError: an unknown estimator, one that trains in a study without seeds.
    """
    from cotrain.pvi.basis import Basis

    data.needs_rows(study, "score")
    resolved = study.resolved
    chosen = estimator or resolved.estimator
    estimate = choose("estimator", chosen, ESTIMATORS)

    def fits(groups: Sequence[Group], tasks: Mapping[str, Task]) -> list[Fit]:
        train(study, groups, show, tasks)
        return data.fits(study, groups, of=tasks)

    split: Split = "test" if resolved.paper else "dev"
    scores: Scores = estimate(Basis(data.tasks(study), data.settings(study), fits, resolved.score_by, resolved.null, split))
    if resolved.paper and chosen != "crossfit":
        study.look_at_scores("score" if chosen == resolved.estimator else f"score {chosen}", scores)
    if not study.provenance:
        study.save_provenance(data.provenance(study, [], " ".join(["cotrain", *sys.argv[1:]])))
    study.save_scores(scores, resolved.scores(estimator))
    return scores


def costly(study: Study, estimator: str | None = None) -> str:
    """Return what an estimator costs beyond the single-task fits, in words, or nothing."""
    from cotrain.pvi.crossfit import FOLDS

    if (estimator or study.resolved.estimator) != "crossfit":
        return ""
    fits = FOLDS * len(study.tasks) * len(study.resolved.seeds)
    return f"crossfit: {FOLDS} fits per task and seed, {fits:,} in all, for about {FOLDS} times the cost of the tasks alone"


def scored_groups(study: Study, estimator: str | None = None) -> list[Group]:
    """Return the groups whose fits an estimator reads, as far as they are in the index."""
    from cotrain.pvi.crossfit import parent

    chosen = estimator or study.resolved.estimator
    if chosen == "crossfit":
        every = dict.fromkeys(Group.parse(name.rpartition(" ")[0]) for name in study.index)
        return [g for g in every if all(parent(t) != t and parent(t) in study.tasks for t in g.tasks)]
    return [*alone(study), *blanks(study)] if chosen == "finetune" else []


def score_trained(study: Study, models: Mapping[str, str], tell: Callable[[int, int], None] = lambda done, total: None) -> Scores:
    """Return the Scores of every task by a classifier that somebody trained already; trains nothing.

    Args:
        models: task to its folder.
        tell: is told how many models are done, of how many.

    Raises:
        InputError: tasks and models that do not match, folders that are no classifiers of the task: every one.
    """
    from cotrain.pvi.trained import score_trained as pvi
    from cotrain.training import encoder

    data.needs_rows(study, "score")
    resolved = study.resolved
    scores = pvi(data.tasks(study), models, resolved.settings, "test" if resolved.paper else "dev", study.workers, tell)
    hashes = {task: encoder.content_hash(encoder.folder(model)) for task, model in models.items()}
    study.save_provenance({**study.provenance, "trained_sha256": hashes})
    if resolved.paper:
        study.look_at_scores("score", scores)
    study.save_scores(scores, "pvi")
    return scores


def relate(
    study: Study, test: str | None = None, group_test: str | None = None, bootstrap: int = 0, estimator: str | None = None
) -> Affinity:
    """Return the Affinity of the scores, with so many bootstrap resamples of it; trains nothing.

    Args:
        estimator: whose scores are related; the study's where none is named.
    """
    from cotrain.affinity.pvi import relate as pvi

    resolved = study.resolved
    name = resolved.scores(estimator)
    affinity = pvi(study.load_scores(name), test or resolved.test, group_test or resolved.group_test, resolved.paper, bootstrap=bootstrap)
    folds = scored_groups(study, "crossfit") if (estimator or resolved.estimator) == "crossfit" else []
    affinity = replace(affinity, method=name, cost={**affinity.cost, "fits": float(len(folds) * len(resolved.seeds))})
    study.save_affinity(affinity, name)
    return affinity


def group(
    study: Study, given: Mapping[str, Any] | None = None, sets: Sequence[str] = (), name: str | None = None, of: str | None = None
) -> list[Plan]:  # fmt: skip
    """Return the nominated plans, and with the plan of the study file its controls.

    Args:
        given: keys of ``plan`` that differ from the study file; the plan is then kept beside that of the study.
        sets: the same as ``plan.KEY=VALUE``.
        name: of the plan; one of an earlier plan from the terminal takes its place.
        of: the affinity that nominates, such as ``textemb`` or ``pvi-probe``; the study's where none is named.

    Raises:
        InputError: options that are none, a name that cannot be a file's or that a task, a control, an arm or a plan of the study has.
    """
    from cotrain.grouping.controls import controls
    from cotrain.grouping.group import group as nominate

    affinity = _nominating(study, of)
    changed = {**(given or {}), **_keys(sets)}
    if changed or name is not None or of:
        chosen = _options_for(affinity, study.resolved.plan, changed)
        if name is not None and (wrong := wrong_name(name)):
            raise InputError(wrong.replace("task", "plan", 1))
        by = f"{of.replace(':', '.')}-" if of else ""  # as the folder of that affinity
        own = f"{by}{chosen.select}" if of and not changed else f"{by}{chosen.rule}-{chosen.select}"
        plans = nominate(affinity, chosen, name or own, size(study, affinity, chosen))
        plans = [_from(_warned(plan), "terminal") for plan in plans]
        _refuse_taken(study, plans)
        study.save_plans(plans)
        return plans
    nominated = nominate(affinity, study.resolved.plan, affinity.method, size(study, affinity, study.resolved.plan))
    # controls are made by what is known of the tasks, whatever nominated
    made = controls(study.resolved.controls, nominated, study.load_affinity("pvi"), study.resolved.cut.seed)
    plans = [_from(plan, "study") for plan in (*nominated, *made)]
    before = [p.name for p in study.plans() if p.settings.get(ORIGIN) == "study"]
    study.save_plans(plans, instead_of=before)
    return plans


def _refuse_taken(study: Study, plans: Sequence[Plan]) -> None:
    """Refuse plans from the terminal that would take the place of something else."""
    own = [plan.name for plan in study.plans() if plan.settings.get(ORIGIN) != "terminal"]
    taken = {*own, *study.tasks, *study.arms, *CONTROLS, *WAYS, "recommended"}
    if faults := [
        f"plan '{plan.name}': a task, a control, an arm or a plan of the study has this name; choose another with --name"
        for plan in plans
        if plan.name in taken
    ]:
        raise InputError(faults)


def size(study: Study, affinity: Affinity, chosen: Options) -> Size | None:
    """Return the parameters of the encoder and of the head of each task, where a budget counts them and there is an encoder.

    Heads are those of the single-task fits; of a task without one a linear layer from the width of the encoder to its labels.
    """
    from cotrain.grouping.budget import Size
    from cotrain.training import encoder

    if chosen.cost == "models" or study.resolved.outside:
        return None
    path = encoder.folder(study.resolved.settings.model)
    whole, width = encoder.parameters(path), encoder.shape(path).width
    trained = {fit.group.tasks[0]: int(fit.cost["parameters"]) for fit in data.fits(study, alone(study)) if "parameters" in fit.cost}
    labels = study.load_scores("pvi").tasks.set_index("task")["labels"].astype(int).to_dict()
    return Size(
        whole, {t: trained[t] - whole if t in trained else labels[t] * (width + 1) for t in map(str, affinity.tasks["task"])}
    )  # fmt: skip


def passing(study: Study, given: Mapping[str, Any] | None = None, sets: Sequence[str] = (), of: str | None = None) -> Listing:
    """Return what passes the rule of the study file, or of the keys given; a listing is no plan, nothing is kept.

    Sets of all sizes are listed, unless the keys given have a ``largest``: that of the study bounds its plan alone.

    Raises:
        InputError: the rule ``any``, which every set passes.
    """
    from cotrain.grouping.listing import listing

    changed = {**(given or {}), **_keys(sets)}
    options = _options(study.resolved.plan, changed)
    if options.rule == "any":
        raise InputError("every set of tasks passes the rule 'any'; name one that tests, as --rule not_different")
    return listing(_nominating(study, of), options, changed.get("largest"))


def _from(plan: Plan, origin: str) -> Plan:
    """Return the plan with who made it."""
    return replace(plan, settings={**plan.settings, ORIGIN: origin})


def _keys(sets: Sequence[str]) -> dict[str, Any]:
    """Return the keys of ``plan.KEY=VALUE``.

    Raises:
        InputError: an unknown key, a value that is none.
    """
    known = [field.name for field in fields(Options)]
    found, faults = {}, []
    for text in sets:
        key, equals, value = text.partition("=")
        plain = key.strip().removeprefix("plan.")
        if not equals or plain not in known:
            faults.append(f"--set {text}: " + (unknown("key of plan", plain, known) if equals else "should be plan.KEY=VALUE"))
            continue
        try:
            found[plain] = yaml.safe_load(value)
        except yaml.YAMLError:
            faults.append(f"--set {key}=…: the value is not YAML")
            continue
        # a set alone is told what it should be by the options
        alone = plain in ("together", "apart") and not all(isinstance(names, list) for names in found[plain] or [None])
        if not alone and (words := wrong_plan(plain, found[plain])):
            faults.append(f"--set {text}: {words}")
    if faults:
        raise InputError(faults)
    return found


def _nominating(study: Study, of: str | None) -> Affinity:
    """Return the affinity that nominates: one by name, or that of the study.

    Raises:
        InputError: nothing was related by it yet, or other tasks than there are now.
    """
    affinity = study.load_affinity(of or study.resolved.by)
    if strange := sorted(set(affinity.tasks["task"]) ^ set(study.tasks)):
        by = "" if affinity.method.startswith("pvi") else f" --by {affinity.method}"
        raise InputError(
            f"{study.path}: the affinity {affinity.method} was made of other tasks ({', '.join(strange)}); "
            f"first: cotrain relate {study.path}{by}"
        )
    return affinity


def _warned(plan: Plan) -> Plan:
    """Return a plan that says so where its values were measured on test."""
    from cotrain.affinity import METHODS
    from cotrain.affinity.method import named

    by = str(plan.settings["by"])
    if by not in METHODS or not named(by).test:
        return plan
    return replace(plan, why=(*plan.why, f"Values of {by} were measured on test, so what test says of this plan is no confirmation."))


def _options_for(affinity: Affinity, plan: Options, changed: Mapping[str, Any]) -> Options:
    """Return options with keys changed; a rule that nobody named does not hold for an affinity without tests.

    Raises:
        InputError: options that are none; a rule named for a selection that would not hear of it.
    """
    found = _options(plan, changed)
    if changed.get("rule", "any") != "any" and found.select in UNTESTED:
        raise InputError(f"the selection {found.select} tests nothing, so that the rule {found.rule} would not hold; leave one of them out")
    return found if "rule" in changed or affinity.pairs["p"].notna().any() else replace(found, rule="any")


def _options(plan: Options, changed: Mapping[str, Any]) -> Options:
    """Return options with keys changed, and what goes with them."""

    def frozen(key: str, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return tuple(value) if key == "alone" else tuple(tuple(s) if isinstance(s, list) else (s,) for s in value)

    return Options(**options(plan, {key: frozen(key, value) for key, value in changed.items()}))


def compare(
    study: Study, by: str | None = None, metric: str | None = None, goal: str | None = None, look: bool = True,
    arms: Mapping[str, Path | None] = MappingProxyType({}),
) -> Comparison:  # fmt: skip
    """Return every completely trained plan beside the tasks alone, and the recommended plan; trains nothing.

    Predictions in ``arms/`` stand beside them; such that the rows of the study no longer fit are left out and named.

    Args:
        by: the epoch of the comparison.
        metric: the primary metric of every task, instead of each task's own.
        look: count this as a look at test; and keep the comparison, where epoch, metric and goal are those of the study.
        arms: name to a file of predictions that is kept in ``arms/`` from now on; to None: taken out of it.

    Raises:
        InputError: single-task fits that are missing, faults of the files of ``arms``.
    """
    from cotrain.evaluation.compare import compare as judge
    from cotrain.evaluation.metrics import METRICS
    from cotrain.study.arms import keep, outsiders
    from cotrain.study.presets import Goal
    from cotrain.training.selection import SELECTIONS

    data.needs_rows(study, "compare")
    data.needs_seeds(study, "compare")
    asked = (("metric", metric, METRICS), ("selection of epochs", by, SELECTIONS), ("goal", goal, get_args(Goal)))
    if faults := [unknown(kind, name, known) for kind, name, known in asked if name is not None and name not in known]:
        raise InputError(faults)
    resolved = study.resolved
    trained = [g for g in trained_groups(study) if data.complete(study, g)]
    if missing := [g.name for g in alone(study) if g not in trained]:
        raise InputError(f"{study.path}: {', '.join(missing)} are not trained alone yet; first: cotrain score {study.path}")
    plans = [p for p in study.plans() if p.kind not in ("recommended", "listing") and set(p.groups) <= set(trained)]
    if not any(p.name == "alone" for p in plans):
        plans.append(Plan("alone", "control", tuple(Serving(g, g.tasks) for g in alone(study)), why=("Every task alone.",)))
    metrics = {t: metric or s.metric for s in resolved.sources for t in s.tasks}
    fits = data.fits(study, trained)
    beside = outsiders(study, fits, metrics, arms)
    comparison = judge(
        fits, plans, metrics=metrics, outside=beside.arms,
        deltas={t: s.delta for s in resolved.sources for t in s.tasks},
        by=by or resolved.select, goal=goal or resolved.goal, capped=data.capped(study),
    )  # fmt: skip
    comparison = replace(comparison, notes={**comparison.notes, "distrust": (*comparison.notes["distrust"], *beside.left_out)})
    if look:
        keep(study, beside, arms)
        study.look_at_test(f"compare {_digest(study, plans, (by, metric, goal), *study.arms.values())}")
        if (by, metric, goal) == (None, None, None):
            study.save_comparison(comparison)
    return comparison


def trained_groups(study: Study) -> list[Group]:
    """Return the groups of the index whose tasks the study has, without repetition."""
    groups = dict.fromkeys(Group.parse(name.rpartition(" ")[0]) for name in study.index)
    return [group for group in groups if set(group.tasks) <= set(study.tasks)]


def _digest(study: Study, plans: Sequence[Plan], asked: Sequence[str | None], *arms: Path) -> str:
    """Return a hash of what a look at test shows, so that the same look is counted once."""
    from cotrain.pvi.crossfit import parent

    index = {name: key for name, key in study.index.items() if parent(name) == name}  # folds are not compared
    shown: list[Any] = [index, [plan.to_dict() for plan in plans], asked]
    if arms:
        shown.append([(file.stem, hashlib.sha256(file.read_bytes()).hexdigest()) for file in arms])
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()[:12]


def report(study: Study, share: Path | None = None) -> Path:
    """Return ``report.html``, written with everything that is there.

    Args:
        share: a new folder for a report that may leave the place of its data.

    Raises:
        InputError: ``share`` holds files already.
    """
    from cotrain.reporting.report import report as write
    from cotrain.study.tables import tables

    if share is not None:
        from cotrain.training.folders import appearing

        with appearing(share) as folder:
            write(tables(study), folder, share=True)
        return share / "report.html"
    written = write(tables(study), study.report)
    study.close(study.report)
    return written
