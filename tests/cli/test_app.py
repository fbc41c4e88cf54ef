"""Every command: exit codes, what goes to stdout and what to stderr, valid JSON, suggestions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain.affinity import GROUP_TESTS, TESTS
from cotrain.affinity.affinity import PAIR_COLUMNS
from cotrain.cli.app import app
from cotrain.errors import FitsFailed
from cotrain.evaluation.comparison import Comparison
from cotrain.grouping import OBJECTIVES, RULES, SELECTIONS
from cotrain.study.study import Study
from cotrain.training.selection import SELECTIONS as EPOCHS
from cotrain.training.train import Progress

COMMANDS = (
    "demo", "init", "check", "run", "status", "pack", "unpack", "score", "relate", "group", "train", "compare", "report", "prompt",
    "predict", "serve", "export", "convert", "suites",
)  # fmt: skip


def strict(text: str) -> Any:
    """Read one line of JSON that knows no NaN."""
    assert len(text.splitlines()) == 1

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_every_verb_is_a_command() -> None:
    assert {(c.name or c.callback.__name__) for c in app.registered_commands if c.callback} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(cotrain: Any, command: str) -> None:
    said = cotrain(command, "--help")
    assert said.code == 0
    assert f"cotrain {command}" in said.out


@pytest.mark.parametrize(
    ("command", "known"),
    [("group", RULES), ("group", SELECTIONS), ("group", OBJECTIVES), ("relate", TESTS), ("relate", GROUP_TESTS), ("compare", EPOCHS)],
)
def test_help_names_every_choice(cotrain: Any, command: str, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = cotrain(command, "--help").out
    assert [name for name in known if name not in text] == []


def test_version(cotrain: Any) -> None:
    assert cotrain("--version").out.startswith("cotrain ")


@pytest.mark.parametrize(
    "arguments",
    [("relat", "x"), ("group",), ("group", "x", "--ruel", "any"), ("group", "x", "--alpha", "much"), ("train", "x", "--workers", "-1")],
)
def test_wrong_usage_is_exit_code_2_on_stderr(cotrain: Any, arguments: tuple[str, ...]) -> None:
    said = cotrain(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err and said.err


@pytest.mark.parametrize("arguments", [("check",), ("init",), ("relate", "--out")])
def test_a_name_that_no_file_can_have_is_told(cotrain: Any, made: Path, arguments: tuple[str, ...]) -> None:
    said = cotrain(*arguments, "X" * 300)
    assert said.code == 2 and "Traceback" not in said.err and said.err


def test_a_misspelt_command_and_option_get_a_suggestion(cotrain: Any) -> None:
    assert "'relate'" in cotrain("relat", "x").err
    assert "--rule" in cotrain("group", "x", "--ruel", "any").err


# -- faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("group", "{}", "--rule", "clicque"), "clique"),
        (("group", "{}", "--select", "partitoin"), "partition"),
        (("group", "{}", "--set", "plan.alhpa=0.1"), "alpha"),
        (("relate", "{}", "--test", "welsh"), "welch"),
        (("relate", "{}", "--group-test", "anovva"), "anova"),
        (("train", "{}", "--for", "model"), "models"),
        (("train", "{}", "aple+birch"), "apple"),
        (("train", "{}", "apple@aple+birch"), "apple"),
        (("compare", "{}", "--metric", "makro_f1"), "macro_f1"),
        (("compare", "{}", "--goal", "bettr"), "better"),
        (("compare", "{}", "--select", "lst"), "last"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(cotrain: Any, study: Study, arguments: tuple[str, ...], word: str) -> None:
    cotrain("relate", study.path)
    said = cotrain(*(a.format(study.path) for a in arguments))
    assert (said.code, said.out) == (2, "")
    assert f"Did you mean '{word}'?" in said.err


def test_all_faults_of_a_study_file_are_told_at_once(cotrain: Any, study_file: Path, tmp_path: Path) -> None:
    study_file.write_text(study_file.read_text().replace("seeds:", "sedes:").replace("label: label", "lable: label", 1))
    said = cotrain("check", study_file, "--out", tmp_path / "run")
    assert said.code == 2 and said.out == ""
    assert "seeds" in said.err and "label" in said.err
    assert said.err.count("error:") >= 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["status", "relate", "group", "train", "compare", "report"])
def test_a_study_file_where_a_run_folder_is_wanted_names_the_folder(cotrain: Any, study_file: Path, verb: str) -> None:
    said = cotrain(verb, study_file)
    assert (said.code, said.out) == (2, "")
    assert f"cotrain {verb} runs/trees" in said.err


@pytest.mark.parametrize("verb", ["status", "relate", "report", "run", "check"])
def test_a_place_that_is_not_there(cotrain: Any, tmp_path: Path, verb: str) -> None:
    said = cotrain(verb, tmp_path / "nowhere")
    assert (said.code, said.out) == (2, "")
    assert "nowhere" in said.err


def test_a_run_folder_that_is_a_file(cotrain: Any, study_file: Path) -> None:
    said = cotrain("check", study_file, "--out", study_file)
    assert (said.code, said.out) == (2, "")
    assert "should be a folder" in said.err


def test_a_verb_before_its_time_says_which_comes_first(cotrain: Any, study: Study) -> None:
    said = cotrain("group", study.path)
    assert said.code == 2
    assert f"cotrain relate {study.path}" in said.err


def test_groups_and_a_purpose_exclude_each_other(cotrain: Any, study: Study) -> None:
    assert cotrain("train", study.path, "apple", "--for", "models").code == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("apple", "--seeds", "7,x"), "a seed should be a whole number between 0 and 4294967295, found 'x'"),
        (("--seeds", "7"), "--seeds are of groups that are named"),
    ],
)
def test_seeds_are_numbers_and_of_groups(cotrain: Any, study: Study, given: tuple[str, ...], words: str) -> None:
    said = cotrain("train", study.path, *given)
    assert said.code == 2 and words in said.err


def test_init_overwrites_nothing(cotrain: Any, study_file: Path) -> None:
    before = study_file.read_text()
    said = cotrain("init", study_file.parent, "--to", study_file)
    assert said.code == 2 and "--to" in said.err
    assert study_file.read_text() == before


# -- results --------------------------------------------------------------------------------------------------------------


def test_relate_prints_pairs_or_json(cotrain: Any, study: Study) -> None:
    said = cotrain("relate", study.path)
    assert said.code == 0
    assert "apple, birch" in said.out and "not learned: daisy" in said.out
    found = strict(cotrain("relate", study.path, "--json").out)
    assert {task["task"] for task in found["tasks"]} == {"apple", "birch", "cedar", "daisy"}
    assert len(found["pairs"]) == 6 and set(PAIR_COLUMNS) <= set(found["pairs"][0])


def test_relate_takes_files_of_scores_instead_of_a_run(cotrain: Any, study: Study, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for task in ("cb", "rte"):
        lines = [f"r{i},{value}" for i, value in enumerate(random.normal(0.5, 0.1, 30))]
        (tmp_path / f"{task}.csv").write_text("\n".join(["id,pvi_bits", *lines]))
    files = [word for task in ("cb", "rte") for word in ("--scores", tmp_path / f"{task}.csv")]
    said = cotrain("relate", *files, "--columns", "row=id", "--out", tmp_path / "external")
    assert said.code == 0
    assert "cb, rte" in said.out and "taken on trust" in said.out and f"cotrain group {tmp_path / 'external'}" in said.err
    said = cotrain("group", tmp_path / "external", "--rule", "not_different")
    assert "Share {cb, rte}" in said.out and "cotrain report" in said.err
    assert "scores from outside" in cotrain("status", tmp_path / "external").out
    said = cotrain("train", tmp_path / "external")
    assert said.code == 2 and "train needs rows" in said.err


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "found neither"), (["RUN", "--scores", "a.csv"], "found both"), (["RUN", "--columns", "row=id"], "belong to --scores"),
    (["--scores", "a.csv", "--columns", "row"], "--columns row: should be OURS=THEIRS"), (["--scores", "a.csv"], "found none"),
])  # fmt: skip
def test_relate_says_which_words_do_not_go_together(cotrain: Any, study: Study, arguments: list[str], words: str) -> None:
    said = cotrain("relate", *(str(study.path) if word == "RUN" else word for word in arguments))
    assert (said.code, said.out) == (2, "") and words in said.err


def test_relate_tells_every_unknown_test_at_once(cotrain: Any, study: Study) -> None:
    said = cotrain("relate", study.path, "--test", "wombat", "--group-test", "emu")
    assert said.code == 2 and "'wombat'" in said.err and "'emu'" in said.err


def test_score_takes_a_trained_model_for_each_task(cotrain: Any, study: Study) -> None:
    said = cotrain("score", study.path, "--trained", "apple", "--trained", "birch=x", "--trained", "birch=y")
    assert said.code == 2
    assert "--trained apple: should be TASK=DIR" in said.err and "birch is there twice" in said.err


def test_group_prints_plans_or_json_and_keeps_them(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("group", study.path, "--rule", "not_different", "--alpha", "0.01", "--select", "max_abs_t", "--name", "mine")
    assert said.code == 0
    assert "{apple, birch}" in said.out and "mine" in said.out
    assert (study.path / "plans" / "mine.yaml").is_file()
    [found] = strict(cotrain("group", study.path, "--rule", "any", "--select", "partition", "--json").out)
    assert {task for group in found["groups"] for task in group["serves"]} == {"apple", "birch", "cedar", "daisy"}


def test_group_by_hand(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    forced = ("--rule", "any", "--select", "partition", "--together", "apple,cedar", "--apart", "apple,birch")
    [found] = strict(cotrain("group", study.path, *forced, "--json").out)
    groups = [set(group["serves"]) for group in found["groups"]]
    [mine] = [group for group in groups if "apple" in group]
    assert "cedar" in mine and "birch" not in mine
    assert len(found["overrides"]) == 2
    assert "Forced: together: apple, cedar" in cotrain("group", study.path, *forced).out


def test_group_lists_what_passes_and_makes_no_plan(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("group", study.path, "--rule", "not_different", "--alpha", "1e-9", "--list")
    assert said.code == 0 and "{apple, birch}" in said.out
    found = strict(cotrain("group", study.path, "--rule", "not_different", "--alpha", "1e-9", "--list", "--json").out)
    assert [passing["tasks"] for passing in found["sets"]] == [["apple", "birch"]]
    assert len(found["pairs"]) == 6 and sum(pair["passes"] for pair in found["pairs"]) == 1
    assert not (study.path / "plans").exists()


def test_the_rule_that_every_set_passes_has_no_listing(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("group", study.path, "--rule", "any", "--list")
    assert (said.code, said.out) == (2, "")
    assert "--rule" in said.err


def test_status_prints_what_is_left_or_json(cotrain: Any, study: Study) -> None:
    said = cotrain("status", study.path)
    assert said.code == 0
    assert "0 of 8" in said.out and f"cotrain check {study.path}" in said.out
    found = strict(cotrain("status", study.path, "--json").out)
    assert found["verbs"]["score"] is True and found["verbs"]["relate"] is False
    assert len(found["missing"]) == 8


def test_compare_prints_the_first_screen_or_json(cotrain: Any, study: Study, compared: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(study: Study, *asked: object, arms: object) -> Comparison:
        assert asked == (None, "accuracy", "better") and not arms
        study.save_comparison(compared)
        return compared

    cotrain("relate", study.path)
    monkeypatch.setattr("cotrain.study.steps.compare", compare)
    said = cotrain("compare", study.path, "--metric", "accuracy", "--goal", "better")
    assert said.code == 0
    assert "Keep alone cedar, daisy; share {apple, birch}." in said.out and "4 → 3 models." in said.out
    assert "shown, not kept" in said.err
    found = strict(cotrain("compare", study.path, "--metric", "accuracy", "--goal", "better", "--json").out)
    assert found["recommended"]["groups"][0] == {"group": "apple+birch", "serves": ["apple", "birch"]}
    assert found["table"][0]["p_adjusted"] is None
    assert found["notes"]["needed_rows"] is None


def test_check_prints_numbers_or_json(cotrain: Any, study: Study, checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotrain.study.steps.check", lambda study: checked)
    said = cotrain("check", study.path)
    assert said.code == 0
    for text in ("4,800/1,200/872", "2,000 tokens a second", "apple, cedar", "12.3 M", "too few", "apple: 3 rows are odd"):
        assert text in " ".join(said.out.split()), text  # wherever the lines break
    assert "reading the data" in said.err and "reading the data" not in said.out
    assert strict(cotrain("check", study.path, "--json").out)["smallest_delta"]["cedar"] is None


# -- training -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("failed", "code"), [("", 0), ("the loss is not a number", 1)])
def test_train_names_failed_fits_after_everything_else(
    cotrain: Any, study: Study, monkeypatch: pytest.MonkeyPatch, failed: str, code: int, fits: Any
) -> None:
    def train(study: Study, groups: Any, show: Any, seeds: Any) -> Any:
        show(Progress(1, 2, 1))
        show(Progress(2, 2, 1))
        return fits(failed)

    monkeypatch.setattr("cotrain.study.steps.train", train)
    said = cotrain("train", study.path, "apple+birch")
    assert said.code == code
    assert f"2 fits: 1 made, 1 there already, {int(bool(failed))} failed" in said.out
    assert ("apple+birch seed 52: the loss is not a number" in said.err) == bool(failed)


def test_failed_fits_of_any_verb_are_exit_code_1(cotrain: Any, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(study: Study, *given: object) -> None:
        raise FitsFailed("fit a seed 1: out of memory\nfit b seed 1: out of memory")

    monkeypatch.setattr("cotrain.study.steps.report", broken)
    said = cotrain("report", study.path)
    assert said.code == 1 and said.out == ""
    assert said.err.count("error:") == 2
