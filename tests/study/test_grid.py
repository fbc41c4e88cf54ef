"""A grid trains every point, dev chooses, and the rest of the study is as if only that had been trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cotrain import Group, open_study
from cotrain.study import data, steps
from cotrain.study.models import models
from cotrain.study.study import Study
from cotrain.training.calibrate import Rate
from cotrain.training.selection import goodness, select_epoch


@pytest.fixture
def study(small: Path) -> Study:
    text = (small / "study.yaml").read_text().replace("learning_rate: 5e-3, epochs: 8", "epochs: 4")
    (small / "grid.yaml").write_text(text + "grid: {learning_rate: [1e-5, 5e-3, 1e-3], accumulation: [1, 2]}\nselect: macro_f1\n")
    return open_study(small / "grid.yaml", out=small / "runs" / "grid", workers=1)


def test_the_point_that_is_best_on_dev_counts_for_all_seeds_of_a_group(study: Study) -> None:
    steps.train(study, [Group.of(["reports"]), Group.of(["letters"])])
    table = pd.read_parquet(study.path / "grid.parquet")
    assert len(table) == 2 * 6 * 2
    assert sorted(table["settings"].unique()) == sorted(
        f"learning_rate={rate}, accumulation={a}" for rate in (1e-5, 5e-3, 1e-3) for a in (1, 2)
    )
    for group, lines in table.groupby("group"):
        means = lines.groupby("settings")["dev"].mean()
        [chosen] = lines.loc[lines["chosen"], "settings"].unique()
        assert means[chosen] == means.max()
        fits = data.fits(study, [Group.of([str(group)])])
        assert {fit.key for fit in fits} == set(lines.loc[lines["chosen"], "key"])
        for fit in fits:
            block, epoch = fit.blocks[str(group), "dev"], select_epoch(fit, "macro_f1")
            value = goodness(block.at(epoch), block.gold, fit.train_counts[str(group)], "macro_f1")
            assert value == pytest.approx(lines.set_index("key").loc[fit.key, "dev"])
            assert f"learning_rate={data.settings_of(study, fit).learning_rate}" in chosen
    assert "learning_rate=1e-05" not in table.loc[table["chosen"] & (table["group"] == "reports"), "settings"].iloc[0]


def test_more_seeds_of_a_group_are_of_the_point_that_it_chose(study: Study) -> None:
    group = Group.of(["reports"])
    steps.train(study, [group])
    before = pd.read_parquet(study.path / "grid.parquet")
    other = {"learning_rate=1e-05, accumulation=1": 9.0}
    study.save_grid(before.assign(chosen=[name in other for name in before["settings"]]))
    steps.train(study, [group], seeds=[7])
    table = pd.read_parquet(study.path / "grid.parquet")
    assert len(table) == 6 * 3 and set(table.loc[table["chosen"], "settings"]) == set(other)
    assert study.index["reports 7"] in set(table.loc[table["chosen"] & (table["seed"] == 7), "key"])


def test_a_run_with_a_grid_goes_to_its_end_and_trains_nothing_twice(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from cotrain import run

    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
    run(study)
    fits = sorted(folder.name for folder in study.fits.iterdir())
    groups = pd.read_parquet(study.path / "grid.parquet")["group"].nunique()
    assert len(fits) == groups * 2 * 6
    for folder in models(study):
        about = json.loads((folder / "cotrain.json").read_text())
        assert about["key"] in set(study.index.values())
    before = {file: file.stat().st_mtime_ns for file in study.fits.rglob("*")}
    run(open_study(study.path, workers=1))
    assert {file: file.stat().st_mtime_ns for file in study.fits.rglob("*")} == before
    cost = study.checked["cost"]
    assert cost["parts"]["alone"]["fits"] == 6 * 4


def test_no_epoch_before_the_first_that_is_evaluated_can_be_selected(small: Path) -> None:
    text = (small / "study.yaml").read_text().replace("epochs: 8", "epochs: 6, evaluate_from: 4")
    (small / "late.yaml").write_text(text)
    study = open_study(small / "late.yaml", out=small / "runs" / "late", workers=1)
    [one, _] = steps.train(study, [Group.of(["reports"])])
    np.testing.assert_array_equal(one.blocks["reports", "dev"].epochs, [4, 5, 6])
