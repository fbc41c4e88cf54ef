"""What is printed for people: whole names and numbers at 80 columns, with few tasks and with many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotrain.affinity.pvi import relate
from cotrain.cli import show
from cotrain.evaluation.comparison import Comparison
from cotrain.grouping.plan import Plan, Serving
from cotrain.study.run import Outcome
from cotrain.study.study import Study
from cotrain.study.tables import tables
from cotrain.training.group import Group


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_warning_of_several_tasks_is_said_once(checked: Any, capsys: pytest.CaptureFixture[str]) -> None:
    same = "no published test split is used"
    warnings = [f"apple: {same}", "apple: 3 rows are odd", f"cedar: {same}", "apple and cedar share 3 texts: look"]
    show.check({**checked, "warnings": warnings})
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("- ")]
    assert lines == [f"- apple, cedar: {same}", "- apple: 3 rows are odd", "- apple and cedar share 3 texts: look"]


def test_scores_stand_beside_the_truth_with_what_failed(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    scores = study.load_scores("pvi")
    facts = scores.tasks.assign(failed_seeds=["", "52", "", ""])
    show.scores(replace(scores, tasks=facts), {"apple": 0.95, "birch": 0.5, "cedar": 0.3, "daisy": 0.0})
    out = capsys.readouterr().out
    for text in (".900 [", ".950", "failed", "52", "not learned", "daisy: its 95 % interval reaches −.01", "scored on dev"):
        assert text in out, text
    assert "collapsed" not in out


def test_many_tasks_stay_readable(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    scores = study.load_scores("pvi")
    names = [f"corpus_{i:02}.uncertainty" for i in range(34)]
    one = scores.table[scores.table["task"] == "apple"]
    parts = [one.assign(task=name, pvi_bits=one["pvi_bits"] + i / 50, cluster=name + one["cluster"]) for i, name in enumerate(names)]
    facts = [scores.tasks.iloc[[0]].assign(task=name) for name in names]
    import pandas as pd

    many = replace(scores, table=pd.concat(parts, ignore_index=True), tasks=pd.concat(facts, ignore_index=True))
    show.scores(many)
    show.affinity(relate(many))
    show.plans([Plan("together", "control", (Serving(Group.of(names), tuple(names)),)), wide(names)])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    assert all(name in out for name in names)
    assert "The 40 most similar of 561 pairs" in " ".join(out.split())


def wide(names: list[str]) -> Plan:
    pairs = [tuple(names[i : i + 2]) for i in range(0, len(names), 2)]
    return Plan("pvi-half", "nominated", tuple(Serving(Group.of(p), p) for p in pairs), why=("least dispersion",), runner_up="another")


def test_a_plan_says_who_is_served_by_whom(capsys: pytest.CaptureFixture[str]) -> None:
    servings = (Serving(Group.of(["cb", "rte"]), ("cb",)), Serving(Group.of(["rte"]), ("rte",)))
    plan = Plan("mine", "nominated", servings, (Group.of(["cb", "rte", "sst2"]),), ("closest partner",), "all alone", {}, ("apart: a, b",))
    show.plans([plan])
    out = capsys.readouterr().out
    for text in ("{cb, rte} for cb", "Alone: rte", "Runner-up: all alone.", "{cb, rte, sst2}", "Forced: apart: a, b."):
        assert text in out, text


def test_the_end_of_a_run_says_where_everything_is(
    study: Study, compared: Comparison, fits: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    study.save_affinity(relate(study.load_scores("pvi")), "pvi")
    study.save_comparison(compared)
    study.save_known({"apple": 0.95, "birch": 0.5, "cedar": 0.3, "daisy": 0.0})
    folders = [study.models / name for name in ("apple+birch", "cedar", "daisy")]
    check = {"cost": {"seconds": 90.0, "seconds_most": 200.0, "fits": 4, "workers": 2}}
    report = Path("/" + "a-long-folder/" * 9 + "report.html")
    models = dict(zip(folders, compared.recommended.servings, strict=True))
    show.outcome(Outcome(study, check, compared, models, report, tuple(fits("")), 1, 75.0, 25.0), tables(study))
    lines = capsys.readouterr().out.splitlines()
    out = "\n".join(lines)
    assert "Keep alone cedar, daisy; share {apple, birch}." in lines
    assert str(report) in lines and str(folders[0]) in lines
    assert f"  cotrain export {folders[0]} --task apple --to FOLDER" in lines
    assert ".950" in out and "−.050" in out
    for text in (
        "2 fits, 1 made now; this run took 75 s",
        "predicted 1 min 30 s for 4 fits (at most 3 min 20 s); 25 s for the 2 that it took; measured 30 s",
    ):
        assert text in " ".join(out.split()), text
    assert "second run reuses every fit" in out


def test_fits_of_a_large_group_are_named_in_short(fits: Any, capsys: pytest.CaptureFixture[str]) -> None:
    group = Group.of([f"task_{i:02}" for i in range(34)])
    show.trained([replace(one, group=group) for one in fits("out of memory")], None)
    out = capsys.readouterr().out
    assert "task_00+task_01+task_02+31 more" in out
    assert "failed" in out and "52" in out
