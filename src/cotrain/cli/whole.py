"""Commands on a whole study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cotrain.cli.machine import emit
from cotrain.cli.opening import open_any, open_run
from cotrain.cli.options import WHOLE, DataRoot, Executor, Fits, Json, Model, Out, RunPath, Sets, StudyPath, Update, Workers, app
from cotrain.cli.progress import fits_progress, say, waiting
from cotrain.errors import InputError


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
    try:
        target.write_text(text, encoding="utf-8")
    except OSError:
        target.unlink(missing_ok=True)
        raise
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

    opened = open_any(study, out=out, sets=set_, data_root=data_root, model=model, update=update, fits=fits, workers=workers)
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

    opened = open_any(
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

    result = state(open_run(run, "status"))
    if json_:
        emit(result)
        return
    from cotrain.cli import show

    show.status(result)


@app.command(rich_help_panel=WHOLE)
def pack(
    run: RunPath,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write, as study.tar.xz.")],
    private: Annotated[
        list[str] | None,
        typer.Option("--private", metavar="TASK", help="Pack these private rows' ids, labels and predictions too; once for each task."),
    ] = None,
    fits: Fits = None,
) -> None:
    """Write a study as one file that goes on elsewhere: its spec, its tables, its fits without weights."""
    from cotrain.study.pack import pack as write

    with waiting("packing the study"):
        packed = write(open_any(run, fits=fits), to, private or ())
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
