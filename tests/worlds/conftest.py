"""Worlds whose V-information is known, and an encoder to meet them: a tiny one made here, or the real one (`make worlds`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cotrain import Group, Member, Scores, Settings, Task
from cotrain.pvi.finetune import score
from cotrain.tasks.source import Cut
from cotrain.training.train import Options, train

CUES = ("red", "blue", "green", "yellow")
FILLERS = (
    "house", "table", "river", "stone", "bread", "window", "garden", "paper", "bottle", "street",
    "market", "candle", "winter", "summer", "music", "letter", "horse", "apple", "basket", "mirror",
)  # fmt: skip
SEEDS = (1, 2, 3)
SIZES = {"train": 2000, "validation": 2000, "test": 40}  # dev is scored


@dataclass(frozen=True)
class World:
    """A task, and what the oracle that knows its rule says: (n,) PVI in bits of its dev rows."""

    task: Task
    oracle: np.ndarray

    @property
    def truth(self) -> float:
        """The realised true V-information of dev in bits."""
        return float(self.oracle.mean())


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    """Make a world: one word of each text says the class, the label is another one with chance ``error``.

    ``shares`` of the classes are exact; ``order`` is that of the labels in the model; a ``blind`` text says nothing; labels
    that are ``permuted`` within each split have lost their texts.
    """

    def make(name: str, error: float = 0.0, names: tuple[str, ...] = ("no", "yes"), order: tuple[str, ...] = (),
             shares: tuple[float, ...] = (), blind: bool = False, permuted: bool = False, seed: int = 0) -> World:  # fmt: skip
        random = np.random.default_rng(seed)
        classes = len(names)
        p = shares or (1 / classes,) * classes
        frames, label, cue, seen = {}, {}, {}, set[str]()
        for split, n in SIZES.items():
            cue[split] = random.permutation(np.repeat(np.arange(classes), np.round(np.array(p) * n).astype(int)))
            other = (cue[split] + random.integers(1, classes, n)) % classes
            label[split] = np.where(random.random(n) < error, other, cue[split])
            if permuted:
                label[split] = random.permutation(label[split])
            texts = [_text(None if blind else CUES[k], random, seen) for k in cue[split]]
            rows = [f"{split}:{i}" for i in range(n)]
            frames[split] = pd.DataFrame({"row": rows, "text": texts, "label": np.array(names, dtype=object)[label[split]]})
        task = Task.from_frame(name, frames, Cut(test="test", dev="validation"), names=order or names, id="row")
        frequency = np.bincount(label["train"]) / len(label["train"])
        gold = label["validation"]
        given_text = np.where(gold == cue["validation"], 1 - error, error / (classes - 1))
        told = frequency[gold] if blind or permuted else given_text
        return World(task, np.log2(told) - np.log2(frequency[gold]))

    return make


def _text(cue: str | None, random: np.random.Generator, seen: set[str]) -> str:
    """Return four words and the cue among them, in an order that was not there before."""
    while True:
        words = [*random.choice(FILLERS, 5 if cue is None else 4), *([cue] if cue else [])]
        random.shuffle(words)
        if (text := " ".join(words)) not in seen:
            seen.add(text)
            return text


@pytest.fixture(scope="session", params=["tiny", pytest.param("real", marks=pytest.mark.real_encoder)])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """How a world is learned: by a tiny encoder made here, or by the demo's."""
    if request.param == "real":
        from cotrain.demo.encoder import MODEL, verified

        verified()
        return Settings(MODEL, learning_rate=2e-4, batch_size=16, epochs=1, max_length=16)
    encoder = _tiny(tmp_path_factory.mktemp("encoder"))
    return Settings(str(encoder), learning_rate=5e-3, batch_size=64, epochs=3, evaluate_every=64, max_length=16, precision="fp32")


def _tiny(folder: Path) -> Path:
    """Write a BERT of two layers of width 32 with random weights over the words of the worlds."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CUES, *FILLERS])}
    BertTokenizer(vocab=vocab, model_max_length=16).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=16, initializer_range=0.1,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def scored(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Scores]:
    """Train tasks alone over three seeds by the ordinary path and score dev; fits are kept, so no world is learned twice."""
    fits = tmp_path_factory.mktemp("fits")

    def make(*worlds: World, null: str = "prior") -> Scores:
        tasks: Mapping[str, Task] = {w.task.name: w.task for w in worlds}
        singles = [Group.of([name]) for name in tasks]
        blanks = [Group((Member(name, "blank"),)) for name in tasks] if null == "finetune" else []
        alone = train(singles, tasks, settings, SEEDS, fits, Options(workers=1))
        empty = train(blanks, tasks, settings, SEEDS, fits, Options(workers=1))
        return score(alone, null=null, null_fits=empty, sources={name: task.source for name, task in tasks.items()})

    return make
