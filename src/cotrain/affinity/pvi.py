"""Affinity by PVI: tasks are alike whose mean PVI is (paper, section 3; METHOD, sections 1 and 2)."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from cotrain.affinity import GROUP_TESTS, TESTS
from cotrain.affinity.affinity import TASK_COLUMNS, Affinity
from cotrain.affinity.bootstrap import resample
from cotrain.affinity.joint import joint
from cotrain.affinity.method import Found, Ground, Method
from cotrain.affinity.pairs import Values
from cotrain.affinity.pairs import table as pairs_of
from cotrain.choose import choose
from cotrain.errors import InputError
from cotrain.pvi.scores import Scores
from cotrain.pvi.seeds import cluster_codes, mean_with_seeds
from cotrain.pvi.states import interval

_LEAST_NULL_BITS = 0.3


def relate(scores: Scores, test: str = "welch", group_test: str = "welch_anova", paper: bool = False, seed: int = 0,
           bootstrap: int = 0) -> Affinity:  # fmt: skip
    """Return the Affinity of tasks by PVI: value = −|difference of mean PVI| in bits.

    Tasks on the same rows are compared ``paired`` whatever ``test`` is, those that share some rows or clusters by a joint
    bootstrap over clusters (``joint``), the others by ``test`` (``paired`` is then ``welch``: there is nothing to pair).
    With ``paper`` the test for independent samples is run all the same and the pair is marked ``shared rows``.

    Args:
        seed: of the permutations and of every bootstrap.
        bootstrap: draw clusters and seeds anew so many times and keep the statistics of each resample; 0: not at all.

    Raises:
        InputError: an unknown test, fewer than two tasks, a PVI that is not finite, seeds that score different rows, more
            than ``bootstrap.MOST`` tasks to resample.
    """
    started = time.perf_counter()
    faults: list[str] = []
    for kind, name, known in (("pair test", test, TESTS), ("group test", group_test, GROUP_TESTS)):
        try:
            choose(kind, name, known)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    table = scores.table
    bits = table["pvi_bits"].to_numpy(dtype=float)
    if (bad := np.flatnonzero(~np.isfinite(bits))).size:
        raise InputError(f"PVI should be finite, found other values in {len(bad)} rows of the scores, first at {bad[:10].tolist()}")
    parts = {str(task): part for task, part in table.groupby("task", sort=True)}
    if len(parts) < 2:
        raise InputError(f"relating needs at least two tasks, found {len(parts)}")
    values = [_values(task, part) for task, part in parts.items()]
    facts = scores.tasks.set_index("task")
    tasks = pd.DataFrame([_task(v, parts[v.task], facts.loc[v.task]) for v in values], columns=list(TASK_COLUMNS))
    found = joint([v.bits.mean(axis=0) for v in values], [v.clusters for v in values], seed)
    pairs = pairs_of(values, test, found, paper, seed)
    drawn = resample(values, pairs, test, bootstrap, seed) if bootstrap else None
    return Affinity("pvi", test, group_test, tasks, pairs, {"fits": 0.0, "seconds": time.perf_counter() - started}, drawn)


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
    null = np.empty_like(bits)
    null[seeds, rows] = -part["log2_p_null"].to_numpy(dtype=float)
    normalised = _normalised(bits, null)
    return Values(
        task, bits, normalised, ids, clusters, codes, source, mean_with_seeds(bits, codes), mean_with_seeds(normalised, codes)
    )  # fmt: skip


def _normalised(bits: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return (S, n) rows whose mean is the ratio r of mean PVI to NLL_null and which vary as r does: (PVI − r · null)/NLL_null + r.

    nan where NLL_null is under .3 bit or not known: a small loss divides badly.
    """
    loss = float(null.mean())
    if not loss >= _LEAST_NULL_BITS:
        return np.full_like(bits, np.nan)
    ratio = float(bits.mean()) / loss
    return np.asarray((bits - ratio * null) / loss + ratio)


def _accuracy(part: pd.DataFrame) -> float:
    """Return the share of right guesses; nan where scores from outside tell no labels."""
    gold, guess = (part[name].to_numpy(dtype=object) for name in ("gold", "guess"))
    told = (gold != "") & (guess != "")
    return float((gold == guess)[told].mean()) if told.any() else float("nan")


def _task(values: Values, part: pd.DataFrame, facts: Any) -> dict[str, object]:
    """Return the line of one task."""
    m = values.moments
    low, high = interval(m)
    null = float(-part["log2_p_null"].mean())
    return {
        "task": values.task, "n": m.n, "clusters": m.clusters, "seeds": m.seeds, "mean_bits": m.mean, "sd_bits": m.sd, "se_bits": m.se,
        "df": m.df, "seed_sd_bits": m.seed_var**0.5, "low_bits": low, "high_bits": high, "nll_null_bits": null,
        "v_normalised": values.normalised_moments.mean, "entropy_bits": facts["entropy_bits"],
        "accuracy": _accuracy(part),
        "state": facts["state"], "state_reason": facts["state_reason"],
    }  # fmt: skip


def _known(ground: Ground) -> Found:
    """Return the pairs that are there: every method stands on the affinity by PVI."""
    return Found(ground.pvi.pairs, "bits")


METHOD = Method(_known, sees="difficulty")
