"""The tasks of several models together, each served by one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.training.models import SharedModel

Found = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Served:
    """Models, and which of them serves which task.

    Attributes:
        models: ready to predict.
        by: task to the number of its model.
    """

    models: tuple[SharedModel, ...] = field(repr=False)
    by: Mapping[str, int]

    @classmethod
    def of(cls, models: Sequence[SharedModel]) -> Self:
        """Return what models serve.

        Raises:
            InputError: a task that two of them serve.
        """
        by: dict[str, int] = {}
        faults = []
        for k, model in enumerate(models):
            for task in model.serves:
                if task in by:
                    faults.append(
                        f"task {task} is served by the models {models[by[task]].about['group']} and {model.about['group']}; give one"
                    )
                by[task] = k
        if faults:
            raise InputError(faults)
        return cls(tuple(models), by)

    def has_pair(self, task: str) -> bool:
        """Return whether a task reads pairs of texts."""
        return bool(self.models[self.by[task]].entry(task)["has_pair"])

    def choose(self, tasks: Iterable[str] | None, pairs: bool) -> dict[int, list[str]]:
        """Return the tasks to predict by the number of their model; all that read such inputs where none are named.

        Raises:
            InputError: tasks that are not served, or that read other inputs.
        """
        chosen = list(dict.fromkeys(tasks)) if tasks is not None else [task for task in self.by if self.has_pair(task) == pairs]
        faults = [unknown("task", task, self.by) for task in chosen if task not in self.by]
        faults += [
            f"task {task} reads {'one text: give no pairs' if pairs else 'a pair of texts: give pairs'}"
            for task in chosen
            if task in self.by and self.has_pair(task) != pairs
        ]
        if not chosen:
            faults.append(f"every task served reads {'one text: give no pairs' if pairs else 'a pair of texts: give pairs'}")
        if faults:
            raise InputError(faults)
        found: dict[int, list[str]] = {}
        for task in chosen:
            found.setdefault(self.by[task], []).append(task)
        return found

    def told(self, found: Iterable[Found], n: int) -> list[dict[str, Any]]:
        """Return per text the label of each task and the probability of each label, from (n, K) probabilities."""
        told: list[dict[str, Any]] = [{} for _ in range(n)]
        for of_task in found:
            for task, p in of_task.items():
                model = self.models[self.by[task]]
                labels = model.labels(task)
                for line, best, probabilities in zip(told, model.decide(task, p).tolist(), np.round(p, 7).tolist(), strict=True):
                    line[task] = {"prediction": labels[best], "probs": dict(zip(labels, probabilities, strict=True))}
        return told
