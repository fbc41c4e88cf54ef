"""The command ``cotrain``: one command per verb; libraries are imported inside the commands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cotrain import __version__
from cotrain.choose import unknown
from cotrain.cli.given import names, pairs
from cotrain.cli.machine import emit
from cotrain.cli.progress import Stopped, fits_progress, say, waiting
from cotrain.errors import CotrainError, InputError

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.study.study import Study

app = typer.Typer(
    name="cotrain",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
WHOLE, VERBS, MODELS = "A study", "Its verbs, one by one, on a run folder", "Models"
PURPOSES = ("models", "share")
IN_CONTEXT = "incontext"

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file, suite:NAME, or the folder of an earlier run.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder of models/ of a run.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option("--precision", help="fp32 gives the numbers of the study; auto: bf16 where it is faster.")]
Share = Annotated[
    Path | None, typer.Option("--share", metavar="DIR", help="Write one that may leave the place of the data: no small counts, no paths.")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Out = Annotated[Path | None, typer.Option("--out", help="The run folder; default: runs/ and the study's name.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the study file, as training.epochs=5; repeatable.")
]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Where relative paths of the tasks begin.")]
Model = Annotated[str | None, typer.Option("--model", help="The encoder: a Hub id or a local folder; overrides the study file.")]
Update = Annotated[bool, typer.Option("--update", help="Accept that the study of this run folder has changed.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result for machines: one line of JSON, and nothing else on stdout.")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Fits side by side; 0: as many as the machine has cores for.")]
Executor = Annotated[str, typer.Option("--executor", help="Where fits are made: local, ray or slurm; default: the study's, or local.")]
Lm = Annotated[str | None, typer.Option("--lm", help="A language model: of the server at --base-url, else a local folder or a Hub id.")]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="A server that speaks the protocol of OpenAI, as http://127.0.0.1:8000/v1.")
]
ShotSets = Annotated[int, typer.Option("--shot-sets", min=0, help="Sets of examples, drawn by the first so many seeds; 0: by each.")]
OfTasks = Annotated[str | None, typer.Option("--tasks", metavar="A,B", help="Ask a language model about these tasks only.")]
MaxRequests = Annotated[int, typer.Option("--max-requests", min=0, help="Send at most so many; 0: no limit.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=0, help="Of prompts and answers together; 0: no limit.")]
Api = Annotated[str, typer.Option("--api", help="Of the server: chat or completion.")]
KeyFrom = Annotated[str, typer.Option("--key-from", metavar="VARIABLE", help="The variable of the environment that holds the key.")]
Estimator = Annotated[
    str | None, typer.Option("--estimator", help="finetune, probe, crossfit or incontext; default: the study's. Others stand beside.")
]
Fits = Annotated[Path | None, typer.Option("--fits", help="A folder of fits shared between studies, never for private tasks.")]


def _version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        print(f"cotrain {__version__}")
        raise typer.Exit


@app.callback(epilog="Begin with: cotrain demo, or cotrain init FOLDER. Exit codes: 1 some fits failed, 2 a fault of what was given.")
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Decide which NLP tasks should be trained together, and prove it."""


# -- a study --------------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel=WHOLE)
def demo(
    out: Annotated[Path, typer.Option("--out", help="The run folder.")] = Path("runs/demo"), workers: Workers = 0,
    executor: Executor = "",
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Train nothing; write the corpora as Anafora, Knowtator and cnlpt folders to copy from.")
    ] = None,
) -> None:  # fmt: skip
    """Run the whole pipeline on six generated clinical-style tasks whose true V-information is known."""
    from cotrain.study.demo import demo as whole

    if keep:
        from cotrain.demo.clinical import write

        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise InputError(f"{keep} exists already; name a new folder with --keep")
        print(write(keep))
        say(f"Next: cotrain check {keep / 'study.yaml'}")
        return

    with fits_progress() as progress:
        outcome = whole(out, workers, progress, say, executor)
    _finish(outcome)


@app.command(rich_help_panel=WHOLE)
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of csv, tsv, jsonl, json or parquet data.")],
    to: Annotated[Path | None, typer.Option("--to", help="The study file to write; default: study.yaml in the folder.")] = None,
) -> None:
    """Write a study file for a folder of data, with what was guessed and why as comments."""
    from cotrain.study.init import init as guess

    target = to or folder / "study.yaml"
    if target.exists():
        raise InputError(f"{target} exists already; remove it, or name another file with --to")
    if to and not to.parent.is_dir():
        raise InputError(f"{to.parent}: should be a folder to write the study file into; there is none")
    text = guess(folder, target.parent)
    target.write_text(text, encoding="utf-8")
    print(target)
    say(f"Read it, mend what was guessed wrong, then: cotrain check {target}")


@app.command("suites", rich_help_panel=WHOLE)
def suites_(data_root: DataRoot = None) -> None:
    """List the suites of the paper's tasks: what each needs, whether it is there, and how to get it."""
    from cotrain import suites
    from cotrain.cli import show

    show.suites({name: (what, suites.needs(name, data_root or Path.cwd())) for name, what in suites.SUITES.items()})
    say("Next: cotrain check suite:NAME --data-root FOLDER")


@app.command(rich_help_panel=WHOLE)
def check(
    study: StudyPath, out: Out = None, set_: Sets = None, data_root: DataRoot = None, model: Model = None,
    update: Update = False, fits: Fits = None, workers: Workers = 0, json_: Json = False,
) -> None:  # fmt: skip
    """Say what is wrong with the data, what can be decided with it, and what the study will cost."""
    from cotrain import suites
    from cotrain.study import steps

    opened = _open(study, out=out, sets=set_, data_root=data_root, model=model, update=update, fits=fits, workers=workers)
    with waiting("reading the data, counting tokens, measuring the speed of a few training steps"):
        result = steps.check(opened)
    if json_:
        emit(result)
        return
    from cotrain.cli import show

    show.check(result)
    if name := suites.named(study):
        show.differences(name, suites.differences(result))
    say(f"Next: cotrain run {opened.path}")


@app.command(rich_help_panel=WHOLE)
def run(
    study: StudyPath, out: Out = None, set_: Sets = None, data_root: DataRoot = None, model: Model = None,
    update: Update = False, fits: Fits = None, workers: Workers = 0, executor: Executor = "",
) -> None:  # fmt: skip
    """Do everything: check, score, relate, group, train, compare, controls on demand, models, report."""
    from cotrain.study.run import run as whole

    opened = _open(
        study, out=out, sets=set_, data_root=data_root, model=model, update=update, fits=fits, workers=workers, executor=executor
    )
    with fits_progress() as progress:
        say(f"study {opened.resolved.name} in {opened.path}")
        outcome = whole(opened, progress, say)
    _finish(outcome)


def _finish(outcome: Any) -> None:
    """Show what a run leaves, and name failed fits."""
    from cotrain.cli import show
    from cotrain.study.steps import refuse_failed
    from cotrain.study.tables import tables

    show.outcome(outcome, tables(outcome.study))
    refuse_failed(outcome.fits)


@app.command(rich_help_panel=WHOLE)
def status(run: RunPath, json_: Json = False) -> None:
    """Say what is done, what is left, and what it will take."""
    from cotrain.study.status import status as state

    result = state(_open_run(run, "status"))
    if json_:
        emit(result)
        return
    from cotrain.cli import show

    show.status(result)


@app.command(rich_help_panel=WHOLE)
def pack(
    run: RunPath,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write, as study.tar.gz.")],
    private: Annotated[
        list[str] | None,
        typer.Option("--private", metavar="TASK", help="Pack these private rows' ids, labels and predictions too; once for each task."),
    ] = None,
    fits: Fits = None,
) -> None:
    """Write a study as one file that goes on elsewhere: its spec, its tables, its fits without weights."""
    from cotrain.study.pack import pack as write

    with waiting("packing the study"):
        packed = write(_open(run, fits=fits), to, private or ())
    print(packed.file)
    if packed.left_out:
        say(f"left out, as they are not whole: {', '.join(packed.left_out)}")
    say(f"{packed.fits} fits, {packed.size / 1e6:.1f} MB. Next, on the other machine: cotrain unpack {to.name} --to RUN --data-root FOLDER")


@app.command(rich_help_panel=WHOLE)
def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What cotrain pack wrote.")],
    to: Annotated[Path, typer.Option("--to", metavar="RUN", help="The run folder to make.")],
    data_root: DataRoot = None, model: Model = None,
) -> None:  # fmt: skip
    """Make a run folder of a packed study; nothing that is finished is trained again."""
    from cotrain.study.pack import not_here
    from cotrain.study.pack import unpack as read

    with waiting("unpacking the study"):
        study = read(file, to, data_root, model)
    print(study.path)
    for place in not_here(study):
        say(f"not here: {place}; what trains will need it: unpack again with --data-root or --model")
    say(f"Next: cotrain status {study.path}, cotrain run {study.path}")


# -- its verbs ------------------------------------------------------------------------------------------------------------


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
    opened = _open(study, out=out, sets=set_, data_root=data_root, model=model, update=update, workers=workers, executor=executor)
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
        return _open_run(run, "relate")
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
    opened = _open_run(run, "group")
    found: Any = steps.passing(opened, given, set_ or (), from_) if list_ else steps.group(opened, given, set_ or (), name, from_)
    if json_:
        emit(found._asdict() if list_ else found)
        return
    from cotrain.cli import show

    if list_:
        show.sets(found)
        return
    show.plans(found)
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
    opened = _open_run(run, "train", workers, executor)
    if by := [methods.chosen(opened, name) for name in dict.fromkeys(wanted) if name not in PURPOSES]:
        failed = []
        for one in by:
            if not one.groups:
                say(f"{one.name} needs no fits")
                continue
            with fits_progress() as progress:
                fits = methods.train(opened, one, progress)
            show.trained(fits, progress.last)
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
        fits = steps.train(opened, steps.groups_named(opened, groups), progress)
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

    opened = _open_run(run, "compare")
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

    show.comparison(tables(opened))
    say(f"Next: cotrain report {opened.path}, or the models: cotrain train {opened.path} --for models")


@app.command(rich_help_panel=VERBS)
def report(run: RunPath, share: Share = None) -> None:
    """Write report.html, report.md, LaTeX tables and figures from what is there; prints where."""
    from cotrain.study import steps

    opened = _open_run(run, "report")
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

    opened = _open_run(run, "prompt")
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


# -- models ---------------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel=MODELS)
def predict(
    model: ModelPath,
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="csv, tsv, jsonl, json or parquet, a corpus, or - for lines of JSON on standard input.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The jsonl, csv or parquet file to write; default: lines of JSON on stdout.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Of --out: jsonl, csv, parquet, or anafora, a folder of XML; default: by its ending.")
    ] = None,
    reader: Annotated[
        str | None, typer.Option("--reader", help="How DATA is read: anafora, knowtator, cnlpt, hub or tabular; a folder: as in the study.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A key of that reader, as entities=EVENT; repeatable.")
    ] = None,
    tasks: Annotated[str | None, typer.Option("--tasks", metavar="A,B", help="Default: all that the model serves.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="A column or a template; default: as in the study, else text.")] = None,
    pair: Annotated[str | None, typer.Option("--pair", help="The same for the second text; default: as in the study, else pair.")] = None,
    row_id: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Of row ids; default: FILE:7.")] = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Predict all tasks of a model from one pass of its encoder: the label and the probabilities of every row."""
    from cotrain.serving import corpora
    from cotrain.serving import predict as verb
    from cotrain.serving.inputs import read
    from cotrain.training.models import load

    if out:
        verb.check(out, format_)
    elif format_:
        raise InputError("--format says what --out is; name the file or folder to write with --out")
    keys = pairs(set_, "--set", "KEY=VALUE, as entities=EVENT")
    with waiting("loading the model"):
        shared = load(model, device, precision)
        how = {"text": text, "pair": pair, "row_id": row_id}
        if form := corpora.reader_of(shared, data, reader):
            inputs = corpora.read(shared, str(data), form, names(tasks), keys=keys, **how)
        elif keys:
            raise InputError("--set belongs to --reader, or to a folder of a corpus; leave it out for a file")
        else:
            inputs = read(shared, data, names(tasks), **how)
    for fault in inputs.left_out:
        say(f"left out: {fault}")
    with waiting(f"predicting {len(inputs.rows):,} rows") as tell:
        if out:
            print(verb.save(shared, inputs, out, tell, format_))
            return
        for table in verb.predict(shared, inputs):
            for line in verb.lines(table):
                print(line)


@app.command(rich_help_panel=MODELS)
def export(
    model: ModelPath,
    task: Annotated[str, typer.Option("--task", help="The task whose classifier is wanted.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write.")],
    format_: Annotated[str, typer.Option("--format", help="transformers or onnx.")] = "transformers",
    repo: Annotated[
        str | None, typer.Option("--push", metavar="REPO", help="Upload the folder to the Hub, as USER/NAME; a new one is private.")
    ] = None,
) -> None:
    """Write one task of a shared model as an ordinary Hugging Face classifier, or in the format of ONNX."""
    from cotrain.serving.export import export as write
    from cotrain.serving.export import push, refuse_private

    if repo:
        refuse_private(model)
    with waiting("writing the classifier"):
        write(model, task, to, format_)
    print(to)
    if repo:
        with waiting("uploading it to the Hub"):
            print(push(to, repo))


@app.command(rich_help_panel=MODELS)
def serve(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model folders, or a folder of models, as runs/demo/models.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen on; only this machine reaches the default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8000,
    wait: Annotated[
        float, typer.Option("--wait", min=0, max=1000, help="Milliseconds that a text waits at most for others to be predicted with.")
    ] = 3.0,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Serve models over HTTP, with a page to try them: /predict, /process as cnlp-transformers, /tasks, /health, /openapi.json."""
    from cotrain.serving import server

    server.needed()
    with server.listening(host, port) as at:
        with waiting("loading the models"):
            ready = server.loaded(models, device, precision)
        tasks = ", ".join(task for model in ready for task in model.serves)
        shown = f"[{host}]" if ":" in host else host
        if host not in ("127.0.0.1", "localhost", "::1"):
            say("Whoever reaches this address can send texts: there is no login, and no encryption")
        try:
            server.serve(ready, at, wait / 1000, lambda: say(f"{tasks} at http://{shown}:{at.getsockname()[1]}/ until Ctrl-C"))
        except Stopped:
            say("stopped: every request that had come was answered")


@app.command(rich_help_panel=MODELS)
def convert(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An encoder folder with pytorch_model.bin.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write, with model.safetensors.")],
) -> None:
    """Turn a publisher's .bin weights into safetensors, without running anything in them."""
    from cotrain.training.convert import convert as write

    with waiting("converting the weights"):
        write(folder, to)
    print(to)


def _open(path: Path, **options: Any) -> Study:
    """Return the study of a file, of a suite or of a run folder."""
    from cotrain import suites
    from cotrain.study.open import open_study

    if name := suites.named(path):
        options["data_root"] = options.get("data_root") or Path.cwd()
        suites.refuse_missing(name, options["data_root"])
        path = suites.file(name)
    return open_study(path, **options)


def _open_run(path: Path, verb: str, workers: int = 0, executor: str = "") -> Study:
    """Return the study of a run folder.

    Raises:
        InputError: a study file; its run folder is named.
    """
    if path.is_file():
        try:
            folder = str(_open(path).path)
        except CotrainError:
            folder = "RUN"
        raise InputError(f"{path} is a study file; {verb} works on the folder of a run: cotrain {verb} {folder}")
    return _open(path, workers=workers, executor=executor)
