"""What a report is made of, where methods are held against the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotrain import Study, open_study
from cotrain.affinity.judge import Losses, matrix
from cotrain.reporting.report import report
from cotrain.study import data, methods
from cotrain.study.tables import tables


def related(study: Study, *names: str) -> Study:
    for name in names:
        methods.train(study, methods.chosen(study, name))
        methods.relate(study, name)
    return study


def test_the_truth_is_what_the_oracle_took_the_mean_of(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = open_study(small / "runs" / "small", workers=1)
    assert tables(study).truth == {} and list(tables(study).affinities) == ["pvi"]
    related(study, "entropy", "accuracy", "hoa", "oracle")
    run = tables(study)
    assert set(run.affinities) == {"pvi", "entropy", "accuracy", "hoa", "oracle"}
    losses = Losses.of(run.truth["alone"], run.truth["pairs"])
    assert losses.tasks == tuple(sorted(study.tasks)) and len(losses.alone) == len(losses.pairs) == 2
    pairs = run.affinities["oracle"].pairs
    told = matrix(losses.tasks, {(t, h): v for t, h, v in pairs[["target", "helper", "value"]].itertuples(index=False)})
    assert losses.gains() == pytest.approx(told, nan_ok=True)
    assert set(run.truth["coupled"]) == {"pvi", "accuracy", "hoa"}
    text = report(run, tmp_path).read_text(encoding="utf-8")
    assert "Methods are not ranked: it takes 4 tasks that are learned and two seeds with every pair, and there are 3 and 2." in text
    looks = len(study.looks)
    assert len(tables(study).truth["pairs"]) == 24 and len(study.looks) == looks, "the oracle's look at test is counted once"

    whole = data.fits

    def one_failed(*given: Any, **more: Any) -> list[Any]:
        return [replace(f, failed="nan") if f.group.name == "letters+reports" and f.seed == 2 else f for f in whole(*given, **more)]

    monkeypatch.setattr(data, "fits", one_failed)
    left = tables(study).truth
    assert set(left["alone"]["seed"]) == set(left["pairs"]["seed"]) == {1}, "a seed counts where every pair is there"


def test_gains_of_seeds_of_their_own_are_coupled_with_nothing(small: Path) -> None:
    text = (small / "study.yaml").read_text()
    (small / "study.yaml").write_text(text + "methods: {oracle: {seeds: [7]}}\n")
    study = open_study(small / "study.yaml", out=small / "runs" / "small", workers=1, update=True)
    run = tables(related(study, "hoa", "oracle"))
    assert run.truth["coupled"] == () and set(run.truth["pairs"]["seed"]) == {7}
