"""Methods that read gradients of fits, on fits that are really trained: a world where one word says the label, by a rule of each task.

Only ``gradients`` at the published encoder is held to find halves here. What is read from fits follows their seeds, and where an encoder
is this small mostly those: with changes of this world TAG found halves in one of four joint fits, task embeddings and ``gradients`` at
the joint model in about half. What they find on a real encoder is measured in ``experiments/worlds``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain import Group, Task
from cotrain.affinity.method import Ground, named
from cotrain.training.fit import Fit
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train

WORDS = [f"w{i:02d}" for i in range(40)]
RULES = {"a": (0, 4), "a2": (0, 4), "b": (10, 14), "c": (20, 24), "d": (30, 34)}
"""The words that say the label of a task: the first two no, the last two yes. a2 is the other half of a."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers of width 32 with random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    BertTokenizer(vocab=vocab, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                        max_position_embeddings=64, initializer_range=0.15)  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def task(name: str) -> Task:
    """Return a task of 100 training rows of five random words and the one that says the label."""
    random, (low, high) = np.random.default_rng([*name.encode()]), RULES[name]
    others, lines = [w for w in WORDS if not low <= int(w[1:]) < high], []
    for split, n in (("train", 100), ("dev", 40), ("test", 10)):
        for i in range(n):
            words = [*random.choice(others, 4), WORDS[low + random.integers(2) + 2 * (i % 2)]]
            random.shuffle(words)
            row = f"{split}:{i}"
            lines.append({"row": row, "split": split, "text": " ".join(words), "pair": "", "label": ("no", "yes")[i % 2], "cluster": row})
    return Task(name, ("no", "yes"), pd.DataFrame(lines))


class World:
    """Really trained fits of the world, each made once."""

    def __init__(self, encoder: Path, folder: Path) -> None:
        self.tasks, self.folder = {name: task(name) for name in RULES}, folder
        self.settings = Settings(str(encoder), learning_rate=1e-3, epochs=15, batch_size=8, max_length=16, precision="fp32", device="cpu")

    def values(self, name: str, rename: dict[str, str] | None = None, **given: Any) -> dict[tuple[str, str], float]:
        """Return target and helper to the value by a method, tasks by their own names."""
        new = {own: (rename or {}).get(own, own) for own in self.tasks}
        tasks = {new[own]: replace(one, name=new[own]) for own, one in self.tasks.items()}
        method = named(name)
        options = method.chosen(name, given)

        def fits(groups: Sequence[Group]) -> list[Fit]:
            extras = {method.extras(group, sorted(tasks), options) for group in groups}
            [wanted] = extras
            return train(groups, tasks, self.settings, [1], self.folder, Options(workers=1, extras=wanted))

        pvi: Any = type("", (), {"tasks": pd.DataFrame({"task": sorted(tasks)})})()
        found = method.relate(Ground(pvi, lambda: tasks, lambda: self.settings, fits, options)).pairs
        own = {v: k for k, v in new.items()}
        return {(own[t], own[h]): v for t, h, v in found[["target", "helper", "value"]].itertuples(index=False)}


@pytest.fixture(scope="module")
def world(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(encoder, tmp_path_factory.mktemp("fits"))


def best(values: dict[tuple[str, str], float], target: str) -> str:
    """Return the best helper of a target."""
    return max((v, h) for (t, h), v in values.items() if t == target)[1]


def test_two_halves_of_one_task_are_each_others_best_helper(world: World) -> None:
    found = world.values("gradients", at="base")
    assert (best(found, "a"), best(found, "a2")) == ("a2", "a")


def test_at_the_base_names_and_the_order_of_tasks_change_nothing(world: World) -> None:
    """There no fit is read; other methods follow the seeds of heads, and those follow names."""
    rename = {"a": "z", "a2": "m", "b": "q", "c": "k", "d": "e"}
    one, other = world.values("gradients", at="base"), world.values("gradients", rename, at="base")
    assert other == pytest.approx(one, abs=1e-6)


def test_a_joint_model_gives_a_value_of_every_pair_and_the_gain_estimated_is_a_share(world: World) -> None:
    found = world.values("gradients")
    assert len(found) == 20 and all(abs(v) < 1 for v in found.values()) and len({round(v, 12) for v in found.values()}) == 20
