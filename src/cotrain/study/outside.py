"""A run made of files of scores: no rows, no encoder, nothing to train."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import cotrain
from cotrain.affinity import GROUP_TESTS, TESTS
from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.pvi.outside import read_scores
from cotrain.study.open import enter
from cotrain.study.presets import OUTSIDE, Resolved
from cotrain.study.study import Study
from cotrain.tasks.source import Source
from cotrain.training.settings import Settings


def outside(paths: Iterable[Path], out: Path | None = None, columns: Mapping[str, str] | None = None, test: str | None = None,
            group_test: str | None = None, update: bool = False) -> Study:  # fmt: skip
    """Return the Study of files of scores; its run folder is made or found and has the scores.

    Args:
        paths: see ``read_scores``, as ``columns``.
        out: the run folder; ``runs/NAME`` by the name of the first file where none is named.
        test, group_test: of the study, ``welch`` and ``welch_anova`` by default.
        update: accept other files than those that the run folder was made of.

    Raises:
        InputError: every fault of the files, unknown tests, a folder that is no such run.
        ChangedStudy: the run folder was made of other files, and ``update`` is not set.
    """
    files = [Path(path).absolute() for path in paths]
    asked = (("pair test", test, TESTS), ("group test", group_test, GROUP_TESTS))
    if faults := [unknown(kind, name, known) for kind, name, known in asked if name is not None and name not in known]:
        raise InputError(faults)
    scores = read_scores(files, columns)
    names, every = sorted(scores.tasks["task"]), ", ".join(map(str, files))
    of_task = {file.stem: str(file) for file in files}
    places = of_task if sorted(of_task) == names else dict.fromkeys(names, every)
    folder = out or Path("runs") / files[0].stem
    resolved = Resolved(
        name=folder.absolute().name,
        settings=Settings(""),
        sources=tuple(Source(task, OUTSIDE, places[task]) for task in names),
        seeds=tuple(sorted(map(int, scores.table["seed"].unique()))),
        test=test or "welch",
        group_test=group_test or "welch_anova",
        controls=(),
        overrides=tuple(f"{ours} = {theirs} (--columns)" for ours, theirs in (columns or {}).items()),
    )
    study = enter(Study(resolved, folder, update=update))
    study.save_spec()
    study.save_scores(scores, "pvi")
    if (scores.table["split"] == "test").any():
        study.look_at_test(f"relate {every}")
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    study.save_provenance({"cotrain": cotrain.__version__, "command": " ".join(["cotrain", *sys.argv[1:]]), "scores_sha256": hashes})
    return study
