"""Measured losses: the published selections of five vision tasks, brute force, and every fault of a table."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cotrain.errors import InputError
from cotrain.grouping.gains import Gains, Model, read_gains
from cotrain.grouping.measured import measured

DATA = Path(__file__).parent / "data"
SETTINGS = ("small", "large", "small_data")
CURVES = pd.read_csv(DATA / "published_curves.csv").set_index(["setting", "selection", "budget"])["total_test_loss"]
OFF = {("small", "optimal", 1.0)}
"""The printed figure that does not follow from the published tables."""


def as_hoa(gains: Gains) -> Gains:
    """Return the losses that pairs predict for larger groups: for each task the mean over the other members (Standley et al. 2020)."""
    loss = gains.table.set_index(["split", "group", "task"])["loss"].to_dict()
    table = gains.table.copy()
    for k, (split, group, task) in enumerate(zip(table["split"], table["group"], table["task"], strict=True)):
        others = [t for t in group.split("+") if t != task]
        if split == "validation" and len(others) > 1:
            table.loc[k, "loss"] = np.mean([loss[split, "+".join(sorted((task, t))), task] for t in others])
    return Gains(table)


@pytest.mark.parametrize(("setting", "selection", "budget"), CURVES.index)
def test_the_published_selections(setting: str, selection: str, budget: float) -> None:
    """53 of the 54 figures to the printed digit; two of them are ties that fewer helpers decide."""
    gains = read_gains(DATA / f"taskonomy_{setting}.csv")
    found = measured(as_hoa(gains) if selection == "hoa" else gains, budget, "validation")
    same = round(found.total["test"], 5) == CURVES[setting, selection, budget]
    assert same == ((setting, selection, budget) not in OFF)
    assert found.cost <= budget and found.plan.tasks == tuple("12345")


def brute(gains: Gains, budget: float, split: str) -> float:
    """Return the least total loss by trying all sets of models within the budget."""
    losses = gains.losses[split]
    models = sorted({model for model, _ in losses})
    tasks = sorted({task for _, task in losses})
    least = np.inf
    for size in range(1, len(tasks) + 1):  # each task has one model, so more models than tasks are of no use
        for chosen in combinations(models, size):
            if sum(m.cost for m in chosen) <= budget:
                least = min(least, sum(min((losses[m, t] for m in chosen if (m, t) in losses), default=np.inf) for t in tasks))
    return least


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("budget", [1, 2, 2.5, 3.5])
def test_no_other_set_of_models_within_the_budget_loses_less(setting: str, budget: float) -> None:
    gains = read_gains(DATA / f"taskonomy_{setting}.csv")
    assert measured(gains, budget).total["validation"] == pytest.approx(brute(gains, budget, "validation"), abs=1e-12)


def write(folder: Path, lines: list[str], header: str = "group,task,loss") -> Path:
    file = folder / "gains.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


LINES = ["a,a,0.5", "b,b,0.4", "c,c,0.3", "b+a,a,0.45", "b+a,b,0.6", "a+b+c,a,0.7", "a+b+c,b,0.35", "a+b+c,c,0.31"]


def test_models_may_carry_helpers_and_overlap(tmp_path: Path) -> None:
    found = measured(read_gains(write(tmp_path, LINES)), 3)
    assert found.models == {Model("a+b", 1): ("a",), Model("a+b+c", 1): ("b",), Model("c", 1): ("c",)}
    assert found.total == {"all": pytest.approx(0.45 + 0.35 + 0.3)} and (found.cost, found.chosen_on) == (3, "all")
    assert found.plan.serving("b").group.tasks == ("a", "b", "c")
    assert found.plan.runner_up == "a+b (cost 1) for a; a+b+c (cost 1) for b, c (total loss 1.11 on all, cost 2)"


def test_gains_are_losses_with_the_sign_turned(tmp_path: Path) -> None:
    loss = measured(read_gains(write(tmp_path, LINES)), 2)
    turned = [",".join([*line.split(",")[:2], f"-{line.split(',')[2]}"]) for line in LINES]
    gain = measured(read_gains(write(tmp_path, turned, "group,task,gain")), 2)
    assert gain.models == loss.models and gain.total["all"] == -loss.total["all"]
    assert "total_gain" in gain.to_dict() and "largest total gain" in gain.plan.why[0]


def test_a_cost_column_may_have_any_name_and_a_group_several_sizes(tmp_path: Path) -> None:
    lines = ["a,a,0.5,2", "a,a,0.6,1", "b,b,0.4,2", "b,b,0.45,1"]
    gains = read_gains(write(tmp_path, lines, "group,task,loss,hours"), "hours")
    assert measured(gains, 3).models == {Model("a", 2): ("a",), Model("b", 1): ("b",)}
    assert measured(read_gains(write(tmp_path, [line for line in lines if line[-1] == "2"], "group,task,loss,hours")), 2).cost == 2


def test_ties_go_to_the_cheaper_models_then_to_fewer_helpers(tmp_path: Path) -> None:
    lines = ["a,a,0.5", "b,b,0.4", "a+b,a,0.5", "a+b,b,0.4"]
    assert measured(read_gains(write(tmp_path, lines)), 2).models == {Model("a+b", 1): ("a", "b")}
    helped = [*lines, "a+b+c,a,0.5", "a+b+c,b,0.4", "c,c,0.1"]
    assert measured(read_gains(write(tmp_path, helped)), 2).models == {Model("a+b", 1): ("a", "b"), Model("c", 1): ("c",)}


def test_the_order_of_lines_changes_nothing(tmp_path: Path) -> None:
    one, other = (measured(read_gains(write(tmp_path, lines)), 2) for lines in (LINES, LINES[::-1]))
    assert one.to_dict() == other.to_dict()


def test_parquet_with_numbers_as_names(tmp_path: Path) -> None:
    pd.DataFrame({"group": ["1", "2", "1+2", "1+2"], "task": [1, 2, 1, 2], "loss": [1.0, 1.0, 0.9, 1.2]}).to_parquet(tmp_path / "g.parquet")
    assert measured(read_gains(tmp_path / "g.parquet"), 2).models == {Model("1+2", 1): ("1",), Model("2", 1): ("2",)}


@pytest.mark.parametrize(("header", "lines", "words"), [
    ("group,loss", ["a,1"], "unknown column 'task'"),
    ("group,task", ["a,a"], "a column loss or a column gain, found neither"),
    ("group,task,loss,gain", ["a,a,1,1"], "found both"),
    ("group,task,loss", ["a,a,x", "b,b,nan", "c,c,inf", "d,d,1"],
     "loss should be a finite number, is something else at gains:1, gains:2, gains:3"),
    ("group,task,loss", ["a,a,1", "a,a,2"], "a split, group and task should stand once, stands again at gains:2"),
    ("group,task,loss", ["a+b,a,1", "b+a,a,2"], "should stand once, stands again at gains:2"),
    ("group,task,loss", ["a,b,1"], "task should be one of its group"),
    ("group,task,loss", ["a+a,a,1", "b+,b,1"], "different names of tasks joined by +, as a+b, is something else at gains:1, gains:2"),
    ("group,task,loss", ["a,,1"], "task should not be empty, is at gains:1"),
    ("group,task,loss,cost", ["a,a,1,0"], "cost should be above 0, is not at gains:1"),
    ("group,task,loss,cost", ["a,a,1,much"], "cost should be a finite number, is something else at gains:1"),
    ("group,task,loss,split", ["a,a,1,dev", "b,b,1,dev", "a,a,1,test"], "should be there in every split (dev, test), is not at gains:2"),
])  # fmt: skip
def test_faults_of_a_table_are_told_with_their_rows(tmp_path: Path, header: str, lines: list[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_gains(write(tmp_path, lines, header))
    assert any(words in fault for fault in caught.value.faults), caught.value.faults


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_gains(write(tmp_path, ["a,b,x"], "group,task,loss"))
    assert len(caught.value.faults) == 2


def test_a_table_that_is_not_there_or_a_column_of_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no file"):
        read_gains(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="Did you mean 'hours'"):
        read_gains(write(tmp_path, ["a,a,1,1"], "group,task,loss,hours"), "houres")


def test_a_task_that_no_group_serves_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no group serves b, c"):
        measured(read_gains(write(tmp_path, ["a+b+c,a,0.5"])), 1)


def test_a_budget_that_nothing_meets_names_the_least(tmp_path: Path) -> None:
    gains = read_gains(DATA / "taskonomy_large.csv")
    with pytest.raises(InputError, match=r"a budget of 0\.5 does not serve every task; the least that does is 1"):
        measured(gains, 0.5)
    with pytest.raises(InputError, match="above 0, found -1"):
        measured(gains, -1)


def test_the_split_that_chooses(tmp_path: Path) -> None:
    gains = read_gains(DATA / "taskonomy_large.csv")
    assert measured(gains, 2).chosen_on == "validation"
    assert measured(gains, 2, "test").total["test"] <= measured(gains, 2, "validation").total["test"]
    with pytest.raises(InputError, match="Did you mean 'validation'"):
        measured(gains, 2, "valdiation")
    lines = [f"{line},{split}" for split in ("x", "y") for line in LINES]
    with pytest.raises(InputError, match=r"which split chooses.*x, y"):
        measured(read_gains(write(tmp_path, lines, "group,task,loss,split")), 2)
