"""Other ways to share: adapters, a frozen encoder, merged encoders, as arms of the comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from cotrain import Group, open_study
from cotrain.errors import InputError
from cotrain.evaluation.outside import read_arm
from cotrain.reporting.ways import Way, ways
from cotrain.study import data, steps
from cotrain.study import ways as study_ways
from cotrain.study.arms import wrong_arm
from cotrain.study.study import Study
from cotrain.study.tables import tables
from cotrain.training import encoder
from cotrain.training.model import build, load_base
from cotrain.training.scoring import pad
from cotrain.training.selection import select_epoch
from cotrain.training.train import Options, train


@pytest.fixture
def study(small: Path) -> Study:
    return open_study(small / "runs" / "small", workers=1)


def test_the_merged_model_is_the_mean_of_the_encoders_with_each_head_as_it_was(study: Study, tmp_path: Path) -> None:
    import torch

    tasks, settings = data.tasks(study), data.settings(study)
    study_ways.ways(study, wanted=["merged"])
    table = pd.read_parquet(study.path / "arms" / "merged.parquet")
    singles = [Group.of([name]) for name in tasks]
    fits = train(singles, tasks, settings, [1], tmp_path, options=Options(workers=1, extras=("weights",)))
    states = []
    for fit in fits:
        assert fit.path
        states.append(load_file(fit.path / "extras" / "weights" / f"{select_epoch(fit, study.resolved.select)}.safetensors"))
    path = encoder.folder(settings.model)
    tokens = encoder.tokenizer(path, settings.max_length)
    for i, (name, task) in enumerate(tasks.items()):
        model = build(load_base(path, "eager"), {name: task.labels}, 1)
        shared = {k: torch.stack([s[k].float() for s in states]).mean(dim=0).to(v.dtype) for k, v in states[i].items() if ".bert." in k}
        model.restore({**states[i], **shared})
        model.eval()
        rows = encoder.encode(task.split("test"), False, tokens, settings.max_length)
        with torch.no_grad():
            expected = torch.log_softmax(model.logits(name, **pad(rows, tokens)), dim=1) / np.log(2)
        mine = table[(table["task"] == name) & (table["seed"] == 1)].set_index("row").loc[task.split("test")["row"], "log2_p"]
        np.testing.assert_allclose(np.stack(mine.to_list()), expected, atol=1e-4)
    assert not list(study.path.glob(".merging*"))


def test_arms_of_each_way_are_compared_and_reported_with_what_they_cost(study: Study) -> None:
    facts = study_ways.ways(study)
    comparison = steps.compare(study)
    assert {"lora", "frozen", "merged"} <= set(comparison.table["plan"])
    run = tables(study)
    found = {way.name: way for way in ways(run)}
    n, whole = len(study.tasks), facts["encoder"]
    assert list(found) == ["alone", "recommended", "frozen", "lora", "merged"]
    assert found["alone"].bytes == 4 * (n * whole + facts["heads"]) and found["alone"].passes == n
    assert found["frozen"].bytes == found["merged"].bytes == 4 * (whole + facts["heads"])
    assert found["lora"].bytes == 4 * (whole + facts["heads"] + facts["adapters"])
    assert (found["frozen"].passes, found["merged"].passes, found["lora"].passes) == (1, 1, n)
    assert found["recommended"].passes == comparison.recommended.models
    # a BERT of one layer of width 32: query, key, value, attention output and pooler, and the two of 64; each with rank 8 from both sides
    assert facts["adapters"] == n * 8 * (5 * (32 + 32) + 2 * (32 + 64))
    for way in found.values():
        assert sum(way.verdicts.values()) == (n if way.name != "alone" else 0)
        assert way.speed > 0
    page = steps.report(study).read_text(encoding="utf-8")
    assert "Ways to share one encoder" in page and "an adapter per task" in page
    assert (study.report / "figures" / "ways.png").is_file()


def test_a_frozen_encoder_is_as_it_was_and_only_heads_differ_by_seed(study: Study) -> None:
    study_ways.ways(study, wanted=["frozen"])
    settings = data.settings(study)
    fits = [json.loads(f.read_text()) for f in study.fits.glob("*/manifest.json")]
    made = [f for f in fits if f["settings"]["tuning"] == "heads"]
    assert len(made) == 2 * len(study.tasks)
    assert {f["settings"]["learning_rate"] for f in made} == {50 * settings.learning_rate}
    before = set(study.index.values())
    assert not before & {f["key"] for f in made}, "the plans of the study are made of other fits"
    kept = {f: f.stat().st_mtime_ns for f in study.fits.rglob("*")}
    study_ways.ways(study, wanted=["frozen"])
    assert {f: f.stat().st_mtime_ns for f in study.fits.rglob("*")} == kept, "nothing is trained twice"


def test_an_arm_of_a_way_is_read_as_any_other(study: Study) -> None:
    study_ways.ways(study, wanted=["lora"])
    fits = data.fits(study, steps.alone(study), seeds=[1])
    rows = {(f.group.tasks[0], s): f.blocks[f.group.tasks[0], s].rows.tolist() for f in fits for s in ("dev", "test")}
    arm = read_arm("lora", study.arms["lora"], rows, {f.group.tasks[0]: f.labels[f.group.tasks[0]] for f in fits})  # type: ignore[arg-type]
    assert arm.seeds == dict.fromkeys(study.tasks, 2) and not arm.unanswered and not arm.labels_only
    assert "a way to share has this name" in wrong_arm(study, "lora")


def test_a_way_dominates_where_it_is_as_good_in_all_and_better_in_one() -> None:
    best = Way("recommended", "", 100.0, 2, 1.0, 0.01, {"equivalent": 2})
    assert replace_way(best, passes=1).dominates(best)
    assert not best.dominates(best)
    assert not replace_way(best, passes=1, bytes=101.0).dominates(best)
    assert not replace_way(best, difference=0.02, verdicts={"harm": 1}).dominates(best)


def replace_way(way: Way, **changes: object) -> Way:
    return way._replace(**changes)  # type: ignore[arg-type]


def test_a_study_names_the_ways_that_it_wants(small: Path) -> None:
    (small / "ways.yaml").write_text((small / "study.yaml").read_text() + "share: [frozen]\n")
    study = open_study(small / "ways.yaml", out=small / "runs" / "small")
    assert study.resolved.share == ("frozen",)
    (small / "ways.yaml").write_text((small / "study.yaml").read_text() + "share: [frozen, frozn, frozen]\n")
    with pytest.raises(InputError) as caught:
        open_study(small / "ways.yaml", out=small / "runs" / "small")
    assert len(caught.value.faults) == 2 and "Did you mean 'frozen'" in str(caught.value)
    assert replace(study.resolved, share=()).share == ()
