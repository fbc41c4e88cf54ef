from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cotrain.errors import InputError
from cotrain.evaluation.sheets import Sheet, sheets


def with_clusters(fit, task, ids):
    """The fit with other cluster ids of a task's dev."""
    block = fit.blocks[task, "dev"]
    return replace(fit, blocks={**fit.blocks, (task, "dev"): block._replace(clusters=np.array(ids, dtype=object))})


def drawn(sheet: Sheet, resamples: int = 50) -> np.ndarray:
    return np.concatenate(list(sheet.weights(0, resamples)))


def test_tasks_that_share_clusters_are_tied_and_the_weights_of_a_cluster_are_the_same_in_all(world):
    w = world({"a": (30, 5), "b": (20, 5), "c": (10, 5)}, seeds=(1,))
    fits = [with_clusters(f, f.group.tasks[0], ids) for f, ids in zip(w.fits(), (range(30), range(25, 45), range(90, 100)), strict=True)]
    found = sheets(fits, "abc", "dev")
    assert [found[t].tie for t in "abc"] == [("a", "b"), ("a", "b"), ("c",)]
    assert [found[t].clusters for t in "abc"] == [30, 20, 10]
    a, b, c = (drawn(found[t]) for t in "abc")
    assert np.array_equal(a[:, 25:], b[:, :5])
    assert abs(np.corrcoef(a[:, :10].ravel(), c.ravel())[0, 1]) < 0.15


def test_rows_of_a_cluster_weigh_the_same(world):
    fit = with_clusters(world({"a": (6, 5)}, seeds=(1,)).fits()[0], "a", ["p", "q", "p", "r", "q", "p"])
    sheet = sheets([fit], "a", "dev")["a"]
    w = drawn(sheet)
    assert sheet.clusters == 3 and (w[:, 0] == w[:, 2]).all() and (w[:, 1] == w[:, 4]).all() and (w[:, 0] != w[:, 3]).all()


def test_weights_have_mean_and_variance_one_and_do_not_depend_on_the_memory_at_hand(world, monkeypatch):
    sheet = sheets(world({"a": (300, 5)}, seeds=(1,)).fits(), "a", "dev")["a"]
    whole = drawn(sheet, 400)
    assert whole.mean() == pytest.approx(1, abs=0.02) and whole.var() == pytest.approx(1, abs=0.03)
    monkeypatch.setattr("cotrain.evaluation.sheets._CHUNK", 900)
    assert np.array_equal(drawn(sheet, 400), whole)


def test_fits_of_other_data_are_refused_all_at_once(world):
    good = world({"a": (30, 5), "b": (20, 5)}, seeds=(1,)).fits("a+b")
    other = world({"a": (31, 5), "b": (20, 5)}, labels={"b": 3}, seeds=(2,)).fits("a+b")
    with pytest.raises(InputError) as caught:
        sheets([*good, *other], "ab", "dev")
    assert len(caught.value.faults) == 4
    assert "task a: the fits of a (seed 1) and a+b (seed 2) have different rows or labels in dev" in str(caught.value)
