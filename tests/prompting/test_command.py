"""``cotrain prompt`` and ``cotrain score --estimator incontext`` on a run folder."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cotrain.cli import main
from cotrain.study import data
from cotrain.study.open import open_study
from cotrain.study.prompt import Asked


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a verb of the command on the run folder of the study."""
    opened = open_study(study, out=study.parent / "run")
    data.tasks(opened)

    def command(verb: str, *arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["cotrain", verb, str(opened.path), *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return Ran(int(left.value.code or 0), said.out, said.err)

    return command


def right(serve: Any) -> Callable[[Any], Any]:
    """Return a rule that reads the label from the text, but says nothing of rows whose number ends in 0."""

    def rule(body: Any) -> Any:
        words = serve.text_of(body).split()
        return serve.said("who knows") if words[words.index("premise") + 1].endswith("0") else serve.said(words[-3])

    return rule


def test_answers_become_an_arm_with_sets_of_shots_as_seeds(run: Run, study: Path, serve: Any) -> None:
    with serve.running(right(serve)) as toy:
        found = run("prompt", "--lm", "my/toy", "--base-url", toy.url, "--tasks", "cb", "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert told["arm"] == "toy"
    assert told["tasks"] == [{"task": "cb", "rows": 24, "seeds": 2, "unanswered": 4}]
    assert told["spent"] == {"requests": 48, "tokens_in": 480, "tokens_out": 48}
    arm = pd.read_parquet(study.parent / "run" / "arms" / "toy.parquet")
    assert list(arm.columns) == ["task", "row", "seed", "guess"]
    rows = data.tasks(open_study(study.parent / "run"))["cb"].split("test").set_index("row")
    assert sorted(arm["row"]) == sorted([*rows.index] * 2) and sorted(set(arm["seed"])) == [1, 2]
    silent = arm["guess"].isna()
    assert silent.sum() == 4 and (arm.loc[~silent, "guess"].to_numpy() == rows.loc[arm.loc[~silent, "row"], "label"].to_numpy()).all()
    assert set(told["unanswered"]["cb"]) == set(arm.loc[silent, "row"])


def test_a_second_run_asks_nothing_and_other_tasks_stand_beside(run: Run, study: Path, serve: Any) -> None:
    with serve.running(right(serve)) as toy:
        options = ("--lm", "toy", "--base-url", toy.url)
        assert run("prompt", *options, "--tasks", "cb", "--shot-sets", 1).code == 0
        assert len(toy.asked) == 24
        again = run("prompt", *options, "--tasks", "cb", "--shot-sets", 1)
        assert len(toy.asked) == 24 and "nothing was asked now" in again.out
        assert run("prompt", *options, "--tasks", "notes", "--shot-sets", 1).code == 0
    arm = pd.read_parquet(study.parent / "run" / "arms" / "toy.parquet")
    assert arm["task"].value_counts().to_dict() == {"cb": 24, "notes": 24}
    facts = open_study(study.parent / "run").prompted["toy"]
    assert list(facts["tasks"]) == ["cb", "notes"]
    assert facts["tasks"]["notes"] == {"splits": ["test"], "seeds": [1], "answers": 24, "unanswered": 2}
    assert facts["sent"] == {}


def test_a_dry_run_counts_and_sends_nothing(run: Run, serve: Any) -> None:
    with serve.running(right(serve)) as toy:
        found = run("prompt", "--lm", "toy", "--base-url", toy.url, "--tasks", "cb,notes", "--dry-run", "--json")
        assert toy.asked == []
    told = json.loads(found.out)
    assert (told["prompts"], told["there"], told["requests"], told["tokens_out"]) == (96, 0, 96, 96 * 16)
    assert 96 * 100 < told["tokens_in"] < 96 * 250


def test_a_limit_keeps_what_was_answered(run: Run, study: Path, serve: Any) -> None:
    with serve.running(right(serve)) as toy:
        options = ("--lm", "toy", "--base-url", toy.url, "--tasks", "cb")
        stopped = run("prompt", *options, "--max-requests", 10)
        assert (stopped.code, len(toy.asked)) == (2, 10) and "10 of 48 prompts are answered and kept" in stopped.err
        assert not (study.parent / "run" / "arms").exists()
        assert run("prompt", *options).code == 0 and len(toy.asked) == 48


def test_a_name_has_the_answers_of_one_model(run: Run, serve: Any) -> None:
    with serve.running(right(serve)) as toy:
        options = ("--base-url", toy.url, "--tasks", "cb", "--shot-sets", 1)
        assert run("prompt", "--lm", "my/toy", *options).code == 0
        other = run("prompt", "--lm", "your/toy", *options)
        assert (other.code, len(toy.asked)) == (2, 24) and "arm toy has the answers of my/toy" in other.err and "--name" in other.err
        assert run("prompt", "--lm", "your/toy", *options, "--name", "yours").code == 0


def test_private_tasks_go_nowhere_else_and_no_option_changes_that(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    for options in ((), ("--tasks", "notes"), ("--dry-run",)):
        found = run("prompt", "--lm", "toy", "--base-url", "http://192.0.2.1:9/v1", *options)
        assert found.code == 2 and "notes: private" in found.err and "asking" not in found.err
    assert not (study.parent / "run" / "prompts").exists()


def test_what_is_sent_elsewhere_is_kept_before_it_goes_and_stands_in_the_report(
    run: Run, study: Path, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = "http://192.0.2.1:9/v1"
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with monkeypatch.context() as nobody_answers:
        nobody_answers.setattr("socket.create_connection", lambda *_, **__: (_ for _ in ()).throw(ConnectionRefusedError))
        assert run("prompt", "--lm", "toy", "--base-url", there, "--tasks", "cb").code == 2
    with serve.running(right(serve)) as toy:
        assert run("prompt", "--lm", "toy", "--base-url", toy.url, "--tasks", "cb,notes", "--shot-sets", 1).code == 0
    assert open_study(study.parent / "run").prompted["toy"]["sent"] == {"cb": {"to": [there], "clinical": False}}
    assert run("report").code == 0
    told = (study.parent / "run" / "report" / "report.md").read_text()
    assert f"Rows of cb were sent to {there} for toy; the study file does not call them private." in told


def test_no_file_and_no_message_holds_a_text(run: Run, study: Path, serve: Any) -> None:
    with serve.running(lambda body: serve.said(serve.prompt_of(body))) as toy:  # an answer that repeats the prompt
        found = run("prompt", "--lm", "toy", "--base-url", toy.url, "--tasks", "cb")
    with serve.running(lambda body: serve.Answer({"error": {"message": serve.prompt_of(body)}}, 400)) as toy:
        failed = run("prompt", "--lm", "toy", "--base-url", toy.url, "--tasks", "notes")
    assert (found.code, failed.code) == (0, 2)
    written = [file.read_bytes() for file in (study.parent / "run").rglob("*") if file.is_file()]
    for text in (found.out, found.err, failed.out, failed.err, *(str(content) for content in written)):
        assert "premise" not in text and "hypothesis" not in text


def test_show_prints_the_shape_of_a_prompt(run: Run) -> None:
    found = run("prompt", "--show", "cb")
    assert found.out.count("QUESTION: Is this (0) entailment, (1) contradiction, or (2) neutral?") == 4
    assert "premise" not in found.out and found.out.endswith("ANSWER:\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--base-url", "http://127.0.0.1:1/v1"), "--lm should name"), (("--lm", "x", "--tasks", "nots,cb"), "Did you mean 'notes'"),
     (("--lm", "x", "--base-url", "127.0.0.1"), "http://"), (("--lm", "x", "--shot-sets", 3), "at most 2"),
     (("--lm", "x", "--name", "../x"), "--name '../x'"), (("--lm", "x", "--name", "cb"), "--name 'cb': a task or plan has this name"),
     (("--lm", "x", "--name", "together"), "has this name"),
     (("--show", "nots"), "Did you mean 'notes'"), (("--lm", "./nowhere", "--tasks", "cb"), "config.json")],
)  # fmt: skip
def test_bad_input_is_told_with_what_to_do(arguments: tuple[object, ...], words: str, run: Run) -> None:
    found = run("prompt", *arguments)
    assert found.code == 2 and words in found.err


def test_a_local_model_answers_every_row_with_probabilities(run: Run, study: Path, toy_lm: Path) -> None:
    found = run("prompt", "--lm", toy_lm, "--tasks", "cb", "--name", "here", "--shot-sets", 1)
    assert found.code == 0, found.err
    arm = pd.read_parquet(study.parent / "run" / "arms" / "here.parquet")
    p = np.exp2(np.stack(arm["log2_p"].to_numpy()))
    assert p.sum(axis=1) == pytest.approx(1)
    assert [("entailment", "contradiction", "neutral")[i] for i in p.argmax(axis=1)] == arm["guess"].tolist()
    long = run("prompt", "--lm", toy_lm, "--tasks", "cb,long")
    assert long.code == 2 and "task long: 48 of 48 prompts do not fit" in long.err and "task cb" not in long.err


def test_tasks_that_do_not_fit_are_told_before_anything_is_asked(run: Run, toy_lm: Path) -> None:
    found = run("score", "--estimator", "incontext", "--lm", toy_lm, "--shot-sets", 1)
    assert found.code == 2 and "task long: 13 of 13 prompts" in found.err and "asking" not in found.err


def test_labels_alone_cannot_be_scored(run: Run, serve: Any) -> None:
    with serve.running(lambda _: serve.said("0")) as toy:
        found = run("score", "--estimator", "incontext", "--lm", "toy", "--base-url", toy.url, "--shot-sets", 1)
    assert found.code == 2 and "task cb: PVI needs log-probabilities of the options, 13 answers have none" in found.err


def test_in_context_pvi_of_a_server_that_gives_log_probabilities(run: Run, study: Path, serve: Any) -> None:
    labels = ("entailment", "contradiction", "neutral")

    def rule(body: Any) -> Any:
        words = serve.text_of(body).split()
        if not words:
            return serve.said("0", {str(i): math.log(1 / 3) for i in range(3)})
        told = labels.index(words[-3])
        return serve.said(str(told), {str(i): math.log(0.8 if i == told else 0.1) for i in range(3)})

    with serve.running(rule) as toy:
        found = run("score", "--estimator", "incontext", "--lm", "toy", "--base-url", toy.url)
    assert found.code == 0, found.err
    scores = open_study(study.parent / "run").load_scores("pvi-incontext")
    assert scores.table["pvi_bits"].to_numpy() == pytest.approx(np.log2(0.8 * 3))
    assert set(scores.table["split"]) == {"dev"} and len(scores.table) == 3 * 12 * 2
    assert found.out.count("between 2 sets of shots") == 3
    related = run("relate", "--estimator", "incontext")
    assert related.code == 0, related.err
    assert open_study(study.parent / "run").load_affinity("pvi-incontext").pairs["difference_bits"].to_numpy() == pytest.approx(0)


def test_an_estimator_in_context_and_a_language_model_belong_together(run: Run, toy_lm: Path) -> None:
    assert "belong together" in run("score", "--estimator", "incontext").err
    assert "belong together" in run("score", "--lm", toy_lm).err
    assert "belong to --lm" in run("score", "--max-requests", 3).err


def test_scores_in_context_keep_to_limits_and_may_be_of_some_tasks(run: Run, study: Path, toy_lm: Path) -> None:
    options = ("--estimator", "incontext", "--lm", toy_lm, "--tasks", "cb,notes", "--shot-sets", 1)
    stopped = run("score", *options, "--max-requests", 5)
    assert stopped.code == 2 and "stopped at --max-requests 5: 5 of 26 prompts are answered and kept" in stopped.err
    assert "--max-tokens 9" in run("score", *options, "--max-tokens", 9).err
    assert run("score", *options, "--max-requests", 21).code == 0
    assert set(open_study(study.parent / "run").load_scores("pvi-incontext").table["task"]) == {"cb", "notes"}
    assert run("relate", "--estimator", "incontext").code == 0


@pytest.mark.parametrize(
    ("lm", "arm"), [("meta-llama/Llama-2-7b", "Llama-2-7b"), ("/models/x/", "x"), ("llama3:8b", "llama3-8b"), ("..", "lm")]
)
def test_the_arm_is_named_after_the_model(lm: str, arm: str) -> None:
    assert Asked(lm).arm == arm
