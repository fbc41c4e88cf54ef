"""The demo's corpora in clinical layouts: the labels that were generated are the labels that are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cotrain.demo.clinical import write
from cotrain.demo.generate import generate
from cotrain.study.spec import read
from cotrain.tasks.load import load
from cotrain.tasks.task import Task

CORPORA = {"thyme": "notes", "seed": "radiology", "consults": "consults"}
NAMES = {
    "affirmed": "not_negated", "present": "not_negated", "absent": "negated", "certain": "not_uncertain", "firm": "not_uncertain",
    "tentative": "uncertain",
}  # fmt: skip


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture(scope="module")
def tasks(corpora: Path) -> dict[str, Task]:
    study = read(write(corpora))
    return load(study.sources, study.cut)


def test_six_tasks_of_three_formats_are_read_without_a_fault(tasks: dict[str, Task]) -> None:
    assert list(tasks) == [
        "thyme.negation", "thyme.modality", "seed.negation", "seed.uncertainty", "consults.Negation", "consults.Uncertainty",
    ]  # fmt: skip
    assert all(task.private and not task.facts for task in tasks.values())


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_labels_of_every_finding_are_those_that_were_generated(tasks: dict[str, Task], corpus: str) -> None:
    table = generate()[CORPORA[corpus]]
    findings = [text[begin:end] for text, begin, end in zip(table["text"], table["begin"], table["end"], strict=True)]
    for name, task in tasks.items():
        if not name.startswith(corpus):
            continue
        column = name.partition(".")[2].lower()
        planted = sorted(zip(findings, (NAMES.get(label, label) for label in table[column]), strict=True))
        found = [re.findall("<e> (.*) </e>", text)[0] for text in task.rows["text"]]
        assert sorted(zip(found, task.rows["label"], strict=True)) == planted


def test_patients_and_batches_are_split_as_published(tasks: dict[str, Task]) -> None:
    rows = tasks["thyme.negation"].rows
    number = rows["row"].str.extract(r"^ID(\d+)_")[0].astype(int) % 8
    assert rows["split"].tolist() == [("train" if n < 4 else "dev" if n < 6 else "test") for n in number]
    assert set(tasks["seed.negation"].rows["split"]) == {"train", "dev", "test"}


def test_the_corpora_have_the_traps_of_real_ones(corpora: Path) -> None:
    notes = [file.read_bytes() for file in (corpora / "THYME").rglob("ID*") if file.is_file() and not file.suffix]
    assert {b"\r\n" in note for note in notes} == {True, False}
    assert any(b";" in file.read_bytes().partition(b"<span>")[2] for file in (corpora / "THYME").rglob("*.xml"))
    assert any("." in file.stem for file in (corpora / "SHARP").rglob("*.txt"))


def test_the_same_seed_gives_the_same_bytes(corpora: Path, tasks: dict[str, Task], tmp_path: Path) -> None:
    write(tmp_path)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (corpora / file.relative_to(tmp_path)).read_bytes()
