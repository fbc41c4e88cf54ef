"""What is worth knowing about the rows before anything is trained; never the text of an example."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from cotrain.tasks.splits import text_key
from cotrain.tasks.task import SPLITS, Task


def check(tasks: Mapping[str, Task], lengths: Mapping[str, np.ndarray] | None = None, max_length: int = 0) -> dict[str, Any]:
    """Return plain facts per task (``tasks``), between tasks (``shared``), and sentences of warning (``warnings``).

    Args:
        lengths: tokens of each row of each task, before truncation.
        max_length: tokens that the encoder will see.
    """
    warnings: list[str] = []
    keys = {name: [text_key(t, p) for t, p in zip(task.rows["text"], task.rows["pair"], strict=True)] for name, task in tasks.items()}
    facts = {}
    for name, task in tasks.items():
        facts[name] = _facts(task, keys[name], (lengths or {}).get(name), max_length)
        if facts[name]["duplicates_across_splits"]:
            warnings.append(f"{name}: {facts[name]['duplicates_across_splits']} held-out texts are in its training rows too")
        if facts[name].get("truncated_share", 0) > 0.05:
            warnings.append(f"{name}: {facts[name]['truncated_share']:.0%} of the texts are longer than max_length {max_length}")
    shared = []
    for a, b in combinations(tasks, 2):
        found = _shared(tasks, keys, a, b)
        if any(v for k, v in found.items() if k not in ("a", "b")):
            shared.append(found)
        if found["leaks"]:
            warnings.append(f"{a} and {b} share {found['leaks']} texts between the training side of one and the held-out side of the other")
    return {"tasks": facts, "shared": shared, "warnings": warnings}


def _facts(task: Task, keys: list[str], lengths: np.ndarray | None, max_length: int) -> dict[str, Any]:
    """Return the facts of one task."""
    rows = task.rows
    by_split = {s: {k for k, there in zip(keys, rows["split"], strict=True) if there == s} for s in SPLITS}
    held_out = by_split["dev"] | by_split["test"]
    facts: dict[str, Any] = {
        "rows": {s: int((rows["split"] == s).sum()) for s in SPLITS},
        "clusters": {s: int(rows.loc[rows["split"] == s, "cluster"].nunique()) for s in SPLITS},
        "labels": list(task.labels),
        "label_counts": {s: {y: int(((rows["split"] == s) & (rows["label"] == y)).sum()) for y in task.labels} for s in SPLITS},
        "duplicates_within_splits": sum(int((rows["split"] == s).sum()) - len(by_split[s]) for s in SPLITS),
        "duplicates_across_splits": len(by_split["train"] & held_out),
        "private": task.private,
        "facts": dict(task.facts),
    }
    if lengths is not None and len(lengths):
        facts["tokens"] = {"median": int(np.median(lengths)), "p95": int(np.quantile(lengths, 0.95)), "max": int(lengths.max())}
        facts["truncated_share"] = float((lengths > max_length).mean()) if max_length else 0.0
    return facts


def _shared(tasks: Mapping[str, Task], keys: Mapping[str, list[str]], a: str, b: str) -> dict[str, Any]:
    """Return how many whole texts, training-to-held-out leaks and single sides (contexts) two tasks share."""
    sides, contexts = {}, {}
    for name in (a, b):
        rows = tasks[name].rows
        train = rows["split"] == "train"
        sides[name] = ({k for k, t in zip(keys[name], train, strict=True) if t}, {k for k, t in zip(keys[name], train, strict=True) if not t})
        halves = set(rows["text"]) | (set(rows["pair"]) - {""}) if tasks[name].has_pair else set()
        contexts[name] = halves
    leaks = len(sides[a][0] & sides[b][1]) + len(sides[b][0] & sides[a][1])
    whole = len((sides[a][0] | sides[a][1]) & (sides[b][0] | sides[b][1]))
    return {"a": a, "b": b, "texts": whole, "leaks": leaks, "contexts": len(contexts[a] & contexts[b])}
