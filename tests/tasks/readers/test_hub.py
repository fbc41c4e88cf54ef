from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cotrain.tasks.load import load
from cotrain.tasks.source import Cut, Source

datasets = pytest.importorskip("datasets")

CARD = """---
configs:
- config_name: one
  data_files:
  - {split: train, path: one/train.parquet}
  - {split: validation_matched, path: one/held.parquet}
- config_name: two
  data_files:
  - {split: train, path: two/train.parquet}
---
"""


@pytest.fixture
def hub(tmp_path: Path, rows: Callable) -> Path:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["yes", "no", "maybe"])})
    for name, n, start in (("one/train", 30, 0), ("one/held", 9, 100), ("two/train", 12, 200)):
        file = tmp_path / "hub" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows(n, (0, 1, 2), start), features=features).to_parquet(file)
    (tmp_path / "hub" / "README.md").write_text(CARD)
    return tmp_path / "hub"


def test_a_local_folder_in_the_layout_of_the_hub_is_read_with_its_label_names(hub: Path, capfd: pytest.CaptureFixture) -> None:
    source = Source("t", hub=str(hub), config="one", splits={"test": "validation_matched"})
    task = load([source], Cut())["t"]
    assert task.labels == ("yes", "no", "maybe")  # the order of the Hub, not of the alphabet
    assert set(task.split("test")["row"]) == {f"validation_matched:{i}" for i in range(1, 10)}
    assert task.rows.set_index("row").loc["train:3", "label"] == "maybe"
    assert capfd.readouterr() == ("", "")


def test_names_given_by_hand_and_by_the_hub_give_the_same_rows(hub: Path) -> None:
    by_hub = load([Source("t", hub=str(hub), config="two")], Cut())["t"]
    by_hand = load([Source("t", path=str(hub / "two"), names=("yes", "no", "maybe"))], Cut())["t"]
    assert by_hub.labels == by_hand.labels
    assert by_hub.content() == by_hand.content()


def test_rows_without_a_public_label_are_missing_labels(tmp_path: Path, rows: Callable, refused: Callable) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    datasets.Dataset.from_list(rows(12, (0, 1, -1)), features=features).to_parquet(tmp_path / "train.parquet")
    assert "label is missing at train:3, train:6" in refused(load, [Source("t", hub=str(tmp_path))], Cut())


def test_an_unknown_configuration_is_refused_with_those_there_are(hub: Path, refused: Callable) -> None:
    assert "Did you mean 'one'? Known: one, two" in refused(load, [Source("t", hub=str(hub), config="on")], Cut())
    assert "one of one, two" in refused(load, [Source("t", hub=str(hub))], Cut())


def test_a_column_that_is_not_there_is_refused(hub: Path, refused: Callable) -> None:
    assert "unknown column 'txt'. Did you mean 'text'?" in refused(load, [Source("t", hub=str(hub), config="two", text="txt")], Cut())


def test_a_damaged_file_is_refused_without_the_library_s_message(hub: Path, refused: Callable) -> None:
    (hub / "two" / "train.parquet").write_bytes(b"wombat" * 20)
    assert "task t" in refused(load, [Source("t", hub=str(hub), config="two")], Cut())


@pytest.mark.parametrize("private", [True, False])
def test_a_local_data_set_leaves_no_copy_behind(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: bool) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    load([Source("t", hub=str(hub), config="two", private=private)], Cut())
    assert not [f for f in cache.rglob("*") if f.is_file()]


def test_tables_in_memory_take_the_same_path(hub: Path, rows: Callable) -> None:
    from cotrain import Task

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["yes", "no", "maybe"])})
    dataset = datasets.Dataset.from_list(rows(12, (0, 1, 2), 200), features=features)
    in_memory = Task.from_dataset("t", datasets.DatasetDict({"train": dataset}))
    from_file = load([Source("t", hub=str(hub), config="two")], Cut())["t"]
    assert in_memory.content() == from_file.content()
    assert Task.from_dataset("t", dataset).labels == ("yes", "no", "maybe")
