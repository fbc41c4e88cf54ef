"""From a table in memory to rows: templates, ids, groups, labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain import Task
from cotrain.tasks.load import load
from cotrain.tasks.source import Cut, Source


def table(labels: list[Any], n: int = 30, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {"text": [f"wombat {i}" for i in range(n)], "label": pd.Series([labels[i % len(labels)] for i in range(n)], dtype=object)} | columns
    )


def test_a_template_joins_columns_and_keeps_what_looks_like_code() -> None:
    frame = table(["a", "b"], premise=[f"{{text}} {i}" for i in range(30)])
    frame["a.b"] = "dotted"
    task = Task.from_frame("t", frame, text="{premise} so {a.b}", pair="Is it {{true}}? {text}")
    assert task.has_pair
    assert task.rows.set_index("row").loc["row:3", ["text", "pair"]].tolist() == ["{text} 2 so dotted", "Is it {true}? wombat 2"]


def test_missing_parts_of_a_template_are_empty_and_numbers_are_written_out() -> None:
    frame = table(["a", "b"], age=pd.Series([None, *range(1, 30)], dtype=object))
    task = Task.from_frame("t", frame, text="{text} ({age})")
    assert sorted(task.rows["text"])[:2] == ["wombat 0 ()", "wombat 1 (1)"]


def test_rows_keep_their_ids() -> None:
    frame = table(["a", "b"], key=[f"id-{i}" for i in range(30)])
    assert set(Task.from_frame("t", frame, id="key").rows["row"]) == set(frame["key"])


@pytest.mark.parametrize(
    ("values", "names", "expected"),
    [
        (["b", "a"], None, ("a", "b")),
        (["b", "a"], ("b", "a"), ("b", "a")),
        ([0, 1], ("no", "yes"), ("no", "yes")),
        (["0", "1"], ("no", "yes"), ("no", "yes")),
        ([0.0, 1.0], ("no", "yes"), ("no", "yes")),
        ([np.int64(0), np.int64(1)], ("no", "yes"), ("no", "yes")),
        ([1, 2], ("1", "2"), ("1", "2")),  # names that are the labels themselves are no positions
        (["1", "0"], ("1", "0"), ("1", "0")),
        ([True, False], None, ("False", "True")),
        ([True, False], ("no", "yes"), ("no", "yes")),
        ([1.0, 0.0], ("1", "0"), ("1", "0")),  # as pandas writes integers beside a missing value
        (["b", "a"], ("c", "b", "a"), ("b", "a")),  # a name without rows is no class
        (["nan", "inf"], None, ("inf", "nan")),
    ],
)
def test_labels_become_names_in_order(values: list[Any], names: tuple[str, ...] | None, expected: tuple[str, ...]) -> None:
    task = Task.from_frame("t", table(values), names=names)
    assert task.labels == expected
    if names == ("no", "yes"):
        first = "yes" if values[0] in (True,) else "no"
        assert task.rows.set_index("row").loc["row:1", "label"] == first


def test_numbers_mean_the_same_label_whatever_a_file_makes_of_them() -> None:
    found = [Task.from_frame("t", table(values), names=("1", "0")).rows.set_index("row")["label"] for values in ([0, 1], [0.0, 1.0])]
    assert found[0].sort_index().tolist() == found[1].sort_index().tolist()


def test_a_patient_is_the_same_whatever_the_file_makes_of_the_number() -> None:
    numbers = pd.Series([k // 2 for k in range(60)], dtype=object)
    frames = {"a": table(["x", "y"], 60, patient=numbers.astype(float)), "b": table(["x", "y"], 60, patient=numbers.map(str))}
    frames["b"]["text"] = frames["b"]["text"] + " again"
    tasks = load([Source(name, group="patient") for name in frames], Cut(test=0.2, dev=0.2), frames=frames)
    sides = [task.rows.set_index("row")["split"].sort_index() for task in tasks.values()]
    assert sides[0].equals(sides[1])


def test_a_categorical_keeps_its_order() -> None:
    frame = table(["low", "high"])
    frame["label"] = pd.Categorical(frame["label"], ["low", "middle", "high"])
    assert Task.from_frame("t", frame).labels == ("low", "high")


def test_several_label_columns_are_tasks_on_the_same_rows() -> None:
    frame = table(["a", "b"], 40, neg=["x", "y", None, ""] * 10, unc=["u", "v"] * 20)
    tasks = load([Source("notes", labels=("neg", "unc"))], Cut(), frames={"notes": frame})
    assert list(tasks) == ["notes.neg", "notes.unc"]
    neg, unc = tasks["notes.neg"], tasks["notes.unc"]
    assert neg.source == unc.source
    assert (len(neg.rows), len(unc.rows)) == (20, 40)
    assert neg.facts["skipped"] == 20
    both = neg.rows.merge(unc.rows, on="row")
    assert (both["split_x"] == both["split_y"]).all() and (both["cluster_x"] == both["cluster_y"]).all()


def test_the_same_texts_in_two_places_are_the_same_source() -> None:
    frames = {"a": table(["x", "y"]), "b": table(["u", "v", "w"]), "c": table(["x", "y"], 33)}
    tasks = load([Source(name) for name in frames], Cut(), frames=frames)
    assert tasks["a"].source == tasks["b"].source != tasks["c"].source


def test_a_missing_label_can_be_skipped() -> None:
    task = Task.from_frame("t", table(["a", "b", None]), missing_label="skip")
    assert len(task.rows) == 20 and task.facts["skipped"] == 10


def test_a_split_column_names_splits() -> None:
    frame = table(["a", "b"], where=["Train"] * 18 + ["valid"] * 4 + ["TEST"] * 4 + ["other"] * 4)
    task = Task.from_frame("t", frame, split_column="where", splits={"test": "test", "dev": "dev"})
    assert task.rows["split"].value_counts().to_dict() == {"train": 18, "dev": 4, "test": 4}
    assert task.facts == {"unused": 4}


def test_what_no_side_uses_may_be_bad() -> None:
    frame = table(["a", "b"], where=["train"] * 20 + ["validation"] * 6 + ["test"] * 4)
    frame.loc[frame["where"] == "test", ["label", "text"]] = None
    assert Task.from_frame("t", frame, split_column="where").facts["unused"] == 4


def broken(**values: Any) -> pd.DataFrame:
    frame = table(["a", "b"])
    for column, (row, value) in values.items():
        frame[column] = frame[column].astype(object) if column in frame else None
        frame.at[row, column] = value
    return frame


INTEGERS = table([0, 1])
BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], list[str]]] = {
    "no label column": (table(["a", "b"]), {"label": "lable"}, ["unknown column 'lable'", "Did you mean 'label'?"]),
    "missing label": (broken(label=(4, None)), {}, ["label is missing at row:5", "missing_label: skip"]),
    "blank label": (broken(label=(4, " ")), {}, ["label is missing at row:5"]),
    "missing text": (broken(text=(2, None)), {}, ["text is empty or missing", "row:3"]),
    "blank text": (broken(text=(2, " \t ")), {}, ["text is empty or missing", "row:3"]),
    "nan text": (broken(text=(2, float("nan"))), {}, ["text is empty or missing", "row:3"]),
    "missing pair": (table(["a", "b"], q=["wombat", None] * 15), {"pair": "q"}, ["pair is empty or missing", "row:2, row:4"]),
    "empty template": (table(["a", "b"], q=None), {"text": "all: {q}"}, ["text is empty or missing", "and 20 more"]),
    "tokens": (broken(text=(2, ["wombat", "x"])), {}, ["text should be a string", "token-level", "row:3"]),
    "half a surrogate": (broken(text=(2, "wombat \ud800")), {}, ["Unicode", "row:3"]),
    "half a surrogate in a label": (table(["a", "b\ud800"]), {}, ["labels should be Unicode"]),
    "half a surrogate in an id": (table(["a", "b"], k=[*range(29), "\ud800"]), {"id": "k"}, ["column k should be Unicode", "row:30"]),
    "texts as splits": (table(["a", "b"]), {"split_column": "text"}, ["30 values that are no names of splits"]),
    "bytes as labels": (table([b"a", b"b"]), {}, ["lists or bytes"]),
    "two values of one name": (table([True, "True"]), {}, ["two classes", "found 1"]),
    "row ids twice": (table(["a", "b"], k=[1, 2, 3, 2, 3, *range(5, 30)]), {"id": "k"}, ["row ids should be unique", "row:4, row:5"]),
    "row id missing": (table(["a", "b"], k=[None, *range(1, 30)]).astype({"k": object}), {"id": "k"}, ["row id", "row:1"]),
    "token labels": (table([["a", "b"], ["b"]]), {}, ["one value per row", "token-level"]),
    "fractions": (table([0.5, 1.0]), {}, ["fractions", "regression"]),
    "fractions as strings": (table(["0.5", "1"]), {}, ["fractions", "regression"]),
    "integers": (INTEGERS, {}, ["integers, 0 to 1", "names: [...]"]),
    "integers as strings": (table(["0", "1"]), {}, ["integers, 0 to 1", "names: [...]"]),
    "too few names": (table([0, 1, 2]), {"names": ("no", "yes")}, ["0 to 2", "2 entries"]),
    "negative integers": (table([-1, 1]), {"names": ("no", "yes")}, ["-1 to 1"]),
    "a label that names lack": (table(["a", "c"]), {"names": ("a", "b")}, ["labels that names: lacks: 'c'", "names are a, b"]),
    "texts as labels": (table(["a", "b"]), {"label": "text"}, ["30 different values in 30 rows"]),
    "one class": (table(["a"]), {}, ["two classes", "found 1"]),
    "no label at all": (table([None]), {"missing_label": "skip"}, ["two classes", "found 0"]),
    "a class too small": (table(["a", "b"], 30).assign(label=["c", "c"] + ["a", "b"] * 14), {}, ["class 'c' has 2 rows", "at least 3"]),
    "a class in one text": (
        table(["a", "b"], 30).assign(label=["c"] * 3 + ["a", "b", "a"] * 9, text=["wombat"] * 3 + [f"wombat {i}" for i in range(27)]),
        {},
        ["class 'c' cannot be on each side", "3 rows", "1 separate"],
    ),
    "empty table": (table(["a", "b"], 0), {}, ["rows, found none"]),
    "empty split name": (table(["a", "b"], s=["train", None] * 15), {"split_column": "s"}, ["column s", "row:2"]),
    "bad template": (table(["a", "b"]), {"text": "{text"}, ["text: braces"]),
    "long label in names": (table(["a", "b"]), {"names": ("a",), "label": "text"}, ["30 labels that names: lacks;"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_refused_with_their_places(refused: Callable, case: str) -> None:
    frame, columns, words = BAD[case]
    message = refused(Task.from_frame, "cb", frame, **columns)
    assert "task cb" in message
    for word in words:
        assert word in message


def published(train: list[str], test: list[str]) -> dict[str, pd.DataFrame]:
    return {
        "train": pd.DataFrame({"text": [f"wombat {i}" for i in range(len(train))], "label": train}),
        "validation": pd.DataFrame({"text": [f"wombat held out {i}" for i in range(len(test))], "label": test}),
    }


def test_a_label_that_train_lacks_is_refused(refused: Callable) -> None:
    message = refused(Task.from_frame, "cb", published(["a", "b"] * 10, ["a", "b", "c"]))
    assert "the label 'c' is in dev or test (validation:3), train lacks it; add" in message


def test_a_label_that_train_lost_by_dropping_says_so(refused: Callable) -> None:
    frames = published(["a", "b"] * 10 + ["c"] * 3, ["a", "b", "c", "c", "c"])
    frames["train"].loc[20:, "text"] = frames["validation"].loc[2:, "text"].tolist()
    # c leaks wholly: nothing of it is left to be cut
    message = refused(Task.from_frame, "cb", frames)
    assert "class 'c' has 0 rows to be cut, 3 more were dropped: their texts are in published held-out rows" in message
    frames["test"] = published(["a"], ["a", "b"] * 3)["validation"].assign(text=[f"wombat tested {i}" for i in range(6)])
    message = refused(Task.from_frame, "cb", frames, splits={"dev": "validation", "test": "test"})
    assert "the label 'c' is in dev or test (validation:3, validation:4, validation:5)" in message
    assert "because 3 rows were left out of it (leaked)" in message


def test_faults_of_all_tasks_come_at_once(refused: Callable) -> None:
    frames = {"a": table(["x"]), "b": broken(text=(2, None)), "c": INTEGERS, "d": table(["x", "y"])}
    sources = [*(Source(name) for name in frames), Source("e", path="no/where"), Source("f"), Source("d")]
    message = refused(load, sources, Cut(), frames=frames)
    for word in ("task a", "task b", "task c", "task e", "task f: there should be a path or a hub", "task d: the name is there twice"):
        assert word in message


def test_a_study_without_tasks_is_refused(refused: Callable) -> None:
    assert "at least one task" in refused(load, [], Cut())


def test_something_that_is_no_table_is_refused(refused: Callable) -> None:
    assert "found list" in refused(Task.from_frame, "t", [{"text": "wombat"}])
