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
from cotrain.training.folders import folder_name
from cotrain.training.models import load, made_of, write
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
    shared = load(world.folder, precision="fp32")
    for name, task in world.tasks.items():
        rows = task.split("test")
        pairs = rows["pair"].tolist() if task.has_pair else None
        found = shared.predict(rows["text"].tolist(), pairs, tasks=[name])[name]
        np.testing.assert_allclose(found, np.exp2(world.fit.blocks[name, "test"].at(world.epoch)), atol=1e-5)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
        assert shared.labels(name) == task.labels


def test_all_tasks_that_read_one_text_come_from_one_pass_of_the_encoder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = load(world.folder, precision="fp32")
    texts = [f"w0{i} w11 w2{i}" for i in range(9)] * 40
    encoder = shared.model.classifier("one").base_model
    passes: list[int] = []
    through = type(encoder).forward
    monkeypatch.setattr(type(encoder), "forward", lambda self, *a, **k: passes.append(1) or through(self, *a, **k))
    apart = {task: shared.predict(texts, tasks=[task])[task] for task in ("one", "off")}
    twice = len(passes)
    together = shared.predict(texts, tasks=["one", "off"])
    assert twice >= 4 and len(passes) - twice == twice / 2
    assert together.keys() == apart.keys()
    for task, expected in apart.items():
        np.testing.assert_array_equal(together[task], expected)
    assert shared.predict([], tasks=["one"])["one"].shape == (0, 3)
    # afterwards the encoder reads again
    assert not np.array_equal(shared.predict(["w01"])["one"], shared.predict(["w30 w31"])["one"])


@pytest.mark.parametrize("texts", ["w01", [1], [""], [" "], [None], ["w01", b"w02"]])
def test_what_is_no_list_of_texts_is_refused(world: World, texts: object) -> None:
    with pytest.raises(InputError, match="texts should be"):
        load(world.folder).predict(texts, tasks=["one"])  # type: ignore[arg-type]


def test_by_default_it_predicts_the_tasks_that_it_serves_and_that_read_such_inputs(world: World) -> None:
    shared = load(world.folder)
    assert shared.serves == ("two/b", "one")
    assert shared.predict(["w01"]).keys() == {"one"}, "off only helped"
    assert shared.predict(["w01"], ["w02"]).keys() == {"two/b"}


def test_in_bf16_a_loaded_model_gives_what_the_trained_one_gives_in_bf16(world: World) -> None:
    import torch
    from safetensors.torch import load_file

    from cotrain.training import encoder
    from cotrain.training.model import build, load_base
    from cotrain.training.scoring import predict

    rows = world.tasks["one"].split("test")
    path = Path(world.settings.model)
    trained = build(load_base(path, "eager"), world.fit.labels, 5)
    assert world.fit.path
    trained.restore(load_file(world.fit.path / "extras" / "weights" / f"{world.epoch}.safetensors"))
    tokens = encoder.tokenizer(path, world.settings.max_length)
    with torch.autocast("cpu", torch.bfloat16):
        expected = predict(trained, "one", encoder.encode(rows, False, tokens, world.settings.max_length), tokens)
    found = load(world.folder, "cpu", "bf16").predict(rows["text"].tolist())["one"]
    np.testing.assert_allclose(found, np.exp2(expected), atol=1e-5)
    assert np.abs(found - load(world.folder, "cpu", "fp32").predict(rows["text"].tolist())["one"]).max() > 1e-5, "it is another precision"


def test_the_folder_says_what_it_is(world: World) -> None:
    about = json.loads((world.folder / "cotrain.json").read_text())
    assert (about["format"], about["group"], about["seed"], about["key"]) == (1, "off+one+two/b", 5, world.fit.key)
    assert about["tasks"]["one"]["labels"] == list(LABELS)
    assert about["tasks"]["two/b"] | {"content": ""} == {
        "labels": ["no", "yes"], "has_pair": True, "served": True, "private": False, "text": "{a} {b}", "pair": "c",
        "window": None, "reader": {"format": "tabular", "column": "label"}, "content": "", "threshold": None,
    }  # fmt: skip
    assert about["tasks"]["off"]["served"] is False
    assert about["tasks"]["one"]["content"] == world.tasks["one"].content()
    assert made_of(world.folder) == (world.fit.key, world.epoch, {"two/b": None, "one": None})
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
    assert made_of(copy) == (world.fit.key, epoch, {"off": None})
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
    with pytest.raises(InputError, match=r"no 99\.safetensors of the extra 'weights'"):
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


def test_weights_that_are_not_those_written_are_refused(world: World, copy: Path) -> None:
    for name in ("heads.safetensors", "model.safetensors"):
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(InputError, match=f"{name} is not what was written"):
            load(copy)
        (copy / name).write_bytes(whole)
    (copy / "model-2.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"model-2.safetensors is not of this model"):
        load(copy)


def test_an_unknown_task_names_those_that_are_there(world: World) -> None:
    with pytest.raises(InputError, match=r"'ones'. Did you mean 'one'\? Known: off, one, two/b"):
        load(world.folder).predict(["w01"], tasks=["ones"])


def test_pairs_go_to_tasks_that_read_pairs(world: World) -> None:
    shared = load(world.folder)
    with pytest.raises(InputError, match="give pairs"):
        shared.predict(["w01"], tasks=["two/b"])
    with pytest.raises(InputError, match="give no pairs"):
        shared.predict(["w01"], ["w02"], tasks=["one"])
    with pytest.raises(InputError, match="each of the 2 texts, found 1"):
        shared.predict(["w01", "w02"], ["w03"])


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
