"""``score``: PVI of held-out rows from fine-tuned single-task fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.pvi.pvi import prior, pvi
from cotrain.pvi.scores import Scores
from cotrain.pvi.seeds import mean_with_seeds
from cotrain.pvi.states import collapsed, state
from cotrain.tasks.task import Split
from cotrain.training.fit import Fit
from cotrain.training.selection import chosen


def score(fits: Sequence[Fit], by: str = "log_loss", null: str = "prior", null_fits: Sequence[Fit] = (), split: Split = "dev",
          sources: dict[str, str] | None = None) -> Scores:  # fmt: skip
    """Return the Scores of the tasks of single-task ``fits``.

    Args:
        by: the epoch that is scored (``log_loss``, ``last``, …); dev is cross-selected.
        null: ``prior`` (label frequencies) or ``finetune`` (``null_fits``: groups of one blank member, same seeds).
        sources: task to fingerprint of its source; equal ones with equal row ids are the same rows.

    Raises:
        InputError: no usable fit of a task, or a null fit that is not there.
    """
    by_task: dict[str, list[Fit]] = {}
    for fit in fits:
        by_task.setdefault(fit.group.tasks[0], []).append(fit)
    nulls = {(f.group.tasks[0], f.seed): f for f in null_fits if not f.failed}
    tables, facts, epochs, faults = [], [], [], []
    for task, all_seeds in by_task.items():
        good = [f for f in all_seeds if not f.failed]
        if not good:
            faults.append(f"task {task}: every fit failed ({all_seeds[0].failed}); it cannot be scored")
            continue
        if null == "finetune" and any((task, f.seed) not in nulls for f in good):
            faults.append(f"task {task}: the fine-tuned null models are not there; train them first (cotrain score)")
            continue
        parts = [_table(f, task, split, by, nulls.get((task, f.seed)) if null == "finetune" else None) for f in good]
        tables += parts
        facts.append(_facts(task, good, all_seeds, parts, split, nulls if null == "finetune" else {}))
        epochs += [_by_epoch(f, task) for f in good]
    if faults:
        raise InputError(faults)
    table = pd.concat(tables, ignore_index=True)
    table["source"] = [(sources or {}).get(t, t) for t in table["task"]]
    return Scores(table, pd.DataFrame(facts), pd.concat(epochs, ignore_index=True))


def _table(fit: Fit, task: str, split: Split, by: str, null: Fit | None) -> pd.DataFrame:
    """Return the score rows of one fit."""
    found = chosen(fit, task, split, by)
    names = np.array(fit.labels[task], dtype=object)
    log2_null = prior(fit.train_counts[task]) if null is None else chosen(null, task, split, "last").log2_p[0]
    index = np.arange(len(found.gold))
    return pd.DataFrame({
        "task": task, "row": found.rows, "split": split, "seed": fit.seed, "estimator": "finetune",
        "null": "prior" if null is None else "finetune", "epoch": found.epoch,
        "log2_p_x": found.log2_p[index, found.gold], "log2_p_null": log2_null[found.gold],
        "pvi_bits": pvi(found.log2_p, found.gold, log2_null), "gold": names[found.gold],
        "guess": names[found.log2_p.argmax(axis=1)], "cluster": found.clusters, "source": "",
    })  # fmt: skip


def matrix(parts: Sequence[pd.DataFrame]) -> np.ndarray:
    """Return (S, n) PVI of score tables of the same rows."""
    return np.stack([part["pvi_bits"].to_numpy(dtype=float) for part in parts])


def _facts(task: str, good: list[Fit], all_seeds: list[Fit], parts: list[pd.DataFrame], split: Split,
           nulls: dict[tuple[str, int], Fit]) -> dict[str, object]:  # fmt: skip
    """Return the line of one task: labels, entropy, state, what failed."""
    clusters = parts[0]["cluster"].to_numpy(dtype=object)
    scored = mean_with_seeds(matrix(parts), clusters)
    best = [_table(f, task, "dev", "log_loss", nulls.get((task, f.seed))) for f in good]
    selected = mean_with_seeds(matrix(best), best[0]["cluster"].to_numpy(dtype=object))
    name, reason = state(selected, scored)
    counts = np.asarray(good[0].train_counts[task], dtype=float)
    frequency = counts / counts.sum()
    gap = float("nan")
    if nulls:
        gold = good[0].blocks[task, split].gold
        tuned = np.mean([chosen(nulls[task, f.seed], task, split, "last").log2_p[0][gold].mean() for f in good])
        gap = float(prior(good[0].train_counts[task])[gold].mean() - tuned)
    return {
        "task": task, "labels": len(counts), "n_train": int(counts.sum()),
        "entropy_bits": float(-(frequency * np.log2(np.maximum(frequency, 1e-300))).sum()), "state": name, "state_reason": reason,
        "collapsed_seeds": ",".join(map(str, collapsed(all_seeds, task))),
        "failed_seeds": ",".join(str(f.seed) for f in all_seeds if f.failed), "null_gap_bits": gap,
    }  # fmt: skip


def _by_epoch(fit: Fit, task: str) -> pd.DataFrame:
    """Return V-information of dev at each stored epoch of one fit, against the prior null."""
    block = fit.blocks[task, "dev"]
    null = prior(fit.train_counts[task])
    bits = np.stack([pvi(log2_p, block.gold, null) for log2_p in block.log2_p])
    nll = -np.take_along_axis(block.log2_p, block.gold[None, :, None], axis=2)[..., 0].mean(axis=1)
    return pd.DataFrame({
        "task": task, "seed": fit.seed, "epoch": block.epochs, "split": "dev", "v_information_bits": bits.mean(axis=1),
        "nll_bits": nll, "accuracy": (block.log2_p.argmax(axis=2) == block.gold).mean(axis=1),
    })  # fmt: skip
