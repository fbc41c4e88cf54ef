from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain import Task
from cotrain.tasks.checks import check

Lines = list[tuple[str, str, str, str]]  # split, text, pair, label


def task(name: str, lines: Lines, has_pair: bool = False, **fields: Any) -> Task:
    rows = pd.DataFrame(lines, columns=["split", "text", "pair", "label"])
    rows["row"] = [str(i) for i in range(len(rows))]
    rows["cluster"] = [f"c{i}" for i in range(len(rows))]
    return Task(name, ("no", "yes"), rows, has_pair, **fields)


PLAIN: Lines = [
    ("train", "wombat one", "", "no"),
    ("train", "Wombat, one!", "", "yes"),  # the same text again, with another label
    ("train", "wombat two", "", "no"),
    ("dev", "wombat three", "", "no"),
    ("test", "wombat two", "", "yes"),  # in train too
    ("test", "wombat four", "", "yes"),
]


def test_rows_classes_and_duplicates_are_counted() -> None:
    facts = check({"a": task("a", PLAIN)})["tasks"]["a"]
    assert facts["rows"] == {"train": 3, "dev": 1, "test": 2}
    assert facts["label_counts"]["test"] == {"no": 0, "yes": 2}
    assert facts["duplicates_within_splits"] == 1
    assert facts["duplicates_across_splits"] == 1
    assert facts["contradicting_duplicates"] == 2
    assert facts["empty_texts"] == 0


def test_texts_that_tasks_share_are_counted_and_leaks_are_told() -> None:
    other: Lines = [
        ("train", "WOMBAT FOUR", "", "no"),  # in test of a
        ("train", "wombat nine", "", "yes"),
        ("dev", "wombat one", "", "no"),  # in train of a
        ("test", "wombat three", "", "no"),  # in dev of a
    ]
    found = check({"a": task("a", PLAIN), "b": task("b", other)})
    assert found["shared"] == [{"a": "a", "b": "b", "texts": 3, "leaks": 3, "contexts": 0}]
    assert any("a and b share 3 texts" in warning for warning in found["warnings"])


def test_patients_on_the_training_side_of_one_task_and_held_out_in_another_are_told() -> None:
    one, other = task("a", PLAIN), task("b", [(split, f"else {i}", "", label) for i, (split, _, _, label) in enumerate(PLAIN)])
    one.rows["cluster"] = ["p1", "p2", "p3", "p4", "p5", "p6"]
    other.rows["cluster"] = ["q1", "p5", "p1", "p2", "p4", "p6"]  # p5 is trained on, p4 and p2 change sides
    found = check({"a": one, "b": other})
    assert any(warning.startswith("a and b have 3 clusters (patients, documents") for warning in found["warnings"])
    assert found["shared"] == []
    other.rows["cluster"] = ["p1", "p2", "p3", "p4", "p5", "p6"]
    assert not any("clusters" in warning for warning in check({"a": one, "b": other})["warnings"])


def test_tasks_with_nothing_in_common_are_not_listed() -> None:
    other: Lines = [("train", "else", "", "no"), ("dev", "elsewhere", "", "no"), ("test", "nowhere", "", "yes")]
    assert check({"a": task("a", PLAIN), "b": task("b", other)})["shared"] == []


def test_one_side_of_a_pair_is_a_context_not_a_duplicate() -> None:
    lines: Lines = [
        ("train", "wombat a", "Passage one.", "no"),
        ("train", "wombat b", "Passage two.", "yes"),
        ("dev", "wombat c", "passage three", "no"),
        ("test", "wombat d", "passage ONE", "no"),
        ("test", "wombat e", "passage three", "no"),
        ("test", "wombat a", "passage five", "no"),
    ]
    found = check({"q": task("q", lines, has_pair=True), "r": task("r", lines[:1] + lines[2:4], has_pair=True)})
    assert found["tasks"]["q"]["context_across_splits"] == {"text": 1, "pair": 2}
    assert found["tasks"]["q"]["duplicates_across_splits"] == 0
    assert found["shared"] == [{"a": "q", "b": "r", "texts": 3, "leaks": 0, "contexts": 5}]
    assert any("q: 2 contexts (the second text of a pair)" in warning for warning in found["warnings"])


def test_lengths_give_quantiles_and_the_truncated_share() -> None:
    lengths = np.array([10, 20, 30, 40, 50, 600])
    facts = check({"a": task("a", PLAIN)}, {"a": lengths}, 256)
    assert facts["tasks"]["a"]["tokens"] == {"median": 35, "p95": 462, "max": 600}
    assert facts["tasks"]["a"]["truncated_share"] == pytest.approx(1 / 6)
    assert any("17% of the texts are longer than max_length 256" in warning for warning in facts["warnings"])


def test_what_the_cut_did_is_told() -> None:
    facts = {"leaked": 7, "cut_test": 2, "capped_train": 9}
    warnings = check({"a": task("a", PLAIN, facts=facts)})["warnings"]
    assert any(w.startswith("a: 7 rows left out of train, or of dev that was cut from it") for w in warnings)
    assert any("2 rows were cut from train for it" in w for w in warnings)
    assert any("a: 'no' has 0 rows in test; below 30" in w for w in warnings)


def test_a_label_that_is_written_in_two_ways_is_told() -> None:
    one = task("a", PLAIN)
    labels = one.rows["label"].where(one.rows.index != 2, "No ")
    two = replace(one, labels=("No ", "no", "yes"), rows=one.rows.assign(label=labels))
    (said,) = (warning for warning in check({"a": two})["warnings"] if "Unicode form" in warning)
    assert "'No ' and 'no'" in said
    assert not any("Unicode form" in w for w in check({"a": task("a", PLAIN)})["warnings"])


def test_clusters_on_two_sides_are_counted() -> None:
    one = task("a", PLAIN)
    rows = one.rows.assign(cluster=["p", "p", "q", "q", "p", "r"])
    assert check({"a": Task("a", one.labels, rows)})["tasks"]["a"]["clusters_across_splits"] == 2


def test_the_result_is_plain_and_shows_no_text() -> None:
    text = json.dumps(check({"a": task("a", PLAIN), "b": task("b", PLAIN)}, {"a": np.arange(6)}, 3))
    assert "ombat" not in text
