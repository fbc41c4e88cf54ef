"""A run made of scores from outside: what it can do, what it refuses by name, and when it asks for --update."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cotrain.errors import ChangedStudy, InputError
from cotrain.reporting.first_screen import sentences
from cotrain.study import steps
from cotrain.study.models import models
from cotrain.study.open import open_study
from cotrain.study.outside import outside
from cotrain.study.run import run
from cotrain.study.status import status
from cotrain.study.study import Study
from cotrain.study.tables import tables

MEANS = {"apple": 0.6, "birch": 0.6, "cedar": 1.2, "daisy": 0.0}
Files = Callable[..., list[Path]]


def write(file: Path, means: dict[str, float] = MEANS, **more: object) -> Path:
    random = np.random.default_rng(2)
    parts = [
        pd.DataFrame({"task": task, "row": [f"r{i}" for i in range(50)], "pvi_bits": random.normal(mean, 0.2, 50)} | more)
        for task, mean in means.items()
    ]
    pd.concat(parts).to_csv(file, index=False)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "scores.csv")


@pytest.fixture
def study(file: Path, tmp_path: Path) -> Study:
    return outside([file], tmp_path / "external")


def test_it_is_related_grouped_and_reported_like_any_run(study: Study) -> None:
    steps.relate(study)
    [plan] = steps.group(study, {"rule": "not_different", "select": "max_abs_t"})
    assert [s.serves for s in plan.servings] == [("apple", "birch"), ("cedar",), ("daisy",)]
    again = open_study(study.path)
    screen = sentences(tables(again))
    assert screen.banner.startswith("predicted only") and "share {apple, birch}" in screen.headline
    assert any("taken on trust" in reason for reason in screen.reasons)
    assert screen.table.heads == ("task", "predicted model", "rows scored", "clusters", "state")
    text = steps.report(again).with_name("report.md").read_text()
    for said in ("The scores were read from files", "scores.csv", "Here it was computed elsewhere"):
        assert said in text
    for not_so in ("The check found nothing", "training.epochs", "in test:", " nan", "preset"):
        assert not_so not in text, not_so
    assert "scores from outside" in (again.report / "report.html").read_text()


def test_the_plan_of_its_study_has_no_controls_that_nobody_can_train(study: Study) -> None:
    steps.relate(study)
    assert {plan.kind for plan in steps.group(study)} == {"nominated"}


@pytest.mark.parametrize(("verb", "call"), [
    ("check", steps.check), ("score", steps.score), ("score", lambda s: steps.score_trained(s, {})), ("run", run),
    ("train", lambda s: steps.train(s, steps.alone(s))), ("train", models), ("compare", steps.compare),
])  # fmt: skip
def test_verbs_that_need_rows_are_refused_by_name(study: Study, verb: str, call: Callable[[Study], object]) -> None:
    with pytest.raises(InputError, match=f"{verb} needs rows and an encoder; this run is made of scores from outside"):
        call(study)


def test_status_knows_only_what_can_be_done(study: Study) -> None:
    found = status(study)
    assert found["verbs"] == {"relate": False, "group": False, "report": False} and found["missing"] == [] and found["outside"]
    steps.relate(study)
    assert status(study)["verbs"]["relate"]


def test_the_same_file_again_is_read_again_and_another_one_needs_update(study: Study, file: Path, tmp_path: Path) -> None:
    steps.relate(study)
    steps.group(study, {"rule": "any", "select": "partition"})
    write(file, {**MEANS, "elder": 0.3})
    assert set(outside([file], study.path).load_scores("pvi").tasks["task"]) == {*MEANS, "elder"}
    assert study.plans(), "a task more changes nothing of what is there"
    other = write(tmp_path / "other.csv")
    before = sorted(path.name for path in study.path.rglob("*"))
    with pytest.raises(ChangedStudy, match="task elder is gone") as caught:
        outside([other], study.path)
    assert "task apple: path:" in str(caught.value)
    assert sorted(path.name for path in study.path.rglob("*")) == before
    updated = outside([other], study.path, update=True)
    assert updated.plans() == [] and updated.find_affinity("pvi") is None, "what was made of other scores no longer holds"


def test_a_run_is_of_rows_or_of_scores(study: Study, file: Path, tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "study.yaml").write_text("model: nowhere\ntasks:\n  apple: {path: text.csv}\n")
    with pytest.raises(InputError, match="is the run folder of scores from outside; name another"):
        open_study(tmp_path / "study.yaml", out=study.path, update=True)
    of_rows = open_study(tmp_path / "study.yaml", out=tmp_path / "rows")
    of_rows.save_spec()
    with pytest.raises(InputError, match="is the run folder of a study with rows of its own; name another"):
        outside([file], tmp_path / "rows", update=True)


def test_faults_leave_no_folder(file: Path, tmp_path: Path) -> None:
    for given in ({"test": "studnet"}, {"group_test": "anvoa"}, {"columns": {"task": "corpus"}}):
        with pytest.raises(InputError, match=r"Did you mean|unknown column"):
            outside([file], tmp_path / "external", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "external").exists()


def test_each_file_is_the_source_of_its_task_and_its_test_rows_are_a_look(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{task}.csv", {task: 0.5}, split="test") for task in ("apple", "birch")]
    study = outside(files, tmp_path / "external", test="student")
    assert {s.name: Path(str(s.path)).name for s in study.resolved.sources} == {"apple": "apple.csv", "birch": "birch.csv"}
    assert len(study.looks) == 1 and len(outside(files, study.path, test="student").looks) == 1
    assert steps.relate(study).test == "student", "the test that was asked for is that of the study"
    assert set(study.provenance["scores_sha256"]) == {"apple.csv", "birch.csv"}


def test_it_needs_no_torch(file: Path, tmp_path: Path) -> None:
    """Relate, group, status and report run where the libraries of training are not installed."""
    code = f"""
import sys


class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "datasets", "accelerate", "safetensors", "huggingface_hub"):
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, NotInstalled())
from cotrain.cli import main
for line in ("relate --scores {file} --out {tmp_path / "out"}", "group {tmp_path / "out"} --rule clique", "status {tmp_path / "out"}",
             "report {tmp_path / "out"}"):
    sys.argv = ["cotrain", *line.split()]
    try:
        main()
    except SystemExit as left:
        assert not left.code, (line, left.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Share {apple, birch}" in done.stdout and (tmp_path / "out" / "report" / "report.html").is_file()
