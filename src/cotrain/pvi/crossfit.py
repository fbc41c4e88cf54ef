"""``crossfit``: PVI of every row of train and dev, out of fold: for tasks whose dev is small, at FOLDS times the cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.pvi.arrays import facts_of
from cotrain.pvi.basis import Basis
from cotrain.pvi.finetune import score, trained
from cotrain.pvi.folds import deal
from cotrain.pvi.pvi import entropy
from cotrain.pvi.scores import EPOCH_COLUMNS, Scores
from cotrain.tasks.placement import shown
from cotrain.tasks.task import Task

FOLDS = 5
OUT_OF_FOLD = "out-of-fold"
"""The split of its scores."""
_MARK = "/"  # which no name of a task has
NOTE = (
    f"Rows of train and dev were scored out of fold: each by a fit that had the other {FOLDS - 1} of {FOLDS} folds. Those fits share "
    "most of their rows, so intervals are a little too narrow."
)


def crossfit(basis: Basis) -> Scores:
    """Return the Scores of every row of train and dev, each by fits on the folds that do not hold it.

    A fold is the dev of its fits, so epochs are cross-selected within it as in ``finetune``. A seed of which one fold
    failed is left out of its task and named.

    Raises:
        InputError: as :func:`folds` and ``finetune.score``.
    """
    parts = {task.name: folds(task) for task in basis.tasks.values()}
    tasks = {fold.name: fold for of_task in parts.values() for fold in of_task}
    alone, blank = trained(basis, tasks)
    sources = {fold.name: fold.source for fold in tasks.values()}
    scored = score(alone, basis.by, basis.null, blank, sources=sources)
    best = scored if basis.by == "log_loss" else score(alone, "log_loss", basis.null, blank, sources=sources)
    tables, facts, epochs = [], [], []
    for name, of_task in parts.items():
        rows = {fold.name: len(fold.split("dev")) for fold in of_task}
        here, at_best, lines, by_epoch = (t[t["task"].isin(rows)] for t in (scored.table, best.table, scored.tasks, scored.by_epoch))
        whole = (here["seed"].map(here["seed"].value_counts()) == sum(rows.values())).to_numpy()
        if not whole.any():
            raise InputError(f"task {name}: at every seed the fit of some fold failed; it cannot be scored out of fold")
        facts.append(_facts(basis.tasks[name], here[whole], at_best[whole], lines))
        tables.append(here[whole].assign(task=name, estimator="crossfit", split=OUT_OF_FOLD))
        epochs.append(_by_epoch(name, by_epoch, rows))
    return Scores(pd.concat(tables, ignore_index=True), pd.DataFrame(facts), pd.concat(epochs, ignore_index=True), (NOTE,))


def parent(fold: str) -> str:
    """Return the task of a fold.

    >>> parent("cb/1")
    'cb'
    """
    return fold.partition(_MARK)[0]


def folds(task: Task) -> list[Task]:
    """Return the task once per fold of its train and dev: the fold is dev, the others are train, test is empty.

    Raises:
        InputError: fewer clusters than folds, a class in one cluster only: it could not be trained on and held out.
    """
    rows = task.rows[task.rows["split"] != "test"]
    fold = deal(rows["cluster"].tolist(), rows["label"].tolist(), FOLDS)
    spread = pd.Series(fold).groupby(rows["label"].to_numpy()).nunique()
    faults = [
        f"task {task.name}: class {shown(str(label))} is in one fold only, as its rows hang together; crossfit needs it in two: add rows, "
        "or choose another estimator"
        for label in spread.index[spread < 2]
    ]
    if (clusters := rows["cluster"].nunique()) < FOLDS:
        faults.append(f"task {task.name}: crossfit needs {FOLDS} separate texts or groups in train and dev, found {clusters}")
    if faults:
        raise InputError(faults)
    return [
        replace(task, name=f"{task.name}{_MARK}{k + 1}", rows=rows.assign(split=np.where(fold == k, "dev", "train"))) for k in range(FOLDS)
    ]


def _facts(task: Task, scored: pd.DataFrame, best: pd.DataFrame, folds: pd.DataFrame) -> dict[str, object]:
    """Return the line of one task from the score rows of its folds, those at the best log-loss, and the lines of its folds."""
    labels = task.rows.loc[task.rows["split"] != "test", "label"].value_counts()
    bad, failed = (
        {fold: {int(seed) for seed in seeds.split(",") if seed} for fold, seeds in zip(folds["task"], folds[column], strict=True)}
        for column in ("collapsed_seeds", "failed_seeds")
    )
    kept = [seed not in bad[fold] for fold, seed in zip(scored["task"], scored["seed"], strict=True)]
    return {
        **facts_of(task.name, scored, len(task.labels), int(folds["n_train"].min()), entropy(labels.to_list()), best),
        "collapsed_seeds": ",".join(map(str, sorted(set().union(*bad.values())))),
        "failed_seeds": ",".join(map(str, sorted(set().union(*failed.values())))),
        "null_gap_bits": float(folds["null_gap_bits"].mean()), "v_bits_without_collapsed": float(scored["pvi_bits"][kept].mean()),
    }  # fmt: skip


def _by_epoch(task: str, lines: pd.DataFrame, rows: dict[str, int]) -> pd.DataFrame:
    """Return V-information of all rows at each epoch that every fold has stored."""
    columns = ["v_information_bits", "nll_bits", "accuracy"]
    weight = lines["task"].map(rows) / sum(rows.values())
    weighted = lines[["seed", "epoch", *columns]].assign(folds=1, **{c: lines[c] * weight for c in columns})
    summed = weighted.groupby(["seed", "epoch"], as_index=False).sum()
    return summed[summed["folds"] == len(rows)].assign(task=task, split=OUT_OF_FOLD)[list(EPOCH_COLUMNS)]
