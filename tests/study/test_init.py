from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cotrain.errors import InputError
from cotrain.study.init import init
from cotrain.study.spec import read
from cotrain.tasks.load import load
from cotrain.tasks.source import Cut

SECRET = "wombat"  # is in every text, and must be in no study file
Row = dict[str, Any]
Save = Callable[..., Path]


def rows(n: int = 40, labels: Sequence[Any] = ("absent", "present"), start: int = 0, **more: Callable[[int], Any]) -> list[Row]:
    """Return rows of a text, a label in turn, and further columns by row number."""
    texts = ({"text": f"{SECRET} was seen {i} times", "label": labels[i % len(labels)]} for i in range(start, start + n))
    return [{**row, **{key: make(i) for key, make in more.items()}} for i, row in enumerate(texts, start)]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write rows in the format of the file's ending."""

    def make(name: str, table: Sequence[Row]) -> Path:
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".parquet":
            pd.DataFrame(table).to_parquet(file)
        elif file.suffix == ".json":
            file.write_text(json.dumps(table))
        elif file.suffix == ".jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in table))
        else:
            with file.open("w", newline="") as out:
                writer = csv.DictWriter(out, list(table[0]), delimiter="," if file.suffix == ".csv" else "\t")
                writer.writeheader()
                writer.writerows(table)
        return tmp_path / "data"

    return make


@pytest.fixture
def entry(save: Save) -> Callable[..., Row]:
    """Return what ``init`` writes of one file."""

    def make(table: Sequence[Row], name: str = "notes.csv") -> Row:
        text = init(save(name, table))
        assert SECRET not in text
        (found,) = yaml.safe_load(text)["tasks"].values()
        return dict(found)

    return make


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_what_it_writes_can_be_read_and_loaded(save: Save, kind: str) -> None:
    save(f"folder/train.{kind}", rows(40))
    save(f"folder/validation.{kind}", rows(20, start=40))
    save(f"cut_train.{kind}", rows(40, labels=(0, 1, 2), start=100))
    save(f"cut_test.{kind}", rows(21, labels=(0, 1, 2), start=200))
    folder = save(f"single.{kind}", rows(60, labels=(-1, 1), start=300))
    (folder / "study.yaml").write_text(init(folder))
    study = read(folder / "study.yaml")
    tasks = load(study.sources, study.cut)
    assert {name: task.labels for name, task in tasks.items()} == {
        "folder": ("absent", "present"), "cut": ("class_0", "class_1", "class_2"), "single": ("-1", "1"),
    }  # fmt: skip
    sizes = {name: task.rows["split"].value_counts().to_dict() for name, task in tasks.items()}
    assert sizes["folder"] == {"train": 32, "dev": 8, "test": 20}
    assert (sizes["cut"]["test"], sizes["cut"]["train"] + sizes["cut"]["dev"]) == (21, 40), "as published, and dev from train"
    assert sizes["single"]["test"] == 12, "20 % of 60"


def test_a_folder_of_split_files_is_one_task(save: Save) -> None:
    folder = save("train.csv", rows(40))
    save("test.csv", rows(20, start=40))
    assert yaml.safe_load(init(folder))["tasks"]["data"]["path"] == "."


def test_the_folder_of_a_run_is_no_data(save: Save) -> None:
    folder = save("notes.csv", rows()).parent
    save("runs/old/placement.parquet", rows())
    assert list(yaml.safe_load(init(folder))["tasks"]) == ["notes"]


def test_files_named_as_the_hub_does_are_one_task_with_its_splits(save: Save) -> None:
    for split, start in (("train", 0), ("validation", 100), ("test", 200)):
        folder = save(f"rte/{split}-00000-of-00001.parquet", rows(40, start=start))
    (folder / "study.yaml").write_text(init(folder))
    (source,) = read(folder / "study.yaml").sources
    assert (source.name, source.hub) == ("rte", str(folder / "rte"))
    assert {split: len(part) for split, part in load([source], Cut())["rte"].rows.groupby("split")} == {"dev": 40, "test": 40, "train": 40}


def test_the_index_that_pandas_writes_is_no_column(save: Save) -> None:
    folder = save("notes.csv", [{"": str(i), **row} for i, row in enumerate(rows())])
    assert yaml.safe_load(init(folder))["tasks"]["notes"]["label"] == "label"


def test_a_few_words_in_the_first_line_may_be_a_text(save: Save) -> None:
    folder = save("notes.csv", [{"Wombat denies pain": f"note {i}", "negated": "ab"[i % 2]} for i in range(40)])
    with pytest.raises(InputError) as caught:
        init(folder)
    assert "Wombat" not in str(caught.value) and "do not look like names" in str(caught.value)


def test_a_task_has_no_name_that_a_study_refuses(save: Save) -> None:
    folder = save("text.csv", rows())
    (folder / "study.yaml").write_text(init(folder))
    assert [source.name for source in read(folder / "study.yaml").sources] == ["text_"]


def test_deeper_folders_are_found_and_equal_names_told_apart(save: Save) -> None:
    save("one/deep/notes.csv", rows())
    folder = save("two/notes.csv", rows(start=100))
    found = yaml.safe_load(init(folder))["tasks"]
    assert {name: entry["path"] for name, entry in found.items()} == {"notes": "one/deep/notes.csv", "notes_": "two/notes.csv"}


def test_paths_begin_where_the_study_file_will_be(save: Save, tmp_path: Path) -> None:
    folder = save("notes.csv", rows())
    (tmp_path / "studies").mkdir()
    file = tmp_path / "studies" / "study.yaml"
    file.write_text(init(folder, beside=file.parent))
    assert read(file).sources[0].path == str(folder / "notes.csv")


def test_what_cannot_be_read_is_left_out_and_named(save: Save) -> None:
    folder = save("good.csv", rows())
    save("no_label.csv", [{"text": f"{SECRET} {i}"} for i in range(30)])
    (folder / "ragged.csv").write_text(f"text,label\n{SECRET},a,b\n")
    (folder / "empty.csv").write_text("")
    (folder / "damaged.parquet").write_bytes(b"PAR1")
    (folder / "settings.json").write_text('{"a": 1}')
    text = init(folder)
    assert SECRET not in text
    left_out = [line for line in text.splitlines() if line.startswith("# left out: ")]
    assert [next(n for n in ("damaged", "empty", "label", "ragged", "settings") if n in line) for line in left_out] == [
        "damaged", "empty", "label", "ragged", "settings",
    ]  # fmt: skip
    assert yaml.safe_load(text)["tasks"].keys() == {"good"}


def test_a_test_file_without_labels_is_left_out_with_the_reason(save: Save) -> None:
    save("a/train.csv", rows())
    save("a/test.csv", [{"text": f"{SECRET} {i}"} for i in range(9)])
    text = init(save("b.csv", rows(start=100)))
    assert "test.csv: lacks the column label, which train.csv has" in text


@pytest.mark.parametrize(
    "first", ["wombat is fine,absent", "a wombat went over the hill and did not come back,x", "12,absent", "a wombat!,other"]
)
def test_a_file_without_a_header_shows_no_text(save: Save, first: str) -> None:
    folder = save("good.csv", rows())
    (folder / "bare.csv").write_text(first + "".join(f"\n{SECRET} number {i},{'absent' if i % 2 else 'present'}" for i in range(40)))
    text = init(folder)
    assert SECRET not in text
    assert "# left out: " in text
    assert "the first line should name the columns" in text


def test_reasons_quote_no_first_line(save: Save) -> None:
    folder = save("good.csv", rows())
    (folder / "bare.csv").write_text("".join(f"{SECRET} number {i}\n" for i in range(40)))
    save("a/train.csv", rows(start=50))
    (folder / "a" / "test.csv").write_text(f"{SECRET} one,x\n{SECRET} two,y\n")
    text = init(folder)
    assert SECRET not in text
    assert text.count("# left out: ") == 2


def test_nothing_usable_is_an_error_with_every_reason(save: Save, tmp_path: Path) -> None:
    folder = save("a.csv", [{"text": f"{SECRET} {i}"} for i in range(30)])
    (folder / "b.csv").write_text("")
    with pytest.raises(InputError) as caught:
        init(folder)
    assert len(caught.value.faults) == 3
    assert SECRET not in str(caught.value)
    with pytest.raises(InputError, match="there should be a folder"):
        init(tmp_path / "gone")


# -- columns ----------------------------------------------------------------------------------------------------------


def test_columns_are_known_by_their_names(entry: Callable[..., Row]) -> None:
    table = [{"year": 2000 + i % 4, "premise": f"{SECRET} {i}", "hypothesis": f"{SECRET} not {i}", "label": "ab"[i % 2]} for i in range(40)]
    found = entry(table)
    assert (found["text"], found["pair"], found["label"]) == ("premise", "hypothesis", "label")
    assert "names" not in found


def test_columns_without_telling_names_are_known_by_their_values(entry: Callable[..., Row]) -> None:
    table = [{"a": "xy"[i % 2], "b": f"{SECRET} is long {i}", "c": f"{SECRET}{i}", "d": "pqr"[i % 3], "e": i / 7} for i in range(60)]
    found = entry(table)
    assert (found["text"], found["label"]) == ("b", "d")


def test_columns_with_the_same_values_are_several_tasks(entry: Callable[..., Row]) -> None:
    table = [{"text": f"{SECRET} {i}", "negated": i % 2, "family": i // 2 % 2} for i in range(40)]
    found = entry(table)
    assert found["labels"] == ["negated", "family"]
    assert found["names"] == ["class_0", "class_1"]


@pytest.mark.parametrize("column", ["pmid", "patient_id", "patientId", "note id", "document", "DOC_ID"])
def test_rows_of_one_patient_or_document_stay_together(entry: Callable[..., Row], column: str) -> None:
    assert entry(rows(**{column: lambda i: f"x{i // 4}"}))["group"] == column


def test_a_column_whose_values_all_differ_groups_nothing(entry: Callable[..., Row]) -> None:
    assert "group" not in entry(rows(pmid=lambda i: f"x{i}"))


def test_row_ids_are_used_where_they_are_some(entry: Callable[..., Row]) -> None:
    assert entry(rows(id=lambda i: f"x{i}"))["id"] == "id"
    assert "id" not in entry(rows(id=lambda i: f"x{i // 2}"))


def test_a_column_of_persons_makes_the_task_private(entry: Callable[..., Row]) -> None:
    assert entry(rows(patient=lambda i: f"x{i // 4}"))["private"] is True
    assert "private" not in entry(rows(pmid=lambda i: f"x{i // 4}"))


def test_a_column_names_the_splits(entry: Callable[..., Row]) -> None:
    found = entry(rows(split=lambda i: ("train", "train", "train", "Dev", "test")[i % 5]))
    assert found["split_column"] == "split"
    assert found["splits"] == {"test": "test", "dev": "validation"}


def test_a_test_split_without_labels_is_not_the_test_set(save: Save) -> None:
    save("a/train.jsonl", rows())
    save("a/validation.jsonl", rows(start=40))
    text = init(save("a/test.jsonl", rows(labels=(None,), start=80)))
    assert "splits" not in yaml.safe_load(text)["tasks"]["a"]
    assert "test has no labels, validation is the test set" in text


def test_missing_labels_are_counted_with_the_line_that_leaves_them_out(save: Save) -> None:
    text = init(save("notes.csv", rows(40, labels=("a", "b", "", "a"))))
    assert "# missing_label: skip" in text
    assert "10 rows lack a label" in text


def test_every_guess_has_its_reason(save: Save) -> None:
    text = init(save("notes.csv", rows(labels=(0, 1), patient=lambda i: f"x{i // 4}")))
    tasks = text.splitlines()[text.splitlines().index("tasks:") + 2 :]
    assert len(tasks) == 7
    assert all("#" in line for line in tasks)
    assert "EDIT" in next(line for line in tasks if "names:" in line)


def test_strange_names_are_quoted(save: Save) -> None:
    table = [{"my text: #1": f"{SECRET} number {i}", "no": "ab"[i % 2]} for i in range(40)]
    folder = save("a + b.csv", table)
    (folder / "study.yaml").write_text(init(folder))
    (source,) = read(folder / "study.yaml").sources
    assert (source.name, source.text, source.label) == ("a_b", "my text: #1", "no")
