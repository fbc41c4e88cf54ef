"""PVI in context: from probabilities of options given shots, with and without the text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.pvi import relate
from cotrain.errors import InputError
from cotrain.pvi.incontext import Answered, score
from cotrain.tasks.task import Task

SEEDS = (7, 8)


def task(name: str = "cb", n: int = 400) -> Task:
    """Return a task whose labels are a quarter yes, in train and in the n rows of dev."""
    every = 100 + n
    rows = pd.DataFrame({
        "row": [f"r{i}" for i in range(every)], "split": ["train"] * 100 + ["dev"] * n, "text": "x", "pair": "",
        "label": ["yes" if i % 4 == 0 else "no" for i in range(every)], "cluster": [f"{name}{i}" for i in range(every)],
    })  # fmt: skip
    return Task(name, ("no", "yes"), rows, source=name)


def says(of: Task, right: float, blank: float, seeds: int = 2) -> Answered:
    """Return a model that gives the true label this probability, and without the text ``yes`` that one."""
    gold = np.array([of.labels.index(label) for label in of.split("dev")["label"]])
    p = np.where(np.arange(2) == gold[:, None], right, 1 - right)
    return Answered(np.log2(np.stack([p] * seeds)), np.log2([[1 - blank, blank]] * seeds), SEEDS[:seeds])


def test_pvi_is_the_difference_of_both_log_probabilities() -> None:
    found = score({"cb": task()}, {"cb": says(task(), 0.8, 0.25)})
    table = found.table
    assert table["log2_p_x"].to_numpy() == pytest.approx(np.log2(0.8))
    assert table.loc[table["gold"] == "yes", "pvi_bits"].to_numpy() == pytest.approx(np.log2(0.8 / 0.25))
    assert table["pvi_bits"].mean() == pytest.approx(np.log2(0.8) - 0.25 * np.log2(0.25) - 0.75 * np.log2(0.75))
    assert (set(table["estimator"]), set(table["null"]), list(table["seed"].unique())) == ({"incontext"}, {"blank"}, list(SEEDS))
    assert (table["guess"] == table["gold"]).all()


def test_a_model_that_does_not_read_the_text_has_no_information() -> None:
    of = task()
    same = np.log2([[[0.6, 0.4]] * 400, [[0.3, 0.7]] * 400])
    found = score({"cb": of}, {"cb": Answered(same, same[:, 0], SEEDS)})
    assert found.table["pvi_bits"].to_numpy() == pytest.approx(0)
    assert found.tasks["state"].tolist() == ["not_learned"]


def test_a_blank_that_is_worse_than_label_frequencies_is_told() -> None:
    # with yes at .75 the blank loses D(prior, blank) = .25 log2(1/3) + .75 log2 3 more
    found = score({"cb": task(), "rte": task("rte")}, {"cb": says(task(), 0.8, 0.75), "rte": says(task("rte"), 0.8, 0.25)})
    assert found.notes[0].startswith("cb: V-information in context ") and f"loses {0.5 * np.log2(3):.2f} bit more" in found.notes[0]
    assert "loses 0.00 bit more" in found.notes[1]


def test_the_spread_between_sets_of_shots_is_told_and_counts_as_that_of_seeds() -> None:
    one, two = says(task(), 0.9, 0.25, 1), says(task(), 0.6, 0.25, 1)
    apart = Answered(np.concatenate([one.log2_p, two.log2_p]), np.concatenate([one.log2_blank, two.log2_blank]), SEEDS)
    found = score({"cb": task(), "rte": task("rte")}, {"cb": apart, "rte": says(task("rte"), 0.8, 0.25)})
    h = -0.25 * np.log2(0.25) - 0.75 * np.log2(0.75)
    assert f"from {np.log2(0.6) + h:.2f} to {np.log2(0.9) + h:.2f} bit between 2 sets of shots" in found.notes[0]
    sd = relate(found).tasks.set_index("task")["seed_sd_bits"]
    assert sd["rte"] == pytest.approx(0, abs=1e-9)
    assert sd["cb"] == pytest.approx(np.std([np.log2(0.9), np.log2(0.6)], ddof=1))


def test_one_set_of_shots_says_so() -> None:
    assert "with one set of shots" in score({"cb": task()}, {"cb": says(task(), 0.8, 0.25, 1)}).notes[0]


def test_arrays_of_other_rows_are_refused_for_every_task() -> None:
    good = says(task(), 0.8, 0.25)
    bad = {"cb": replace(good, log2_p=good.log2_p[:, :-1]), "rte": replace(good, log2_blank=good.log2_blank[:1])}
    with pytest.raises(InputError) as refused:
        score({"cb": task(), "rte": task("rte")}, bad)
    assert len(refused.value.faults) == 2 and "(2, 400, 2)" in refused.value.faults[0]
