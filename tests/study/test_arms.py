"""Predictions from outside in a run folder: kept, picked up, taken out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cotrain import InputError, Study, open_study, steps
from cotrain.reporting.first_screen import sentences
from cotrain.study.tables import tables


@pytest.fixture
def study(small: Path) -> Study:
    """The finished small study."""
    return open_study(small / "runs" / "small", workers=1)


@pytest.fixture
def file(study: Study, tmp_path: Path) -> Path:
    """True labels of the test rows of reports, and labels of the rows that the study trains on."""
    rows = study.placement[(study.placement["task"] == "reports") & study.placement["split"].isin(["test", "train"])]
    path = tmp_path / "predictions.csv"
    pd.DataFrame({"task": "reports", "row": rows["row"], "guess": rows["label"]}).to_csv(path, index=False)
    return path


def lines(comparison, plan: str) -> pd.DataFrame:
    table = comparison.table
    return table[(table["plan"] == plan) & (table["metric"] == "accuracy")]


def test_an_arm_is_kept_and_stands_in_each_later_comparison_until_it_is_taken_out(study: Study, file: Path) -> None:
    found = steps.compare(study, arms={"mine": file})
    assert lines(found, "mine")["value"].tolist() == [1.0] and found.notes["arms"]["mine"]["unused"] == {"train": 225}
    file.unlink()
    again = steps.compare(study)
    assert lines(again, "mine").equals(lines(found, "mine")) and list(study.arms) == ["mine"]
    assert lines(study.load_comparison(), "mine")["value"].tolist() == [1.0]
    assert not len(lines(steps.compare(study, arms={"mine": None}), "mine")) and not study.arms


def test_the_same_predictions_are_one_look_at_test_and_others_are_another(study: Study, file: Path) -> None:
    before = len(study.looks)
    steps.compare(study, arms={"mine": file})
    steps.compare(study)
    assert len(study.looks) == before + 1
    file.write_text(file.read_text().replace("negated", "affirmed"))
    steps.compare(study, arms={"mine": file})
    assert len(study.looks) == before + 2
    steps.compare(study, arms={"mine": None})
    assert len(study.looks) == before + 2, "without an arm it is the comparison of before"


def test_an_arm_is_shown_on_the_first_screen_and_in_the_report_and_decides_nothing(study: Study, file: Path) -> None:
    before = study.load_comparison()
    steps.compare(study, arms={"mine": file})
    screen = sentences(tables(study))
    assert any(text.startswith("Predictions `mine` differ from alone by +") and "labels only" in text for text in screen.sentences)
    at = screen.table.heads.index("mine")
    cells = {line[0].text: line[at].text for line in screen.table.rows}
    assert cells["reports"].startswith("1.000 (+") and cells["letters"] == "–"
    report = steps.report(study).with_suffix(".md").read_text()
    assert "mine, primary metric of each task" in report and "labels alone are known" in report
    assert "Rows of the file that are not held out are not used: train (225)." in report
    assert study.load_comparison().recommended == before.recommended


def test_faults_of_a_file_leave_everything_as_it_was(study: Study, file: Path) -> None:
    before = {path: path.read_bytes() for path in study.path.glob("*.json")}
    file.write_text(file.read_text().replace("negated", "negatd"))
    with pytest.raises(InputError) as caught:
        steps.compare(study, arms={"mine": file, "letters": file, "gone": None, "a/b": file})
    text = str(caught.value)
    for words in (
        "Did you mean 'negated'",
        "arm 'letters': a task or plan has this name",
        "unknown arm 'gone'",
        "arm 'a/b': a name should",
    ):
        assert words in text
    assert {path: path.read_bytes() for path in study.path.glob("*.json")} == before and not study.arms


def test_a_kept_arm_that_fits_no_longer_is_left_out_and_named(study: Study, file: Path) -> None:
    steps.compare(study, arms={"mine": file})
    found = steps.compare(study, metric="log_loss")
    assert not (found.table["plan"] == "mine").any()
    assert any("arm mine: task reports: its metric log_loss needs probabilities" in text for text in found.notes["distrust"])
    with pytest.raises(InputError, match="needs probabilities"):
        steps.compare(study, metric="log_loss", arms={"mine": study.arms["mine"]})
