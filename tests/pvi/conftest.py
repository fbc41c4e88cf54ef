"""Fits and predictions with a known truth, without training anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group, Member

LABELS = ("no", "yes")


def _block(log2_p: np.ndarray, gold: np.ndarray, rows: Sequence[str], clusters: Sequence[str]) -> Block:
    return Block(
        np.array(rows, dtype=object), np.array(clusters, dtype=object), gold, np.arange(1, len(log2_p) + 1), log2_p.astype(np.float32)
    )


@pytest.fixture
def fit() -> Callable[..., Fit]:
    """Make a Fit of one task from (E, n, 2) log2 p of dev (test: the same rows) and the training loss by epoch."""

    def make(log2_p: np.ndarray, gold: np.ndarray, task: str = "rte", seed: int = 1, train_bits: Sequence[float] = (), **more: Any) -> Fit:
        variant = more.pop("variant", "real")
        n, epochs = len(gold), len(log2_p)
        rows = more.pop("rows", [f"r{i}" for i in range(n)])
        clusters = more.pop("clusters", rows)
        history = pd.DataFrame({"epoch": range(1, epochs + 1), "task": task, "train_bits": train_bits or np.linspace(0.7, 0.3, epochs)})
        blocks = {(task, split): _block(log2_p, gold, rows, clusters) for split in ("dev", "test")}
        return Fit(
            key=f"{task}{seed}{variant}", group=Group((Member(task, variant),)), seed=seed, labels={task: LABELS},
            train_counts={task: more.pop("counts", (50, 50))}, blocks={} if more.get("failed") else blocks, history=history,
            cost={"updates": 1}, **more,
        )  # fmt: skip

    return make


@pytest.fixture
def confident() -> Callable[..., np.ndarray]:
    """Make (n, 2) log2 p that give the true label a probability around ``p``, at random where ``noise`` is given."""

    def make(gold: np.ndarray, p: float, noise: float = 0.0, seed: int = 0) -> np.ndarray:
        logit = np.log(p / (1 - p)) + np.random.default_rng(seed).normal(0, noise, len(gold))
        right = 1 / (1 + np.exp(-logit))
        both = np.stack([np.where(gold == k, right, 1 - right) for k in (0, 1)], axis=1)
        return np.asarray(np.log2(both))

    return make
