"""The V-information of the generated tasks, which is known because their noise is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cotrain.pvi.pvi import prior
from cotrain.tasks.task import Split, Task

FILE = "truth.parquet"
"""Beside the data: ``task``, ``row``, ``true`` (the label that the cue means), ``noise`` (share of flipped labels)."""


def v_information(balance: Sequence[float], noise: float) -> float:
    """Return the V-information in bits of K classes whose labels are flipped with probability e = ``noise``.

    The text gives the true class, so H(Y|X) is that of the flips alone: V = H(Y) − H(noise), where
    H(noise) = H2(e) + e·log2(K−1), and the observed balance is P(Y=k) = (1−e)·π_k + e·(1−π_k)/(K−1).

    Args:
        balance: (K,) π, the share of each true class.
        noise: e, the chance of a flip, which is to any other class alike.

    >>> round(v_information([0.5, 0.5], 0.1), 3)
    0.531
    """
    true = np.asarray(balance, dtype=float)
    observed = (1 - noise) * true + noise * (1 - true) / (len(true) - 1)
    return _entropy(observed) - _entropy([1 - noise, noise]) - noise * float(np.log2(len(true) - 1))


def _entropy(p: np.ndarray | Sequence[float]) -> float:
    """Return −Σ p log2 p in bits."""
    there = np.asarray(p, dtype=float)
    there = there[there > 0]
    return float(-(there * np.log2(there)).sum())


def known(folder: Path, tasks: Mapping[str, Task], split: Split = "dev") -> dict[str, float]:
    """Return the realised true V-information in bits of each task: mean PVI of the oracle on the rows of one split.

    The oracle knows the cue and the noise: p(y|x) is 1−e for the true label and e/(K−1) for each other one. Against the
    same rows and the same null (label frequencies of train) an estimate differs from it by what was not learned, without
    the sampling noise of the rows.

    Args:
        folder: where :func:`cotrain.demo.corpora.write` wrote.
        tasks: of the study, by name.
    """
    truth = pd.read_parquet(folder / FILE)
    by_task = {str(task): part.set_index("row") for task, part in truth.groupby("task")}
    return {name: float(oracle_pvi(task, by_task[name], split).mean()) for name, task in tasks.items()}


def oracle_pvi(task: Task, truth: pd.DataFrame, split: Split = "dev") -> np.ndarray:
    """Return (n,) log2 p(y|x) − log2 p(y) of the oracle for the rows of one split.

    Args:
        truth: by row id, the columns ``true`` and ``noise``.
    """
    rows = task.split(split)
    index = {name: k for k, name in enumerate(task.labels)}
    counts = np.bincount([index[y] for y in task.split("train")["label"]], minlength=len(index))
    gold = np.array([index[y] for y in rows["label"]])
    told = truth.loc[list(rows["row"])]
    noise = told["noise"].to_numpy(dtype=float)
    right = (told["true"].to_numpy() == rows["label"].to_numpy()).astype(bool)
    p = np.where(right, 1 - noise, noise / (len(index) - 1))
    return np.asarray(np.log2(p) - prior(counts.tolist())[gold], dtype=float)
