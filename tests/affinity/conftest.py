"""Samples of PVI with a known relation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.pvi.scores import COLUMNS, Scores


@pytest.fixture
def scores() -> Callable[..., Scores]:
    """Make Scores from task to (S, n) PVI; rows, clusters, sources and states by task where they matter."""

    def make(
        bits: dict[str, np.ndarray],
        rows: dict[str, Sequence[str]] | None = None,
        clusters: dict[str, Sequence[str]] | None = None,
        sources: dict[str, str] | None = None,
        states: dict[str, str] | None = None,
        null_bits: float = 1.0,
    ) -> Scores:
        tables, facts = [], []
        for task, values in bits.items():
            seeds, n = values.shape
            ids = np.array((rows or {}).get(task, [f"train:{i}" for i in range(n)]), dtype=object)
            names = np.array((clusters or {}).get(task, ids), dtype=object)
            table: dict[str, Any] = {
                "task": task, "row": np.tile(ids, seeds), "split": "dev", "seed": np.repeat(range(seeds), n), "estimator": "finetune",
                "null": "prior", "epoch": 1, "log2_p_x": values.ravel() - null_bits, "log2_p_null": -null_bits,
                "pvi_bits": values.ravel(), "gold": "yes", "guess": "yes",
                "cluster": np.tile(names, seeds), "source": (sources or {}).get(task, task),
            }  # fmt: skip
            tables.append(pd.DataFrame(table, columns=list(COLUMNS)))
            facts.append({"task": task, "labels": 2, "n_train": 100, "entropy_bits": 1.0, "state": (states or {}).get(task, "ok"),
                          "state_reason": "", "collapsed_seeds": "", "failed_seeds": "", "null_gap_bits": float("nan")})  # fmt: skip
        return Scores(pd.concat(tables, ignore_index=True), pd.DataFrame(facts), pd.DataFrame())

    return make
