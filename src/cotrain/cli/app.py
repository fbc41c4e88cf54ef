"""The command ``cotrain``: one command per verb; libraries are imported inside the commands."""

from __future__ import annotations

import errno
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cotrain import __version__
from cotrain.cli.progress import console, fits_progress
from cotrain.errors import CotrainError, FitsFailed, InputError

if TYPE_CHECKING:
    from cotrain.study.study import Study

app = typer.Typer(
    name="cotrain",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Decide which NLP tasks should be trained together, and prove it.",
)

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file, or the folder of an earlier run.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Out = Annotated[Path | None, typer.Option("--out", help="The run folder; default: runs/ and the study's name.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override any key of the study file.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Where relative paths of the tasks begin.")]
Model = Annotated[str | None, typer.Option("--model", help="A Hub id or a local folder; overrides the study file.")]
Update = Annotated[bool, typer.Option("--update", help="Accept that the study of this run folder has changed.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result for machines, on one line.")]
Workers = Annotated[int, typer.Option("--workers", help="Fits side by side; 0: as many as the machine has cores.")]
Fits = Annotated[Path | None, typer.Option("--fits", help="A folder of fits shared between studies, never for private tasks.")]


def main() -> None:
    """Run the command line: every fault a person can cause is told without a traceback, with exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except FitsFailed as error:
        _fail(str(error).splitlines(), 1)
    except InputError as error:
        _fail(error.faults, 2)
    except CotrainError as error:
        _fail(str(error).splitlines(), 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail(["stopped. What is finished is kept; the same command continues from there"], 130)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail([f"the disk is full ({error.filename or 'while writing'}). Nothing is half-written: free space, run again"], 2)
    except Exception as error:
        # click's own errors of usage know how to show themselves; anything else is a defect and keeps its traceback
        if not hasattr(error, "show"):
            raise
        error.show()
        sys.exit(2)


def _fail(faults: list[str] | tuple[str, ...], code: int) -> None:
    """Print the faults and leave with ``code``."""
    for fault in faults:
        console.print(f"[bold red]error:[/] {escape(fault)}", soft_wrap=True)
    sys.exit(code)


def _version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        print(f"cotrain {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Decide which NLP tasks should be trained together, and prove it."""


def _open(path: Path, **options: Any) -> Study:
    """Return the study of a file or of a run folder."""
    from cotrain.study.open import open_study

    return open_study(path, **options)


def _emit(value: Any) -> None:
    """Print a result for machines."""
    print(json.dumps(value, default=str))


@app.command()
def check(
    study: StudyPath, out: Out = None, set_: Sets = None, data_root: DataRoot = None, model: Model = None,
    update: Update = False, json_: Json = False,
) -> None:  # fmt: skip
    """Say what is wrong with the data, what can be decided with it, and what the study will cost."""
    from cotrain.cli import show
    from cotrain.study import steps

    opened = _open(study, out=out, sets=set_, data_root=data_root, model=model, update=update)
    result = steps.check(opened)
    _emit(result) if json_ else show.check(result)


@app.command()
def run(
    study: StudyPath, out: Out = None, set_: Sets = None, data_root: DataRoot = None, model: Model = None,
    update: Update = False, workers: Workers = 0, fits: Fits = None,
) -> None:  # fmt: skip
    """Do everything: check, score, relate, group, train, compare, controls on demand, models, report."""
    from cotrain.cli import show
    from cotrain.study.run import run as whole

    opened = _open(study, out=out, sets=set_, data_root=data_root, model=model, update=update, workers=workers, fits=fits)
    with fits_progress("training") as progress:
        outcome = whole(opened, progress, say=lambda line: console.print(escape(line)))
    show.outcome(outcome)


@app.command()
def train(
    run: RunPath,
    groups: Annotated[list[str] | None, typer.Argument(metavar="GROUP", help="For instance cb+rte; default: all plans.")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="models: the recommended models, ready to use.")] = None,
    workers: Workers = 0,
) -> None:
    """Train the groups of the plans that are not trained yet; nothing is trained twice."""
    from cotrain.cli import show
    from cotrain.study import steps
    from cotrain.study.models import models

    opened = _open(run, workers=workers)
    with fits_progress("training") as progress:
        if for_ == "models":
            show.models(models(opened, progress))
            return
        fits = steps.train(opened, steps.groups_named(opened, groups, for_), progress)
    show.trained(opened, fits)


@app.command()
def score(run: RunPath, workers: Workers = 0) -> None:
    """Score every held-out row by pointwise V-information; trains the single-task fits that are missing."""
    from cotrain.cli import show
    from cotrain.study import steps

    opened = _open(run, workers=workers)
    with fits_progress("scoring") as progress:
        scores = steps.score(opened, progress)
    show.scores(scores)


@app.command()
def relate(
    run: RunPath,
    test: Annotated[str | None, typer.Option("--test", help="student, welch or paired.")] = None,
    group_test: Annotated[str | None, typer.Option("--group-test", help="anova or welch_anova.")] = None,
    json_: Json = False,
) -> None:
    """Relate the tasks by their scores: a table of tasks and a table of pairs. Trains nothing."""
    from cotrain.cli import show
    from cotrain.study import steps

    affinity = steps.relate(_open(run), test, group_test)
    if json_:
        _emit({"tasks": affinity.tasks.to_dict("records"), "pairs": affinity.pairs.to_dict("records")})
    else:
        show.affinity(affinity)


@app.command()
def group(
    run: RunPath,
    set_: Sets = None,
    rule: Annotated[str | None, typer.Option("--rule", help="any, not_different, clique or equivalent.")] = None,
    alpha: Annotated[float | None, typer.Option("--alpha", help="Level of the tests.")] = None,
    select: Annotated[str | None, typer.Option("--select", help="max_abs_t, min_gap or partition.")] = None,
    models: Annotated[int | None, typer.Option("--models", help="At most so many models (partition, budget).")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the plan; default: rule and selection.")] = None,
    json_: Json = False,
) -> None:
    """Nominate groups by rule and selection, in a second and without training; other plan keys by --set plan.KEY=VALUE."""
    from cotrain.cli import show
    from cotrain.study import steps

    opened = _open(run)
    given = {"rule": rule, "alpha": alpha, "select": select, "models": models}
    plans = steps.group(opened, {k: v for k, v in given.items() if v is not None}, set_ or (), name)
    _emit([plan.to_dict() for plan in plans]) if json_ else show.plans(opened, plans)


@app.command()
def compare(
    run: RunPath,
    select: Annotated[str | None, typer.Option("--select", help="Epoch of the comparison: macro_f1, log_loss or last.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="Primary metric of every task.")] = None,
    goal: Annotated[str | None, typer.Option("--goal", help="fewer or better.")] = None,
    json_: Json = False,
) -> None:
    """Compare every trained plan and control with the tasks alone; dev decides, test confirms. Trains nothing."""
    from cotrain.cli import show
    from cotrain.study import steps

    comparison = steps.compare(_open(run), select, metric, goal)
    if json_:
        _emit({
            "recommended": comparison.recommended.to_dict(),
            "table": comparison.table.to_dict("records"),
            "notes": dict(comparison.notes),
        })  # fmt: skip
    else:
        show.comparison(comparison)


@app.command()
def report(run: RunPath) -> None:
    """Write report.html, report.md, LaTeX tables and figures from what is there."""
    from cotrain.study import steps

    print(steps.report(_open(run)))


@app.command()
def status(run: RunPath, json_: Json = False) -> None:
    """Say what is done, what is left, and what it will take."""
    from cotrain.cli import show
    from cotrain.study.status import status as state

    result = state(_open(run))
    _emit(result) if json_ else show.status(result)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A folder of csv, tsv, jsonl, json or parquet data.")],
    to: Annotated[Path | None, typer.Option("--to", help="The study file to write; default: study.yaml in the folder.")] = None,
) -> None:
    """Write a study file for a folder of data, with what was guessed and why as comments."""
    from cotrain.study.init import init as write

    target = to or folder / "study.yaml"
    if target.exists():
        raise InputError(f"{target} exists already; name another file with --to")
    target.write_text(write(folder))
    print(f"{target}\nRead it, mend what was guessed wrong, then: cotrain check {target}")


@app.command()
def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A folder of models/ of a run.")],
    task: Annotated[str, typer.Option("--task", help="The task whose classifier is wanted.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write.")],
) -> None:
    """Write one task of a shared model as an ordinary Hugging Face classifier."""
    from cotrain.training.models import export as write

    write(model, task, to)
    print(to)


@app.command()
def convert(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An encoder folder with pytorch_model.bin.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write, with model.safetensors.")],
) -> None:
    """Turn a publisher's .bin weights into safetensors, without running anything in them."""
    from cotrain.training.convert import convert as write

    write(folder, to)
    print(to)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="The run folder.")] = Path("runs/demo"), workers: Workers = 0
) -> None:
    """Run the whole pipeline on six generated clinical-style tasks whose true V-information is known."""
    from cotrain.cli import show
    from cotrain.study.demo import demo as whole

    with fits_progress("training") as progress:
        outcome = whole(out, workers, progress, say=lambda line: console.print(escape(line)))
    show.outcome(outcome)
