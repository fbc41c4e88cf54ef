"""A study on clinical corpora: private by default, and no word of a note in anything that is written or printed."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cotrain import load, open_study, run
from cotrain.cli import main
from cotrain.demo.layouts import Mention, anafora, cnlpt, knowtator
from cotrain.errors import ChangedStudy, InputError
from cotrain.serving.export import export
from cotrain.study import data, steps
from cotrain.study.spec import read
from cotrain.study.study import Study
from cotrain.training.calibrate import Rate

SECRET = "wombat"
DOCUMENT, PATIENT = "quokka", "ID7317"
"""In the names of documents, and in those of patients."""
STUDY = """\
model: {model}
tasks:
  thyme: {{format: anafora, path: thyme, labels: [negation, modality], split_by: none, on_error: {on_error}}}
  seed: {{format: knowtator, path: SeedSet1, attribute: negation, split_by: none, texts: SeedSet1/by-batch}}
  cnlpt: {{format: cnlpt, path: cnlpt}}
splits: {{test: 0.3, dev: 0.3}}
preset: fast
training: {{epochs: 1, min_updates: 0, max_length: 16, precision: fp32, device: cpu}}
seeds: [1]
"""


@pytest.fixture
def corpora(tmp_path: Path, small: Path) -> Path:
    """Return the study file of three corpora whose every note and row has the secret."""
    rows = []
    for k in range(60):
        text = f"no fever {SECRET} {k}\r\nmaybe cough {SECRET}{k}"
        begin = text.index("cough")
        values = {"Polarity": ("NEG", "POS")[k % 2], "ContextualModality": ("ACTUAL", "HEDGED")[k % 3 == 0]}
        anafora(tmp_path / "thyme", f"{PATIENT}{k:02d}_{DOCUMENT}_001", text, [Mention([(begin, begin + 5 + k % 7)], values)])
        knowtator(
            tmp_path / "SeedSet1", f"{DOCUMENT}{k}", text, [Mention([(3, 8 + k % 7)], {"negation": ""} if k % 2 else {}, "Lab")], k % 9 + 1
        )
        rows.append({"text": f"{SECRET} <e> rash </e> {k}", "Negation": ("1", "-1")[k % 2], "other": f"ab{k}"[k % 2]})
    cnlpt(tmp_path / "cnlpt" / "train.csv", rows)
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(model=small / "encoder", on_error="error"))
    return file


def spoil(study: Path) -> None:
    """Make every kind of file of the corpora faulty, with the secret where a message could quote it."""
    folder = study.parent
    anafora(folder / "thyme", "ID900_clinic_001", SECRET, [Mention([(0, 99)], {"Polarity": SECRET}), Mention([], {SECRET: SECRET})])
    bomb = f'<!DOCTYPE d [<!ENTITY e "{SECRET}">]><data>&e;</data>'
    for name, content in (("ID901_clinic_001", f"<data>{SECRET}"), ("ID902_clinic_001", bomb)):
        anafora(folder / "thyme", name, SECRET, []).write_text(content)
    knowtator(folder / "SeedSet1", "d900", SECRET, [Mention([(0, 99)], {"negation": SECRET}, "Lab")], 1).touch()
    with (folder / "cnlpt" / "train.csv").open("a") as lines:
        lines.write(f'{SECRET},"{SECRET}\n{SECRET}')


def words(folder: Path) -> list[str]:
    """Return all that can be read in the files of a folder: bytes, names, and the values of tables, which are compressed."""
    found = []
    for file in folder.rglob("*"):
        found.append(str(file.relative_to(folder)))
        if file.is_file():
            found.append(file.read_bytes().decode("latin-1"))
        if file.suffix == ".parquet":
            found.append(pd.read_parquet(file).to_csv())
    return found


def test_clinical_tasks_are_private_unless_the_study_says_otherwise(corpora: Path) -> None:
    assert [source.private for source in read(corpora).sources] == [True] * 3
    assert [source.private for source in read(corpora, ["tasks.seed.private=false"]).sources] == [True, False, True]
    with pytest.raises(InputError, match=r"not with private tasks \(thyme, seed, cnlpt\)"):
        open_study(corpora, out=corpora.parent / "run", fits=corpora.parent / "fits")


def test_tasks_of_a_folder_are_written_out_in_the_resolved_study(corpora: Path) -> None:
    study = open_study(corpora, out=corpora.parent / "run")
    assert list(study.tasks) == ["thyme.negation", "thyme.modality", "seed", "cnlpt.Negation", "cnlpt.other"]
    study.save_spec()
    written = yaml.safe_load((corpora.parent / "run" / "study.yaml").read_text())["tasks"]
    assert (written["cnlpt"]["labels"], written["seed"]["attribute"]) == (["Negation", "other"], "negation")
    assert open_study(corpora.parent / "run").resolved == study.resolved
    assert open_study(corpora, out=corpora.parent / "run").resolved == study.resolved


def test_markers_are_tokens_of_a_clinical_study_and_none_is_cut(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
    study = open_study(corpora, sets=["training.max_length=9"], out=corpora.parent / "run")
    assert study.resolved.settings.special_tokens == ("<e>", "</e>")
    assert {name: facts["markers_lost"] for name, facts in steps.check(study)["tasks"].items()} == dict.fromkeys(study.tasks, 0)
    assert max(n for lengths in data.lengths(study).values() for n in lengths) > 9, "rows are cut"
    plain = open_study(corpora, sets=["training.special_tokens=[]"], out=corpora.parent / "plain")
    found = steps.check(plain)
    assert {name: facts["markers_lost"] for name, facts in found["tasks"].items()} == dict.fromkeys(study.tasks, 60)
    assert any("should be in training.special_tokens" in sentence for sentence in found["warnings"])


def test_markers_are_fixed_when_a_study_is_created(corpora: Path, small: Path) -> None:
    text = (small / "study.yaml").read_text()
    before = open_study(small / "study.yaml", out=small / "runs" / "small")
    assert before.resolved.settings.special_tokens == ()
    (small / "study.yaml").write_text(
        text.replace(
            "tasks:", f"tasks:\n  seed: {{format: knowtator, path: {corpora.parent}/SeedSet1, attribute: negation, split_by: none}}"
        )
    )
    with pytest.raises(ChangedStudy, match=r"training.special_tokens: \[\] → \[<e>, </e>\]"):
        open_study(small / "study.yaml", out=small / "runs" / "small")


def test_heads_read_entities_only_where_there_are_markers(corpora: Path, small: Path) -> None:
    assert read(corpora, ["training.pooling=entity"]).settings.pooling == "entity"
    for study, sets in ((small / "study.yaml", []), (corpora, ["training.special_tokens=[]"])):
        with pytest.raises(InputError, match="pooling entity needs markers"):
            read(study, [*sets, "training.pooling=entity"])


def test_no_word_of_a_note_is_written_or_printed(corpora: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    scratch, run = corpora.parent / "scratch", corpora.parent / "run"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
    study = open_study(corpora, out=run, workers=1)
    steps.check(study)
    steps.score(study)
    assert len(list((run / "fits").iterdir())) == 5 and study.load_scores("pvi").table["pvi_bits"].notna().all()
    assert all(SECRET in text for task in data.tasks(study).values() for text in task.rows["text"])
    out, err = capfd.readouterr()
    seen = [*words(run), *words(scratch), out, err]
    assert len(seen) > 20
    assert [text[:80] for text in seen if SECRET in text] == []


def test_what_leaves_a_run_names_no_document_and_no_patient(
    corpora: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run folder is the owner's alone and knows them; reports, models, exports and what is printed do not."""
    scratch, folder = corpora.parent / "scratch", corpora.parent / "run"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
    study = open_study(corpora, out=folder, workers=1, sets=["controls=[alone]", "plan.select=partition"])
    made = run(study)
    for model in made.models:
        for task in load(model).serves:
            made_of_it = export(model, task, corpora.parent / "exports" / task)
            assert {stat.S_IMODE(file.stat().st_mode) for file in made_of_it.iterdir()} == {0o600}
    steps.report(study, corpora.parent / "shared")
    out, err = capfd.readouterr()
    whole = words(folder)
    leaving = [*words(study.report), *words(study.models), *words(corpora.parent / "exports"), *words(corpora.parent / "shared"),
               *words(scratch), out, err]  # fmt: skip
    assert len(list(study.models.iterdir())) >= 1 and len(leaving) > 60
    assert [text[:80] for text in [*whole, *leaving] if SECRET in text] == []
    for name in (DOCUMENT, PATIENT):
        assert any(name in text for text in whole), "else nothing is shown here"
        assert [text[:80] for text in leaving if name in text] == []
    assert not any(str(corpora.parent) in text for text in words(corpora.parent / "shared"))
    modes = {stat.S_IMODE(there.stat().st_mode) for there in folder.rglob("*") if there.is_file()}
    assert modes == {0o600} and {stat.S_IMODE(f.stat().st_mode) for f in [folder, *folder.rglob("*")] if f.is_dir()} == {0o700}


def test_the_folder_of_a_run_without_private_tasks_is_as_others_are(small: Path) -> None:
    folder = small / "runs" / "small"
    steps.report(open_study(folder))
    assert {stat.S_IMODE(there.stat().st_mode) & 0o077 for there in folder.rglob("*.json")} == {0o044}


@pytest.mark.parametrize("on_error", ["error", "skip"])
def test_no_word_of_a_note_is_in_a_fault(
    corpora: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    spoil(corpora)
    corpora.write_text(corpora.read_text().replace("on_error: error", f"on_error: {on_error}"))
    monkeypatch.setattr("sys.argv", ["cotrain", "check", str(corpora), "--out", str(corpora.parent / "run")])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capfd.readouterr()
    assert left.value.code == 2
    assert SECRET not in out + err
    told = re.sub(r"\s+", " ", err)
    assert ("ID900_clinic_001" in told) == (on_error == "error")
    assert "d900" in told and "train.csv: the quotes of row 61 are not closed" in told
    assert not (corpora.parent / "run").exists()


def test_a_defect_shows_no_word_of_a_note(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback has lines of code and no values, also where rows are at hand."""

    def broken(study: Study, *given: object) -> None:
        texts = [text for task in data.tasks(study).values() for text in task.rows["text"]]
        raise ZeroDivisionError(len(texts))

    monkeypatch.setattr("cotrain.study.steps.check", broken)
    monkeypatch.setattr("sys.argv", ["cotrain", "check", str(corpora), "--out", str(corpora.parent / "run")])
    with pytest.raises(ZeroDivisionError) as defect:
        main()
    told = "".join(traceback.format_exception(defect.value))
    assert "raise ZeroDivisionError(len(texts))" in told and SECRET not in told


def test_a_whole_run_and_its_models_need_no_network_and_leave_no_word(corpora: Path) -> None:
    """The command itself, its worker processes and the home of its user, without any network."""
    if sys.platform != "linux" or subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace may be made here")
    home = corpora.parent / "home"
    (home / "tmp").mkdir(parents=True)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG_", "TORCH"))}
    env |= {"HOME": str(home), "TMPDIR": str(home / "tmp"), "OMP_NUM_THREADS": "1"}
    seen, folder = [], corpora.parent / "run"

    def cotrain(*arguments: str) -> None:
        command = ["unshare", "-rn", sys.executable, "-m", "cotrain", *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=home)
        assert done.returncode == 0, done.stderr
        seen.extend([done.stdout, done.stderr])

    sets = [word for pair in ("controls=[alone]", "plan.select=partition", "plan.models=5") for word in ("--set", pair)]
    cotrain("run", str(corpora), "--out", str(folder), "--workers", "2", *sets)
    cotrain("report", str(folder), "--share", str(corpora.parent / "shared"))
    model = next(there for there in (folder / "models").iterdir() if any(t.startswith("cnlpt") for t in load(there).serves))
    cotrain("predict", str(model), str(corpora.parent / "cnlpt" / "train.csv"), "--out", str(home / "predicted.jsonl"))
    seen += [*words(folder), *words(home), *words(corpora.parent / "shared")]
    assert len(seen) > 60 and [text[:80] for text in seen if SECRET in text] == []
    predicted = home / "predicted.jsonl"
    assert len(predicted.read_text().splitlines()) == 60 and stat.S_IMODE(predicted.stat().st_mode) == 0o600
