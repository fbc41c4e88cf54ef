"""The joint cut of several tasks: what is promised for any data, and what happens when a task is added."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cotrain import Task
from cotrain.errors import InputError
from cotrain.tasks.load import load, placement
from cotrain.tasks.source import Cut, Source
from cotrain.tasks.texts import text_key

Frames = dict[str, dict[str, pd.DataFrame]]


@st.composite
def frames(draw: st.DrawFn, names: str) -> Frames:
    """Tasks with texts from one small pool, some in shared documents, some with a published validation split."""
    found: Frames = {}
    for name in names:
        splits = ["train"] + ["validation"] * draw(st.booleans())
        parts = {}
        for split in splits:
            # a class of rows that are nobody else's, so that each class can be on each side
            rows = [(f"{name} {split} own {label}{i}", "", label) for label in "xyz" for i in range(8)]
            rows += draw(
                st.lists(
                    st.tuples(
                        st.integers(0, 40).map(lambda k: f"shared {k}"),
                        st.sampled_from(["", "", "", *(f"doc{k}" for k in range(15))]),
                        st.sampled_from("xyz"),
                    ),
                    max_size=25,
                )
            )
            parts[split] = pd.DataFrame(rows, columns=["text", "doc", "label"])
        found[name] = parts
    return found


def sources(given_frames: Frames) -> list[Source]:
    return [Source(name, group="doc") for name in given_frames]


def ours(tasks: Mapping[str, Task], given_frames: Frames) -> pd.DataFrame:
    """Rows that we cut: of the published train split."""
    parts = []
    for name, task in tasks.items():
        doc = given_frames[name]["train"]["doc"].rename(lambda i: f"train:{i + 1}").rename("doc")
        rows = task.rows[task.rows["row"].str.startswith("train:")]
        parts.append(rows.join(doc, on="row").assign(task=name))
    return pd.concat(parts, ignore_index=True)


def component_sides(rows: pd.DataFrame) -> list[set[str]]:
    """The sides of each connected component, by a union-find of its own."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for text, doc in zip(rows["text"], rows["doc"], strict=True):
        if doc:
            parent[root(f"text {text}")] = root(f"doc {doc}")
    sides = defaultdict(set)
    for text, split in zip(rows["text"], rows["split"], strict=True):
        sides[root(f"text {text}")].add(split)
    return list(sides.values())


def published(given_frames: Frames) -> set[str]:
    return {text for parts in given_frames.values() if "validation" in parts for text in parts["validation"]["text"]}


def cut_or_reject(*args: object, **options: object) -> dict[str, Task]:
    try:
        return load(*args, **options)  # type: ignore[arg-type]
    except InputError as error:
        # random documents may tie all rows of a class together: refused, and so no example
        assume("cannot be on each side" not in str(error))
        raise


SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@SLOW
@given(frames("abc"), st.integers(0, 3))
def test_no_component_is_cut_no_published_text_is_trained_on_and_every_class_is_everywhere(data: Frames, seed: int) -> None:
    tasks = cut_or_reject(sources(data), Cut(seed=seed), frames=data)
    rows = ours(tasks, data)
    assert all(len(sides) == 1 for sides in component_sides(rows))
    training_side = rows[rows["split"] != "test"]
    assert not set(training_side["text"]) & published(data)
    for name, task in tasks.items():
        assert task.rows.groupby("split")["label"].nunique().to_dict() == {"train": 3, "dev": 3, "test": 3}
        lost = len(task.left_out)
        assert len(task.rows) + lost == sum(map(len, data[name].values()))
        assert lost == task.facts.get("leaked", 0) + task.facts.get("yielded", 0)
        if "validation" in data[name]:  # published rows are the test set, all of them
            assert set(task.split("test")["row"]) == {f"validation:{i + 1}" for i in range(len(data[name]["validation"]))}


@SLOW
@given(frames("abc"))
def test_the_order_of_tasks_does_not_matter(data: Frames) -> None:
    tasks = cut_or_reject(sources(data), Cut(), frames=data)
    turned = load(sources(data)[::-1], Cut(), frames=data)
    assert all(tasks[name].content() == turned[name].content() for name in data)


@SLOW
@given(frames("abcd"))
def test_an_added_task_moves_no_row_and_its_own_rows_yield(data: Frames) -> None:
    old = {name: data[name] for name in "ab"}
    before = cut_or_reject(sources(old), Cut(), frames=old)
    after = cut_or_reject(sources(data), Cut(), placement(before), frames=data)
    for name in old:
        pd.testing.assert_frame_equal(before[name].rows, after[name].rows)
        assert after[name].facts.get("leaked", 0) == before[name].facts.get("leaked", 0)
    rows = ours(after, data)
    assert all(len(sides) == 1 for sides in component_sides(rows))
    new = rows[rows["task"].isin(["c", "d"]) & (rows["split"] != "test")]
    assert not set(new["text"]) & published(data)
    stale = rows[rows["task"].isin(["a", "b"]) & (rows["split"] != "test") & rows["text"].isin(published(data))]
    assert len(stale) == sum(after[name].facts.get("would_drop", 0) for name in old)
    # and a second run with all of it is the same again
    again = load(sources(data), Cut(), placement(after), frames=data)
    for name in data:
        pd.testing.assert_frame_equal(after[name].rows, again[name].rows)
        assert after[name].facts == again[name].facts


def simple(n: int = 60, labels: str = "xy", start: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"wombat {start + i}" for i in range(n)], "label": [labels[i % len(labels)] for i in range(n)]})


def test_a_document_that_ties_both_sides_yields_and_is_counted() -> None:
    a = simple()
    before = load([Source("a")], Cut(), frames={"a": a})
    side = before["a"].rows.set_index("row")["split"]
    trained, tested = side.index[side == "train"][0], side.index[side == "test"][0]
    texts = a.set_index(pd.Index([f"row:{i + 1}" for i in range(len(a))]))["text"]
    b = simple(60, "uv", 1000).assign(doc="")
    b.loc[:1, "text"] = [texts[trained], texts[tested]]
    b.loc[:2, "doc"] = "one"
    tasks = load([Source("a"), Source("b", group="doc")], Cut(), placement(before), {"a": a, "b": b})
    assert tasks["b"].facts["yielded"] == 3
    assert set(tasks["b"].left_out["row"]) == {"row:1", "row:2", "row:3"}
    pd.testing.assert_frame_equal(tasks["a"].rows, before["a"].rows)


def test_a_new_task_follows_the_sides_of_old_texts() -> None:
    a = simple()
    before = load([Source("a")], Cut(), frames={"a": a})
    tasks = load([Source("a"), Source("b")], Cut(), placement(before), {"a": a, "b": a.assign(label=["u", "v", "v"] * 20)})
    assert tasks["b"].rows.set_index("row")["split"].to_dict() == tasks["a"].rows.set_index("row")["split"].to_dict()


def test_published_rows_of_a_new_task_that_old_ones_train_on_are_told_and_dropped_on_update() -> None:
    a, b = simple(), {"train": simple(60, "uv", 1000), "validation": simple(60, "uv", 30)}
    before = load([Source("a")], Cut(), frames={"a": a})
    told = load([Source("a"), Source("b")], Cut(), placement(before), {"a": a, "b": b})
    touched = told["a"].facts["would_drop"]
    assert touched == sum(int(row.split(":")[1]) > 30 for row in before["a"].rows.query("split != 'test'")["row"])
    assert told["a"].content() == before["a"].content()
    updated = load([Source("a"), Source("b")], Cut(), placement(before), {"a": a, "b": b}, update=True)
    assert updated["a"].facts["leaked"] == touched
    kept = updated["a"].rows.set_index("row")["split"]
    assert (kept == before["a"].rows.set_index("row")["split"].loc[kept.index]).all()


def test_leaks_are_kept_where_the_study_says_so() -> None:
    frames = {"a": {"train": simple(60), "validation": simple(60, "xy", 30)}}
    assert load([Source("a")], Cut(), frames=frames)["a"].facts["leaked"] == 30
    assert "leaked" not in load([Source("a")], Cut(leakage="keep"), frames=frames)["a"].facts


def test_rows_that_are_gone_are_told_and_accepted_on_update(refused: Callable) -> None:
    before = placement(load([Source("a")], Cut(), frames={"a": simple()}))
    message = refused(load, [Source("a")], Cut(), before, {"a": simple(50)})
    assert "task a: 10 rows of the earlier run are no longer in the data" in message and "--update" in message
    assert len(load([Source("a")], Cut(), before, {"a": simple(50)}, update=True)["a"].rows) == 50


def test_rows_that_are_new_stay_out_until_update() -> None:
    before = load([Source("a")], Cut(), frames={"a": simple()})
    later = load([Source("a")], Cut(), placement(before), {"a": simple(80)})["a"]
    assert later.content() == before["a"].content() and later.facts["left_out"] == 20
    updated = load([Source("a")], Cut(), placement(before), {"a": simple(80)}, update=True)["a"]
    assert len(updated.rows) == 80
    assert updated.rows.set_index("row")["split"].loc[before["a"].rows["row"]].tolist() == before["a"].rows["split"].tolist()


def test_a_placement_of_three_columns_without_left_out_rows_will_do() -> None:
    cut = Cut(max_train=20)
    before = load([Source("a")], cut, frames={"a": simple()})["a"]
    after = load([Source("a")], cut, before.rows.assign(task="a")[["task", "row", "split"]], {"a": simple()})["a"]
    assert after.content() == before.content()
    assert after.facts["left_out"] == before.facts["capped_train"]


def test_caps_count_what_they_leave_out_and_say_when_they_are_raised() -> None:
    task = load([Source("a")], Cut(max_train=10, max_held_out=4), frames={"a": simple(90, "uvwxyz")})["a"]
    counts = task.rows["split"].value_counts().to_dict()
    assert counts == {"train": 12, "dev": 12, "test": 12}
    assert task.facts["cap_raised_train"] == 2 and task.facts["cap_raised_dev"] == 8
    assert sum(task.facts.get(f"capped_{split}", 0) for split in counts) == 90 - 36


def test_the_cut_goes_by_its_own_seed() -> None:
    one, same, other = (load([Source("a")], Cut(seed=s), frames={"a": simple()})["a"] for s in (0, 0, 1))
    assert one.content() == same.content() != other.content()


def test_the_shares_are_those_of_the_paper() -> None:
    counts = load([Source("a")], Cut(), frames={"a": simple(5000)})["a"].rows["split"].value_counts()
    assert counts.to_dict() == {"train": 3200, "test": 1000, "dev": 800}  # 64 / 20 / 16


def test_rows_without_a_group_stand_for_themselves() -> None:
    frame = simple().assign(doc=[None, "", "d", "d"] * 15)
    task = load([Source("a", group="doc")], Cut(), frames={"a": frame})["a"]
    assert task.rows["cluster"].nunique() == 31


def test_a_group_that_is_read_as_text_is_compared_as_texts_are() -> None:
    frame = simple().assign(finding=[f"finding {i}" for i in range(60)])
    frame["text"] = [f"No COUGH, no rash {i // 2}." if i % 2 else f"no cough, no RASH {i // 2}" for i in range(60)]
    task, other = (load([Source("a", pair="finding", group=column)], Cut(), frames={"a": frame})["a"] for column in ("text", "finding"))
    assert task.rows["cluster"].nunique() == 30 and other.rows["cluster"].nunique() == 60


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_every_format_gives_the_same_task(write: Callable, rows: Callable, kind: str) -> None:
    in_memory = Task.from_frame("t", {"train": pd.DataFrame(rows(40)), "dev": pd.DataFrame(rows(20, start=100))})
    folder = write(f"d/train.{kind}", rows(40)).parent
    write(f"d/dev.{kind}", rows(20, start=100))
    task = load([Source("t", path=str(folder))], Cut())["t"]
    assert task.content() == in_memory.content()
    assert task.source == in_memory.source


def test_content_depends_on_everything_that_an_encoder_sees() -> None:
    task = Task.from_frame("t", simple())
    contents = {task.content()}
    for column in ("row", "text", "pair", "label"):
        rows = task.rows.copy()
        rows.loc[[0, 1], column] = ["1", "23"] if column != "label" else rows["label"].iloc[[0, 1]].map({"x": "y", "y": "x"}).tolist()
        contents.add(replace(task, rows=rows).content())
        if column in ("text", "pair"):  # the same letters in other fields
            contents.add(replace(task, rows=rows.assign(**{column: rows[column].replace({"1": "12", "23": "3"})})).content())
    assert len(contents) == 7
    assert task.content("train") != task.content("train", "dev")


def test_the_same_text_is_the_same_key_in_every_task() -> None:
    tasks = load(
        [Source("a"), Source("b")], Cut(), frames={"a": simple(), "b": simple().assign(text=lambda f: f["text"].str.upper() + "!")}
    )
    sides = {text_key(text): split for text, split in zip(tasks["a"].rows["text"], tasks["a"].rows["split"], strict=True)}
    assert all(sides[text_key(text)] == split for text, split in zip(tasks["b"].rows["text"], tasks["b"].rows["split"], strict=True))
