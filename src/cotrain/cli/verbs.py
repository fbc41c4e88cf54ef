"""The verbs of a study, one command each."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cotrain.choose import unknown
from cotrain.cli.given import names, pairs, seeds
from cotrain.cli.machine import emit
from cotrain.cli.opening import open_any, open_run
from cotrain.cli.options import (
    VERBS,
    Api,
    BaseUrl,
    DataRoot,
    Estimator,
    Executor,
    Json,
    KeyFrom,
    Lm,
    MaxRequests,
    MaxTokens,
    Model,
    OfTasks,
    Out,
    RunPath,
    Sets,
    Share,
    ShotSets,
    StudyPath,
    Update,
    Workers,
    app,
)
from cotrain.cli.progress import fits_progress, say, waiting
from cotrain.errors import InputError

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.study.study import Study

PURPOSES = ("models", "share")
IN_CONTEXT = "incontext"


@app.command(rich_help_panel=VERBS)
def score(
    study: StudyPath,
    trained: Annotated[
        list[str] | None,
        typer.Option("--trained", metavar="TASK=DIR", help="Score a task by a classifier that is trained already; one for each task."),
    ] = None,
    estimator: Estimator = None,
    lm: Lm = None, base_url: BaseUrl = None, tasks: OfTasks = None, shot_sets: ShotSets = 0, api: Api = "chat",
    key_from: KeyFrom = "OPENAI_API_KEY", max_requests: MaxRequests = 0, max_tokens: MaxTokens = 0,
    out: Out = None, set_: Sets = None, data_root: DataRoot = None, model: Model = None, update: Update = False, workers: Workers = 0,
    executor: Executor = "",
) -> None:  # fmt: skip
    """Score every held-out row by pointwise V-information; trains the fits that are needed and missing."""
    from cotrain.cli import show
    from cotrain.study import data, steps

    models = pairs(trained, "--trained", "TASK=DIR, as cb=models/cb")
    opened = open_any(study, out=out, sets=set_, data_root=data_root, model=model, update=update, workers=workers, executor=executor)
    if models and estimator:
        raise InputError("--trained scores by those models and --estimator by others; leave one out")
    if models:
        with waiting(f"scoring {len(models)} trained models") as tell:
            scores = steps.score_trained(opened, models, tell)
        show.scores(scores, opened.known)
        say(f"Next: cotrain relate {opened.path}")
        return
    if (estimator == IN_CONTEXT) != bool(lm):
        raise InputError("--estimator incontext and --lm belong together: a language model that is shown examples and trained on none")
    if not lm and any((base_url, tasks, shot_sets, max_requests, max_tokens)):
        raise InputError("--base-url, --tasks, --shot-sets, --max-requests and --max-tokens belong to --lm; leave them out without it")
    if lm:
        from cotrain.cli.asking import asking_progress
        from cotrain.prompting.meter import Limits
        from cotrain.study import prompt as asking

        limits = Limits(max_requests, max_tokens)
        asked = asking.Asked(lm, base_url or "", tuple(names(tasks)), shot_sets, api=api, key_from=key_from, limits=limits)
        with asking_progress() as tell_asked:
            scores = asking.score(opened, asked, tell_asked)
        show.scores(scores, opened.known)
        return
    if times := steps.costly(opened, estimator):
        say(times)
    with fits_progress() as progress:
        scores = steps.score(opened, progress, estimator)
    show.scores(scores, opened.known)
    steps.refuse_failed(data.fits(opened, steps.scored_groups(opened, estimator)))


@app.command(rich_help_panel=VERBS)
def relate(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="The folder of a run; or give --scores.")] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option("--scores", metavar="FILE", help="PVI from any program: csv, tsv, jsonl, json or parquet; repeatable."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="OURS=THEIRS,…", help="Columns of the files, as task=corpus,pvi_bits=v.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run folder of --scores; default: runs/ and the name of the file.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Accept other files than the run folder of --scores was made of.")] = False,
    test: Annotated[str | None, typer.Option("--test", help="Of pairs: student, welch, permutation or paired.")] = None,
    group_test: Annotated[str | None, typer.Option("--group-test", help="Of three tasks or more: anova or welch_anova.")] = None,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Draw clusters and seeds anew so many times: how sure is a plan?")
    ] = 0,
    estimator: Estimator = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="METHOD", help="Relate by other methods than PVI, beside it: hoa; repeatable.")
    ] = None,
    gains: Annotated[Path | None, typer.Option("--gains", metavar="FILE", help="Of --by table: measured losses of groups.")] = None,
    json_: Json = False,
) -> None:
    """Relate the tasks by their scores, or by other methods: a table of tasks and a table of pairs. Trains nothing."""
    from cotrain.cli import show
    from cotrain.study import methods, steps

    if by and (strange := [name for name, value in (("--scores", scores), ("--test", test), ("--group-test", group_test),
                                                    ("--bootstrap", bootstrap), ("--estimator", estimator)) if value]):  # fmt: skip
        raise InputError(f"{', '.join(strange)}: of the affinity by PVI alone; leave out --by")
    if gains and "table" not in (by or ()):
        raise InputError("--gains is the file of --by table; name that method, or leave out the file")
    opened = _scored(run, scores, columns, out, test, group_test, update)
    methods.refuse_unready(opened, by or ())
    for name in by or ():
        found = methods.relate(opened, name, gains if name == "table" else None)
        emit(_related(found)) if json_ else show.affinity(found)
    if by:
        return
    related = steps.relate(opened, test, group_test, bootstrap, estimator)
    if json_:
        emit(_related(related))
        return
    show.affinity(related)
    if scores:
        show.notes(opened.load_scores("pvi"))
        say(f"Next: cotrain group {opened.path}")


def _related(found: Affinity) -> dict[str, Any]:
    """Return an affinity as plain values."""
    return {"method": found.method, "test": found.test, "group_test": found.group_test, "cost": dict(found.cost),
            "tasks": found.tasks, "pairs": found.pairs}  # fmt: skip


def _scored(run: Path | None, scores: list[Path] | None, columns: str | None, out: Path | None, test: str | None,
            group_test: str | None, update: bool) -> Study:  # fmt: skip
    """Return the study of a run folder, or of files of scores."""
    if (run is None) == (not scores):
        raise InputError(f"relate takes the folder of a run, or files with --scores; found {'neither' if run is None else 'both'}")
    if run is not None:
        if columns or out or update:
            raise InputError("--columns, --out and --update belong to --scores; leave them out for the folder of a run")
        return open_run(run, "relate")
    from cotrain.study.outside import outside

    return outside(scores or (), out, pairs(names(columns), "--columns", "OURS=THEIRS, as task=corpus"), test, group_test, update)


@app.command(rich_help_panel=VERBS)
def group(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="The folder of a run; or give --gains.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="AFFINITY", help="That nominates, such as textemb or pvi-probe; default: the study's.")
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="What a group must pass: any, not_different, clique or equivalent.")] = None,
    alpha: Annotated[float | None, typer.Option("--alpha", help="Level of the tests.")] = None,
    margin: Annotated[float | None, typer.Option("--margin", help="Of equivalence, relative to the null model's bits.")] = None,
    margin_bits: Annotated[float | None, typer.Option("--margin-bits", help="Of equivalence, in bits.")] = None,
    select: Annotated[
        str | None, typer.Option("--select", help="nested, partition, max_abs_t, min_gap, top1_per_target, overlapping or spectral.")
    ] = None,
    objective: Annotated[str | None, typer.Option("--objective", help="Of partition: fewest, budget or gain.")] = None,
    models: Annotated[
        int | None, typer.Option("--models", min=1, help="At most so many models (partition, overlapping, spectral).")
    ] = None,
    budget: Annotated[float | None, typer.Option("--budget", help="What all models may cost at most (partition, --gains).")] = None,
    cost: Annotated[
        str | None, typer.Option("--cost", help="What a budget counts: models, parameters or bytes; of --gains a column.")
    ] = None,
    largest: Annotated[int | None, typer.Option("--largest", min=1, help="At most so many tasks in a group.")] = None,
    together: Annotated[
        list[str] | None, typer.Option("--together", metavar="A,B", help="Tasks that must share a model; repeatable.")
    ] = None,
    apart: Annotated[list[str] | None, typer.Option("--apart", metavar="A,B", help="Tasks that must not; repeatable.")] = None,
    alone: Annotated[list[str] | None, typer.Option("--alone", metavar="TASK", help="A task that may never share; repeatable.")] = None,
    gains: Annotated[
        Path | None, typer.Option("--gains", metavar="FILE", help="Measured losses of groups: group, task, loss; instead of a run.")
    ] = None,
    choose_on: Annotated[str | None, typer.Option("--choose-on", metavar="SPLIT", help="The split of --gains that chooses.")] = None,
    set_: Sets = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the plan; default: rule and selection.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List every set of tasks that passes the rule; makes no plan.")] = False,
    json_: Json = False,
) -> None:
    """Nominate groups, in a second and without training; with options the plan stands beside that of the study file."""
    from cotrain.study import steps

    given: dict[str, Any] = {
        "rule": rule, "alpha": alpha, "margin": margin, "margin_bits": margin_bits, "select": select, "objective": objective,
        "models": models, "budget": budget, "cost": cost, "largest": largest,
        "together": list(map(names, together or ())) or None, "apart": list(map(names, apart or ())) or None,
        "alone": [task for tasks in alone or () for task in names(tasks)] or None,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    if gains is not None:
        others = {"RUN": run, "from": from_, "set": set_, "name": name, "list": list_}
        _measured(gains, choose_on, given | {key: value for key, value in others.items() if value}, json_)
        return
    if run is None or choose_on is not None:
        raise InputError(
            "group takes the folder of a run, or measured losses with --gains; found neither" if run is None
            else "--choose-on belongs to --gains; leave it out for the folder of a run"
        )  # fmt: skip
    opened = open_run(run, "group")
    before = {} if list_ else {plan.name: plan.to_dict() for plan in opened.plans() if given or set_ or from_ or name}
    found: Any = steps.passing(opened, given, set_ or (), from_) if list_ else steps.group(opened, given, set_ or (), name, from_)
    if json_:
        emit(found._asdict() if list_ else found)
        return
    from cotrain.cli import show

    if list_:
        show.sets(found)
        return
    show.plans(found)
    if replaced := [plan.name for plan in found if before.get(plan.name, plan.to_dict()) != plan.to_dict()]:
        say(f"In place of an earlier plan of that name: {', '.join(replaced)}. To keep both, give --name")
    train = f"cotrain train {opened.path}, then: cotrain compare {opened.path}"
    say(f"Next: {f'cotrain report {opened.path}' if opened.resolved.outside or not opened.resolved.seeds else train}")


def _measured(gains: Path, choose_on: str | None, given: dict[str, Any], json_: bool) -> None:
    """Print the plan that measured losses choose; nothing is kept."""
    from cotrain.cli import show
    from cotrain.grouping.gains import read_gains
    from cotrain.grouping.measured import measured

    if strange := [key for key in given if key not in ("budget", "cost")]:
        raise InputError(f"--gains goes with --budget, --cost, --choose-on and --json alone; found {', '.join(strange)}")
    if "budget" not in given:
        raise InputError("--gains needs --budget: what all models may cost at most, in the column of --cost, or in models")
    found = measured(read_gains(gains, given.get("cost")), given["budget"], choose_on)
    if json_:
        emit(found)
    else:
        show.measured(found)


@app.command(rich_help_panel=VERBS)
def train(
    run: RunPath,
    groups: Annotated[list[str] | None, typer.Argument(metavar="[GROUP]...", help="As cb+rte; default: those of all plans.")] = None,
    for_: Annotated[
        list[str] | None,
        typer.Option("--for", help="models: the recommended models; share: other ways to share; or a method; repeatable."),
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", help="Of --for models: of each group the seed that is best on dev, all, or none.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--seeds", metavar="A,B", help="Of groups that are named: other seeds than the study's, as 11,12.")
    ] = None,
    workers: Workers = 0,
    executor: Executor = "",
) -> None:
    """Train the groups of the plans that are not trained yet; nothing is trained twice."""
    from cotrain.affinity import METHODS
    from cotrain.cli import show
    from cotrain.study import methods, steps

    wanted = for_ or []
    if faults := [
        unknown("purpose", name, [*PURPOSES, *METHODS]) for name in wanted if name not in (*PURPOSES, *METHODS) and ":" not in name
    ]:
        raise InputError(faults)
    if wanted and groups:
        raise InputError("--for names what to train; leave out the groups")
    if keep and "models" not in wanted:
        raise InputError("--keep says which models are kept; it belongs to --for models")
    if at is not None and not groups:
        raise InputError("--seeds are of groups that are named, as cb+rte; the study file says those of the plans and of each method")
    opened = open_run(run, "train", workers, executor)
    if by := methods.at_once([methods.chosen(opened, name) for name in dict.fromkeys(wanted) if name not in PURPOSES]):
        failed = []
        for one in by:
            if not one.groups:
                say(f"{one.name} needs no fits")
                continue
            with fits_progress() as progress:
                fits = methods.train(opened, one, progress)
            show.trained(fits, progress.last, f"Fits for {one.name}")
            failed += [fit for fit in fits if fit.failed]
        steps.refuse_failed(failed)
        say(f"Next: cotrain relate {run}{''.join(f' --by {one.name}' for one in by)}")
    if "share" in wanted:
        from cotrain.study.ways import ways

        with fits_progress() as progress:
            facts = ways(opened, progress)
        say(f"trained: {', '.join(facts['ways'])}; compare them with: cotrain compare {run}")
    if "models" in wanted:
        from cotrain.study.models import models

        with fits_progress() as progress:
            say("fits keep no weights: each model that is not there yet is trained once more")
            ready = models(opened, progress, keep or "best")
        show.models(ready)
    if wanted:
        return
    with fits_progress() as progress:
        fits = steps.train(opened, steps.groups_named(opened, groups), progress, seeds=seeds(at))
    show.trained(fits, progress.last)
    steps.refuse_failed(fits)


@app.command(rich_help_panel=VERBS)
def compare(
    run: RunPath,
    select: Annotated[str | None, typer.Option("--select", help="Epoch of the comparison: macro_f1, accuracy, log_loss or last.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="Primary metric of every task.")] = None,
    goal: Annotated[str | None, typer.Option("--goal", help="fewer models without harm, or better ones.")] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", metavar="NAME=FILE", help="Predictions of another model beside the plans; NAME= takes them out; repeatable."),
    ] = None,
    json_: Json = False,
) -> None:
    """Compare every trained plan and control with the tasks alone; dev decides, test confirms. Trains nothing."""
    from cotrain.study import steps

    opened = open_run(run, "compare")
    found = steps.compare(
        opened,
        select,
        metric,
        goal,
        arms={name: Path(file) if file else None for name, file in pairs(arm, "--arm", "NAME=FILE, as mine=predictions.csv", True).items()},
    )
    if json_:
        emit({"recommended": found.recommended, "table": found.table, "candidates": found.candidates, "notes": found.notes})
        return
    from cotrain.cli import show
    from cotrain.study.tables import tables

    show.comparison(replace(tables(opened), comparison=found))
    if select or metric or goal:
        say("This choice is shown, not kept: report and models follow the study file, whose keys are select, goal, and metric of each task")
    say(f"Next: cotrain report {opened.path}, or the models: cotrain train {opened.path} --for models")


@app.command(rich_help_panel=VERBS)
def report(run: RunPath, share: Share = None) -> None:
    """Write report.html, report.md, LaTeX tables and figures from what is there; prints where."""
    from cotrain.study import steps

    opened = open_run(run, "report")
    with waiting("drawing the report"):
        written = steps.report(opened, share)
    print(written)


@app.command(rich_help_panel=VERBS)
def prompt(
    run: RunPath,
    lm: Lm = None,
    base_url: BaseUrl = None,
    tasks: OfTasks = None,
    shot_sets: ShotSets = 0,
    dev: Annotated[bool, typer.Option("--dev", help="Answer the rows of dev besides those of test.")] = False,
    api: Api = "chat",
    key_from: KeyFrom = "OPENAI_API_KEY",
    answer_tokens: Annotated[int, typer.Option("--answer-tokens", min=1, help="Of an answer at most.")] = 16,
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="Requests at the same time.")] = 8,
    max_requests: MaxRequests = 0,
    max_tokens: MaxTokens = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many requests and tokens it would take; send nothing.")] = False,
    show_: Annotated[str | None, typer.Option("--show", metavar="TASK", help="Print the prompt of a task without its texts.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the arm; default: the last part of the model's name.")] = None,
    json_: Json = False,
) -> None:
    """Let a language model answer the test rows from a few examples, as an arm beside the fits."""
    from cotrain.prompting.meter import Limits
    from cotrain.study import prompt as asking

    opened = open_run(run, "prompt")
    if show_:
        print(asking.sample(opened, show_))
        return
    asked = asking.Asked(
        _named(lm), base_url or "", tuple(names(tasks)), shot_sets, ("dev", "test") if dev else ("test",), api, key_from,
        answer_tokens, at_once, Limits(max_requests, max_tokens), name or "",
    )  # fmt: skip
    from cotrain.cli.asking import asking_progress
    from cotrain.cli.show import prompt as show

    if dry_run:
        result = asking.expected(opened, asked)
        emit(asdict(result)) if json_ else show.expected(result)
        return
    with asking_progress() as progress:
        answered = asking.prompt(opened, asked, progress)
    if json_:
        emit({"arm": answered.arm, "tasks": answered.tasks, "unanswered": answered.unanswered, "spent": answered.spent._asdict()})
        return
    show.prompted(answered)
    say(f"Next: cotrain compare {opened.path}")


def _named(lm: str | None) -> str:
    """Return the language model that should be named."""
    if not lm:
        raise InputError("--lm should name a language model: of the server at --base-url, else a local folder or a Hub id")
    return lm
