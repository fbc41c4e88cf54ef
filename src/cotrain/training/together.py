"""Members of a group on the same rows: one forward pass serves them all, with a masked loss of several heads (METHOD, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from cotrain.tasks.task import SPLITS, Split, Task
from cotrain.training.fit import Integers
from cotrain.training.group import Group

LEAST = 0.5
"""Tasks of one source count as on the same rows where the smaller one shares so much of its training rows at least."""


class Together(NamedTuple):
    """Tasks on the same rows.

    Attributes:
        places: by split and task, (N,) where each of the N distinct inputs stands among the rows of the task; −1 where it has no
            label for it.
    """

    places: Mapping[Split, Mapping[str, Integers]]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, sorted."""
        return tuple(self.places["train"])


def together(group: Group, tasks: Mapping[str, Task]) -> tuple[Together, ...]:
    """Return which members of ``group`` are on the same rows; blank members are not: they see no rows."""
    sets: list[set[str]] = []
    ids: dict[str, set[str]] = {}
    by_source: dict[str, list[str]] = {}
    for member in group.members:
        if member.variant != "blank" and tasks[member.task].source:
            by_source.setdefault(tasks[member.task].source, []).append(member.task)
    for names in by_source.values():
        for task in names if len(names) > 1 else ():
            ids[task] = set(tasks[task].split("train")["row"])
            alike = [one for one in sets if any(_overlap(ids[task], ids[other]) for other in one if other in names)]
            sets = [one for one in sets if one not in alike] + [set().union({task}, *alike)]
    return tuple(_placed(sorted(one), tasks) for one in sorted(sets, key=min) if len(one) > 1)


def inputs(group: Group, tasks: Mapping[str, Task]) -> dict[str, pd.DataFrame]:
    """Return the training inputs of a group by who is trained on them: a task, or ``a+b`` of tasks on the same rows."""
    shared = together(group, tasks)
    alone = [task for task in group.tasks if not any(task in one.tasks for one in shared)]
    found = {task: tasks[task].split("train") for task in alone}
    for one in shared:
        rows = pd.concat([tasks[task].split("train") for task in one.tasks])
        found["+".join(one.tasks)] = rows.drop_duplicates("row", ignore_index=True)
    return found


def _overlap(one: set[str], other: set[str]) -> bool:
    """Whether two sets of rows are mostly the same."""
    return len(one & other) >= LEAST * min(len(one), len(other))


def _placed(names: list[str], tasks: Mapping[str, Task]) -> Together:
    """Return where the distinct rows of tasks stand in each of them."""
    places: dict[Split, dict[str, Integers]] = {}
    for split in SPLITS:
        rows = {task: pd.Index(tasks[task].split(split)["row"]) for task in names}
        every = pd.Index(pd.unique(np.concatenate([index.to_numpy(dtype=object) for index in rows.values()])))
        places[split] = {task: index.get_indexer(every).astype(np.int64) for task, index in rows.items()}
    return Together(places)
