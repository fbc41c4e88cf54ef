"""The demo's corpora: what is written can be read as a study, is repeatable, and its truth is what the closed form says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from cotrain import Task
from cotrain.demo.corpora import write
from cotrain.demo.generate import generate
from cotrain.demo.styles import CORPORA, Corpus
from cotrain.demo.truth import FILE, known, v_information
from cotrain.study.spec import read
from cotrain.tasks.load import load
from cotrain.tasks.texts import text_key

TASKS = ["consults.negation", "consults.uncertainty", "notes.modality", "notes.negation", "radiology.negation", "radiology.uncertainty"]


def tasks(study: Path) -> dict[str, Task]:
    """Return the tasks of a study file as the study reads them."""
    resolved = read(study)
    return load(resolved.sources, resolved.cut)


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study file of the demo."""
    return write(tmp_path_factory.mktemp("demo"))


def test_the_study_file_gives_six_tasks_of_three_formats(study: Path) -> None:
    found = tasks(study)
    assert sorted(found) == TASKS
    assert {Path(str(s.path)).suffix for s in read(study).sources} == {".csv", ".jsonl", ".parquet"}
    for name, task in found.items():
        assert len(task.labels) == (4 if name.endswith("modality") else 2)
        assert 180 <= len(task.split("train")) <= 300
        assert min(len(task.split("dev")), len(task.split("test"))) >= 80


def test_notes_stay_on_one_side_and_no_row_is_lost(study: Path) -> None:
    for task in tasks(study).values():
        assert task.left_out.empty
        sides = task.rows.groupby(task.rows["cluster"])["split"].nunique()
        assert (sides == 1).all()
        assert len(sides) > 50  # clusters are notes: no text ties two of them together


def test_no_text_is_there_twice_even_but_for_case_and_points(study: Path) -> None:
    texts = pd.concat([t.rows["text"] for name, t in tasks(study).items() if name.endswith("negation")])
    assert texts.map(text_key).is_unique


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_data(study: Path, tmp_path: Path) -> None:
    again, other = write(tmp_path / "again"), write(tmp_path / "other", seed=1)
    assert digests(again.parent) == digests(study.parent)
    changed = {name for name, digest in digests(other.parent).items() if digest != digests(study.parent)[name]}
    assert changed == {FILE, *(c.file for c in CORPORA)}


def test_the_data_files_do_not_show_the_truth(study: Path) -> None:
    seen = pd.read_csv(study.parent / "notes.csv")
    assert list(seen.columns) == ["row", "note", "text", "negation", "modality"]


def test_labels_are_flipped_at_the_stated_rate_whatever_the_true_label() -> None:
    draws = [generate(seed) for seed in range(8)]
    for corpus in CORPORA:
        rows = pd.concat([draw[corpus.name] for draw in draws])
        for column, noise in zip(corpus.columns, corpus.noise, strict=True):
            for _, part in rows.groupby(f"true_{column}"):
                wrong = int((part[column] != part[f"true_{column}"]).sum())
                assert stats.binomtest(wrong, len(part), noise).pvalue > 0.0005


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda c: c.name)
def test_shares_of_cells_add_up_and_every_cue_means_one_cell(corpus: Corpus) -> None:
    assert sum(share for share, _ in corpus.cells.values()) == pytest.approx(1)
    cues = [cue for _, templates in corpus.cells.values() for cue in templates]
    assert len(set(cues)) == len(cues)


@pytest.mark.parametrize(
    ("balance", "noise"), [((0.5, 0.5), 0.1), ((0.6, 0.4), 0.03), ((0.4, 0.2, 0.2, 0.2), 0.08), ((0.7, 0.2, 0.1), 0.0)]
)
def test_the_closed_form_is_the_mutual_information_of_the_flips(balance: tuple[float, ...], noise: float) -> None:
    classes = len(balance)
    flips = np.full((classes, classes), noise / (classes - 1))
    np.fill_diagonal(flips, 1 - noise)
    counts = np.round(1e9 * np.array(balance)[:, None] * flips).astype(np.int64)
    assert v_information(balance, noise) == pytest.approx(mutual_info_score(None, None, contingency=counts) / np.log(2), abs=1e-6)


def test_the_realised_truth_scatters_around_the_closed_form(tmp_path: Path) -> None:
    expected = {
        f"{c.name}.{column}": v_information(list(c.balance(k).values()), c.noise[k]) for c in CORPORA for k, column in enumerate(c.columns)
    }
    realised = []
    for seed in range(6):
        study = write(tmp_path, seed=seed)
        found = tasks(study)
        realised += [known(tmp_path, found, "dev"), known(tmp_path, found, "test")]
    table = pd.DataFrame(realised)
    for name, value in expected.items():
        assert abs(table[name].mean() - value) < 4 * table[name].std() / np.sqrt(len(table)), name


def test_the_truth_is_the_mean_log_ratio_of_the_oracle(study: Path) -> None:
    task = tasks(study)["notes.modality"]
    truth = pd.read_parquet(study.parent / FILE).query("task == 'notes.modality'").set_index("row")["true"]
    train, dev = task.split("train")["label"].tolist(), task.split("dev")
    noise = CORPORA[0].noise[1]
    bits = [
        np.log2((1 - noise if truth[row] == label else noise / 3) / (train.count(label) / len(train)))
        for row, label in zip(dev["row"], dev["label"], strict=True)
    ]
    assert known(study.parent, {"notes.modality": task})["notes.modality"] == pytest.approx(np.mean(bits), abs=1e-9)
