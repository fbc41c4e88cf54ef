"""Tiny models of five families, trained for moments on tasks of a few words and kept as model folders."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cotrain import Fit, Group, Settings, Source, Task

WORDS = [f"w{i:02d}" for i in range(40)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
KINDS = ("fair", "not so", "off")
FAMILIES = ("bert", "roberta", "distilbert", "deberta", "modernbert")


class Kept(NamedTuple):
    """A model folder, the fit and the epoch that it was made of, and the tasks."""

    folder: Path
    fit: Fit
    epoch: int
    tasks: dict[str, Task]


def tokenizer(family: str) -> Any:
    """A tokenizer of the family that knows the words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertTokenizer, DebertaV2Tokenizer, PreTrainedTokenizerFast, RobertaTokenizer

    vocab = {word: i for i, word in enumerate([*SPECIAL, *WORDS])}
    if family == "roberta":
        pieces = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "<mask>"]
        return RobertaTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=64)
    if family == "deberta":
        pieces = (
            [(piece, 0.0) for piece in SPECIAL] + [(f"▁{word}", -1.0) for word in WORDS] + [(letter, -9.0) for letter in "▁w0123456789"]
        )
        return DebertaV2Tokenizer(vocab=pieces, model_max_length=64, unk_id=1)
    if family == "modernbert":
        words = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
        words.pre_tokenizer = pre_tokenizers.Whitespace()
        words.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
        return PreTrainedTokenizerFast(
            tokenizer_object=words, model_max_length=64, model_input_names=["input_ids", "attention_mask"], **named
        )  # fmt: skip
    return BertTokenizer(
        vocab=vocab, model_max_length=64, **({"model_input_names": ["input_ids", "attention_mask"]} if family == "distilbert" else {})
    )


def encoder(family: str) -> Any:
    """An encoder of the family, of two layers of width 16, with random weights."""
    import transformers as t

    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 66,
            "initializer_range": 0.2}  # fmt: skip
    small = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 64, "initializer_range": 0.2}
    known: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "bert": (t.BertModel, t.BertConfig, {**size, "vocab_size": 45}),
        "roberta": (t.RobertaModel, t.RobertaConfig, {**size, "vocab_size": 261, "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0,
                                                      "eos_token_id": 2}),
        "distilbert": (t.DistilBertModel, t.DistilBertConfig, {**small, "vocab_size": 45}),
        # version 3: relative positions alone, shared with the content, no types
        "deberta": (t.DebertaV2Model, t.DebertaV2Config, {
            **size, "vocab_size": 60, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8,
            "norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False, "type_vocab_size": 0,
        }),
        "modernbert": (t.ModernBertModel, t.ModernBertConfig, {
            **size, "vocab_size": 45, "pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3,
            "global_attn_every_n_layers": 2, "local_attention": 8,
        }),
    }  # fmt: skip
    model, config, values = known[family]
    return model(config(**values))


def task(name: str, labels: tuple[str, ...] = ("no", "yes"), pair: bool = False, private: bool = False) -> Task:
    """A task of random words, where one word says the label."""
    random = np.random.default_rng([*name.encode()])
    lines = []
    for split, n in (("train", 24), ("dev", 12), ("test", 12)):
        for i in range(n):
            words = [*random.choice(WORDS[3:], random.integers(2, 8)), WORDS[i % len(labels)]]
            random.shuffle(words)
            row = f"{split}:{i}"
            other = " ".join(random.choice(WORDS, 3)) if pair else ""
            lines.append(
                {"row": row, "split": split, "text": " ".join(words), "pair": other, "label": labels[i % len(labels)], "cluster": row}
            )
    return Task(name, labels, pd.DataFrame(lines), has_pair=pair, private=private)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Kept]:
    """Train a model of a family and keep it: tasks neg, kind (three labels), two (pairs), and helper, which is not served."""
    made: dict[tuple[str, bool], Kept] = {}

    def make(family: str = "bert", private: bool = False) -> Kept:
        if (family, private) not in made:
            made[family, private] = _made(family, private, tmp_path_factory.mktemp(family))
        return made[family, private]

    return make


def _made(family: str, private: bool, folder: Path) -> Kept:
    import torch

    from cotrain.training.models import write
    from cotrain.training.train import Options, train

    tokenizer(family).save_pretrained(folder / "encoder")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder(family).save_pretrained(folder / "encoder")
    tasks = {"neg": task("neg"), "kind": task("kind", KINDS), "two": task("two", pair=True), "helper": task("helper", private=private)}
    settings = Settings(
        str(folder / "encoder"), learning_rate=3e-3, batch_size=8, epochs=2, max_length=32, precision="fp32", device="cpu", threads=1
    )
    [fit] = train([Group.of(tasks)], tasks, settings, [5], folder / "fits", Options(workers=1, extras=("weights",)))
    epoch = int(fit.blocks["neg", "test"].epochs[-1])
    sources = [Source("neg", text="note"), Source("kind", text="note"), Source("two", text="{a} {b}", pair="c"), Source("helper")]
    write(fit, epoch, tasks, settings, folder / "model", serves=["neg", "kind", "two"], sources=sources)
    return Kept(folder / "model", fit, epoch, tasks)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest, kept: Callable[..., Kept]) -> Kept:
    """A model of each family."""
    found: Kept = kept(request.param)
    return found


@pytest.fixture
def bert(kept: Callable[..., Kept]) -> Kept:
    """The model of the BERT."""
    found: Kept = kept("bert")
    return found


class Said(NamedTuple):
    """What a command left: its exit code, stdout, stderr."""

    code: int
    out: str
    err: str


@pytest.fixture
def cotrain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run the command in this process."""
    from cotrain.cli import main

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["cotrain", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return run
