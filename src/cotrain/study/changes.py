"""What differs between the study of a run folder and the study file of today."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cotrain.study.presets import Resolved
from cotrain.tasks.source import Source

_NOT_ROWS = ("name", "label", "labels", "attribute", "private", "metric", "delta", "prompt")
_DECISIONS = {
    "thresholds": "thresholds", "share": "share",
    "goal": "goal", "estimator": "estimator", "null": "null", "score_by": "score_by", "select": "select", "by": "plan.by",
    "test": "plan.test", "group_test": "plan.group_test", "paper": "scores on test, as the paper", "root": "folder of the data",
    "executor": "executor", "methods": "methods",
}  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """Differences in words.

    Attributes:
        added: what leaves the rows and fits that exist as they are: new tasks, seeds and controls, and how it is decided.
        changed: what alters rows or fits of existing tasks; it needs ``--update``.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def changes(old: Resolved, new: Resolved) -> Changes:
    """Return what must be added to ``old``, and what must be changed in it, to make ``new``."""
    before, after = _rows(old), _rows(new)
    added = [f"task {task}" for task in after if task not in before]
    changed = [f"task {task} is gone" for task in before if task not in after]
    for task in (task for task in before if task in after):
        changed += [f"task {task}: {words}" for words in _differences(before[task], after[task])]
    changed += _differences(asdict(old.cut), asdict(new.cut), "splits.")
    changed += _differences(_settings(old), _settings(new), "training.")
    changed += _differences({"grid": old.grid}, {"grid": new.grid})
    for word, then, now in (("seed", old.seeds, new.seeds), ("control", old.controls, new.controls)):
        added += [f"{word} {x}" for x in now if x not in then] + [f"{word} {x} is left out" for x in then if x not in now]
    one, two = _sources(old), _sources(new)
    for task in (task for task in one if task in two):
        added += [f"task {task}: {words}" for words in _differences(_free(one[task]), _free(two[task]))]
    added += _differences({k: v for k, v in asdict(old.plan).items() if k != "paper"}, asdict(new.plan), "plan.")
    added += _differences(_decisions(old), _decisions(new))
    return Changes(tuple(added), tuple(changed))


def kept(old: Resolved, new: Resolved) -> tuple[str, ...]:
    """Return the tasks whose rows are read as before."""
    before, after = _rows(old), _rows(new)
    return tuple(task for task in after if before.get(task) == after[task])


def _sources(study: Resolved) -> dict[str, Source]:
    """Return the source of each task."""
    return {task: source for source in study.sources for task in source.tasks}


def _rows(study: Resolved) -> dict[str, dict[str, Any]]:
    """Return by task what makes its rows; places are relative to the folder of the data, so that moved data are the same."""
    found = {}
    for task, source in _sources(study).items():
        values = {key: value for key, value in asdict(source).items() if key not in _NOT_ROWS}
        for key in ("path", "hub", "texts"):
            if values[key] and study.root and Path(values[key]).is_absolute():
                values[key] = os.path.relpath(values[key], study.root)
        found[task] = {"label": source.tasks[task], **values}
    return found


def _free(source: Source) -> dict[str, Any]:
    """Return what a task may change without a change of its rows."""
    return {key: getattr(source, key) for key in ("metric", "delta", "private", "prompt")}


def _decisions(study: Resolved) -> dict[str, Any]:
    """Return how things are decided, by the words of the study file."""
    return {words: getattr(study, key) for key, words in _DECISIONS.items()}


def _settings(study: Resolved) -> dict[str, Any]:
    """Return the settings of fits; a learning rate that goes by the size of the encoder is that rule, not its outcome."""
    values = asdict(study.settings)
    if study.light_learning_rate is not None:
        values["learning_rate"] = f"by the encoder ({study.light_learning_rate} for a light one)"
    return values


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield in words what differs."""
    for key, value in old.items():
        if value != new[key]:
            name = key if key in ("model", "trainer") else prefix + key
            yield f"{name}: {_shown(value)} → {_shown(new[key])}"


def _shown(value: Any) -> str:
    """Return a value as the study file writes it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
