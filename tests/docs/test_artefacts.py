"""docs/artefacts.md has every file of a run folder and every column of every table, in their order."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cotrain import open_study, run
from cotrain.grouping.plan import Plan
from cotrain.study.schema import StudyFile
from cotrain.tasks.task import FACTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "artefacts.md").read_text(encoding="utf-8")
TABLES = {
    "placement.parquet": "placement.parquet",
    "fits/KEY/predictions.parquet": "fits/*/predictions.parquet",
    "fits/KEY/history.parquet": "fits/*/history.parquet",
    "scores/NAME.parquet": "scores/pvi.parquet",
    "scores/NAME-tasks.parquet": "scores/pvi-tasks.parquet",
    "scores/NAME-epochs.parquet": "scores/pvi-epochs.parquet",
    "affinity/NAME/tasks.parquet": "affinity/pvi/tasks.parquet",
    "affinity/NAME/pairs.parquet": "affinity/pvi/pairs.parquet",
    "comparison.parquet": "comparison.parquet",
    "candidates.parquet": "candidates.parquet",
}
OBJECTS = {
    "check.json": "check.json",
    "fits/KEY/manifest.json": "fits/*/manifest.json",
    "scores/NAME.json": "scores/pvi.json",
    "affinity/NAME/affinity.json": "affinity/pvi/affinity.json",
    "plans/NAME.yaml": "plans/recommended.yaml",
    "comparison.json": "comparison.json",
    "looks.json": "looks.json",
    "provenance.json": "provenance.json",
    "models/GROUP/cotrain.json": "models/*/cotrain.json",
}
TYPES = {"text": "str", "integer": "int", "number": "float", "boolean": "bool", "list": "object"}


def documented(heading: str, which: int = 0) -> dict[str, str]:
    """Return the names of a table of the page, and their types."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found, f"docs/artefacts.md has no part {heading}"
    tables = re.split(r"^\| (?:key|column) \|", found[1], flags=re.MULTILINE)[1:]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", tables[which], flags=re.MULTILINE))


def first(run: Path, pattern: str) -> Path:
    return sorted(run.glob(pattern))[0]


def plain(file: Path) -> Any:
    return yaml.safe_load(file.read_text()) if file.suffix == ".yaml" else json.loads(file.read_text())


@pytest.mark.parametrize("heading", TABLES)
def test_every_column_is_documented_with_its_type_in_the_order_of_the_table(heading: str, small: Path) -> None:
    table = pd.read_parquet(first(small / "runs" / "small", TABLES[heading]))
    said = documented(heading)
    assert list(said) == list(table.columns)
    for column, kind in said.items():
        assert str(table[column].dtype).startswith(TYPES[kind.split()[0]]), f"{heading}: {column} is {table[column].dtype}"


@pytest.mark.parametrize("heading", OBJECTS)
def test_every_key_is_documented(heading: str, small: Path) -> None:
    found = plain(first(small / "runs" / "small", OBJECTS[heading]))
    assert list(documented(heading)) == list(found)
    assert found["format"] == 1


def test_every_fact_of_a_task_is_documented(small: Path) -> None:
    found = plain(small / "runs" / "small" / "check.json")
    facts: Mapping[str, Any] = found["tasks"]["letters"]
    assert list(documented("check.json", which=1)) == list(facts)
    for part in ("shared", "cost"):
        inside = found[part][0] if part == "shared" else found[part]
        line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{part}` |"))
        assert [key for key in inside if f"`{key}`" not in line] == []


def test_why_a_row_is_on_no_side_is_documented() -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith("| `split` | text | | `train`"))
    why = [fact for fact in FACTS if fact.startswith("capped_") or fact in ("leaked", "yielded", "left_out")]
    assert [fact for fact in why if f"`{fact}`" not in line] == []


def test_every_file_of_a_run_folder_is_in_the_overview(small: Path) -> None:
    overview = PAGE.partition("```text")[2].partition("```")[0]
    there = {path.name for path in (small / "runs" / "small").iterdir() if not path.name.startswith(".")}
    assert [name for name in there if f"  {name}" not in overview] == []


def test_the_study_of_a_run_folder_has_the_keys_that_are_said(small: Path) -> None:
    more = set(plain(small / "runs" / "small" / "study.yaml")) - set(StudyFile.model_fields)
    assert set(documented("study.yaml")) == more


def test_a_plan_needs_only_what_is_said() -> None:
    plan = Plan.from_dict({"format": 1, "name": "mine", "kind": "nominated", "groups": [{"group": "a+b", "serves": ["a", "b"]}]})
    assert plan.models == 1
    assert "Only `format`, `name`, `kind` and `groups` must be there." in PAGE


def test_no_file_of_a_run_folder_holds_a_text(small: Path) -> None:
    texts = [text.encode() for name in ("notes", "reports") for text in pd.read_csv(small / "data" / f"{name}.csv")["text"][::10]]
    for file in (path for path in (small / "runs").rglob("*") if path.is_file()):
        content = pd.read_parquet(file).to_csv().encode() if file.suffix == ".parquet" else file.read_bytes()
        assert not any(text in content for text in texts), file


def test_what_can_be_removed_is_made_again_without_training(small: Path) -> None:
    folder = small / "runs" / "small"
    for path in folder.iterdir():
        if path.name not in ("study.yaml", "placement.parquet", "fits", "fits.json", "check.json", "models", "report"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    fits = sorted(path.name for path in (folder / "fits").iterdir())
    outcome = run(open_study(folder, workers=1))
    assert outcome.trained == 0
    assert sorted(path.name for path in (folder / "fits").iterdir()) == fits
