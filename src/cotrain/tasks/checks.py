"""What is worth knowing about the rows before anything is trained; never the text of an example."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from cotrain.tasks.task import FACTS, SPLITS, Task
from cotrain.tasks.texts import normalised, text_keys

TRUNCATED_SHARE = 0.05
RAREST_HELD_OUT = 30  # below it per-class verdicts are withheld (METHOD, section 4)
HALF = {"text": "first", "pair": "second"}
_SAID = (
    "faulty", "unfinished", "preferred", "shifted", "leaked", "yielded", "would_drop", "skipped", "cap_raised_train", "cap_raised_dev",
    "cap_raised_test",
)  # fmt: skip


@dataclass(frozen=True)
class _Texts:
    """The distinct texts of a task by side of the cut: whole inputs, and the halves of pairs (contexts)."""

    whole: Mapping[Any, set[str]]
    halves: Mapping[str, Mapping[Any, set[str]]]  # "text" or "pair", then split; empty where there are no pairs

    def contexts(self) -> set[str]:
        """Return every half of a pair."""
        return set().union(*(texts for by_split in self.halves.values() for texts in by_split.values()))


def check(tasks: Mapping[str, Task], lengths: Mapping[str, np.ndarray] | None = None, max_length: int = 0,
          markers_lost: Mapping[str, int] | None = None) -> dict[str, Any]:  # fmt: skip
    """Return plain facts per task (``tasks``), between tasks (``shared``), and sentences of warning (``warnings``).

    Per task and split: ``rows``, ``clusters``, ``label_counts``; over all rows ``labels``, ``empty_texts``,
    ``duplicates_within_splits`` (rows beyond the first of a text), ``duplicates_across_splits`` (texts of train or dev
    that are in test, or of train that are in dev), ``contradicting_duplicates`` (texts with more than one label),
    ``context_across_splits`` (texts, and pairs, that stand in train or dev and in test beside another half),
    ``clusters_across_splits``, ``facts`` of the cut, ``tokens`` (median, p95, max) with ``truncated_share``, and ``markers_lost``.

    Between tasks, where any is above 0: ``texts`` in both, ``leaks`` (texts on the training side, train or dev, of one
    and in the test of the other, or in train of one and dev of the other), ``contexts`` in both.

    Args:
        lengths: tokens of each row of each task, before truncation.
        max_length: tokens that the encoder will see.
        markers_lost: by task the rows with an entity between markers of which the encoder does not see both as tokens.
    """
    texts = {name: _texts(task) for name, task in tasks.items()}
    facts = {name: _facts(task, texts[name], (lengths or {}).get(name), max_length) for name, task in tasks.items()}
    for name, count in (markers_lost or {}).items():
        facts[name]["markers_lost"] = count
    shared = [_shared(a, b, texts[a], texts[b]) for a, b in combinations(tasks, 2)]
    shared = [found for found in shared if found["texts"] or found["contexts"]]
    warnings = [sentence for name in tasks for sentence in _warnings(name, facts[name], max_length)]
    warnings += [
        f"{s['a']} and {s['b']} share {s['leaks']} texts between the training side of one and the held-out side of the other"
        for s in shared
        if s["leaks"]
    ]
    warnings += [
        f"{a} and {b} have {count} clusters (patients, documents, equal texts) on the training side of one, held out in the other"
        for a, b in combinations(tasks, 2)
        if (count := _torn(tasks[a], tasks[b]))
    ]
    return {"tasks": facts, "shared": shared, "warnings": warnings}


def _texts(task: Task) -> _Texts:
    """Return the distinct texts of a task by split."""
    by_split = {split: task.split(split) for split in SPLITS}
    whole = {split: set(text_keys(rows["text"], rows["pair"])) for split, rows in by_split.items()}
    sides = ("text", "pair") if task.has_pair else ()
    return _Texts(whole, {side: {s: set(map(normalised, rows[side])) - {""} for s, rows in by_split.items()} for side in sides})


def _across(by_split: Mapping[Any, set[str]]) -> set[str]:
    """Return what stands both on the training side and in test, or in train and in dev."""
    return ((by_split["train"] | by_split["dev"]) & by_split["test"]) | (by_split["train"] & by_split["dev"])


def _facts(task: Task, texts: _Texts, lengths: np.ndarray | None, max_length: int) -> dict[str, Any]:
    """Return the facts of one task."""
    rows = task.rows
    counts = rows.groupby(["split", "label"]).size().to_dict()
    clusters = {s: set(rows.loc[rows["split"] == s, "cluster"]) for s in SPLITS}
    labels_of = rows["label"].groupby(np.array(text_keys(rows["text"], rows["pair"]), dtype=object)).nunique()
    facts: dict[str, Any] = {
        "rows": {s: int((rows["split"] == s).sum()) for s in SPLITS},
        "clusters": {s: len(clusters[s]) for s in SPLITS},
        "labels": list(task.labels),
        "label_counts": {s: {y: int(counts.get((s, y), 0)) for y in task.labels} for s in SPLITS},
        "empty_texts": int((rows["text"].str.strip() == "").sum()),
        "duplicates_within_splits": len(rows) - sum(len(texts.whole[s]) for s in SPLITS),
        "duplicates_across_splits": len(_across(texts.whole)),
        "contradicting_duplicates": int((labels_of > 1).sum()),
        "context_across_splits": {side: len((t["train"] | t["dev"]) & t["test"]) for side, t in texts.halves.items()},
        "clusters_across_splits": len(_across(clusters)),
        "private": task.private,
        "facts": dict(task.facts),
    }
    if lengths is not None and len(lengths):
        facts["tokens"] = {"median": int(np.median(lengths)), "p95": int(np.quantile(lengths, 0.95)), "max": int(lengths.max())}
        facts["truncated_share"] = float((lengths > max_length).mean()) if max_length else 0.0
    return facts


def _warnings(name: str, facts: Mapping[str, Any], max_length: int) -> list[str]:
    """Return what a person should know of one task."""
    found = []
    for fact in _SAID:
        if count := facts["facts"].get(fact):
            found.append(f"{name}: {count} {FACTS[fact]}")
    if facts["facts"].get("cut_test"):
        found.append(f"{name}: no published test split is used; {facts['facts']['cut_test']} rows were cut from train for it")
    if facts["duplicates_across_splits"]:
        found.append(f"{name}: {facts['duplicates_across_splits']} texts stand in more than one of train, dev and test")
    for side, count in facts["context_across_splits"].items():
        if count:
            found.append(f"{name}: {count} contexts (the {HALF[side]} text of a pair) stand in the training side and in test")
    if facts["contradicting_duplicates"]:
        found.append(f"{name}: {facts['contradicting_duplicates']} texts have more than one label")
    for alike in _alike(facts["labels"]):
        shown = " and ".join(f"'{label}'" for label in alike) if all(len(label) <= 40 for label in alike) else f"{len(alike)} labels"
        found.append(f"{name}: {shown} differ in blanks, case or Unicode form alone; each is a class of its own")
    rarest = {s: min(facts["label_counts"][s].items(), key=lambda item: item[1]) for s in ("dev", "test")}
    for split, (label, count) in rarest.items():
        if count < RAREST_HELD_OUT:
            shown = f"'{label}'" if len(label) <= 40 else "a class"
            found.append(f"{name}: {shown} has {count} rows in {split}; below {RAREST_HELD_OUT} nothing is said of a class by itself")
    if facts.get("truncated_share", 0) > TRUNCATED_SHARE:
        found.append(f"{name}: {facts['truncated_share']:.0%} of the texts are longer than max_length {max_length}")
    if lost := facts.get("markers_lost"):
        found.append(
            f"{name}: of {lost} rows with an entity between <e> and </e> the encoder does not see both; "
            "they should be in training.special_tokens, and max_length above 8"
        )
    return found


def _alike(labels: Sequence[str]) -> list[list[str]]:
    """Return the labels that are written in several ways."""
    ways: dict[str, list[str]] = {}
    for label in labels:
        ways.setdefault(" ".join(unicodedata.normalize("NFKC", label).casefold().split()), []).append(label)
    return [alike for alike in ways.values() if len(alike) > 1]


def _torn(one: Task, other: Task) -> int:
    """Return how many clusters stand on the training side of one task and the held-out side of the other."""
    first, second = ({split: set(task.split(split)["cluster"]) for split in SPLITS} for task in (one, other))
    return len(_across({split: first[split] | second[split] for split in SPLITS}) - _across(first) - _across(second))


def _shared(a: str, b: str, one: _Texts, other: _Texts) -> dict[str, Any]:
    """Return how many whole texts, leaks between sides, and single sides (contexts) two tasks share."""
    leaks: set[str] = set()
    for first, second in ((one, other), (other, one)):
        leaks |= (first.whole["train"] | first.whole["dev"]) & second.whole["test"]
        leaks |= first.whole["train"] & second.whole["dev"]
    every = [set().union(*texts.whole.values()) for texts in (one, other)]
    contexts = one.contexts() & other.contexts()
    return {
        "a": a, "b": b, "texts": len(every[0] & every[1]), "leaks": len(leaks), "contexts": len(contexts),
    }  # fmt: skip
