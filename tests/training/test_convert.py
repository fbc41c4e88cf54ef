"""Pickle weights become safetensors with the same numbers, and nothing that stands in them is run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForMaskedLM

from cotrain.errors import InputError, MissingExtra
from cotrain.training import encoder
from cotrain.training.convert import convert


@pytest.fixture
def published(tiny_bert: Path, tmp_path: Path) -> Path:
    """The folder of a publisher: a masked language model, whose output layer is its embedding table, as a pickle."""
    folder = tmp_path / "published"
    folder.mkdir()
    for file in tiny_bert.iterdir():
        if file.suffix == ".json":
            shutil.copyfile(file, folder / file.name)
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig.from_pretrained(tiny_bert))
    weights = model.state_dict()
    assert weights["cls.predictions.decoder.weight"].data_ptr() == weights["bert.embeddings.word_embeddings.weight"].data_ptr()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


def shards(folder: Path) -> None:
    """Cut the weights of a folder into two files and an index."""
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    where = {name: f"pytorch_model-0000{1 + i % 2}-of-00002.bin" for i, name in enumerate(weights)}
    for file in set(where.values()):
        torch.save({name: weight for name, weight in weights.items() if where[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    (folder / "pytorch_model.bin").unlink()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_the_weights_are_the_same(published: Path, tmp_path: Path, cut: bool, legacy: bool) -> None:
    from safetensors.torch import load_file

    expected = torch.load(published / "pytorch_model.bin", weights_only=True)
    if legacy:  # files from before torch 1.6
        torch.save(expected, published / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    if cut:
        shards(published)
    (published / "LICENSE").write_text("free")
    with pytest.raises(InputError, match=r"cotrain convert .* --to FOLDER"):
        encoder.folder(str(published))
    to = convert(published, tmp_path / "deep" / "converted")
    found = load_file(to / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())
    assert encoder.folder(str(to)) == to
    assert not list(to.glob("*.bin*")) and (to / "LICENSE").is_file()
    assert [f.name for f in to.parent.iterdir()] == ["converted"]
    loaded, report = AutoModel.from_pretrained(to, output_loading_info=True)
    assert torch.equal(loaded.embeddings.word_embeddings.weight, expected["bert.embeddings.word_embeddings.weight"])
    # the published folder has no pooler, as masked language models have none
    assert set(report["missing_keys"]) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert AutoTokenizer.from_pretrained(to)("w01")["input_ids"] == AutoTokenizer.from_pretrained(published)("w01")["input_ids"]


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_pickle_with_code_is_refused_and_not_run(published: Path, tmp_path: Path) -> None:
    weights = torch.load(published / "pytorch_model.bin", weights_only=True)
    torch.save({**weights, "evil": Evil(tmp_path / "ran")}, published / "pytorch_model.bin")
    with pytest.raises(InputError, match="Nothing of it was run"):
        convert(published, tmp_path / "converted")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["published"]


SPOIL: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "found none"),
    "no config": (lambda f: (f / "config.json").unlink(), "a config.json; found none"),
    "no weights": (lambda f: (f / "pytorch_model.bin").unlink(), "there should be pytorch_model.bin; found none"),
    "neither": (lambda f: [(f / n).unlink() for n in ("config.json", "pytorch_model.bin")], r"config.json(?s:.*)pytorch_model.bin"),
    "cut short": (lambda f: (f / "pytorch_model.bin").write_bytes((f / "pytorch_model.bin").read_bytes()[:5000]), "fetch it again|damaged"),
    "empty": (lambda f: (f / "pytorch_model.bin").write_bytes(b""), "fetch it again"),
    "a web page": (lambda f: (f / "pytorch_model.bin").write_bytes(b"<html>log in</html>"), "fetch it again|damaged"),
    "a list": (lambda f: torch.save([torch.ones(2)], f / "pytorch_model.bin"), "tensors by name, found list"),
    "numbers": (lambda f: torch.save({"a": 1}, f / "pytorch_model.bin"), "tensors by name"),
    "safetensors": (lambda f: (f / "model.safetensors").write_bytes(b""), "use it as it is"),
}


@pytest.mark.parametrize("how", SPOIL)
def test_what_cannot_be_converted_is_said_and_leaves_nothing(how: str, published: Path, tmp_path: Path) -> None:
    spoil, sentence = SPOIL[how]
    spoil(published)
    with pytest.raises(InputError, match=sentence):
        convert(published, tmp_path / "converted")
    assert [f.name for f in tmp_path.iterdir() if f.name != "published"] == []


def test_shards_that_are_missing_or_elsewhere_are_named(published: Path, tmp_path: Path) -> None:
    shards(published)
    (published / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(InputError, match=r"pytorch_model-00002-of-00002\.bin; found none"):
        convert(published, tmp_path / "converted")
    index = published / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../secret.bin"}}))
    with pytest.raises(InputError, match="elsewhere"):
        convert(published, tmp_path / "converted")
    index.write_text("[]")
    with pytest.raises(InputError, match="cannot be read"):
        convert(published, tmp_path / "converted")


def test_nothing_is_overwritten(published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not empty"):
        convert(published, published)
    (tmp_path / "mine").mkdir()
    assert (convert(published, tmp_path / "mine") / "model.safetensors").is_file()


def test_without_torch_the_extra_is_named(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(MissingExtra, match=r"cotrain\[train\]"):
        convert(published, tmp_path / "converted")
