"""Scores out of fold: folds of whole clusters, and rows that no fit saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.errors import InputError
from cotrain.pvi.basis import Basis
from cotrain.pvi.crossfit import FOLDS, crossfit, folds, parent
from cotrain.pvi.pvi import prior
from cotrain.pvi.scores import COLUMNS, TASK_COLUMNS
from cotrain.tasks.task import Task
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.settings import Settings


def task(n: int = 100, per_cluster: int = 1, name: str = "cb", labels: Sequence[str] | None = None) -> Task:
    """A task of train, dev and test rows (60, 20, 20 %), every third label yes; clusters of consecutive rows."""
    label = list(labels or ("yes" if i % 3 == 0 else "no" for i in range(n)))
    split = ["test" if i % 5 == 4 else "dev" if i % 5 == 3 else "train" for i in range(n)]
    rows = pd.DataFrame({
        "row": [f"r{i}" for i in range(n)], "split": split, "text": [f"text {i}" for i in range(n)], "pair": "", "label": label,
        "cluster": [f"c{i // per_cluster:03d}" for i in range(n)],
    })  # fmt: skip
    return Task(name, ("no", "yes"), rows, source=f"source of {name}")


@pytest.fixture
def basis(fit: Callable[..., Fit]) -> Callable[..., Basis]:
    """Make a basis whose fits give the true label a probability by (fold, seed), and remember what was asked of it."""

    def make(tasks: Mapping[str, Task], p: Callable[[str, int], float] = lambda fold, seed: 0.8, seeds: Sequence[int] = (1, 2),
             failed: frozenset[tuple[str, int]] = frozenset(), **more: Any) -> Basis:  # fmt: skip
        def train(groups: Sequence[Group], of: Mapping[str, Task]) -> list[Fit]:
            made = []
            for group in groups:
                one = of[group.tasks[0]]
                dev, counts = one.split("dev"), one.split("train")["label"].value_counts()
                gold = np.array([one.labels.index(label) for label in dev["label"]])
                for seed in seeds:
                    q = np.array([0.5, p(one.name, seed), 0.6])[:, None]
                    log2_p = np.log2(np.where(gold[None, :, None] == np.arange(2), q[..., None], 1 - q[..., None]))
                    made.append(fit(
                        log2_p, gold, one.name, seed, rows=dev["row"].tolist(), clusters=dev["cluster"].tolist(),
                        counts=tuple(int(counts[label]) for label in one.labels),
                        failed="out of memory" if (one.name, seed) in failed else "",
                    ))  # fmt: skip
            return made

        return Basis(tasks, Settings("none"), train, **more)

    return make


@pytest.mark.parametrize("per_cluster", [1, 7])
def test_folds_are_whole_clusters_and_hold_each_row_of_train_and_dev_once(per_cluster: int) -> None:
    whole = task(210, per_cluster)
    found = folds(whole)
    held = [set(fold.split("dev")["row"]) for fold in found]
    assert len(found) == FOLDS and set().union(*held) == set(whole.rows.loc[whole.rows["split"] != "test", "row"])
    assert sum(map(len, held)) == len(set().union(*held))
    for fold in found:
        train, dev, test = (fold.split(split) for split in ("train", "dev", "test"))
        assert not set(train["cluster"]) & set(dev["cluster"]) and len(test) == 0
        assert len(train) + len(dev) == 168
        assert parent(fold.name) == "cb" and fold.source == whole.source


def test_folds_hold_the_same_share_of_each_class_and_do_not_depend_on_the_order_of_rows() -> None:
    whole = task(300)
    for fold in folds(whole):
        counts = fold.split("dev")["label"].value_counts()
        assert counts["yes"] == 16 and counts["no"] == 32  # 80 and 160 rows of train and dev
    turned = replace(whole, rows=whole.rows.sample(frac=1, random_state=0))
    assert [set(f.split("dev")["row"]) for f in folds(turned)] == [set(f.split("dev")["row"]) for f in folds(whole)]


def test_a_class_of_two_rows_is_in_two_folds_so_that_each_is_scored_by_a_fit_that_knows_it() -> None:
    rare = folds(task(labels=["yes" if i in (0, 1) else "no" for i in range(100)]))
    assert sorted((fold.split("dev")["label"] == "yes").sum() for fold in rare) == [0, 0, 0, 1, 1]
    assert all((fold.split("train")["label"] == "yes").any() for fold in rare)


def test_what_cannot_be_folded_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        folds(task(40, 10, labels=["yes" if i < 10 else "no" for i in range(40)]))
    assert len(caught.value.faults) == 2
    assert "class 'yes' is in one fold only" in str(caught.value) and "needs 5 separate texts or groups" in str(caught.value)


def test_each_row_has_the_prediction_of_its_own_fold_against_the_prior_of_the_others(basis: Callable[..., Basis]) -> None:
    p = {f"cb/{k}": 0.6 + 0.07 * k for k in range(1, FOLDS + 1)}
    whole = task()
    scores = crossfit(basis({"cb": whole}, lambda fold, seed: p[fold]))
    table = scores.table
    assert tuple(table.columns) == COLUMNS and set(TASK_COLUMNS) <= set(scores.tasks.columns)
    assert table["estimator"].unique().tolist() == ["crossfit"] and table["split"].unique().tolist() == ["out-of-fold"]
    assert len(table) == 160 and table.groupby(["row", "seed"]).size().eq(1).all()
    clusters = dict(zip(whole.rows["row"], whole.rows["cluster"], strict=True))
    for fold in folds(whole):
        counts = [int((fold.split("train")["label"] == label).sum()) for label in whole.labels]
        mine = table[table["row"].isin(fold.split("dev")["row"])]
        gold = np.array([whole.labels.index(label) for label in mine["gold"]])
        np.testing.assert_allclose(mine["log2_p_x"], np.log2(p[fold.name]), rtol=1e-6)
        np.testing.assert_allclose(mine["log2_p_null"], prior(counts)[gold])
        assert [clusters[row] for row in mine["row"]] == mine["cluster"].tolist()
    assert (table["source"] == "source of cb").all() and (table["epoch"] == 2).all()
    [line] = scores.tasks.to_dict("records")
    assert line["task"] == "cb" and line["state"] == "ok" and line["n_train"] == 64 and line["failed_seeds"] == ""
    assert line["v_bits"] == pytest.approx(table["pvi_bits"].mean())


def test_v_information_by_epoch_is_that_of_all_rows(basis: Callable[..., Basis]) -> None:
    scores = crossfit(basis({"cb": task()}))
    at_best = scores.by_epoch[(scores.by_epoch["epoch"] == 2) & (scores.by_epoch["seed"] == 1)]
    assert at_best["v_information_bits"].item() == pytest.approx(scores.table.loc[scores.table["seed"] == 1, "pvi_bits"].mean())
    assert scores.by_epoch["task"].unique().tolist() == ["cb"] and len(scores.by_epoch) == 6


def test_a_seed_of_which_one_fold_failed_is_left_out_of_its_task_alone(basis: Callable[..., Basis]) -> None:
    scores = crossfit(basis({"cb": task(), "rte": task(name="rte")}, failed=frozenset({("cb/2", 2)})))
    seeds = scores.table.groupby("task")["seed"].unique()
    assert seeds["cb"].tolist() == [1] and seeds["rte"].tolist() == [1, 2]
    assert scores.tasks.set_index("task")["failed_seeds"].to_dict() == {"cb": "2", "rte": ""}


def test_a_task_without_any_whole_seed_is_refused(basis: Callable[..., Basis]) -> None:
    with pytest.raises(InputError, match="task cb: at every seed the fit of some fold failed"):
        crossfit(basis({"cb": task()}, failed=frozenset({("cb/1", 1), ("cb/2", 2)})))
