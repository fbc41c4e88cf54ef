"""A study whose fits are made by a trainer from outside: logistic regression over words, in NumPy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from cotrain import InputError, Study, open_study, run, steps
from cotrain.cli import show
from cotrain.errors import ChangedStudy
from cotrain.evaluation.comparison import Comparison
from cotrain.grouping.plan import Plan, Serving
from cotrain.study import data, methods
from cotrain.study.models import models
from cotrain.study.presets import Resolved
from cotrain.study.spec import read
from cotrain.study.status import status
from cotrain.study.tables import tables
from cotrain.study.ways import ways
from cotrain.training import outside
from cotrain.training.group import Group

# all tasks of a group share one table of words; C = 1 as scikit-learn has it, so that it can be checked against that
WORDS = """
import numpy as np

from cotrain import Answer


def fit(asked):
    vocabulary = sorted({w for rows in asked.tasks.values() for text in rows.train["text"] for w in text.split()})

    def bags(table):
        return np.array([[text.split().count(w) for w in vocabulary] + [1] for text in table["text"]], dtype=float)

    log2_p = {}
    for name, rows in asked.tasks.items():
        x, y = bags(rows.train), (rows.train["label"] == rows.labels[1]).to_numpy(dtype=float)
        penalty = np.r_[np.ones(len(vocabulary)), 0.0]
        w = np.zeros(x.shape[1])
        for _ in range(30):  # Newton's method
            p = 1 / (1 + np.exp(-x @ w))
            hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
            w -= np.linalg.solve(hessian + 1e-9 * np.eye(len(w)), x.T @ (p - y) + penalty * w)
        for split in ("dev", "test"):
            z = bags(getattr(rows, split)) @ w
            log2_p[name, split] = np.stack([-np.logaddexp(0, z), -np.logaddexp(0, -z)], axis=1) / np.log(2)
    return Answer(log2_p, parameters=len(asked.tasks) * (len(vocabulary) + 1))
"""


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module with the trainer ``words:fit``."""
    file = tmp_path / "words.py"
    file.write_text(WORDS)
    monkeypatch.syspath_prepend(tmp_path)
    yield file
    sys.modules.pop("words", None)
    outside._read.pop("words", None)


@pytest.fixture
def study(small: Path, words: Path) -> Study:
    """The small study with that trainer, nothing made yet."""
    return open_study(small / "study.yaml", out=small / "runs" / "words", sets=["trainer=words:fit"], workers=1)


def test_a_study_runs_to_its_end_and_keeps_no_models(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: pytest.fail("there is no speed to measure"))
    said: list[str] = []
    outcome = run(study, say=said.append)
    assert outcome.comparison is not None and outcome.report.is_file() and outcome.models == {} and outcome.predicted is None
    assert any("none is kept: the trainer words:fit is from outside and gives predictions alone" in line for line in said)
    assert not list(study.models.iterdir())
    cost = outcome.check["cost"]
    assert cost["seconds"] is cost["tokens_per_second"] is cost["memory_bytes"] is None
    assert cost["fits"] > 0 and {name: part["fits"] for name, part in cost["parts"].items()}["alone"] == 4
    assert all(fit.manifest["settings"]["trainer"].startswith("words:fit@") and "updates" not in fit.cost for fit in outcome.fits)  # type: ignore[index]
    show.check(outcome.check)
    show.outcome(outcome, tables(study))
    printed = " ".join(capsys.readouterr().out.split())
    assert "How long they take, and in how much memory, is not known: the trainer is from outside." in printed
    assert "ready to use" not in printed and "predicted" not in printed.partition(" Time ")[2]
    page = outcome.report.read_text()
    assert "trainer words:fit" in page and "what words:fit, a trainer from outside, made" in page and "0 tokens" not in page
    latex = "".join(file.read_text() for file in study.report.rglob("*.tex"))
    assert "fine-tuned using" not in latex and "trained by words:fit" in latex
    state = status(study)
    assert all(state["verbs"].values()) and "models" not in state["verbs"] and state["predicted_seconds"] is None
    again = run(open_study(study.path, workers=1))
    assert again.trained == 0 and again.comparison is not None
    pd.testing.assert_frame_equal(again.comparison.table, outcome.comparison.table)


def test_its_scores_are_those_of_scikit_learn(study: Study) -> None:
    """PVI of the finetune estimator against LogisticRegression, and the comparison of a trained pair."""
    scores = steps.score(study)
    task = data.tasks(study)["reports"]
    vocabulary = sorted({w for text in task.split("train")["text"] for w in text.split()})

    def bags(split: str) -> np.ndarray:
        return np.array([[text.split().count(w) for w in vocabulary] for text in task.split(split)["text"]])  # type: ignore[arg-type]

    model = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(bags("train"), task.gold("train"))
    gold = task.gold("dev")
    expected = model.predict_log_proba(bags("dev"))[np.arange(len(gold)), gold] / np.log(2)
    found = scores.table.query("task == 'reports' and seed == 1").set_index("row")["log2_p_x"]
    np.testing.assert_allclose(found[task.split("dev")["row"]], expected, atol=1e-3)
    assert scores.tasks.set_index("task")["state"].to_dict()["letters"] == "not_learned"
    steps.relate(study)
    steps.group(study)
    fits = steps.train(study, [Group.parse("notes.negation+reports"), Group.of(study.tasks)])
    assert not any(fit.failed for fit in fits)
    comparison = steps.compare(study)
    assert set(comparison.table["task"]) == set(study.tasks) and comparison.table["updates"].isna().all()


def test_an_edited_trainer_trains_anew_and_another_one_needs_update(study: Study, words: Path, small: Path) -> None:
    steps.train(study, steps.alone(study))
    before = study.index
    words.write_text(WORDS.replace("range(30)", "range(3)"))
    steps.train(study, steps.alone(study))
    assert study.index.keys() == before.keys() and not set(study.index.values()) & set(before.values())
    with pytest.raises(ChangedStudy, match="- trainer: words:fit → shared_encoder"):
        open_study(small / "study.yaml", out=study.path)


def test_what_needs_more_than_predictions_is_refused(study: Study, small: Path) -> None:
    steps.score(study)
    steps.relate(study)
    steps.group(study)
    steps.train(study, steps.groups_named(study, None))
    steps.compare(study)
    for keep in ("best", "all"):
        with pytest.raises(InputError, match=r"models \(--for models, --keep\) are made of .* words:fit is from outside"):
            models(study, keep=keep)
    assert models(study, keep="none") == {}
    with pytest.raises(InputError, match=r"other ways to share \(share, --for share\) need .* words:fit is from outside"):
        ways(study)
    text = (small / "study.yaml").read_text()
    (small / "more.yaml").write_text(f"{text}trainer: words:fit\nshare: [lora]\ngrid: {{class_weights: [none, balanced]}}\n")
    with pytest.raises(InputError) as refused:
        read(small / "more.yaml", sets=["training.class_weights=balanced"])
    faults = sorted(fault.partition(": ")[2] for fault in refused.value.faults)
    assert len(faults) == 3 and sum("class_weights should be none with a trainer from outside (words:fit)" in f for f in faults) == 2
    assert "other ways to share (share) need" in faults[-1] + faults[0] + faults[1]
    for trainer, fault in (("wrods:fit", "trainer 'wrods:fit' cannot be imported"), ("shared", "unknown trainer 'shared'")):
        with pytest.raises(InputError, match=fault):
            read(small / "study.yaml", sets=[f"trainer={trainer}"])


def test_a_method_that_needs_extras_is_refused_before_anything_is_trained(study: Study, tmp_path: Path) -> None:
    (tmp_path / "heavier.py").write_text(
        "from cotrain.affinity.method import TRAINED, Method\n"
        "from cotrain.training.group import Group\n"
        "def alone(tasks, options): return [Group.of([task]) for task in tasks]\n"
        "FILES = Method(lambda ground: None, sees='content', groups=alone, extras=lambda *_: ('weights',), options=TRAINED)\n"
    )
    with pytest.raises(InputError, match=r"the method heavier:FILES needs what a fit keeps beside its predictions"):
        methods.chosen(study, "heavier:FILES")
    assert methods.chosen(study, "hoa").groups, "predictions are enough for it"


def test_a_run_folder_from_before_there_was_a_choice_is_read(small: Path) -> None:
    plain = open_study(small / "runs" / "small").resolved.plain()
    assert plain.pop("trainer") == "shared_encoder" and "trainer" not in plain["training"]
    assert Resolved.of(plain).settings.trainer == "shared_encoder"


@pytest.mark.parametrize("counts", [False, True])
def test_controls_of_a_claim_need_a_trainer_that_counts_updates(
    study: Study, words: Path, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is made up; without a count nothing is trained under a name that would say more than it is."""
    if counts:
        words.write_text(WORDS.replace("Answer(log2_p,", "Answer(log2_p, updates=asked.updates or 10 + asked.seed,"))
    pair, compare = Group.parse("notes.negation+reports"), steps.compare
    others = [group for group in steps.alone(study) if not set(group.tasks) & set(pair.tasks)]
    plan = Plan("recommended", "recommended", tuple(Serving(group, group.tasks) for group in (pair, *others)))

    def claiming(*given: Any, **more: Any) -> Comparison:
        found = compare(*given, **more)
        return replace(found, recommended=plan, notes={**found.notes, "claims": ["reports"]})

    monkeypatch.setattr(steps, "compare", claiming)
    study.save_plans([replace(plan, name="mine", kind="nominated")])
    said: list[str] = []
    run(study, say=said.append)
    words_said = " ".join(said)
    controls = {name for name in study.index if "@" in name}
    if not counts:
        assert "train: no controls for the gains claimed of reports: the trainer does not say how many updates it makes" in words_said
        assert not controls and not [p for p in study.plans() if p.name in ("placebo", "matched_updates")]
        return
    assert "train: controls for the gains claimed of reports" in words_said
    assert controls == {f"{m}@{pair.name} {seed}" for m in ("reports", "notes.negation[permuted:1]+reports") for seed in (1, 2)}
    for fit in data.fits(study, [Group.parse(f"reports@{pair.name}")]):
        assert fit.updates == 10 + fit.seed, "as many as the pair at that seed"
