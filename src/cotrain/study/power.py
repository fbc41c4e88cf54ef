"""What the dev rows of a study can decide before any fit (METHOD, section 4, "Decision")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotrain.evaluation.power import smallest_delta
from cotrain.study.study import Study
from cotrain.tasks.task import Task


def decidable(study: Study, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Return ``smallest_delta`` and the wanted ``delta`` per task, and sentences on those that cannot be decided."""
    seeds = len(study.resolved.seeds)
    smallest = {name: smallest_delta(task.split("dev")["cluster"].nunique(), seeds) for name, task in tasks.items()}
    wanted = {name: task.delta for name, task in tasks.items()}
    return {"smallest_delta": smallest, "delta": wanted}
