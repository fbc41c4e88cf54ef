"""Folders of cnlp-transformers: every column a task, ``__None__`` no example, numbers that mean presence named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotrain.demo.layouts import cnlpt
from cotrain.errors import InputError
from cotrain.tasks.load import load
from cotrain.tasks.readers.cnlpt import read, whole
from cotrain.tasks.source import Cut, Source

Rows = list[dict[str, str]]
SPLITS = {"test": "test", "dev": "dev"}


def rows(n: int, start: int = 0) -> Rows:
    """Rows of two tasks and a third that has half of them."""
    return [
        {
            "id": str(i), "text": f"wombat {start + i} <e> fever </e>", "Negation": "1" if i % 2 else "-1",
            "Uncertainty": "1" if i % 3 else "-1", "dtr": "__None__" if i % 4 else ("AFTER", "BEFORE")[i % 8 // 4],
        }
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of train, dev and test, each in another kind of file."""
    for k, name in enumerate(("train.json", "dev.tsv", "test.csv")):
        cnlpt(tmp_path / "cnlpt" / name, rows(24, 100 * k))
    return tmp_path / "cnlpt"


def source(folder: Path, **keys: Any) -> Source:
    return Source("c", format="cnlpt", path=str(folder), **keys)


def test_every_column_but_the_text_is_a_task(folder: Path) -> None:
    found = whole(source(folder))
    assert found.tasks == {"c.Negation": "Negation", "c.Uncertainty": "Uncertainty", "c.dtr": "dtr"}
    assert found.private
    assert whole(source(folder, label="dtr")).tasks == {"c": "dtr"}
    assert whole(source(folder, group="Uncertainty")).labels == ("Negation", "dtr")


def test_where_metadata_name_the_tasks_other_columns_are_none(folder: Path) -> None:
    for file in ("dev.tsv", "test.csv"):
        (folder / file).unlink()
    for beside in (False, True):
        said = json.loads((folder / "train.json").read_text())
        metadata = {"subtasks": [{"task_name": "dtr", "output_mode": "classification"}]}
        (folder / "train.json").write_text(json.dumps({"data": said["data"]} if beside else {**said, "metadata": metadata}))
        if beside:
            (folder / "metadata.json").write_text(json.dumps(metadata))
        assert whole(source(folder)).tasks == {"c.dtr": "dtr"}
        assert whole(source(folder, labels=("Negation",))).tasks == {"c.Negation": "Negation"}, "unless the study names them"
    (folder / "dev.tsv").write_text("text\tother\nfever\t1\n")
    assert whole(source(folder)).labels == ("dtr", "other"), "csv and tsv have no metadata"


def test_several_tasks_of_a_folder_are_the_same_rows_and_one_is_no_example_of_the_third(folder: Path) -> None:
    tasks = load([whole(source(folder, splits=SPLITS))], Cut())
    assert len({task.source for task in tasks.values()}) == 1
    assert [len(task.rows) for task in tasks.values()] == [72, 72, 18]
    assert tasks["c.dtr"].facts["skipped"] == 54
    assert set(tasks["c.dtr"].rows["row"]) < set(tasks["c.Negation"].rows["row"])
    assert tasks["c.Negation"].rows["text"][1] == "wombat 1 <e> fever </e>"
    assert tasks["c.Negation"].rows["row"].tolist()[:2] == ["train:1", "train:2"]
    assert tasks["c.Negation"].rows["split"].tolist() == ["train"] * 24 + ["dev"] * 24 + ["test"] * 24


def test_one_means_present_and_other_labels_are_their_names(folder: Path) -> None:
    tasks = load([whole(source(folder, splits=SPLITS))], Cut())
    assert {name: task.labels for name, task in tasks.items()} == {
        "c.Negation": ("not_negated", "negated"), "c.Uncertainty": ("not_uncertain", "uncertain"), "c.dtr": ("AFTER", "BEFORE"),
    }  # fmt: skip
    assert tasks["c.Negation"].rows["label"].tolist()[:3] == ["not_negated", "negated", "not_negated"]
    for file in folder.iterdir():
        file.write_text(file.read_text().replace("Negation", "severity").replace("Uncertainty", "UNCERTAINTY"))
    tasks = load([whole(source(folder, splits=SPLITS))], Cut())
    assert (tasks["c.severity"].labels, tasks["c.UNCERTAINTY"].labels) == (("-1", "1"), ("not_uncertain", "uncertain"))


def test_a_task_that_a_split_lacks_has_no_example_there(folder: Path) -> None:
    cnlpt(folder / "dev.tsv", [{key: value for key, value in row.items() if key != "dtr"} for row in rows(24, 100)])
    found = read(source(folder, label="dtr"), ["text", "dtr"])
    assert found["dtr"].notna().groupby(found["_split"]).sum().to_dict() == {"test": 6, "train": 6, "validation": 0}


def test_pairs_are_found_by_their_names(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    for name in ("train.csv", "valid.csv", "test.csv"):
        cnlpt(folder / name, [{"text_a": f"wombat {name} {i}", "text_b": f"b {i % 5}", "t": "xy"[i % 2]} for i in range(20)])
    found = whole(source(folder, splits={"test": "test", "dev": "validation"}))
    assert (found.text, found.pair, found.labels) == ("text_a", "text_b", ("t",))
    assert load([found], Cut())["c.t"].rows["pair"][3] == "b 3"


def metadata(folder: Path, *modes: str) -> None:
    """Say in a file beside the data, and in that of the data no longer, how each task is trained."""
    train = json.loads((folder / "train.json").read_text())
    del train["metadata"]
    (folder / "train.json").write_text(json.dumps(train))
    tasks = [{"task_name": name, "output_mode": mode} for name, mode in zip(("Negation", "Uncertainty", "dtr"), modes, strict=True)]
    (folder / "metadata.json").write_text(json.dumps({"subtasks": tasks}))


def test_modes_that_cannot_be_trained_are_refused_by_name(folder: Path, refused: Callable) -> None:
    metadata(folder, "classification", "tagging", "relex")
    message = refused(read, whole(source(folder)), ["text", "Negation", "Uncertainty", "dtr"])
    assert "Uncertainty has the output mode tagging; only classification can be trained" in message
    assert "dtr has the output mode relex" in message and "Negation has" not in message
    assert len(read(source(folder, labels=("Negation",)), ["text", "Negation"])) == 72


BAD: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "an empty label": ("test.csv", lambda f: f.write_text(f.read_text().replace("AFTER", "")), "dtr is empty at test:1, test:9"),
    "a blank label": ("test.csv", lambda f: f.write_text(f.read_text().replace("AFTER", " ")), "dtr is empty at test:1, test:9"),
    "a ragged row": ("dev.tsv", lambda f: f.write_text(f.read_text() + "1\twombat\n"), "row 25 (line 26) should have 5 fields"),
    "json that is a list": ("train.json", lambda f: f.write_text('[{"text": "wombat"}]'), "should have a list of objects under data"),
    "json that is none": ("train.json", lambda f: f.write_text('{"data": [{"text": "wombat}]}'), "line 1 is not JSON"),
    "labels that are lists": ("train.json", lambda f: f.write_text(f.read_text().replace('"AFTER"', '["wombat"]')),
                              "labels of dtr should be strings, found list"),
    "labels that are numbers": ("train.json", lambda f: f.write_text(f.read_text().replace('"AFTER"', "0.5")),
                                "labels of dtr should be strings, found float"),
    "other bytes": ("dev.tsv", lambda f: f.write_bytes(b"text\tdtr\nwombat \xff\tx\n"), "should be UTF-8, found other bytes in line 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_by_name(folder: Path, refused: Callable, case: str) -> None:
    name, spoil, words = BAD[case]
    spoil(folder / name)
    message = refused(read, source(folder, label="dtr"), ["text", "dtr"])
    assert words in message and str(folder / name) in message


def test_a_folder_without_tasks_is_refused(folder: Path, refused: Callable, tmp_path: Path) -> None:
    cnlpt(tmp_path / "bare" / "train.csv", [{"id": "1", "text": "wombat"}])
    assert "there should be columns of labels besides id, text, text_a, text_b" in refused(whole, source(tmp_path / "bare"))
    assert "should be a file, or a folder with train" in refused(whole, source(tmp_path / "nowhere"))
    (tmp_path / "bare" / "train.csv").write_text("He has a wombat.,1\nok,0\n")
    assert "2 values that look like no names and are not shown" in refused(whole, source(tmp_path / "bare"))
    cnlpt(folder / "dev.tsv", [{"text": "wombat", "a/b": "x"}])
    assert "task 'c.a/b': a name should have none of" in refused(whole, source(folder))
    assert "unknown column 'dtz'. Did you mean 'dtr'?" in refused(read, source(folder, label="dtz"), ["text", "dtz"])


def test_a_first_line_that_cannot_be_read_is_refused(folder: Path) -> None:
    (folder / "dev.tsv").write_bytes(b"te\xffxt\tdtr\n")
    with pytest.raises(InputError, match=r"dev.tsv: should be a file of columns in UTF-8"):
        whole(source(folder))
