"""Affinities from sufficient statistics, and plans in short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity import tests
from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.grouping.plan import Plan

Values = Mapping[str, float] | float


@pytest.fixture
def affinity() -> Callable[..., Affinity]:
    """Make the Affinity of tasks with given mean PVI; sd, n, states, entropy, accuracy by task or alike for all."""

    def of(values: Values, task: str) -> float:
        return float(values[task]) if isinstance(values, Mapping) else float(values)

    def make(
        mean: Mapping[str, float], sd: Values = 1.0, n: Values = 200, states: Mapping[str, str] | None = None, entropy: Values = 1.0,
        accuracy: Values = 0.8, null_bits: Values = 1.0, test: str = "welch", group_test: str = "welch_anova",
        covariance: Mapping[tuple[str, str], float] | None = None, pair_states: Mapping[tuple[str, str], str] | None = None,
    ) -> Affinity:  # fmt: skip
        samples, lines, pairs = {}, [], []
        for task, value in mean.items():
            size, spread = int(of(n, task)), of(sd, task)
            samples[task] = tests.Sample(value, spread / size**0.5, size - 1, spread, size)
            line: dict[str, Any] = dict.fromkeys(TASK_COLUMNS, np.nan) | {
                "task": task, "n": size, "clusters": size, "seeds": 1, "mean_bits": value, "sd_bits": spread, "se_bits": spread / size**0.5,
                "df": size - 1, "nll_null_bits": of(null_bits, task), "entropy_bits": of(entropy, task), "accuracy": of(accuracy, task),
                "state": (states or {}).get(task, "ok"), "state_reason": "because",
            }  # fmt: skip
            lines.append(line)
        for a, b in combinations(sorted(mean), 2):
            x, y, shared = samples[a], samples[b], (covariance or {}).get((a, b), 0.0)
            found = (tests.student if test == "student" else tests.welch)(x, y)
            if shared:
                found = tests.t_test(x.mean - y.mean, (x.se**2 + y.se**2 - 2 * shared) ** 0.5, min(x.df, y.df))
            line = dict.fromkeys(PAIR_COLUMNS, np.nan) | {
                "target": a, "helper": b, "value": -abs(x.mean - y.mean), "unit": "bits", "difference_bits": x.mean - y.mean,
                "se_bits": found.se, "test": test, "statistic": found.statistic, "df": found.df, "p": found.p,
                "covariance_bits2": shared, "shared_rows": 0, "state": (pair_states or {}).get((a, b), ""),
            }  # fmt: skip
            pairs.append(line)
        return Affinity(
            "pvi", test, group_test, pd.DataFrame(lines, columns=list(TASK_COLUMNS)), pd.DataFrame(pairs, columns=list(PAIR_COLUMNS))
        )

    return make


@pytest.fixture
def valued() -> Callable[..., Affinity]:
    """Make an Affinity of nothing but values of pairs, directed where both orders are given: neither means nor tests."""

    def make(value: Mapping[tuple[str, str], float], unit: str = "gain", states: Mapping[str, str] | None = None) -> Affinity:
        names = sorted({task for pair in value for task in pair})
        state = states or {}
        tasks = [dict.fromkeys(TASK_COLUMNS, np.nan) | {"task": t, "n": 200, "state": state.get(t, "ok"), "state_reason": "because"}
                 for t in names]  # fmt: skip
        pairs = [dict.fromkeys(PAIR_COLUMNS, np.nan) | {"target": a, "helper": b, "value": v, "unit": unit, "test": "", "state": "",
                                                         "shared_rows": 0} for (a, b), v in value.items()]  # fmt: skip
        return Affinity(
            "measured", "", "", pd.DataFrame(tasks, columns=list(TASK_COLUMNS)), pd.DataFrame(pairs, columns=list(PAIR_COLUMNS))
        )

    return make


@pytest.fixture
def groups() -> Callable[[Plan], list[str]]:
    """Return the groups of a plan by name, sorted."""
    return lambda plan: sorted(s.group.name for s in plan.servings)
