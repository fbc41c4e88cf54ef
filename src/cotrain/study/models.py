"""The recommended models, ready to use: per model the seed that is best on dev."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from cotrain.errors import InputError
from cotrain.grouping.plan import Serving
from cotrain.study import data
from cotrain.study.steps import Show
from cotrain.study.study import Study
from cotrain.training import ledger
from cotrain.training.fit import Fit
from cotrain.training.selection import goodness, select_epoch
from cotrain.training.train import Options, train


def models(study: Study, show: Show | None = None) -> list[Path]:
    """Return a folder per model of the recommended plan; those that are there already are kept.

    Fits keep no weights, so the chosen fit of each model is made again, and must give the predictions that it gave.

    Raises:
        InputError: nothing is recommended yet, or a fit made again differs.
    """
    from cotrain.training.models import folder_name, made_of, write

    data.needs_rows(study, "train")
    comparison = study.load_comparison()
    if comparison is None:
        raise InputError(f"{study.path}: nothing is recommended yet; first: cotrain compare {study.path}")
    chosen = [(s, best(study, s)) for s in comparison.recommended.servings if s.serves]
    wanted = []
    for serving, fit in chosen:
        target = study.models / folder_name(serving.group.name)
        epoch = select_epoch(fit, study.resolved.select)
        if made_of(target) != (fit.key, epoch, tuple(serving.serves)):
            wanted.append((serving, fit, epoch, target))
    study.models.mkdir(parents=True, exist_ok=True)
    tasks, settings = data.tasks(study), data.settings(study)
    how = Options(workers=study.workers, progress=show, extras=("weights",))
    at_once = study.workers or os.cpu_count() or 1
    # few at a time: weights of every epoch that could be picked lie on the disk until a model is written
    for start in range(0, len(wanted), at_once):
        few = wanted[start : start + at_once]
        with tempfile.TemporaryDirectory(prefix=".making-", dir=study.models) as scratch:
            seeds = {serving.group: [fit.seed] for serving, fit, _, _ in few}
            made = train(seeds, tasks, settings, seeds, Path(scratch), how)
            for (serving, fit, epoch, target), again in zip(few, made, strict=True):
                ledger.same(fit, again)
                write(again, epoch, tasks, settings, target, serves=serving.serves, sources=study.resolved.sources,
                      card=_card(study, serving, fit))  # fmt: skip
    return [study.models / folder_name(serving.group.name) for serving, _ in chosen]


def best(study: Study, serving: Serving) -> Fit:
    """Return the fit of a group with the best mean dev metric over the tasks that it serves.

    Raises:
        InputError: every seed failed.
    """
    by = study.resolved.select if study.resolved.select != "last" else "macro_f1"
    fits = [fit for fit in data.fits(study, [serving.group]) if not fit.failed]
    if not fits:
        raise InputError(f"group {serving.group.name}: every fit failed, there is no model to keep")

    def dev(fit: Fit) -> float:
        epoch = select_epoch(fit, study.resolved.select)
        blocks = [(task, fit.blocks[task, "dev"]) for task in serving.serves]
        return float(np.mean([goodness(block.at(epoch), block.gold, fit.train_counts[task], by) for task, block in blocks]))

    return max(fits, key=dev)


def _card(study: Study, serving: Serving, fit: Fit) -> dict[str, object]:
    """Return what the model card says: numbers of test with their intervals, and how the group was chosen."""
    comparison = study.load_comparison()
    assert comparison is not None
    table = comparison.table
    mine = table[(table["plan"] == "recommended") & (table["split"] == "test") & table["primary"].astype(bool)]
    columns = ["task", "metric", "value", "value_low", "value_high", "difference", "low95", "high95", "verdict", "seeds"]
    lines = mine.loc[mine["task"].isin(serving.serves), columns]
    return {"study": study.resolved.name, "seed": fit.seed, "results": lines.to_dict("records"), "why": list(comparison.recommended.why)}
