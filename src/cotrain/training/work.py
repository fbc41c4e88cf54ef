"""How much work a fit is, from row counts and text lengths alone: to order fits, to plan, to guess the time left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from cotrain.tasks.task import Split, Task
from cotrain.training.budget import budget, evaluated
from cotrain.training.group import Group
from cotrain.training.settings import Settings
from cotrain.training.together import inputs

CHARACTERS_PER_TOKEN = 4.5
UPDATE = 100.0
"""What an update costs beside its tokens (the optimiser goes over every parameter), in tokens trained on."""
SCORED = 0.55
"""Cost of scoring a token in float32, in tokens trained on in bf16."""
TESTED = 2.5
"""At how many epochs test is scored, at most on average: the picks of three selections and the last often coincide."""


class Work(NamedTuple):
    """The parts of the work of a fit.

    Attributes:
        trained: tokens trained on, without padding, over all epochs.
        updates: of the optimiser.
        scored: tokens of dev and test predictions.
    """

    trained: float
    updates: float
    scored: float

    @property
    def tokens(self) -> float:
        """All of it in tokens trained on. The weights were measured on a MiniLM, one CPU thread, bf16."""
        return self.trained + UPDATE * self.updates + SCORED * self.scored


def work(group: Group, tasks: Mapping[str, Task], settings: Settings, updates: int | None) -> float:
    """Return the most work that a fit can be (no early stop), in tokens trained on."""
    return parts(group, tasks, settings, updates).tokens


def parts(group: Group, tasks: Mapping[str, Task], settings: Settings, updates: int | None) -> Work:
    """Return the most work that a fit can be, by parts."""
    there = inputs(group, tasks)
    plan = budget(settings, {name: len(rows) for name, rows in there.items()}, updates)
    evaluations = evaluated(settings, plan)
    blank = {member.task for member in group.members if member.variant == "blank"}
    train = sum(3.0 * len(rows) if name in blank else counted(rows, settings.max_length) for name, rows in there.items())
    scored = math.inf if settings.long_texts == "windows" else settings.max_length
    dev = test = 0.0
    for member in group.members:
        if member.task in blank:
            continue
        dev += tokens(tasks[member.task], "dev", scored)
        test += tokens(tasks[member.task], "test", scored) * (1 if member.variant == "permuted" else min(TESTED, evaluations))
    return Work(plan.updates / plan.per_epoch * train, plan.updates, evaluations * dev + test)


def tokens(task: Task, split: Split, max_length: float) -> float:
    """Return about how many tokens a split has after truncation."""
    return counted(task.split(split), max_length)


def counted(rows: pd.DataFrame, max_length: float) -> float:
    """Return about how many tokens rows have after truncation."""
    return float((letters(rows) / CHARACTERS_PER_TOKEN + 3).clip(upper=max_length).sum())


def letters(rows: pd.DataFrame) -> pd.Series:
    """Return (n,) the letters of each input; the second text is empty where there is none."""
    return rows["text"].str.len() + rows["pair"].str.len()
