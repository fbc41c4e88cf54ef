"""Queries: the prompts of the rows of a task, its shots drawn from train by seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from cotrain.prompting.form import Form
from cotrain.tasks.task import Split, Task

BLANK = ""
"""The row of a query whose texts are left out: the null of in-context PVI."""


@dataclass(frozen=True)
class Query:
    """One prompt that wants one answer.

    Attributes:
        task, row, seed: what it asks about, and the seed of its shots.
        labels: (K,) the options in order.
        shots: the beginning of the prompt, that rows with these shots share. No text is ever shown, logged or kept.
        block: the rest of it.
    """

    task: str
    row: str
    seed: int
    labels: tuple[str, ...]
    shots: str = field(repr=False)
    block: str = field(repr=False)

    @property
    def prompt(self) -> str:
        """The prompt."""
        return self.shots + self.block

    def key(self, model: str) -> str:
        """Return the sha256 of a model and everything that its answer depends on; no text can be read from it."""
        return hashlib.sha256(json.dumps([model, self.labels, self.prompt]).encode()).hexdigest()

    @property
    def tokens(self) -> int:
        """About how many tokens the prompt has, where no tokenizer is at hand: four bytes each."""
        return len(self.prompt.encode()) // 4 + 1


def queries(task: Task, form: Form, split: Split, seeds: Iterable[int], blank: bool = False) -> list[Query]:
    """Return a query per seed and row of a split; with ``blank`` one more per seed, without texts."""
    rows = task.split(split)
    columns = [[*rows[name], *([BLANK] if blank else [])] for name in ("row", "text", "pair")]
    found = []
    for seed in seeds:
        drawn = form.shots(shots(task, seed))
        found += [Query(task.name, row, seed, task.labels, drawn, form.block(text, pair)) for row, text, pair in zip(*columns, strict=True)]
    return found


def shots(task: Task, seed: int) -> list[dict[str, str]]:
    """Return a training row of each class in label order: ``row``, ``text``, ``pair``, ``label``; drawn by seed and task name."""
    random = np.random.default_rng(list(hashlib.sha256(f"{seed}:{task.name}".encode()).digest()))
    train = task.split("train")
    of_class = [train[train["label"] == label] for label in task.labels]
    drawn = [part.iloc[random.integers(len(part))] for part in of_class]
    return [{name: str(row[name]) for name in ("row", "text", "pair", "label")} for row in drawn]
