"""Affinity by PVI: tasks are alike whose mean PVI is (paper, section 3; METHOD, sections 1 and 2)."""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cotrain.affinity import GROUP_TESTS, TESTS
from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.affinity.joint import joint
from cotrain.affinity.pairs import Values, corrected, pair
from cotrain.choose import choose
from cotrain.errors import InputError
from cotrain.pvi.scores import Scores
from cotrain.pvi.seeds import cluster_codes, mean_with_seeds
from cotrain.pvi.states import interval

_LEAST_NULL_BITS = 0.3


def relate(scores: Scores, test: str = "welch", group_test: str = "welch_anova", paper: bool = False, seed: int = 0) -> Affinity:
    """Return the Affinity of tasks by PVI: value = −|difference of mean PVI| in bits.

    Tasks on the same rows are compared ``paired`` whatever ``test`` is, those that share some rows or clusters by a joint
    bootstrap over clusters (``joint``), the others by ``test`` (``paired`` is then ``welch``: there is nothing to pair).
    With ``paper`` the test for independent samples is run all the same and the pair is marked ``shared rows``.

    Args:
        seed: of the bootstrap.

    Raises:
        InputError: an unknown test, fewer than two tasks, a PVI that is not finite, seeds that score different rows.
    """
    started = time.perf_counter()
    tester = choose("pair test", test, TESTS)
    choose("group test", group_test, GROUP_TESTS)
    table = scores.table
    bits = table["pvi_bits"].to_numpy(dtype=float)
    if (bad := np.flatnonzero(~np.isfinite(bits))).size:
        raise InputError(f"PVI should be finite, found other values in {len(bad)} rows of the scores, first at {bad[:10].tolist()}")
    parts = {str(task): part for task, part in table.groupby("task", sort=True)}
    if len(parts) < 2:
        raise InputError(f"relating needs at least two tasks, found {len(parts)}")
    samples = {task: _values(task, part) for task, part in parts.items()}
    facts = scores.tasks.set_index("task")
    tasks = pd.DataFrame([_task(task, s, parts[task], facts.loc[task]) for task, s in samples.items()], columns=list(TASK_COLUMNS))
    found = joint([s.bits.mean(axis=0) for s in samples.values()], [s.clusters for s in samples.values()], seed)
    lines = [
        pair(samples[a], samples[b], test, tester, found.correlation[i, j], found.shared[i, j], paper)
        for (i, a), (j, b) in combinations(enumerate(samples), 2)
    ]
    pairs = corrected(pd.DataFrame(lines, columns=list(PAIR_COLUMNS)))
    return Affinity("pvi", test, group_test, tasks, pairs, {"fits": 0.0, "seconds": time.perf_counter() - started})


def _values(task: str, part: pd.DataFrame) -> Values:
    """Return the PVI of one task, rows in the order of their ids."""
    rows, ids = pd.factorize(part["row"].to_numpy(dtype=object), sort=True)
    seeds, names = pd.factorize(part["seed"].to_numpy())
    bits = np.full((len(names), len(ids)), np.nan)
    bits[seeds, rows] = part["pvi_bits"].to_numpy(dtype=float)
    if len(part) != bits.size or np.isnan(bits).any():
        raise InputError(
            f"task {task}: every seed should score each row once, found {len(part)} scores of {len(ids)} rows and {len(names)} seeds"
        )
    source = str(part["source"].iloc[0])
    clusters = np.empty(len(ids), dtype=object)
    clusters[rows] = part["cluster"].to_numpy(dtype=object)
    codes = cluster_codes(clusters)
    if (clusters == ids).all():
        # nothing is known but the rows themselves: equal numbers of rows of other sources are other rows
        clusters = np.array([f"{source}\x1f{name}" for name in ids], dtype=object)
    return Values(task, bits, ids, clusters, codes, source, mean_with_seeds(bits, codes))


def _task(task: str, values: Values, part: pd.DataFrame, facts: Any) -> dict[str, object]:
    """Return the line of one task."""
    m = values.moments
    low, high = interval(m)
    null = float(-part["log2_p_null"].mean())
    return {
        "task": task, "n": m.n, "clusters": m.clusters, "seeds": m.seeds, "mean_bits": m.mean, "sd_bits": m.sd, "se_bits": m.se,
        "df": m.df, "seed_sd_bits": m.seed_var**0.5, "low_bits": low, "high_bits": high, "nll_null_bits": null,
        "v_normalised": m.mean / null if null >= _LEAST_NULL_BITS else float("nan"), "entropy_bits": facts["entropy_bits"],
        "accuracy": float((part["gold"].to_numpy(dtype=object) == part["guess"].to_numpy(dtype=object)).mean()),
        "state": facts["state"], "state_reason": facts["state_reason"],
    }  # fmt: skip
