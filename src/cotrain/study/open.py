"""From a study file or a run folder to a Study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from cotrain.choose import unknown
from cotrain.errors import ChangedStudy, InputError
from cotrain.study.changes import changes, kept
from cotrain.study.presets import Resolved
from cotrain.study.spec import read
from cotrain.study.study import FORMAT, STUDY, Study
from cotrain.training.executors import EXECUTORS


def open_study(
    path: Path, out: Path | None = None, sets: Sequence[str] | None = None, data_root: Path | None = None,
    model: str | None = None, update: bool = False, workers: int = 0, fits: Path | None = None,
    executor: str = "",
) -> Study:  # fmt: skip
    """Return the Study of a study file (its run folder is made or found), or of the run folder of an earlier run.

    Args:
        path: a study file or a run folder.
        out: the run folder; ``runs/NAME`` below the working directory where none is named.
        sets: overrides ``KEY=VALUE`` of the study file.
        update: accept that what determines existing fits has changed.
        fits: a folder of fits shared between studies; the run folder remembers it.
        executor: where fits are made, instead of where the study says.

    Raises:
        InputError: faults of the study file, a folder that is no run, private tasks in a shared folder of fits, an unknown executor.
        ChangedStudy: the run folder belongs to a study that differs, and ``update`` is not set.
    """
    if path.is_dir():
        if not (path / STUDY).is_file():
            raise InputError(f"{path}: should be a study file or the folder of a run (with a {STUDY}); found neither")
        resolved, folder = of_run(path), path
        if sets or model or data_root:
            raise InputError("--set, --model and --data-root belong to a study file; name that instead of the run folder")
    else:
        if not path.is_file():
            raise InputError(f"{path}: there is no such study file or run folder; write one with: cotrain init FOLDER")
        resolved = read(path, tuple(sets or ()), model, data_root)
        folder = out or Path("runs") / resolved.name
    if out and path.is_dir() and out.resolve() != path.resolve():
        raise InputError(f"{path} is the folder of a run; its results stay there: leave out --out")
    before = of_run(folder).shared_fits if (folder / STUDY).is_file() else ""
    resolved = replace(resolved, shared_fits=str(fits.absolute()) if fits else before)
    private = [source.name for source in resolved.sources if source.private]
    if resolved.shared_fits and private:
        raise InputError(f"--fits shares fits between studies; not with private tasks ({', '.join(private)})")
    if executor and ":" not in executor and executor not in EXECUTORS:
        raise InputError(unknown("executor", executor, EXECUTORS))
    study = Study(resolved, folder, workers, update, executor or resolved.executor)
    if path.is_dir() and resolved.shared_fits != before:
        study.save_spec()
    return study if path.is_dir() else enter(study)


def enter(study: Study) -> Study:
    """Return the study, its run folder known to be new or of an earlier run of it.

    Raises:
        InputError: a file, a folder of other files, a run of another kind.
        ChangedStudy: the run folder belongs to a study that differs, and ``update`` is not set.
    """
    folder = study.path
    if any(parent.is_file() for parent in (folder, *folder.parents)):
        raise InputError(f"{folder}: should be a folder for the run, found a file: name another with --out")
    if (folder / STUDY).is_file():
        _continue(study, of_run(folder))
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: should be empty or the folder of a run; it holds other files: name another with --out")
    return study


def of_run(folder: Path) -> Resolved:
    """Return the resolved study of a run folder."""
    try:
        plain = yaml.safe_load((folder / STUDY).read_text(encoding="utf-8"))
        newer = plain.pop("format") > FORMAT
    except (UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise InputError(
            f"{folder / STUDY}: should be the resolved study of a run, found something else; a study file is named itself, not its folder"
        ) from None
    if newer:
        raise InputError(f"{folder / STUDY}: written by a newer cotrain; this version reads format {FORMAT}: update cotrain")
    return Resolved.of(plain)


def _continue(study: Study, before: Resolved) -> None:
    """Check that a run folder may go on with a study; what no longer holds is forgotten once its rows are read anew.

    Scores from outside were read already, so there it is forgotten here.
    """
    if before.outside != study.resolved.outside:
        kind = "scores from outside" if before.outside else "a study with rows of its own"
        raise InputError(f"{study.path} is the run folder of {kind}; name another with --out")
    found = changes(before, study.resolved)
    if not found.changed:
        return
    if not study.update:
        listed = "\n".join(f"- {change}" for change in found.changed)
        raise ChangedStudy(
            f"{study.path} belongs to a study that differs from this one:\n{listed}\n"
            "Fits that these changes do not touch are kept. Accept with --update, or name another folder with --out"
        )
    if study.resolved.outside:
        study.forget("plans")
        study.outdated()
        return
    placement = study.placement
    if placement is not None:
        tasks = kept(before, study.resolved) if before.cut == study.resolved.cut else ()
        placement = placement[placement["task"].isin(tasks)].reset_index(drop=True)
    study.change(placement if placement is not None and len(placement) else None)
