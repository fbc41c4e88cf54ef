"""Basis: what an estimator of PVI may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cotrain.tasks.task import Split, Task
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.settings import Settings


@dataclass(frozen=True)
class Basis:
    """The rows to be scored, and how models are trained where an estimator needs some.

    Attributes:
        tasks: by name, in the order of the scores.
        settings: of fits; of an encoder that is not trained the model, ``max_length``, device and precision.
        train: from groups and the tasks that they name to their fits, with the clusters of those tasks.
        by: the epoch of a fit that is scored.
        null: ``prior`` or ``finetune``; an estimator without fits has the prior.
        split: the rows that are scored, but by ``crossfit``.
    """

    tasks: Mapping[str, Task]
    settings: Settings
    train: Callable[[Sequence[Group], Mapping[str, Task]], list[Fit]]
    by: str = "log_loss"
    null: str = "prior"
    split: Split = "dev"
