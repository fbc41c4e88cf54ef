"""A model folder predicts what its fit predicted; an exported head is an ordinary classifier."""

from __future__ import annotations

import doctest
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import Fit, Group, Task
from cotrain.errors import InputError
from cotrain.tasks.source import Source
from cotrain.training import models
from cotrain.training.models import export, folder_name, load, made_of, write
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train

Make = Callable[..., Any]
LABELS = ("fair", "not so", "off")


class World:
    """Two tasks trained together and written as a model."""

    def __init__(self, folder: Path, encoder: Path, task: Make, settings: Make) -> None:
        self.tasks: dict[str, Task] = {"one": task("one", labels=LABELS), "two/b": task("two/b", pair=True), "off": task("off")}
        self.settings: Settings = settings(model=str(encoder), epochs=2)
        group = Group.of(["one", "two/b", "off"])
        self.fit: Fit
        [self.fit] = train([group], self.tasks, self.settings, [5], folder / "fits", Options(workers=1, extras=("weights",)))
        self.epoch = int(self.fit.blocks["one", "test"].epochs[0])
        sources = [Source("two/b", text="{a} {b}", pair="c")]
        card = {"study": "trial", "why": ["A and B look alike."], "results": [{"task": "one", "value": 0.51239}]}
        self.folder = write(
            self.fit, self.epoch, self.tasks, self.settings, folder / "model", serves=["two/b", "one"], sources=sources, card=card
        )


@pytest.fixture(scope="module", params=["tiny_bert", "tiny_roberta"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, task: Make, settings: Make) -> World:
    return World(tmp_path_factory.mktemp("world"), request.getfixturevalue(request.param), task, settings)


@pytest.fixture
def copy(world: World, tmp_path: Path) -> Iterator[Path]:
    """A model folder that may be spoilt."""
    yield Path(shutil.copytree(world.folder, tmp_path / "copy"))


def test_a_loaded_model_predicts_what_the_fit_predicted(world: World) -> None:
    shared = load(world.folder)
    for name, task in world.tasks.items():
        rows = task.split("test")
        pairs = rows["pair"].tolist() if task.has_pair else None
        found = shared.predict(rows["text"].tolist(), pairs, task=name)
        np.testing.assert_allclose(found, np.exp2(world.fit.blocks[name, "test"].at(world.epoch)), atol=1e-5)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
        assert shared.labels(name) == task.labels


def test_all_tasks_that_read_one_text_come_from_one_pass_of_the_encoder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = load(world.folder)
    texts = [f"w0{i} w11 w2{i}" for i in range(9)] * 20
    apart = {task: shared.predict(texts, task=task) for task in ("one", "off")}
    encoder = shared.model.classifier("one").base_model
    passes: list[int] = []
    through = type(encoder).forward
    monkeypatch.setattr(type(encoder), "forward", lambda self, *a, **k: passes.append(1) or through(self, *a, **k))
    together = shared.predict_all(texts)
    assert len(passes) == 3, "180 texts are three batches"
    assert together.keys() == apart.keys()
    for task, expected in apart.items():
        np.testing.assert_array_equal(together[task], expected)
    assert shared.predict_all(["w01"], ["w02"]).keys() == {"two/b"}
    assert shared.predict([], task="one").shape == (0, 3)
    # afterwards the encoder reads again
    assert not np.array_equal(shared.predict(["w01"], task="one"), shared.predict(["w30 w31"], task="one"))


@pytest.mark.parametrize("name", ["one", "two/b"])
def test_an_exported_head_gives_the_probabilities_of_the_shared_model_in_a_pipeline(world: World, name: str, tmp_path: Path) -> None:
    from transformers import pipeline

    plain = export(world.folder, name, tmp_path / "plain")
    rows = world.tasks[name].split("test")
    # one text that is longer than the encoder reads
    texts = [*rows["text"].tolist(), "w05 w17 " * 60]
    pairs = [*rows["pair"].tolist(), "w07"] if world.tasks[name].has_pair else None
    expected = load(world.folder).predict(texts, pairs, task=name)
    classify = pipeline("text-classification", str(plain), truncation=True, top_k=None)
    inputs: list[Any] = texts if pairs is None else [{"text": a, "text_pair": b} for a, b in zip(texts, pairs, strict=True)]
    for one, probabilities in zip(inputs, expected, strict=True):
        found = {entry["label"]: entry["score"] for entry in classify([one])[0]}
        assert found == pytest.approx(dict(zip(world.tasks[name].labels, probabilities.tolist(), strict=True)), abs=1e-5)


def test_an_export_is_what_transformers_saves_and_loads(world: World, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    plain = export(world.folder, "one", tmp_path / "new" / "plain")
    config = AutoConfig.from_pretrained(plain)
    assert config.id2label == dict(enumerate(LABELS)) and config.label2id == {name: i for i, name in enumerate(LABELS)}
    _, report = AutoModelForSequenceClassification.from_pretrained(plain, output_loading_info=True)
    assert not any(report.values())
    assert AutoTokenizer.from_pretrained(plain).model_max_length == world.settings.max_length
    assert [f.name for f in plain.parent.iterdir()] == ["plain"], "nothing temporary should be left"
    for folder in (plain, world.folder):
        assert len({f.stat().st_mode for f in folder.iterdir()}) == 1, "who may read one file may read all"


def test_the_folder_says_what_it_is(world: World) -> None:
    about = json.loads((world.folder / "cotrain.json").read_text())
    assert (about["format"], about["group"], about["seed"], about["key"]) == (1, "off+one+two/b", 5, world.fit.key)
    assert about["tasks"]["one"]["labels"] == list(LABELS)
    assert about["tasks"]["two/b"] | {"content": ""} == {
        "labels": ["no", "yes"], "has_pair": True, "served": True, "text": "{a} {b}", "pair": "c", "content": "",
    }  # fmt: skip
    assert about["tasks"]["off"]["served"] is False
    assert about["tasks"]["one"]["content"] == world.tasks["one"].content()
    assert made_of(world.folder) == (world.fit.key, world.epoch, ("two/b", "one"))
    card = (world.folder / "README.md").read_text()
    assert "fair, not so, off" in card and "0.512" in card and "A and B look alike." in card and "trial" in card


def test_the_encoder_is_there_once_and_no_text_of_a_row(world: World) -> None:
    from safetensors import safe_open

    with safe_open(world.folder / "heads.safetensors", "np") as heads:
        assert {name.rpartition("/")[0] for name in heads.keys()} == set(world.tasks)  # noqa: SIM118
        assert not any("encoder" in name for name in heads.keys())  # noqa: SIM118
    text = world.tasks["one"].rows["text"].iloc[0].encode()
    paths = [f for f in world.folder.iterdir() if f.name not in ("tokenizer.json",)]
    assert all(text not in f.read_bytes() for f in paths)
    assert str(world.settings.model).encode() not in (world.folder / "cotrain.json").read_bytes(), "no path of this machine"


def test_the_encoder_of_a_model_serves_as_an_encoder(world: World) -> None:
    from transformers import AutoModel

    loaded = AutoModel.from_pretrained(world.folder)
    ours = load(world.folder).model.classifier("one").base_model.state_dict()
    assert all(np.array_equal(value, loaded.state_dict()[name]) for name, value in ours.items())


def test_writing_again_replaces_the_model_whole(world: World, copy: Path) -> None:
    epoch = int(world.fit.blocks["one", "test"].epochs[-1])
    write(world.fit, epoch, world.tasks, world.settings, copy, serves=["off"])
    assert made_of(copy) == (world.fit.key, epoch, ("off",))
    assert load(copy).tasks == ("off", "one", "two/b")
    assert [f.name for f in copy.parent.iterdir()] == ["copy"]


def test_a_failed_writing_leaves_the_earlier_model(world: World, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.torch

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(InputError, match="full"):
        write(world.fit, world.epoch, world.tasks, world.settings, copy)
    assert load(copy).tasks == ("off", "one", "two/b")
    assert [f.name for f in copy.parent.iterdir()] == ["copy"]


def test_without_the_weights_there_is_no_model(world: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights of epoch 99"):
        write(world.fit, 99, world.tasks, world.settings, tmp_path / "m")
    spoilt = Path(shutil.copytree(world.fit.path, tmp_path / world.fit.key))  # type: ignore[type-var]
    (spoilt / "extras" / "weights" / f"{world.epoch}.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="is not what was written"):
        write(replace(world.fit, path=spoilt), world.epoch, world.tasks, world.settings, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_strange_folders_are_refused_with_what_to_do(world: World, copy: Path, tmp_path: Path) -> None:
    def refused(sentence: str, folder: Path = copy) -> None:
        with pytest.raises(InputError, match=sentence):
            load(folder)

    refused("found none", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    refused("no model of cotrain", tmp_path / "empty")
    about = json.loads((copy / "cotrain.json").read_text())
    for change, sentence in (
        ({"format": 2}, "of format 2.*update cotrain"),
        ({"files": {**about["files"], "config.json": "0"}}, "config.json is not what was written"),
        ({"files": {**about["files"], "gone.txt": "0"}}, "gone.txt is not there"),
        ({"tasks": {**about["tasks"], "three": about["tasks"]["off"]}}, "a head of task three"),
        ({"files": None}, "cannot be read"),
    ):
        (copy / "cotrain.json").write_text(json.dumps({**about, **change}))
        refused(sentence)
    assert made_of(copy) is None
    (copy / "cotrain.json").write_text("{")
    refused("cannot be read")


def test_an_unknown_task_names_those_that_are_there(world: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'ones'. Did you mean 'one'\? Known: off, one, two/b"):
        load(world.folder).predict(["w01"], task="ones")
    with pytest.raises(InputError, match="Known: off, one, two/b"):
        export(world.folder, "ones", tmp_path / "plain")
    assert not list(tmp_path.iterdir())


def test_pairs_go_to_tasks_that_read_pairs(world: World) -> None:
    shared = load(world.folder)
    with pytest.raises(InputError, match="give pairs"):
        shared.predict(["w01"], task="two/b")
    with pytest.raises(InputError, match="give no pairs"):
        shared.predict(["w01"], ["w02"], task="one")
    with pytest.raises(InputError, match="each of the 2 texts, found 1"):
        shared.predict(["w01", "w02"], ["w03"], task="two/b")


def test_an_export_never_overwrites(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    with pytest.raises(InputError, match="not empty"):
        export(world.folder, "one", tmp_path / "mine")
    (tmp_path / "file").write_text("important")
    with pytest.raises(InputError, match="there already"):
        export(world.folder, "one", tmp_path / "file")
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "void").mkdir()
    assert (export(world.folder, "one", tmp_path / "void") / "model.safetensors").is_file()


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(models).failed == 0


@pytest.mark.parametrize("group", ["cb+rte", "notes.negation+notes.uncertainty", "a" * 80])
def test_a_plain_name_is_its_own_folder(group: str) -> None:
    assert folder_name(group) == group


def test_strange_and_long_names_become_short_safe_and_different() -> None:
    groups = [
        "a/b",
        "a:b",
        "a b",
        "../up",
        ".hidden",
        "-rm",
        "a[permuted:1]",
        "ä",
        "x" * 81,
        "x" * 82,
        "+".join(f"task{i}" for i in range(99)),
    ]
    found = [folder_name(group) for group in groups]
    assert len(set(found)) == len(groups)
    for name in found:
        assert len(name) <= 80 and set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-")
        assert name[0] not in ".-"
