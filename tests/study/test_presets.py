from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import yaml

from cotrain.errors import InputError
from cotrain.study.presets import LIGHT, PRESETS, Resolved, with_encoder
from cotrain.training.settings import Settings

Read = Callable[..., Resolved]

# the table of METHOD, section 4
TABLE: dict[str, dict[str, Any]] = {
    "default": {
        "epochs": 10, "max_updates": 1000, "min_updates": 0, "evaluate_every": 50, "patience": 3, "schedule": "constant", "warmup": 0.06,
        "learning_rate": 2e-5, "batch_size": 32, "accumulation": 1, "max_length": 256, "null": "prior", "score_by": "log_loss",
        "select": "macro_f1", "max_train": 0, "max_held_out": 0, "rule": "any", "nomination": "nested", "test": "welch",
        "group_test": "welch_anova", "controls": ("alone", "together", "random"), "seeds": (42, 52, 62, 72, 82), "paper": False,
    },
    "fast": {
        "epochs": 4, "max_updates": 0, "min_updates": 150, "evaluate_every": 0, "patience": 0, "schedule": "linear",
        "learning_rate": 5e-5, "batch_size": 16, "accumulation": 1, "max_length": 96, "null": "prior", "score_by": "log_loss",
        "select": "log_loss", "max_train": 500, "max_held_out": 1000, "rule": "not_different", "alpha": 0.01, "nomination": "min_gap",
        "test": "welch", "group_test": "welch_anova", "controls": ("alone", "together", "random"), "seeds": (42, 52, 62), "paper": False,
    },
    "paper": {
        "epochs": 10, "max_updates": 0, "min_updates": 0, "evaluate_every": 0, "patience": 0, "schedule": "linear",
        "learning_rate": 2e-5, "batch_size": 32, "accumulation": 1, "max_length": 512, "null": "finetune", "score_by": "last",
        "select": "last", "max_train": 0, "max_held_out": 0, "rule": "not_different", "alpha": 0.01, "nomination": "max_abs_t",
        "test": "student", "group_test": "anova", "controls": ("alone", "different"), "seeds": (42, 52, 62, 72, 82), "paper": True,
    },
}  # fmt: skip
TABLE["paper-grid"] = {
    **TABLE["paper"], "accumulation": 2, "evaluate_from": 5, "score_by": "macro_f1", "select": "macro_f1",
    "grid": {"learning_rate": (1e-5, 2e-5), "max_length": (126, 512)},
}  # fmt: skip
TABLE["instant"] = {**TABLE["default"], "max_train": 2000, "max_held_out": 1000, "controls": (), "seeds": ()}
ESTIMATORS = {"instant": "probe"}


def value(study: Resolved, key: str) -> Any:
    """Return a cell of the table."""
    if key == "nomination":
        return study.plan.select
    found = next(part for part in (study, study.settings, study.cut, study.plan) if hasattr(part, key))
    return getattr(found, key)


@pytest.mark.parametrize("preset", TABLE)
def test_a_preset_is_its_line_of_the_table(resolved: Read, preset: str) -> None:
    study = resolved(f"preset: {preset}\n")
    assert {key: value(study, key) for key in TABLE[preset]} == TABLE[preset]
    assert study.plan.paper == study.paper
    assert study.estimator == ESTIMATORS.get(preset, "finetune")
    assert study.preset == preset


def test_every_preset_is_in_the_table() -> None:
    assert TABLE.keys() == PRESETS.keys()


def test_the_default_is_default(resolved: Read) -> None:
    assert resolved() == resolved("preset: default\n")


@pytest.mark.parametrize("preset", TABLE)
def test_a_setting_of_the_file_is_stronger_than_the_preset(resolved: Read, preset: str) -> None:
    study = resolved(
        f"preset: {preset}\nseeds: [1]\nnull: prior\nscore_by: accuracy\nselect: accuracy\ncontrols: [alone]\n"
        "training: {batch_size: 8, threads: 2}\nsplits: {max_train: 7}\nplan: {alpha: 0.2, test: paired, group_test: anova}\n"
    )
    assert (study.seeds, study.null, study.score_by, study.select, study.controls) == ((1,), "prior", "accuracy", "accuracy", ("alone",))
    assert (study.settings.batch_size, study.settings.threads, study.cut.max_train) == (8, 2, 7)
    assert (study.plan.alpha, study.test, study.group_test) == (0.2, "paired", "anova")
    assert study.settings.max_length == TABLE[preset]["max_length"]


@pytest.mark.parametrize(
    ("preset", "more", "parameters", "rate"),
    [
        ("default", "", LIGHT - 1, 5e-5),
        ("default", "", LIGHT, 2e-5),
        ("default", "training: {learning_rate: 1e-5}", LIGHT - 1, 1e-5),
        ("default", "training: {learning_rate: 2e-5}", LIGHT - 1, 2e-5),
        ("fast", "", LIGHT, 5e-5),
        ("paper", "", LIGHT - 1, 2e-5),
    ],
)
def test_a_light_encoder_learns_faster_unless_a_person_says_so(
    resolved: Read, preset: str, more: str, parameters: int, rate: float
) -> None:
    study = with_encoder(resolved(f"preset: {preset}\n{more}\n"), parameters)
    assert study.settings.learning_rate == rate
    assert with_encoder(study, parameters) == study, "twice is once"


@pytest.mark.parametrize(("preset", "before"), [("default", (0, 1000)), ("fast", (150, 0))])
def test_who_names_epochs_means_them(resolved: Read, preset: str, before: tuple[int, int]) -> None:
    def found(training: str) -> tuple[int, int]:
        settings = resolved(f"preset: {preset}\ntraining: {{{training}}}\n").settings
        return settings.min_updates, settings.max_updates

    assert found("batch_size: 4") == before
    assert found("epochs: 3") == (0, 0)
    assert found("epochs: 3, min_updates: 20") == (20, 0)
    gridded = resolved(f"preset: {preset}\ngrid: {{epochs: [2, 3]}}\n").settings
    assert (gridded.min_updates, gridded.max_updates) == (0, 0)


# what a person writes under ``plan``, and what (rule, select, objective) come of it
PLANS = {
    "nothing": ("default", "", ("any", "nested", "fewest")),
    "a level": ("default", "alpha: 0.05", ("any", "nested", "fewest")),
    "a rule": ("default", "rule: clique", ("clique", "partition", "fewest")),
    "a selection": ("default", "select: partition", ("not_different", "partition", "fewest")),
    "the paper's selection": ("default", "select: max_abs_t", ("not_different", "max_abs_t", "fewest")),
    "a budget": ("default", "models: 3", ("any", "partition", "budget")),
    "a budget, by name": ("default", "objective: budget, models: 3", ("any", "partition", "budget")),
    "a budget of parameters": ("default", "budget: 1e8, cost: parameters", ("any", "partition", "budget")),
    "a gain": ("default", "objective: gain", ("any", "partition", "gain")),
    "a gain within a budget": ("default", "objective: gain, models: 3", ("any", "partition", "gain")),
    "a budget under a rule": ("default", "models: 3, rule: clique", ("clique", "partition", "budget")),
    "an objective": ("default", "objective: fewest", ("not_different", "partition", "fewest")),
    "the nested plans": ("default", "select: nested", ("any", "nested", "fewest")),
    "fast": ("fast", "", ("not_different", "min_gap", "fewest")),
    "fast with a rule": ("fast", "rule: equivalent", ("equivalent", "min_gap", "fewest")),
    "fast with a budget": ("fast", "models: 3", ("not_different", "partition", "budget")),
    "fast with the nested plans": ("fast", "select: nested", ("any", "nested", "fewest")),
    "nothing of a plan with its own rule": ("paper", "rule: any, alpha: 0.5", ("any", "max_abs_t", "fewest")),
    "paper with a partition": ("paper", "select: partition", ("not_different", "partition", "fewest")),
}


@pytest.mark.parametrize("case", PLANS)
def test_a_part_of_a_plan_asks_for_the_whole_of_it(resolved: Read, case: str) -> None:
    preset, plan, expected = PLANS[case]
    study = resolved(f"preset: {preset}\nplan: {{{plan}}}\n")
    assert (study.plan.rule, study.plan.select, study.plan.objective) == expected


# -- plain and of -----------------------------------------------------------------------------------------------------

STUDIES = {
    "small": "",
    "fast": "preset: fast\n",
    "paper": "preset: paper\n",
    "full": (
        '  n: {path: n.csv, text: "{a} {b}", labels: [x, y], names: ["no", "yes"], id: i, group: g, split_column: s, private: true,\n'
        "      splits: {test: test, dev: 0.1}, missing_label: skip, metric: mcc, delta: 0.01, format: csv}\n"
        "splits: {test: 0.3, dev: 0.1, leakage: keep, seed: 3, max_train: 9, max_held_out: 8}\ngoal: better\nnull: finetune\n"
        "plan: {rule: clique, margin_bits: 0.2, models: 2, together: [[cb, rte]], apart: [[n.x, n.y], [cb, n.x]], largest: 3}\n"
        "controls: [alone]\nseeds: [1, 2]\ntraining: {device: cpu, precision: fp32}\n"
    ),
}


@pytest.mark.parametrize("case", STUDIES)
def test_a_study_is_the_same_after_plain_yaml(resolved: Read, case: str) -> None:
    study = resolved(STUDIES[case], "training.threads=2")
    text = yaml.safe_dump(study.plain(), sort_keys=False)
    assert Resolved.of(yaml.safe_load(text)) == study


def test_plain_has_every_default_in_the_words_of_the_study_file(resolved: Read) -> None:
    plain = resolved("preset: fast\n").plain()
    assert (plain["model"], plain["preset"], plain["seeds"], plain["goal"]) == ("some/encoder", "fast", [42, 52, 62], "fewer")
    assert plain["training"].keys() == {f.name for f in fields(Settings)} - {"model", "trainer"}
    assert plain["splits"]["max_train"] == 500
    assert (plain["plan"]["rule"], plain["plan"]["test"], plain["plan"]["by"]) == ("not_different", "welch", "pvi")
    assert (plain["tasks"]["cb"]["metric"], plain["tasks"]["cb"]["delta"]) == ("macro_f1", 0.02)


@pytest.mark.parametrize("damage", ["lacking", "unknown", "no mapping"])
def test_a_damaged_resolved_study_is_told(resolved: Read, damage: str) -> None:
    plain = resolved().plain()
    if damage == "lacking":
        del plain["splits"]
    elif damage == "unknown":
        plain["training"]["epoch"] = 3
    else:
        plain["tasks"] = [1]
    with pytest.raises(InputError, match="it is damaged"):
        Resolved.of(plain)


def test_of_leaves_the_plain_values_alone(resolved: Read) -> None:
    plain = resolved().plain()
    before = yaml.safe_dump(plain)
    Resolved.of(plain)
    assert yaml.safe_dump(plain) == before


def test_a_study_in_memory_needs_no_file(resolved: Read) -> None:
    study = resolved()
    made = Resolved(name="demo", settings=study.settings, sources=study.sources)
    assert replace(study, root="", light_learning_rate=None) == made
