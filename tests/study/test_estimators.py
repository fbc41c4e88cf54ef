"""Scores of several estimators in one run folder, and a study that trains nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cotrain import InputError, Study, open_study, run, steps
from cotrain.pvi.crossfit import parent
from cotrain.reporting.first_screen import PREDICTED
from cotrain.study.status import status
from cotrain.study.tables import costs


@pytest.fixture
def study(small: Path) -> Study:
    """The finished small study."""
    return open_study(small / "runs" / "small", workers=1)


@pytest.fixture
def instant(small: Path) -> Study:
    """The small study with preset instant, not begun."""
    text = (small / "study.yaml").read_text()
    for line in ("controls: [alone, together]\n", "seeds: [1, 2]\n"):
        text = text.replace(line, "")
    (small / "instant.yaml").write_text(text.replace("preset: fast", "preset: instant"))
    return open_study(small / "instant.yaml", out=small / "runs" / "instant")


def test_another_estimator_stands_beside_the_scores_of_the_study(study: Study) -> None:
    own = study.load_scores("pvi").table
    scores = steps.score(study, estimator="probe")
    assert study.load_scores("pvi").table.equals(own)
    assert study.load_scores("pvi-probe").table["estimator"].unique().tolist() == ["probe"]
    assert set(scores.table["task"]) == set(study.tasks)
    affinity = steps.relate(study, estimator="probe")
    assert affinity.method == "pvi-probe" and study.load_affinity("pvi-probe").tasks["seeds"].eq(1).all()
    assert study.load_affinity("pvi").method == "pvi"
    assert steps.score(study, estimator="finetune").table.equals(own), "the study's own has no other name"


def test_a_test_from_outside_relates_as_its_own_name_does(study: Study) -> None:
    outside = steps.relate(study, test="cotrain.affinity.tests:welch")
    assert outside.test == "cotrain.affinity.tests:welch"
    assert outside.pairs["p"].equals(steps.relate(study, test="welch").pairs["p"])


def test_other_scores_on_test_are_another_look(study: Study) -> None:
    scores, before = study.load_scores("pvi"), len(study.looks)
    other = replace(scores, table=scores.table.assign(pvi_bits=scores.table["pvi_bits"] + 0.1))
    for shown in (scores, scores, other, scores):
        study.look_at_scores("score", shown)
    assert len(study.looks) == before + 2


def test_scores_that_are_not_there_are_named_with_what_makes_them(study: Study) -> None:
    with pytest.raises(InputError, match=r"unknown scores 'pvi-probe'.*first: cotrain score .* --estimator probe"):
        steps.relate(study, estimator="probe")
    with pytest.raises(InputError, match="unknown estimator 'prob'\\. Did you mean 'probe'"):
        steps.score(study, estimator="prob")


def test_fits_of_folds_are_kept_apart_from_those_of_the_tasks(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """One task of the four is enough; its folds are fits of the ledger, and nothing takes them for the task alone."""
    monkeypatch.setattr(Study, "tasks", property(lambda self: ("letters",)))
    study.__dict__["_tasks"] = {name: task for name, task in open_tasks(study).items() if name == "letters"}
    assert steps.costly(study, "crossfit") == "crossfit: 5 fits per task and seed, 10 in all, for about 5 times the cost of the tasks alone"
    before, groups = study.index, steps.trained_groups(study)
    scores = steps.score(study, estimator="crossfit")
    rows = study.placement[(study.placement["task"] == "letters") & study.placement["split"].isin(["train", "dev"])]
    assert sorted(set(scores.table["row"])) == sorted(rows["row"]) and len(scores.table) == 2 * len(rows)
    clusters = dict(zip(rows["row"], rows["cluster"], strict=True))
    assert [clusters[row] for row in scores.table["row"]] == scores.table["cluster"].tolist()
    made = sorted(set(study.index) - set(before))
    assert made == [f"letters/{k} {seed}" for k in range(1, 6) for seed in (1, 2)]
    assert steps.trained_groups(study) == groups
    assert {parent(group) for group in costs(study)["group"]} == {"letters"} and len(costs(study)) == 12
    assert steps.score(study, estimator="crossfit").table.equals(scores.table) and study.index == {**before, **study.index}


def open_tasks(study: Study) -> dict:
    """Return the tasks of a study by its own reader."""
    from cotrain.study import data

    return data.tasks(study)


def test_instant_predicts_groups_without_any_fit(instant: Study) -> None:
    said: list[str] = []
    outcome = run(instant, say=said.append)
    assert outcome.comparison is None and not outcome.models and not outcome.fits and outcome.trained == 0
    assert not instant.index and not instant.fits.exists() and not instant.looks
    assert instant.load_scores("pvi").table["estimator"].unique().tolist() == ["probe"]
    assert [plan.kind for plan in instant.plans()] and {plan.kind for plan in instant.plans()} == {"nominated"}
    assert outcome.check["cost"] == {} and outcome.check["smallest_delta"].keys() == set(instant.tasks)
    report = (instant.report / "report.md").read_text()
    assert PREDICTED in report.lower() and "logistic regression on the mean over tokens" in report
    assert "conditional on one fit" not in report
    assert instant.provenance["torch"] and instant.provenance["model_sha256"]
    state = status(instant)
    assert list(state["verbs"]) == ["check", "score", "relate", "group", "report"] and all(state["verbs"].values())
    again = run(instant)
    assert again.study.load_scores("pvi").table.equals(instant.load_scores("pvi").table)


def test_what_needs_fits_is_refused_where_nothing_is_trained(instant: Study) -> None:
    steps.score(instant)
    for verb, call in {
        "train": lambda: steps.train(instant, steps.alone(instant)),
        "compare": lambda: steps.compare(instant),
    }.items():
        with pytest.raises(InputError, match=f"{verb} needs fits, and this study has no seeds to train with"):
            call()
    with pytest.raises(InputError, match="train needs fits"):
        steps.score(instant, estimator="finetune")


def test_a_probe_with_seeds_nominates_and_fits_decide(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits are those of the small study, which differs in nothing but who nominates."""
    monkeypatch.setattr("cotrain.study.run.models", lambda *_: {})
    monkeypatch.setattr("cotrain.study.steps.report", lambda study: study.report)
    (small / "probed.yaml").write_text((small / "study.yaml").read_text() + "estimator: probe\n")
    study = open_study(small / "probed.yaml", out=small / "runs" / "probed", workers=1)
    shutil.copytree(small / "runs" / "small" / "fits", study.fits)
    outcome = run(study)
    assert study.load_scores("pvi").table["estimator"].unique().tolist() == ["probe"]
    assert outcome.comparison is not None and {"alone", "together"} <= set(outcome.comparison.table["plan"])
