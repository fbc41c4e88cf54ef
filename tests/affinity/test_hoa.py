"""HOA: the published selections of five vision tasks follow from losses of single tasks and pairs; groups are means of pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.affinity.method import Ground
from cotrain.affinity.table import relate
from cotrain.grouping.gains import Gains, Model, read_gains
from cotrain.grouping.group import group
from cotrain.grouping.measured import measured
from cotrain.grouping.options import Options
from cotrain.grouping.overlapping import predicted
from cotrain.training.settings import Settings

DATA = Path(__file__).parents[1] / "grouping" / "data"
CURVES = pd.read_csv(DATA / "published_curves.csv").query("selection == 'hoa'").set_index(["setting", "budget"])["total_test_loss"]
TASKS = "12345"


def affinity(gains: pd.DataFrame) -> Affinity:
    """Return the affinity of what was measured, by the method ``table``."""
    tasks = pd.DataFrame([dict.fromkeys(TASK_COLUMNS, np.nan) | {"task": t, "state": "ok"} for t in TASKS], columns=list(TASK_COLUMNS))
    alone = Affinity("pvi", "", "", tasks, pd.DataFrame(columns=list(PAIR_COLUMNS)))
    found = relate(Ground(alone, dict, lambda: Settings("none"), lambda groups: [], {}, gains))
    pairs = found.pairs.reindex(columns=list(PAIR_COLUMNS)).assign(unit=found.unit, state="", covariance_bits2=0.0)
    return Affinity("table", "", "", tasks, pairs)


@pytest.mark.parametrize(("setting", "budget"), CURVES.index)
def test_the_published_selections(setting: str, budget: float) -> None:
    """All 27 figures to the printed digit, from single tasks and pairs alone; larger groups are the means of their pairs."""
    gains = read_gains(DATA / f"taskonomy_{setting}.csv")
    known, test = gains.losses["validation"], gains.losses["test"]
    alone = {t: min(loss for (m, task), loss in known.items() if (m.group, task) == (t, t)) for t in TASKS}
    table = predicted(affinity(gains.table), Options(rule="any", largest=5)).table
    larger = table[table["group"].str.count(r"\+") > 0].assign(split="validation")
    larger["loss"] += larger["task"].map(alone)
    single = gains.table[(gains.table["split"] == "validation") & (gains.table["group"] == gains.table["task"])]
    found = measured(Gains(pd.concat([single, larger], ignore_index=True)), budget)
    total = sum(test[model, task] for model, tasks in found.models.items() for task in tasks)
    assert round(total, 5) == CURVES[setting, budget]


def test_a_group_gains_the_mean_of_its_pairs_and_a_budget_takes_the_best_sets() -> None:
    random = np.random.default_rng(0)
    value = random.normal(size=(5, 5))
    lines = [("all", a, a, 0.0) for a in TASKS]
    lines += [("all", f"{a}+{b}", t, -value[int(t) - 1, int(o) - 1]) for a, b in combinations(TASKS, 2) for t, o in ((a, b), (b, a))]
    related = affinity(pd.DataFrame(lines, columns=["split", "group", "task", "loss"]))
    losses = predicted(related, Options(rule="any", largest=3)).losses["all"]
    assert losses[Model("1+3+4", 1.0), "3"] == pytest.approx(-(value[2, 0] + value[2, 3]) / 2)
    options = Options(rule="any", select="overlapping", models=2, objective="budget", largest=3)
    [plan] = group(related, options, "hoa")
    models = sorted({model for model, _ in losses})
    least = min(
        sum(min((losses[m, t] for m in both if (m, t) in losses), default=np.inf) for t in TASKS) for both in combinations(models, 2)
    )
    assert sum(losses[Model(s.group.name, 1.0), t] for s in plan.servings for t in s.serves) == pytest.approx(least)
    [free] = group(related, replace(options, apart=(("1", "2"),)), "hoa")
    assert not any({"1", "2"} <= set(s.group.tasks) for s in free.servings)
