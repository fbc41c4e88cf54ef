"""What differs between the study of a run folder and the study file of today."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from cotrain.study.presets import Resolved
from cotrain.tasks.source import Source

_FREE = ("metric", "delta", "private", "labels", "label", "name")  # label and labels are compared as tasks


@dataclass(frozen=True)
class Changes:
    """Differences in words.

    Attributes:
        added: what leaves every existing row and fit as it is: new tasks, seeds, controls, and how things are decided.
        changed: what alters rows or fits of existing tasks; it needs ``--update``.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def changes(old: Resolved, new: Resolved) -> Changes:
    """Return what was added to, and what was changed in, ``old`` to make ``new``."""
    added, changed = _tasks(old, new)
    changed += _differences("splits.", old.cut, new.cut)
    by_size = old.light_learning_rate is not None and old.light_learning_rate == new.light_learning_rate
    changed += [
        words.removeprefix("training.") if words.startswith("training.model") else words
        for words in _differences("training.", old.settings, new.settings, ["learning_rate"] if by_size else [])
    ]
    if not by_size and old.settings.learning_rate == new.settings.learning_rate and old.light_learning_rate != new.light_learning_rate:
        changed.append(f"the learning rate of a light encoder: {old.light_learning_rate} → {new.light_learning_rate}")
    for word, before, after in (("seed", old.seeds, new.seeds), ("control", old.controls, new.controls)):
        added += [f"{word} {one}" for one in after if one not in before]  # type: ignore[operator]
        added += [f"{word} {one} is left out" for one in before if one not in after]  # type: ignore[operator]
    added += _differences("plan.", old.plan, new.plan, ["paper"])
    keys = {"by": "plan.by", "test": "plan.test", "group_test": "plan.group_test"}
    for key in ("by", "test", "group_test", "goal", "null", "score_by", "select", "paper"):
        added += _difference(keys.get(key, key), getattr(old, key), getattr(new, key))
    return Changes(tuple(added), tuple(changed))


def _tasks(old: Resolved, new: Resolved) -> tuple[list[str], list[str]]:
    """Return what was added to and changed in the tasks."""
    added, changed = [], []
    before, after = ({task: (s, column) for s in r.sources for task, column in s.tasks.items()} for r in (old, new))
    added += [f"task {task}" for task in after if task not in before]
    changed += [f"task {task} is gone" for task in before if task not in after]
    for task in (t for t in before if t in after):
        (one, column), (two, column_now) = before[task], after[task]
        changed += [f"task {task}: {words}" for words in _difference("label", column, column_now)]
        changed += [f"task {task}: {words}" for words in _differences("", _at(one, old), _at(two, new), _FREE)]
        for key in ("metric", "delta", "private"):
            added += [f"task {task}: {words}" for words in _difference(key, getattr(one, key), getattr(two, key))]
    return added, changed


def _at(source: Source, study: Resolved) -> dict[str, Any]:
    """Return the fields of a source, its place relative to where the study's data begin: moved data are the same data."""
    values = {f.name: getattr(source, f.name) for f in fields(source)}
    for key in ("path", "hub"):
        if values[key] and study.root and os.path.isabs(values[key]):
            values[key] = os.path.relpath(values[key], study.root)
    return values


def _differences(prefix: str, old: Any, new: Any, without: Iterable[str] = ()) -> list[str]:
    """Return in words the fields that differ."""
    one, two = (x if isinstance(x, dict) else {f.name: getattr(x, f.name) for f in fields(x)} for x in (old, new))
    return [words for key in one if key not in without for words in _difference(prefix + key, one[key], two[key])]


def _difference(key: str, old: Any, new: Any) -> list[str]:
    """Return ``key: old → new``, or nothing where they are equal."""
    return [] if old == new else [f"{key}: {_shown(old)} → {_shown(new)}"]


def _shown(value: Any) -> str:
    """Return a value as the study file writes it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
    return "none" if value is None else str(value)
