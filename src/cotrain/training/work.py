"""How much work a fit is, from row counts and text lengths alone: to order fits and to guess the time left."""

from __future__ import annotations

from collections.abc import Mapping

from cotrain.tasks.task import Split, Task
from cotrain.training.budget import budget, evaluated
from cotrain.training.group import Group
from cotrain.training.settings import Settings

_CHARACTERS_PER_TOKEN = 4.5
_SCORED = 0.7
"""Cost of scoring a token in float32, relative to training on it."""
_TESTED = 2.5
"""At how many epochs test is scored, on average: the picks of three selections and the last often coincide."""


def work(group: Group, tasks: Mapping[str, Task], settings: Settings, updates: int | None) -> float:
    """Return the work of a fit in training tokens: every pass over train, and what scoring costs beside it."""
    plan = budget(settings, {t: len(tasks[t].split("train")) for t in group.tasks}, updates)
    train = dev = test = 0.0
    for member in group.members:
        if member.variant == "blank":
            train += 3 * len(tasks[member.task].split("train"))
            continue
        train += tokens(tasks[member.task], "train", settings.max_length)
        dev += tokens(tasks[member.task], "dev", settings.max_length)
        test += tokens(tasks[member.task], "test", settings.max_length) * (1 if member.variant == "permuted" else _TESTED)
    epochs = plan.updates / plan.per_epoch
    return epochs * train + _SCORED * (evaluated(settings, plan) * dev + test)


def tokens(task: Task, split: Split, max_length: int) -> float:
    """Return about how many tokens a split has after truncation."""
    rows = task.split(split)
    letters = rows["text"].str.len() + (rows["pair"].str.len() if task.has_pair else 0)
    return float((letters / _CHARACTERS_PER_TOKEN + 3).clip(upper=max_length).sum())
