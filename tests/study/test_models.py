"""models/ holds what the recommended plan says: of each group the seed that is best on dev, all seeds, or nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cotrain import load, open_study
from cotrain.errors import InputError
from cotrain.evaluation.thresholds import threshold
from cotrain.study import data
from cotrain.study.models import models, ranked
from cotrain.study.study import Study
from cotrain.training.group import Group
from cotrain.training.models import made_of


@pytest.fixture
def study(small: Path) -> Study:
    return open_study(small / "runs" / "small", workers=1)


def names(study: Study) -> list[str]:
    return sorted(folder.name for folder in study.models.iterdir())


def test_best_keeps_what_is_there_and_removes_what_is_not_recommended(study: Study) -> None:
    before = {file: file.stat().st_mtime_ns for file in study.models.rglob("*")}
    shutil.copytree(next(study.models.iterdir()), study.models / "of-an-earlier-plan")
    (study.models / "mine").mkdir()
    found = models(study)
    assert names(study) == sorted([*(folder.name for folder in found), "mine"]), "what is no model is not ours to remove"
    assert {file: file.stat().st_mtime_ns for file in before} == before, "nothing was made again"
    for folder, serving in found.items():
        about = json.loads((folder / "cotrain.json").read_text())
        assert about["seed"] == ranked(study, serving)[0].seed and about["serves"] == list(serving.serves)


def test_all_keeps_the_other_seeds_beside_the_best_and_none_keeps_nothing(study: Study) -> None:
    best = set(models(study))
    every = models(study, keep="all")
    assert best < set(every) and len(every) == 2 * len(best), "there are two seeds"
    for folder, serving in every.items():
        about = json.loads((folder / "cotrain.json").read_text())
        first, second = ranked(study, serving)
        assert (about["seed"], about["key"]) == ((first.seed, first.key) if folder in best else (second.seed, second.key))
        assert folder.name.endswith(f"@{about['seed']}") == (folder not in best)
    assert set(models(study, keep="best")) == best and len(names(study)) == len(best)
    assert models(study, keep="none") == {} and names(study) == []
    with pytest.raises(InputError, match=r"'bset'\. Did you mean 'best'"):
        models(study, keep="bset")


def test_thresholds_of_dev_stand_in_the_models_of_a_study_that_wants_them(study: Study) -> None:
    likeliest = {folder: made_of(folder) for folder in models(study)}
    wanting = replace(study, resolved=replace(study.resolved, thresholds="dev"))
    for folder, serving in models(wanting).items():
        fit, (key, epoch, at) = ranked(study, serving)[0], made_of(folder) or ("", 0, {})
        assert (key, epoch) == (likeliest[folder] or ())[:2] and at.keys() == set(serving.serves)
        shared = load(folder, "cpu", "fp32")
        for task in serving.serves:
            block = fit.blocks[task, "dev"]
            assert (at[task] is None) == (len(fit.labels[task]) != 2)
            if at[task] is not None:
                assert at[task] == threshold("macro_f1", block.gold, block.at(epoch))
                assert f"for {task} where its probability is above {at[task]:g}, chosen on dev" in (folder / "README.md").read_text()
                p = np.array([[0.99 - at[task], 0.01 + at[task]], [1 - at[task], at[task]]])
                assert shared.decide(task, p).tolist() == [1, 0]
    assert {folder: made_of(folder) for folder in models(study)} == likeliest, "without them it is as before"


def test_the_card_has_the_numbers_of_the_comparison_and_the_hub_reads_them(study: Study) -> None:
    from huggingface_hub import ModelCard

    comparison = study.load_comparison()
    assert comparison is not None
    table = comparison.table
    mine = table[(table["split"] == "test") & table["primary"] & (table["plan"] == "recommended")].set_index("task")
    for folder, serving in models(study).items():
        card = ModelCard.load(folder / "README.md")
        assert {(r.dataset_name, r.metric_type, r.metric_value) for r in card.data.eval_results or ()} == {
            (task, mine.loc[task, "metric"], round(mine.loc[task, "value"], 6)) for task in serving.serves
        }
        about = json.loads((folder / "cotrain.json").read_text())
        for task in serving.serves:
            line = mine.loc[task]
            assert f"{line['value']:.3f} [{line['value_low']:.3f}, {line['value_high']:.3f}]" in card.text
            assert f"{line['difference']:.3f} [{line['low95']:.3f}, {line['high95']:.3f}]" in card.text
        assert all(entry["content"] in card.text for entry in about["tasks"].values()), "hashes of the data"
        assert all(f"| together | {task} | " in card.text for task in serving.serves), "the controls"
        assert "Inputs are cut after 16 tokens" in card.text
        assert all(sentence in card.text for sentence in comparison.recommended.why)
        rows = study.placement
        assert rows is not None
        for task in serving.group.real:
            counts = rows[rows["task"] == task]["split"].value_counts()
            assert f"| {task} | {counts['train']}, {counts['dev']}, {counts['test']} | no |" in card.text


def test_the_command_says_what_is_kept(study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from cotrain.cli import main

    for keep, code in (("none", 0), ("nothing", 2)):
        monkeypatch.setattr("sys.argv", ["cotrain", "train", str(study.path), "--for", "models", "--keep", keep])
        with pytest.raises(SystemExit) as left:
            main()
        assert (left.value.code or 0) == code
    assert names(study) == []
    said = capsys.readouterr()
    assert "0 models ready to use" in said.out and "Known: all, best, none" in said.err
    monkeypatch.setattr("sys.argv", ["cotrain", "train", str(study.path), "--keep", "all"])
    with pytest.raises(SystemExit):
        main()
    assert "it belongs to --for models" in capsys.readouterr().err


def test_the_command_trains_controls_of_a_pair_at_seeds_of_ones_own(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from cotrain.cli import main

    pair = "letters+reports"
    for alone in ("letters", "reports"):
        monkeypatch.setattr("sys.argv", ["cotrain", "train", str(study.path), pair, f"{alone}@{pair}", "--seeds", "71, 71"])
        with pytest.raises(SystemExit) as left:
            main()
        assert not left.value.code
    there, alone, other = (data.fits(study, [Group.parse(name)], [71])[0] for name in (pair, f"letters@{pair}", f"reports@{pair}"))
    assert there.updates == alone.updates == other.updates
    assert not data.fits(study, [Group.of(["letters"])], [71])
