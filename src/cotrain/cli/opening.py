"""From what a command was given to a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotrain.errors import CotrainError, InputError

if TYPE_CHECKING:
    from cotrain.study.study import Study


def open_any(path: Path, **options: Any) -> Study:
    """Return the study of a file, of a suite or of a run folder."""
    from cotrain import suites
    from cotrain.study.open import open_study

    if name := suites.named(path):
        options["data_root"] = options.get("data_root") or Path.cwd()
        suites.refuse_missing(name, options["data_root"])
        path = suites.file(name)
    return open_study(path, **options)


def open_run(path: Path, verb: str, workers: int = 0, executor: str = "") -> Study:
    """Return the study of a run folder.

    Raises:
        InputError: a study file; its run folder is named.
    """
    if path.is_file():
        try:
            folder = str(open_any(path).path)
        except CotrainError:
            folder = "RUN"
        raise InputError(f"{path} is a study file; {verb} works on the folder of a run: cotrain {verb} {folder}")
    return open_any(path, workers=workers, executor=executor)
