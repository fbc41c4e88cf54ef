"""What the dev rows of a study can decide before any fit (METHOD, section 4, "Decision")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotrain.evaluation.power import smallest_delta
from cotrain.study.presets import PRESETS
from cotrain.study.study import Study
from cotrain.tasks.task import Task


def decidable(study: Study, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Return ``smallest_delta`` and the wanted ``delta`` per task, at the seeds of the study, of preset ``default`` where it has none."""
    seeds = len(study.resolved.seeds or PRESETS["default"].seeds)
    smallest = {name: smallest_delta(task.split("dev")["cluster"].nunique(), seeds) for name, task in tasks.items()}
    wanted = {name: task.delta for name, task in tasks.items()}
    return {"smallest_delta": smallest, "delta": wanted}
