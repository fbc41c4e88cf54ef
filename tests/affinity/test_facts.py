"""Methods that compare one or two numbers of each task, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity import accuracy, datamaps, entropy, log_size, textemb
from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.affinity.method import Found, Ground
from cotrain.errors import InputError
from cotrain.tasks.task import Task
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group
from cotrain.training.settings import Settings


def ground(rows: Sequence[int] = (8, 16, 64), **facts: Sequence[float]) -> Ground:
    """Return a ground of tasks a, b, c with so many training rows, and facts of them."""
    tasks = {}
    for name, n in zip("abc", rows, strict=True):
        table = {"row": [f"r{i}" for i in range(n + 2)], "split": ["dev", "test", *["train"] * n], "text": "x", "pair": "",
                 "label": ["no", "yes"] * (n // 2 + 1), "cluster": [f"r{i}" for i in range(n + 2)]}  # fmt: skip
        tasks[name] = Task(name, ("no", "yes"), pd.DataFrame(table))
    known = pd.DataFrame({"task": list("abc"), **facts}).reindex(columns=list(TASK_COLUMNS))
    pvi = Affinity("pvi", "", "", known, pd.DataFrame(columns=list(PAIR_COLUMNS)))
    return Ground(pvi, lambda: tasks, lambda: Settings("none"), lambda groups: [])


def values(found: Found) -> dict[str, float]:
    return {f"{a}{b}": value for a, b, value in found.pairs[["target", "helper", "value"]].itertuples(index=False)}


def test_entropy_and_accuracy_are_differences() -> None:
    here = ground(entropy_bits=[1.0, 0.4, 1.5], accuracy=[0.9, 0.7, 0.75])
    assert values(entropy.relate(here)) == pytest.approx({"ab": -0.6, "ac": -0.5, "bc": -1.1})
    assert values(accuracy.relate(here)) == pytest.approx({"ab": -0.2, "ac": -0.15, "bc": -0.05})
    with pytest.raises(InputError, match="the scores of b, c do not tell it"):
        accuracy.relate(ground(accuracy=[0.9, np.nan, np.nan]))


def test_log_size_counts_doublings_of_training_rows() -> None:
    assert values(log_size.relate(ground())) == {"ab": -1.0, "ac": -3.0, "bc": -2.0}


def test_cosines_are_of_directions() -> None:
    x = np.array([3.0, 4.0])
    assert [textemb.cosine(x, y) for y in (2 * x, -x, np.array([4.0, -3.0]))] == pytest.approx([1, -1, 0])


def test_data_maps_are_means_over_rows_of_the_mean_and_spread_over_epochs() -> None:
    """Two rows, two epochs: p(true) .5, 1 and .25, .25."""

    def fit(task: str, right: Any) -> Fit:
        p = np.array(right)[..., None]
        log2_p = np.log2(np.concatenate([p, 1 - p + 1e-12], axis=2))
        rows = np.array(["r0", "r1"], dtype=object)
        block = Block(rows, rows, np.array([0, 0]), np.array([1, 2]), log2_p)
        return Fit("k", Group.of([task]), 1, {task: ("no", "yes")}, {task: (1, 1)}, {(task, "dev"): block}, pd.DataFrame(), {})

    one = fit("a", [[0.5, 0.25], [1.0, 0.25]])
    assert datamaps.place(one) == pytest.approx([(0.75 + 0.25) / 2, (0.25 + 0) / 2])
    fits = [one, fit("b", [[0.5, 0.5], [0.5, 0.5]]), fit("c", [[0.8, 0.8], [0.8, 0.8]]), fit("c", [[0.6, 0.6], [0.6, 0.6]])]
    found = datamaps.relate(replace(ground(), fits=lambda groups: fits))
    assert values(found) == pytest.approx({"ab": -0.125, "ac": -np.hypot(0.2, 0.125), "bc": -0.2})
