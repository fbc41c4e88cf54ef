"""docs/study-file.md has every key of a study file with its default, and the table of presets is that of the code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any

import pytest

from cotrain.evaluation.metrics import METRICS
from cotrain.grouping import CONTROLS, OBJECTIVES, RULES, SELECTIONS
from cotrain.grouping.options import Options
from cotrain.study import schema
from cotrain.study.presets import LIGHT, PRESETS, Preset, Resolved, settings
from cotrain.tasks.readers import READERS
from cotrain.tasks.source import Cut, Source
from cotrain.training.selection import SELECTIONS as EPOCHS
from cotrain.training.settings import Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "study-file.md").read_text(encoding="utf-8")
PARTS = {
    "Keys of the file": schema.StudyFile, "Keys of a task": schema.Task, "Splits": schema.Splits, "Plan": schema.Plan,
    "Training": schema.Training,
}  # fmt: skip


def part(heading: str) -> str:
    """Return the text of a part of the page."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of the table of a part by its first column."""
    lines = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in part(heading).splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


def said(value: Any) -> str:
    """Return a value as the page has it."""
    if value is None or value == () or value == {}:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def default(field: Field[Any]) -> Any:
    """Return the default of a field of a noun."""
    return field.default if field.default is not MISSING else field.default_factory() if field.default_factory is not MISSING else None


def values(preset: Preset) -> dict[str, Any]:
    """Return what a preset stands for, by the keys of the study file."""
    training = asdict(Settings("", **settings(preset, {})))
    plan = {**asdict(preset.plan), "test": preset.test, "group_test": preset.group_test}
    cut = asdict(preset.cut)
    return {
        **{f"training.{key}": value for key, value in training.items() if key != "model"},
        **{f"splits.{key}": value for key, value in cut.items()},
        **{f"plan.{key}": value for key, value in plan.items() if key != "paper"},
        "controls": preset.controls, "seeds": preset.seeds, "estimator": preset.estimator, "null": preset.null,
        "score_by": preset.score_by, "select": preset.select,
        "grid": tuple(f"{key}: {' '.join(map(said, several))}" for key, several in preset.grid.items()),
    }  # fmt: skip


BY_PRESET = {name: values(preset) for name, preset in PRESETS.items()}
DIFFERENT = {key for key in BY_PRESET["default"] if len({said(of[key]) for of in BY_PRESET.values()}) > 1}


@pytest.mark.parametrize("heading", PARTS)
def test_every_key_is_documented_and_no_other(heading: str) -> None:
    assert set(rows(heading)) == set(PARTS[heading].model_fields)


def test_the_table_of_presets_is_that_of_the_code() -> None:
    expected = {key: [said(of[key]) for of in BY_PRESET.values()] for key in DIFFERENT}
    assert rows("Presets") == expected
    assert f"| key | {' | '.join(f'`{name}`' for name in PRESETS)} |" in PAGE


@pytest.mark.parametrize(
    ("heading", "noun", "prefix"), [("Keys of a task", Source, ""), ("Splits", Cut, "splits."), ("Plan", Options, "plan."),
                                    ("Training", Settings, "training.")],
)  # fmt: skip
def test_every_default_is_that_of_the_code(heading: str, noun: type, prefix: str) -> None:
    told: Mapping[str, list[str]] = rows(heading)
    for field in fields(noun):
        if field.name in told:
            by_preset = prefix + field.name in DIFFERENT
            expected = "by preset" if by_preset else said(default(field))
            assert told[field.name][0].strip("`") == expected, field.name


def test_defaults_of_the_file_are_those_of_the_code() -> None:
    told = {key: cells[0].strip("`") for key, cells in rows("Keys of the file").items()}
    resolved = Resolved("", Settings(""), ())
    assert {key for key, value in told.items() if value == "by preset"} == {
        "plan",
        "controls",
        "seeds",
        "training",
        "estimator",
        "null",
        "score_by",
        "select",
        "grid",
    }
    assert (told["preset"], told["goal"]) == (resolved.preset, resolved.goal)
    assert (told["metric"], told["delta"]) == (Source("").metric, said(Source("").delta))


def test_every_name_that_can_be_chosen_is_named() -> None:
    for heading, known in (
        ("Keys of the file", [*METRICS, *EPOCHS, *PRESETS]), ("Keys of a task", READERS), ("Plan", [*RULES, *SELECTIONS, *OBJECTIVES]),
    ):  # fmt: skip
        assert [name for name in known if f"`{name}`" not in part(heading)] == []
    group = (Path(__file__).resolve().parents[2] / "docs" / "group.md").read_text(encoding="utf-8")
    assert [name for name in CONTROLS if f"| `{name}` |" not in group] == []


def test_what_is_said_of_small_encoders_holds() -> None:
    assert PRESETS["default"].light_learning_rate == 5e-5
    assert {name for name, p in PRESETS.items() if p.light_learning_rate is not None} == {"default", "instant"}
    assert LIGHT == 50_000_000
    assert "fewer\n  than 50 million parameters gets a learning rate of 5e-5" in PAGE
