"""Tiny encoders with random weights, made here: a BERT and a RoBERTa; and tasks of a few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain import Group, Task
from cotrain.training.settings import Settings

WORDS = [f"w{i:02d}" for i in range(40)]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers of width 16 over forty words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoders") / "bert"
    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    BertTokenizer(vocab=vocab, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RoBERTa of two layers of width 16, with a byte-level tokenizer without merges."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    folder = tmp_path_factory.mktemp("encoders") / "roberta"
    vocab = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), "<mask>"])}
    RobertaTokenizer(vocab=vocab, merges=[], model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, initializer_range=0.2,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def task() -> Callable[..., Task]:
    """Make a task of random words, where one word says the label."""

    def make(name: str, train: int = 40, dev: int = 20, test: int = 20, labels: tuple[str, ...] = ("no", "yes"), pair: bool = False,
             error: float = 0.0, seed: int = 0) -> Task:  # fmt: skip
        random = np.random.default_rng([seed, *name.encode()])
        lines = []
        for split, n in (("train", train), ("dev", dev), ("test", test)):
            for i in range(n):
                k = i % len(labels)
                said = k if random.random() >= error else (k + 1) % len(labels)
                words = [*random.choice(WORDS[len(labels) :], random.integers(2, 8)), WORDS[said]]
                random.shuffle(words)
                other = " ".join(random.choice(WORDS, 3)) if pair else ""
                row = f"{split}:{i}"
                lines.append({"row": row, "split": split, "text": " ".join(words), "pair": other, "label": labels[k], "cluster": row})
        return Task(name, labels, pd.DataFrame(lines), has_pair=pair)

    return make


@pytest.fixture(scope="session")
def settings(tiny_bert: Path) -> Callable[..., Settings]:
    """Make settings for the tiny BERT that train for moments."""

    def make(**changes: Any) -> Settings:
        few: dict[str, Any] = {"learning_rate": 3e-3, "batch_size": 8, "epochs": 3, "max_length": 32, "precision": "fp32", "device": "cpu"}
        return Settings(**{"model": str(tiny_bert), **few, **changes})

    return make


@pytest.fixture
def trained() -> Callable[..., Any]:
    """Train a group in this process and return its record and model."""

    def make(group: Group, tasks: Mapping[str, Task], settings: Settings, seed: int = 1, plan: Any = None, at_epoch: Any = None,
             rows: int = 0, checkpoints: Any = None) -> Any:  # fmt: skip
        from cotrain.training import encoder, worker
        from cotrain.training.budget import budget
        from cotrain.training.extras import Extra, Seen
        from cotrain.training.model import build
        from cotrain.training.together import inputs, together
        from cotrain.training.train import effective
        from cotrain.training.trainer import Watch, run

        class Observed(Extra):
            def at_epoch(self, epoch: int, picked_by: Any) -> None:
                at_epoch(model, epoch)

        settings = effective(settings)
        worker.prepare(tasks, settings, encoder.folder(settings.model))
        try:
            data = {m.task: worker.data_of(m) for m in group.members}
            model = build(worker._here["base"], {t: tasks[t].labels for t in data}, seed, settings.tuning, settings.lora_rank)
            plan = plan or budget(settings, {name: len(rows) for name, rows in inputs(group, tasks).items()}, None)
            seen = Seen(model, worker._here["tokens"], data, settings, seed, rows or settings.batch_size, Path())
            watch = Watch([Observed(seen)] if at_epoch else (), checkpoints and checkpoints.folder.parent, checkpoints)
            record, failed = run(model, data, plan, worker._here["tokens"], settings, seed, together(group, tasks), watch, rows)
        finally:
            worker.release()
        assert not failed
        return record, model

    return make
