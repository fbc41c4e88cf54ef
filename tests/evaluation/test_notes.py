"""What is undecided, and what would decide it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cotrain.evaluation.compare import compare
from cotrain.evaluation.power import FACTOR

SEEDS = (42, 52, 62)


def judge(fits, plans, capped=None, delta=0.02, goal="fewer"):
    tasks = sorted({t for f in fits for t in f.group.real})
    return compare(fits, plans, dict.fromkeys(tasks, "accuracy"), dict.fromkeys(tasks, delta), goal=goal, capped=capped or {})


@pytest.fixture(scope="module")
def small(world):
    """Forty rows of dev cannot decide a loss of .02; c was never trained with another."""
    return world({"a": (40, 60), "b": (40, 60), "c": (40, 60)}, discordant=0.2, seeds=SEEDS, draw=4).fits("a+b")


@pytest.fixture(scope="module")
def pvi(plan):
    return [plan("pvi", "nominated", "a+b", "c")]


def test_few_rows_leave_tasks_undecided_and_say_how_many_would_decide(small, pvi):
    found = judge(small, pvi)
    assert found.recommended.models == 3
    assert found.notes["undecided"] == ("a", "b")
    line = found.table[(found.table["plan"] == "pvi") & (found.table["split"] == "dev") & found.table["primary"]].set_index("task")
    for task in "ab":
        rows = found.notes["needed_rows"][task]
        per_row = 40 * (line.loc[task, "se"] ** 2 - line.loc[task, "se_training"] ** 2)
        assert rows > 40
        # at so many rows, δ is 2.12 standard errors
        assert FACTOR * np.sqrt(per_row / rows + line.loc[task, "se_training"] ** 2) == pytest.approx(0.02, rel=0.01)
    assert "c stands alone: no trained group holds it." in found.recommended.why


def test_where_no_row_differs_more_seeds_save_none(world, plan):
    """60 rows that all agree take 114 at any number of seeds, whatever another task needs seeds for."""
    sizes = {"a": (60, 60), "b": (100, 100)}
    same = world(sizes, discordant=0.0, seed_sd=0.0, seeds=SEEDS).fits("a+b")
    other = world(sizes, right=0.7, discordant=0.02, seed_sd=0.08, seeds=SEEDS).fits("a+b")
    fits = [replace(f, blocks={k: (f if k[0] == "a" else g).blocks[k] for k in f.blocks}) for f, g in zip(same, other, strict=True)]
    names = {"a": "accuracy", "b": "accuracy"}
    notes = compare(fits, [plan("pvi", "nominated", "a+b")], names, {"a": 0.02, "b": 0.08}).notes
    assert notes["needed_seeds"].keys() == {"b"}
    assert notes["needed_rows"]["a"] == notes["needed_rows_at_seeds"]["a"] == 114


def test_a_cap_that_causes_it_is_named(small, pvi):
    enough, too_few = judge(small, pvi, capped={"a": 10**6, "b": 1, "c": 10**6}), judge(small, pvi)
    assert enough.notes["capped"] == {"a": 10**6} and too_few.notes["capped"] == {}
    (said,) = [s for s in enough.notes["distrust"] if "max_held_out" in s]
    assert said.startswith("a is undecided because of max_held_out: it leaves 1,000,000 rows out of dev")


def test_seeds_alone_are_named_where_they_alone_forbid_it(world, pvi):
    """Three fits of sd .04: SE .03 whatever the rows."""
    w = world({"a": (3000, 60), "b": (3000, 60), "c": (40, 60)}, discordant=0.1, seed_sd=0.04, seeds=SEEDS, draw=4)
    notes = judge(w.fits("a+b"), pvi).notes
    assert notes["undecided"]
    for task in notes["undecided"]:
        assert notes["needed_rows"][task] is None
        assert notes["needed_seeds"][task] > 3 and notes["needed_rows_at_seeds"][task] >= 3000


def test_more_seeds_are_named_where_they_save_rows(world, pvi):
    w = world({"a": (500, 60), "b": (500, 60), "c": (40, 60)}, discordant=0.2, seed_sd=0.014, seeds=SEEDS)
    notes = judge(w.fits("a+b"), pvi).notes
    both = [t for t in notes["undecided"] if notes["needed_rows"].get(t) and t in notes["needed_seeds"]]
    assert both
    for task in both:
        assert 500 <= notes["needed_rows_at_seeds"][task] < notes["needed_rows"][task]


def test_a_shown_loss_is_a_decision(world, pvi):
    """b loses .15 with a: it stands alone and is not undecided; a is harmless, so its candidate passes."""
    fits = world({"a": (900, 60), "b": (900, 60), "c": (40, 60)}, discordant=0.16, gain={("a+b", "b"): -0.15}, seeds=SEEDS).fits("a+b")
    found = judge(fits, pvi)
    assert "b" not in found.notes["undecided"]
    assert found.recommended.serving("b").group.name == "b"
    assert any(s.startswith("b stands alone: at best ({a, b}) its difference on dev is −.1") for s in found.recommended.why)


def test_enough_rows_leave_nothing_undecided(world, pvi):
    found = judge(world({"a": (3000, 60), "b": (3000, 60), "c": (40, 60)}, discordant=0.02, seeds=SEEDS).fits("a+b"), pvi)
    assert found.notes["undecided"] == () and found.notes["needed_rows"] == {} and found.recommended.models == 2


def test_few_clusters_of_dev_are_a_reason_for_distrust(world, plan):
    fits = world({"a": (12, 60), "b": (2000, 60)}, right=0.85, discordant=0.0, seed_sd=0.0, seeds=SEEDS).fits("a+b")
    found = judge(fits, [plan("pvi", "nominated", "a+b")], delta=0.2)
    assert found.recommended.models == 1
    assert "Fewer than 20 clusters in dev, which decides: a (12)." in found.notes["distrust"]


def test_without_a_control_of_all_tasks_none_is_named(small, pvi):
    notes = judge(small, pvi).notes
    assert notes["best_control"] == "" and notes["best_control_difference"] is None


def test_a_task_that_saves_no_model_by_its_helpers_is_a_reason_for_distrust(world, pvi):
    """a with b as helper does a little better on dev, b loses: as many models as alone, and no gain is shown."""
    gain = {("a+b", "b"): -0.15, ("a+b", "a"): 0.005}
    found = judge(world({"a": (900, 60), "b": (900, 60), "c": (40, 60)}, discordant=0.16, gain=gain, seeds=SEEDS).fits("a+b"), pvi)
    assert found.recommended.serving("a").group.name == "a+b" and found.notes["claims"] == ()
    (said,) = [s for s in found.notes["distrust"] if "as many models" in s]
    assert said.startswith("a alone would be as many models: {a, b} serves it for a difference of +.0")
    assert said.endswith("on dev, which is not shown to be a gain.")
