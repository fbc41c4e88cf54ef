"""``score``: PVI of held-out rows from fine-tuned single-task fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.pvi.basis import Basis
from cotrain.pvi.pvi import entropy, prior, pvi
from cotrain.pvi.scores import Scores
from cotrain.pvi.seeds import mean_with_seeds
from cotrain.pvi.states import collapsed, state
from cotrain.tasks.task import Split, Task
from cotrain.training.fit import Fit
from cotrain.training.group import Group, Member
from cotrain.training.selection import chosen

NULLS = ("prior", "finetune")
_Nulls = Mapping[tuple[str, int], Fit]


def finetune(basis: Basis) -> Scores:
    """Return the Scores of every task from its single-task fits, which are trained where they are missing."""
    alone, blank = trained(basis, basis.tasks)
    return score(alone, basis.by, basis.null, blank, basis.split, {name: task.source for name, task in basis.tasks.items()})


def trained(basis: Basis, tasks: Mapping[str, Task]) -> tuple[list[Fit], list[Fit]]:
    """Return the fits of each of ``tasks`` alone, and those of its null model where the basis wants one."""
    singles = [Group.of([task]) for task in tasks]
    nulls = [Group((Member(task, "blank"),)) for task in tasks] if basis.null == "finetune" else []
    fits = basis.train([*singles, *nulls], tasks)
    return [fit for fit in fits if fit.group.real], [fit for fit in fits if not fit.group.real]


def score(fits: Sequence[Fit], by: str = "log_loss", null: str = "prior", null_fits: Sequence[Fit] = (), split: Split = "dev",
          sources: Mapping[str, str] | None = None) -> Scores:  # fmt: skip
    """Return the Scores of the tasks of single-task ``fits``; failed fits are left out and named.

    Args:
        by: the epoch that is scored (``log_loss``, ``last``, …); dev is cross-selected.
        null: ``prior`` (label frequencies) or ``finetune`` (``null_fits``: groups of one blank member, same seeds).
        sources: task to fingerprint of its source; equal ones with equal row ids are the same rows.

    Raises:
        InputError: fits of groups, seeds that score different rows, a task without a usable fit, null fits that are not there.
    """
    if null not in NULLS:
        raise InputError(unknown("null model", null, NULLS))
    if strange := sorted({f.group.name for f in fits if len(f.group.members) != 1 or not f.group.real}):
        raise InputError(f"scores come from tasks trained alone on their real rows, found fits of {', '.join(strange)}")
    by_task: dict[str, list[Fit]] = {}
    for fit in fits:
        by_task.setdefault(fit.group.tasks[0], []).append(fit)
    nulls = {(f.group.tasks[0], f.seed): f for f in null_fits if not f.failed} if null == "finetune" else {}
    faults = [fault for task, of_task in by_task.items() if (fault := _fault(task, of_task, null, nulls, split))]
    if faults or not by_task:
        raise InputError(faults or "there are no fits to score; train the tasks alone first")
    tables, facts, epochs = [], [], []
    for task, of_task in by_task.items():
        good = [f for f in of_task if not f.failed]
        parts = [_table(f, task, split, by, nulls) for f in good]
        tables += parts
        facts.append(_facts(task, of_task, parts, split, nulls))
        epochs += [_by_epoch(f, task) for f in good]
    table = pd.concat(tables, ignore_index=True)
    table["source"] = [(sources or {}).get(t, t) for t in table["task"]]
    return Scores(table, pd.DataFrame(facts), pd.concat(epochs, ignore_index=True))


def _fault(task: str, fits: list[Fit], null: str, nulls: _Nulls, split: Split) -> str:
    """Return why a task cannot be scored, or nothing."""
    good = [f for f in fits if not f.failed]
    if not good:
        return f"task {task}: every fit failed ({fits[0].failed}); it cannot be scored"
    if twice := sorted({f.seed for f in good if [g.seed for g in good].count(f.seed) > 1}):
        return f"task {task}: there should be one fit per seed, found several of seed {', '.join(map(str, twice))}"
    if any(not np.array_equal(f.blocks[task, split].rows, good[0].blocks[task, split].rows) for f in good):
        return f"task {task}: its seeds predict different rows of {split}; train them on the same rows"
    missing = [str(f.seed) for f in good if (task, f.seed) not in nulls]
    if null == "finetune" and missing:
        return f"task {task}: the fine-tuned null models of seed {', '.join(missing)} are not there; train them (cotrain score)"
    return ""


def _table(fit: Fit, task: str, split: Split, by: str, nulls: _Nulls) -> pd.DataFrame:
    """Return the score rows of one fit."""
    found = chosen(fit, task, split, by)
    log2_p = fit.unweighted(task, found.log2_p.astype(float))
    names = np.array(fit.labels[task], dtype=object)
    tuned = nulls.get((task, fit.seed))
    log2_null = prior(fit.train_counts[task]) if tuned is None else _tuned(tuned, task, split, by)
    index = np.arange(len(found.gold))
    return pd.DataFrame({
        "task": task, "row": found.rows, "split": split, "seed": fit.seed, "estimator": "finetune",
        "null": "prior" if tuned is None else "finetune", "epoch": found.epoch,
        "log2_p_x": log2_p[index, found.gold],
        "log2_p_null": np.broadcast_to(log2_null, found.log2_p.shape)[index, found.gold].astype(float),
        "pvi_bits": pvi(log2_p, found.gold, log2_null), "gold": names[found.gold],
        "guess": names[found.log2_p.argmax(axis=1)], "cluster": found.clusters, "source": "",
    })  # fmt: skip


def _tuned(null: Fit, task: str, split: Split, by: str) -> np.ndarray:
    """Return (n, K) log2 g[∅](y): a constant guess has no best accuracy, so its epoch is the last or that of log-loss."""
    return null.unweighted(task, chosen(null, task, split, "last" if by == "last" else "log_loss").log2_p)


def _bits(parts: Sequence[pd.DataFrame]) -> np.ndarray:
    """Return (S, n) PVI of score tables of the same rows."""
    return np.stack([part["pvi_bits"].to_numpy(dtype=float) for part in parts])


def _facts(task: str, fits: list[Fit], parts: list[pd.DataFrame], split: Split, nulls: _Nulls) -> dict[str, object]:
    """Return the line of one task: labels, entropy, state, what failed or collapsed."""
    good = [f for f in fits if not f.failed]
    scored = mean_with_seeds(_bits(parts), parts[0]["cluster"].to_numpy(dtype=object))
    best = [_table(f, task, "dev", "log_loss", nulls) for f in good]
    selected = mean_with_seeds(_bits(best), best[0]["cluster"].to_numpy(dtype=object))
    name, reason = state(selected, scored, "dev" if split == "test" else "")
    counts, bad = good[0].train_counts[task], collapsed(fits, task)
    gap = float("nan")
    if nulls:
        gold = good[0].blocks[task, split].gold
        tuned = np.mean([part["log2_p_null"].mean() for part in parts])
        gap = float(prior(counts)[gold].mean() - tuned)
    kept = [part for part, fit in zip(parts, good, strict=True) if fit.seed not in bad]
    return {
        "task": task, "labels": len(counts), "n_train": int(sum(counts)), "entropy_bits": entropy(counts), "state": name,
        "state_reason": reason, "collapsed_seeds": ",".join(map(str, bad)),
        "failed_seeds": ",".join(str(f.seed) for f in fits if f.failed), "null_gap_bits": gap,
        "v_bits": scored.mean, "v_bits_without_collapsed": float(_bits(kept).mean()),
    }  # fmt: skip


def _by_epoch(fit: Fit, task: str) -> pd.DataFrame:
    """Return V-information of dev at each stored epoch of one fit, against the prior null."""
    block = fit.blocks[task, "dev"]
    null = prior(fit.train_counts[task])
    corrected = fit.unweighted(task, block.log2_p)
    bits = np.stack([pvi(log2_p, block.gold, null) for log2_p in corrected])
    nll = -np.take_along_axis(corrected, block.gold[None, :, None], axis=2)[..., 0].mean(axis=1, dtype=float)
    return pd.DataFrame({
        "task": task, "seed": fit.seed, "epoch": block.epochs, "split": "dev", "v_information_bits": bits.mean(axis=1),
        "nll_bits": nll, "accuracy": (block.log2_p.argmax(axis=2) == block.gold).mean(axis=1),
    })  # fmt: skip
