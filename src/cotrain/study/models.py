"""The recommended models, ready to use: per model the seed that is best on dev, or every seed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.evaluation.thresholds import threshold
from cotrain.grouping.plan import Serving
from cotrain.study import data
from cotrain.study.steps import Show
from cotrain.study.study import Study
from cotrain.training import ledger
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.leases import turn
from cotrain.training.outside import refuse
from cotrain.training.room import room
from cotrain.training.selection import goodness, select_epoch
from cotrain.training.train import Options, effective, train

KEEP = ("best", "all", "none")


def models(study: Study, show: Show | None = None, keep: str = "best") -> dict[Path, Serving]:
    """Return the folders of the models of the recommended plan, each with what it serves; then ``models/`` holds these and no others.

    Fits keep no weights, so a fit whose model is not there is made again, and must give the predictions that it gave.

    Args:
        keep: of each group the seed that is ``best`` on dev, as ``models/GROUP``; besides it ``all`` other seeds, as
            ``models/GROUP@SEED``; or ``none``.

    Raises:
        InputError: nothing is recommended yet, another word for ``keep``, a trainer from outside, or a fit made again differs.
    """
    if keep not in KEEP:
        raise InputError(unknown("word for --keep", keep, KEEP))
    data.needs_rows(study, "train")
    if keep != "none":
        refuse(study.resolved.settings.trainer, "models (--for models, --keep) are made of")
    with turn(study.path, "models"):
        return _models(study, show, keep)


def _models(study: Study, show: Show | None, keep: str) -> dict[Path, Serving]:
    """Return the folders of the models, while no other process makes them."""
    from cotrain.training.folders import folder_name
    from cotrain.training.models import ABOUT, made_of, write

    comparison = study.load_comparison()
    if comparison is None:
        raise InputError(f"{study.path}: nothing is recommended yet; first: cotrain compare {study.path}")
    wanted: dict[Path, tuple[Serving, Fit]] = {}
    for serving in comparison.recommended.servings if keep != "none" else ():
        if serving.serves:
            best, *others = ranked(study, serving)
            folder = study.models / folder_name(serving.group.name)
            wanted[folder] = serving, best
            wanted |= {folder.with_name(f"{folder.name}@{fit.seed}"): (serving, fit) for fit in others if keep == "all"}
    study.models.mkdir(parents=True, exist_ok=True)
    for old in study.models.iterdir():
        if old not in wanted and ((old / ABOUT).is_file() or old.name.startswith(".")):  # hidden: left by a process that was killed
            shutil.rmtree(old)
    epochs = {folder: select_epoch(fit, study.resolved.select) for folder, (_, fit) in wanted.items()}
    missing = [f for f, (serving, fit) in wanted.items() if made_of(f) != (fit.key, epochs[f], _thresholds(study, serving, fit))]
    tasks = data.tasks(study)
    how = Options(workers=study.workers, executor=study.executor, progress=show, extras=("weights",))
    at_once = study.workers or room(effective(data.settings(study)))
    # few at a time: weights of every epoch that could be picked lie on the disk until a model is written
    for start in range(0, len(missing), at_once):
        few = missing[start : start + at_once]
        with tempfile.TemporaryDirectory(prefix=".making-", dir=study.models) as scratch:
            made: dict[str, Fit] = {}
            for point in data.points(study):
                seeds: dict[Group, list[int]] = {}
                for serving, fit in map(wanted.__getitem__, few):
                    if data.settings_of(study, fit) == point:
                        seeds.setdefault(serving.group, []).append(fit.seed)
                made |= {fit.key: fit for fit in train(seeds, tasks, point, seeds, Path(scratch), how)} if seeds else {}
            for folder in few:
                serving, fit = wanted[folder]
                ledger.same(fit, made[fit.key])
                write(made[fit.key], epochs[folder], tasks, data.settings_of(study, fit), folder,
                      serves=serving.serves, sources=study.resolved.sources,
                      card=_card(study, serving), thresholds=_thresholds(study, serving, fit))  # fmt: skip
    study.close(study.models)
    return {folder: serving for folder, (serving, _) in wanted.items()}


def ranked(study: Study, serving: Serving) -> list[Fit]:
    """Return the fits of a group that did not fail, the best mean dev metric over the tasks that it serves first.

    Raises:
        InputError: every seed failed.
    """
    by = study.resolved.select if study.resolved.select != "last" else "macro_f1"
    fits = [fit for fit in data.fits(study, [serving.group]) if not fit.failed]
    if not fits:
        why = "every fit failed" if data.complete(study, serving.group) else "it is not trained with the present rows and settings"
        raise InputError(f"group {serving.group.name}: {why}, there is no model to keep")

    def dev(fit: Fit) -> float:
        epoch = select_epoch(fit, study.resolved.select)
        blocks = [(task, fit.blocks[task, "dev"]) for task in serving.serves]
        weights = fit.class_weights
        return float(np.mean([goodness(b.at(epoch), b.gold, fit.train_counts[task], by, weights.get(task, ())) for task, b in blocks]))

    return sorted(fits, key=dev, reverse=True)


def _thresholds(study: Study, serving: Serving, fit: Fit) -> dict[str, float | None]:
    """Return by task served the threshold that is best on dev, where the study wants one and the task has two labels."""
    metrics = {task: source.metric for source in study.resolved.sources for task in source.tasks}
    wanted = [task for task in serving.serves if study.resolved.thresholds == "dev" and len(fit.labels[task]) == 2]
    epoch = select_epoch(fit, study.resolved.select)
    blocks = {task: fit.blocks[task, "dev"] for task in wanted}
    found = {task: threshold(metrics[task], block.gold, block.at(epoch)) for task, block in blocks.items()}
    return {task: found.get(task) for task in serving.serves}


def _card(study: Study, serving: Serving) -> dict[str, object]:
    """Return what the model card says: numbers of test with their intervals, of this group and of the controls, and why it was chosen."""
    comparison = study.load_comparison()
    assert comparison is not None
    table = comparison.table
    mine = table[(table["split"] == "test") & table["primary"].astype(bool) & table["task"].isin(serving.serves)]
    results, controls = mine[mine["plan"] == "recommended"], mine[(mine["kind"] == "control") & (mine["plan"] != "alone")]
    kept = data.rows(study)
    rows = {task: kept.loc[kept["task"] == task, "split"].value_counts().to_dict() for task in serving.group.real}
    return {
        "study": study.resolved.name, "why": list(comparison.recommended.why), "results": results.to_dict("records"),
        "controls": controls.to_dict("records"), "rows": rows,
    }  # fmt: skip
