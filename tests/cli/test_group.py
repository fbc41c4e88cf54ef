"""``group`` on the terminal: budgets, tasks that may never share, and measured losses instead of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cotrain.grouping.plan import Plan, Serving
from cotrain.study.study import Study
from cotrain.training.group import Group

LOSSES = "group,task,loss,hours\na,a,.5,1\nb,b,.4,1\nc,c,.7,1\na+b,a,.45,2\na+b,b,.41,2\nb+c,b,.6,1\nb+c,c,.5,1\n"


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    file = tmp_path / "losses.csv"
    file.write_text(LOSSES)
    return file


def test_a_budget_and_who_may_never_share(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("group", study.path, "--budget", "3", "--alone", "apple", "--json")
    [found] = json.loads(said.out)
    assert len(found["groups"]) == 3 and {"group": "apple", "serves": ["apple"]} in found["groups"]
    assert found["settings"]["models"] == 3 and found["settings"]["objective"] == "budget" and "alone: apple" in found["overrides"]


def test_constraints_that_collide_are_told_and_nothing_is_kept(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("group", study.path, "--together", "apple,birch", "--alone", "birch", "--apart", "apple,birch")
    assert said.code == 2 and "together and alone collide: birch" in said.err and "together and apart collide" in said.err
    said = cotrain("group", study.path, "--models", "1", "--alone", "aple")
    assert said.code == 2 and "Did you mean 'apple'" in said.err
    said = cotrain("group", study.path, "--models", "1", "--alone", "apple")
    assert said.code == 2 and "at most 1 models are asked for" in said.err and "alone apple" in said.err
    assert not (study.path / "plans").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x", "plan '../x': a name should have none of"),
        ("", "plan '': a name should have none of"),
        ("apple", "plan 'apple': a task, a control, an arm or a plan of the study has this name"),
        ("recommended", "a plan of the study has this name; choose another with --name"),
        ("random", "a plan of the study has this name"),
        ("mine", "a plan of the study has this name"),
    ],
)
def test_a_plan_from_the_terminal_takes_the_place_of_none_of_the_study(cotrain: Any, study: Study, name: str, words: str) -> None:
    cotrain("relate", study.path)
    study.save_plans([Plan("mine", "nominated", (Serving(Group.of(["apple"]), ("apple",)),))])
    before = (study.path / "plans" / "mine.yaml").read_bytes()
    said = cotrain("group", study.path, "--select", "top1_per_target", "--name", name)
    assert said.code == 2 and words in said.err
    assert [file.read_bytes() for file in study.path.rglob("*.yaml") if file.name != "study.yaml"] == [before]


def test_a_plan_that_takes_the_place_of_an_earlier_one_says_so(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = [cotrain("group", study.path, "--rule", "any", "--select", "partition", "--models", n).err for n in ("3", "3", "2")]
    assert ["In place of an earlier plan of that name: any-partition" in out for out in said] == [False, False, True]


def test_a_rule_of_a_selection_that_tests_nothing_is_refused(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("group", study.path, "--select", "spectral", "--rule", "clique")
    assert said.code == 2 and "the selection spectral tests nothing, so that the rule clique would not hold" in said.err


def test_a_gain_needs_gains(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("group", study.path, "--objective", "gain")
    assert said.code == 2 and "those of 'pvi' are in bits" in said.err


def test_measured_losses_instead_of_a_run(cotrain: Any, losses: Path) -> None:
    said = cotrain("group", "--gains", losses, "--budget", "2", "--cost", "hours", "--json")
    found = json.loads(said.out)
    assert said.code == 0 and found["total_loss"] == {"all": pytest.approx(0.5 + 0.6 + 0.5)}
    assert found["models"] == [{"group": "a", "cost": 1.0, "serves": ["a"]}, {"group": "b+c", "cost": 1.0, "serves": ["b", "c"]}]
    said = cotrain("group", "--gains", losses, "--budget", "3", "--cost", "hours")
    assert said.code == 0 and "Runner-up" in said.out and "total loss" in said.out


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "group takes the folder of a run, or measured losses with --gains"),
    (("x", "--choose-on", "dev"), "--choose-on belongs to --gains"),
    (("--gains", "{}"), "--gains needs --budget"),
    (("x", "--gains", "{}", "--budget", "2", "--rule", "any", "--list"), "found rule, RUN, list"),
    (("--gains", "{}", "--budget", "2", "--choose-on", "dev"), "unknown split 'dev'"),
    (("--gains", "{}", "--budget", "2", "--cost", "hour"), "Did you mean 'hours'"),
    (("--gains", "{}", "--budget", "0.5"), "the least that does is 2"),
    (("--gains", "nowhere.csv", "--budget", "2"), "found no file"),
])  # fmt: skip
def test_words_that_do_not_go_together(cotrain: Any, losses: Path, arguments: tuple[str, ...], words: str) -> None:
    said = cotrain("group", *(str(losses) if a == "{}" else a for a in arguments))
    assert (said.code, said.out) == (2, "") and words in said.err
