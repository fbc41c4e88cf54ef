from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotrain.errors import InputError
from cotrain.study.presets import Resolved
from cotrain.study.spec import read, study_name
from cotrain.tasks.source import Cut, Source

Read = Callable[..., Resolved]
Write = Callable[..., Path]
Faults = Callable[..., list[str]]

# the example of the design, whole
EXAMPLE = """\
model: roberta-large
tasks:
  rte:      {hub: nyu-mll/glue, config: rte, text: sentence1, pair: sentence2, label: label}
  cb:       {path: data/cb, text: premise, pair: hypothesis, label: label, names: [entailment, contradiction, neutral]}
  copa:     {path: data/copa, text: "{premise} {question}", pair: "{choice1} | {choice2}", label: label, metric: accuracy, delta: 0.02}
  advice:   {path: data/advice.csv, text: sentence, label: label, group: pmid, splits: {test: 0.2, dev: 0.2}}
  notes:    {path: data/notes.csv, text: text, labels: [negation, uncertainty], private: true}
  seed_neg: {format: knowtator, path: SHARP/SeedSet1, attribute: negation, private: true}
splits: {test: validation, dev: 0.2, leakage: drop}
preset: paper
goal: fewer
plan: {by: pvi, rule: not_different, alpha: 0.01, select: max_abs_t, together: [], apart: []}
controls: [alone, different, random]
seeds: [42, 52, 62, 72, 82]
"""


def test_the_example_of_the_documentation_is_read_whole(resolved: Read, tmp_path: Path) -> None:
    study = resolved(text=EXAMPLE)
    data = tmp_path / "demo" / "data"
    assert study.name == "demo"
    assert study.sources == (
        Source("rte", hub="nyu-mll/glue", config="rte", text="sentence1", pair="sentence2", label="label"),
        Source("cb", path=f"{data}/cb", text="premise", pair="hypothesis", label="label", names=("entailment", "contradiction", "neutral")),
        Source("copa", path=f"{data}/copa", text="{premise} {question}", pair="{choice1} | {choice2}", label="label", metric="accuracy",
               delta=0.02),
        Source("advice", path=f"{data}/advice.csv", text="sentence", label="label", group="pmid", splits={"test": 0.2, "dev": 0.2}),
        Source("notes", path=f"{data}/notes.csv", labels=("negation", "uncertainty"), private=True),
        Source("seed_neg", format="knowtator", path=f"{data.parent}/SHARP/SeedSet1", attribute="negation", private=True),
    )  # fmt: skip
    assert (study.cut, study.seeds, study.controls) == (Cut(), (42, 52, 62, 72, 82), ("alone", "different", "random"))
    assert (study.settings.model, study.goal, study.plan.select) == ("roberta-large", "fewer", "max_abs_t")


def test_metric_and_delta_of_the_study_hold_for_tasks_without_their_own(resolved: Read) -> None:
    text = "metric: accuracy\ndelta: 0.05\ntasks: {a: {path: x}, b: {path: y, metric: mcc}, c: {path: z, delta: 0.1}}\nmodel: m\n"
    found = [(s.metric, s.delta) for s in resolved(text=text).sources]
    assert found == [("accuracy", 0.05), ("mcc", 0.05), ("accuracy", 0.1)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("experiments/general9/study.yaml", "general9"),
        ("experiments/general9/study-hub.yaml", "general9-hub"),
        ("experiments/general9/study_small.yml", "general9-small"),
        ("experiments/general9/pilot.yaml", "pilot"),
        ("experiments/general9/studying.yaml", "studying"),
    ],
)
def test_a_study_is_named_after_its_folder_or_its_file(path: str, name: str) -> None:
    assert study_name(Path(path)) == name


# -- where data and encoder are ---------------------------------------------------------------------------------------


def test_paths_begin_in_the_folder_of_the_file_or_in_the_data_root(write: Write, tmp_path: Path) -> None:
    file = write("  far: {path: /elsewhere/far.csv}\n  up: {path: ../up.csv}\n")
    root = tmp_path / "root"
    root.mkdir()
    assert [s.path for s in read(file).sources] == [f"{tmp_path}/demo/data/cb", None, "/elsewhere/far.csv", f"{tmp_path}/up.csv"]
    assert [s.path for s in read(file, data_root=root).sources][0::3] == [f"{root}/data/cb", f"{tmp_path}/up.csv"]


def test_above_a_linked_folder_is_what_is_above_where_it_leads(write: Write, tmp_path: Path) -> None:
    write("  up: {path: ../up.csv}\n")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "here").symlink_to(tmp_path / "demo")
    assert read(tmp_path / "links" / "here" / "study.yaml").sources[-1].path == f"{tmp_path}/up.csv"


def test_a_hub_entry_is_a_folder_where_there_is_one_and_else_an_id(write: Write, tmp_path: Path) -> None:
    file = write(text="model: m\ntasks: {a: {hub: glue}, b: {hub: nyu-mll/glue}, c: {hub: ./gone}}\n")
    (tmp_path / "demo" / "glue").mkdir()
    assert [s.hub for s in read(file).sources] == [f"{tmp_path}/demo/glue", "nyu-mll/glue", f"{tmp_path}/demo/gone"]


def test_a_model_is_a_folder_beside_the_file_a_package_or_an_id(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write()
    (tmp_path / "demo" / "some" / "encoder").mkdir(parents=True)
    (tmp_path / "here" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert read(file).settings.model == f"{tmp_path}/demo/some/encoder"
    assert read(file, model="tiny").settings.model == f"{tmp_path}/here/tiny"
    assert read(file, model="tiny").overrides == ("model = tiny (--model)",)
    assert read(file, ["model=package:some_package/weights"]).settings.model == "package:some_package/weights"
    assert read(file, ["model=roberta-large"], data_root=tmp_path).settings.model == "roberta-large"


def test_reading_needs_no_data_and_no_network(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    file = write(text="model: roberta-large\ntasks: {rte: {hub: nyu-mll/glue, config: rte}, cb: {hub: aps/super_glue, config: cb}}\n")
    assert [s.config for s in read(file).sources] == ["rte", "cb"]


# -- forced on the command line ---------------------------------------------------------------------------------------


def test_set_overrides_the_file_and_is_remembered(resolved: Read) -> None:
    study = resolved("seeds: [1, 2]\n", "seeds=[7]", "tasks.cb.delta=0.1", "training.learning_rate=2e-5", "tasks.new={path: x.csv}")
    assert (study.seeds, study.sources[0].delta, study.settings.learning_rate) == ((7,), 0.1, 2e-5)
    assert [s.name for s in study.sources] == ["cb", "rte", "new"]
    assert study.overrides == (
        "seeds = [7] (--set)", "tasks.cb.delta = 0.1 (--set)", "training.learning_rate = 2e-5 (--set)", "tasks.new = {path: x.csv} (--set)",
    )  # fmt: skip


def test_faults_of_set_are_told_like_faults_of_the_file(faults: Faults) -> None:
    found = faults("goal: fast\n", "plan.alpah=0.1", "seeds=42,52", "preset=papr", "alpha", "controls=[alone, alnoe]", "tasks.cb.text='{a'")
    assert found == [
        "study.yaml line 5: unknown goal 'fast'. Known: better, fewer",
        "--set alpha: should be KEY=VALUE, such as plan.alpha=0.05",
        "--set controls=…: unknown control 'alnoe'. Did you mean 'alone'? Known: alone, by_accuracy, by_entropy, different, "
        "matched_updates, placebo, random, together",
        found[3],
        "--set preset=…: unknown preset 'papr'. Did you mean 'paper'? Known: default, fast, instant, paper, paper-grid",
        "--set seeds=…: seeds should be a list, found '42,52'; put it in brackets: [42,52]",
        "--set tasks.cb.text=…: task cb: text: braces of the template are not closed; write {{ for a brace itself",
    ]
    assert found[3].startswith("--set plan.alpah=…: plan: unknown key 'alpah'. Did you mean 'alpha'?")


# -- faults -----------------------------------------------------------------------------------------------------------

FAULTS = {
    # keys
    "an unknown key": ("sedes: [1]", "unknown key 'sedes'. Did you mean 'seeds'?"),
    "an unknown key of a task": ("  x: {path: a, lable: b}", "tasks.x: unknown key 'lable'. Did you mean 'label'?"),
    "an unknown key of splits": ("splits: {tset: 0.2}", "splits: unknown key 'tset'. Did you mean 'test'?"),
    "an unknown key of the splits of a task": ("  x: {path: a, splits: {tset: 0.2}}", "task x: unknown key 'tset'. Did you mean 'test'?"),
    "an unknown key of plan": ("plan: {aplha: 0.1}", "plan: unknown key 'aplha'. Did you mean 'alpha'?"),
    "an unknown setting": ("training: {epoch: 3}", "training: unknown key 'epoch'. Did you mean 'epochs'?"),
    "the model among the settings": ("training: {model: x}", "training: unknown key 'model'"),
    # names
    "an unknown preset": ("preset: fats", "unknown preset 'fats'. Did you mean 'fast'? Known: default, fast, instant, paper"),
    "a grid of one value": ("grid: {learning_rate: [1e-5]}", "grid.learning_rate should be two values or more, each once; put a single"),
    "a value twice": ("grid: {epochs: [3, 3]}", "grid.epochs should be two values or more, each once"),
    "an unknown setting of a grid": ("grid: {lerning_rate: [1, 2]}", "unknown setting of the grid 'lerning_rate'. Did you mean 'learn"),
    "a value of a grid out of range": ("grid: {epochs: [3, 0]}", "setting epochs should be at least 1, found 0"),
    "a value of a grid of another type": ('grid: {max_length: [9, "long"]}', "grid.max_length should have values such as 256, found"),
    "a name of a grid that is none": ("grid: {schedule: [linear, lineer]}", "unknown value of grid.schedule 'lineer'."),
    "a grid that needs more": ("grid: {sampling: [proportional, explicit]}", "sampling explicit needs training.shares of every task"),
    "an unknown goal": ("goal: beter", "unknown goal 'beter'. Did you mean 'better'? Known: better, fewer"),
    "an unknown estimator": ("estimator: prob", "unknown estimator 'prob'. Did you mean 'probe'? Known: crossfit, finetune, probe"),
    "an estimator that trains without seeds": (
        "estimator: crossfit\npreset: instant",
        "the estimator crossfit trains, and the preset instant has no seeds: name some, or use the probe"
    ),
    "an unknown null model": ("null: priors", "unknown null model 'priors'. Did you mean 'prior'? Known: finetune, prior"),
    "an unknown way to choose thresholds": ("thresholds: deb", "unknown way to choose thresholds 'deb'. Did you mean 'dev'?"),
    "an unknown epoch to score": ("score_by: lost", "unknown selection of epochs 'lost'. Did you mean 'last'?"),
    "an unknown epoch to compare": ("select: macro_f2", "unknown selection of epochs 'macro_f2'. Did you mean 'macro_f1'?"),
    "an unknown metric": ("metric: acuracy", "unknown metric 'acuracy'. Did you mean 'accuracy'?"),
    "an unknown metric of a task": ("  x: {path: a, metric: f1}", "task x: unknown metric 'f1'"),
    "an unknown format": ("  x: {path: a, format: jsnol}", "task x: unknown format 'jsnol'. Did you mean 'jsonl'?"),
    "a corpus without an attribute": ("  x: {path: a, format: knowtator}", "task x: there should be attribute (what is classified"),
    "an attribute and labels": (
        "  x: {path: a, format: anafora, attribute: negation, labels: [modality]}", "task x: there should be attribute (what",
    ),
    "a label of a corpus": ("  x: {path: a, format: anafora, label: a}", "task x: the format anafora has attributes instead of label"),
    "a window of a table": ("  x: {path: a, window: 50}", "task x: window should go with the format anafora or knowtator, found the"),
    "a window that is none": ("  x: {path: a, format: anafora, attribute: b, window: wide}", "task x: window should be characters"),
    "a corpus on the hub": ("  x: {hub: a/b, format: cnlpt}", "task x: the format cnlpt reads a folder; name it with path"),
    "an unknown rule": ("plan: {rule: clicque}", "unknown rule 'clicque'. Did you mean 'clique'?"),
    "an unknown selection": ("plan: {select: partitoin}", "unknown selection 'partitoin'. Did you mean 'partition'?"),
    "an unknown objective": ("plan: {objective: fewset}", "unknown objective 'fewset'. Did you mean 'fewest'?"),
    "an unknown test": ("plan: {test: welsh}", "unknown pair test 'welsh'. Did you mean 'welch'?"),
    "an unknown group test": ("plan: {group_test: anoav}", "unknown group test 'anoav'. Did you mean 'anova'?"),
    "an unknown method": ("plan: {by: textmeb}", "unknown method 'textmeb'. Did you mean 'textemb'?"),
    "an unknown control": ("controls: [alone, plcebo]", "unknown control 'plcebo'. Did you mean 'placebo'?"),
    "a control twice": ("controls: [alone, alone]", "control 'alone' is there twice"),
    "an unknown precision": ("training: {precision: bf61}", "unknown training.precision 'bf61'. Did you mean 'bf16'?"),
    "an unknown device": ("training: {device: cud}", "unknown device 'cud'. Did you mean 'cuda'?"),
    "an unknown treatment of leakage": ("splits: {leakage: dorp}", "unknown splits.leakage 'dorp'. Did you mean 'drop'?"),
    "an unknown treatment of missing labels": ("  x: {path: a, missing_label: skpi}", "missing_label 'skpi'. Did you mean 'skip'?"),
    # numbers
    "a seed twice": ("seeds: [42, 52, 42]", "seed 42 is there twice"),
    "a seed that is no integer": ("seeds: [42, 1.5]", "seeds should be a whole number, found 1.5"),
    "a seed in quotes": ('seeds: [42, "52"]', "seeds should be a whole number, found '52'"),
    "a seed that is true": ("seeds: [42, yes]", "seeds should be a whole number, found true"),
    "a negative seed": ("seeds: [-1]", "a seed should be between 0 and 4294967295, found -1"),
    "no seed": ("seeds: []", "there should be at least one seed"),
    "one seed without brackets": ("seeds: 42", "seeds should be a list, found 42; put it in brackets: [42]"),
    "a level above 1": ("plan: {alpha: 2}", "alpha should be between 0 and 1, found 2"),
    "a margin of 0": ("plan: {margin: 0}", "should be above 0"),
    "a budget without models": ("plan: {objective: budget}", "the objective budget needs models"),
    "a delta of 0": ("delta: 0", "delta should be above 0, found 0"),
    "a negative delta of a task": ("  x: {path: a, delta: -0.1}", "task x: delta should be above 0, found -0.1"),
    "a setting out of range": ("training: {epochs: 0}", "setting epochs should be at least 1, found 0"),
    "a setting that is no number": ("training: {epochs: many}", "training.epochs should be a whole number, found 'many'"),
    "a share above 1": ("splits: {test: 20}", "splits.test should be a published split or a share between 0 and 1, found 20"),
    "a share of a task above 1": ("  x: {path: a, splits: {dev: 1.0}}", "task x: splits.dev should be a published split or a share"),
    "a share that is none": ("splits: {dev: yes}", "splits.dev should be a number or text, found true"),
    "train held out": ("splits: {test: train}", "the split 'train' cannot be held out"),
    "one split on two sides": ("splits: {test: validation, dev: validation}", "cannot be test and dev at once"),
    "a negative cap": ("splits: {max_train: -1}", "splits.max_train should be 0 or more, found -1"),
    # tasks
    "no place": ("  x: {text: a}", "task x: there should be a path or a hub, found neither"),
    "two places": ("  x: {path: a, hub: b}", "task x: there should be a path or a hub, found both"),
    "an empty column": ('  x: {path: a, text: ""}', "task x: text should not be empty"),
    "an entry without keys": ("  x:", "tasks.x should be keys and values, found nothing"),
    "a template that is not closed": ('  x: {path: a, pair: "{b"}', "task x: pair: braces of the template are not closed"),
    "a template with a format": ('  x: {path: a, text: "{b:>3}"}', "task x: text: a template should be text and {column}"),
    "a template without quotes": ("  x: {path: a, text: {b}}", "tasks.x.text should be text, found keys and values; a template"),
    "label and labels": ("  x: {path: a, label: b, labels: [c, d]}", "task x: there should be label (one column) or labels (several)"),
    "a label column twice": ("  x: {path: a, labels: [c, c]}", "task x: labels should be different columns"),
    "one name": ("  x: {path: a, names: [yes_it_is]}", "task x: names should be two or more that differ"),
    "names that yaml takes for truth": ("  x: {path: a, names: [No, yes]}", 'YAML takes a bare No for false: put it in quotes, "No"'),
    "names that are numbers": ("  x: {path: a, names: [0, 1]}", 'tasks.x.names should be text, found 0; put it in quotes: "0"'),
    "the name of a task of labels twice": ("  x: {path: a, labels: [b]}\n  x.b: {path: c}", "task x.b is made twice, by x and by x.b"),
    "a name that groups cannot have": ("  a+b: {path: x}", "task 'a+b': a name should have none of"),
    "the format hub without one": ("  x: {path: a, format: hub}", "the format hub reads hub:"),
    # plans
    "together of unknown tasks": ("plan: {together: [[cb, rtr]]}", "plan.together: unknown task 'rtr'. Did you mean 'rte'? Known: cb, rte"),
    "apart of unknown tasks": ("plan: {apart: [[cb, xyz]]}", "plan.apart: unknown task 'xyz'. Known: cb, rte"),
    "together as one list": ("plan: {together: [cb, rte]}", "plan.together should be a list of lists of tasks, such as [[a, b], [c, d]]"),
    "a set of one": ("plan: {apart: [[cb]]}", "apart should hold sets of two tasks or more"),
    "together and apart": ("plan: {together: [[cb, rte]], apart: [[rte, cb]]}", "together and apart collide"),
    "a rule that is not used": ("plan: {rule: clique, select: nested}", "plan: the selection nested uses no rule"),
    "a cost without a budget": ("plan: {select: partition, cost: bytes}", "the cost bytes is what a budget counts; give the budget too"),
    "who may never share, unknown": ("plan: {alone: [rtee]}", "plan.alone: unknown task 'rtee'. Did you mean 'rte'"),
    "who may never share, no list": ("plan: {alone: rte}", "plan.alone should be a list, found 'rte'; put it in brackets: [rte]"),
    "a budget that is not used": ("plan: {models: 2, select: min_gap}", "plan: models belongs to select: partition, found select: min_gap"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_has_its_line_and_what_to_do(faults: Faults, case: str) -> None:
    more, words = FAULTS[case]
    found = faults(more + "\n")
    assert words in found[0]
    assert found[0].startswith(f"study.yaml line {6 if 'x.b' in more else 5}: ")
    # and nothing else is said to be wrong, but further names of the same list
    assert len(found) == 1 or all("names" in fault for fault in found)


def test_a_study_needs_a_model_and_tasks(faults: Faults) -> None:
    assert faults(text="preset: fast\n") == [
        "study.yaml: model should be there: a Hub id or a local folder; or name one with --model",
        "study.yaml: there should be at least one task, such as tasks: {cb: {path: data/cb, text: premise}}",
    ]
    assert faults(text="tasks: {}\n", model="m") == [
        "study.yaml line 1: there should be at least one task, such as tasks: {cb: {path: data/cb, text: premise}}"
    ]
    assert faults(text="model: m\ntasks: [{path: a}]\n") == ["study.yaml line 2: tasks should be keys and values, found a list"]


def test_a_data_root_that_is_none_is_told(faults: Faults, tmp_path: Path) -> None:
    (fault,) = faults(data_root=tmp_path / "gone")
    assert fault == f"--data-root {tmp_path}/gone: there should be a folder, found none"


def test_every_fault_is_told_at_once_in_the_order_of_the_file(faults: Faults) -> None:
    text = """\
model: 3
tasks:
  cb: {path: a, text: "{b", metric: f2}
  rte:
    path: b
    delta: -1
    names:
      - "no"
      - yes
preset: papre
plan: {rule: clicque, apart: [[cb, rtx]]}
seeds: [1, 1, x]
"""
    found = faults("training: {epochs: 0, learning_rate: fast}\n", "goal=best", text=text)
    assert [fault.split(": ")[0] for fault in found] == [
        *("study.yaml line 1", "study.yaml line 3", "study.yaml line 3", "study.yaml line 6", "study.yaml line 9", "study.yaml line 10"),
        *(
            "study.yaml line 11",
            "study.yaml line 11",
            "study.yaml line 12",
            "study.yaml line 12",
            "study.yaml line 13",
            "study.yaml line 13",
        ),
        "--set goal=…",
    ]


def test_a_fault_is_not_told_twice_and_causes_no_other(faults: Faults) -> None:
    assert len(faults("  x: {path: 3}\n")) == 1, "the path is there, though it is none"
    assert len(faults("  x: {path: a, labels: [a, yes]}\nplan: {apart: [[x.a, cb]]}\n")) == 1, "x.a may be a task"
    assert len(faults("  x:\nplan: {together: [[x, cb]]}\n")) == 1, "x is a task"


def test_long_texts_are_not_quoted(faults: Faults) -> None:
    secret = "the patient was seen again on Tuesday with pain"
    assert faults(f'delta: "{secret}"\n') == [f"study.yaml line 5: delta should be a number, found a text of {len(secret)} characters"]


def test_a_label_called_no_may_be_quoted(resolved: Read) -> None:
    assert resolved('  x: {path: a, label: "no", names: ["no", "yes"]}\n').sources[2].names == ("no", "yes")


def test_a_file_that_is_no_study_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it cannot be read"):
        read(tmp_path / "study.yaml")


def test_the_file_of_a_run_folder_is_told_from_a_study_file(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("format: 1\nname: demo\nmodel: m\ntasks: {}\noverrides: []\n")
    with pytest.raises(InputError, match="this one is of a run folder, every default and path written out") as refused:
        read(tmp_path / "study.yaml")
    assert len(refused.value.faults) == 1
