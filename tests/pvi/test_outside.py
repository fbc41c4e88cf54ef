"""Files of scores: what is read, what is known of it, and every fault at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.pvi import relate
from cotrain.errors import InputError
from cotrain.grouping.group import group
from cotrain.grouping.passing import Options, outcomes
from cotrain.grouping.statistics import Statistics
from cotrain.pvi.arrays import Predictions, scores_of
from cotrain.pvi.outside import read_scores

Write = Callable[..., Path]


def table(**means: float) -> pd.DataFrame:
    """Return scores of 60 rows of each task, with the mean that is asked for."""
    random = np.random.default_rng(0)
    parts = []
    for task, mean in means.items():
        noise = random.normal(0, 0.3, 60)
        parts.append(pd.DataFrame({"task": task, "row": [f"r{i}" for i in range(60)], "pvi_bits": mean + noise - noise.mean()}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a table by the ending of its name."""

    def make(frame: pd.DataFrame, name: str = "scores.csv") -> Path:
        file = tmp_path / name
        if file.suffix == ".parquet":
            frame.to_parquet(file, index=False)
        elif file.suffix == ".json":
            file.write_text(json.dumps(frame.to_dict("records")))
        elif file.suffix == ".jsonl":
            frame.to_json(file, orient="records", lines=True)
        else:
            frame.to_csv(file, index=False, sep="\t" if file.suffix == ".tsv" else ",")
        return file

    return make


@pytest.fixture
def faults(write: Write) -> Callable[..., list[str]]:
    """Read tables that are at fault, and return the faults."""

    def make(*frames: pd.DataFrame, columns: Any = None) -> list[str]:
        with pytest.raises(InputError) as caught:
            read_scores([write(frame, f"s{i}.csv") for i, frame in enumerate(frames)], columns)
        return list(caught.value.faults)

    return make


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "json", "jsonl"])
def test_a_file_of_any_kind_gives_the_means_that_were_written(write: Write, kind: str) -> None:
    found = relate(read_scores(write(table(a=0.5, b=0.9), f"scores.{kind}")))
    assert found.tasks["mean_bits"].tolist() == pytest.approx([0.5, 0.9])
    assert found.tasks["n"].tolist() == [60, 60]


def test_what_the_file_does_not_tell_is_unknown_and_not_guessed(write: Write) -> None:
    scores = read_scores(write(table(a=0.5, b=0.9)))
    assert set(scores.table["split"]) == {"held-out"} and set(scores.table["estimator"]) == {"outside"}
    related = relate(scores).tasks
    assert related[["nll_null_bits", "v_normalised", "accuracy", "entropy_bits"]].isna().all(axis=None)
    assert any("held out" in note for note in scores.notes) and any("margin" in note for note in scores.notes)


@pytest.mark.parametrize("column", ["log2_p_null", "log2_p_x"])
def test_one_of_the_log_probabilities_tells_the_null_model(write: Write, column: str) -> None:
    frame = table(a=0.5, b=0.6)
    frame["pvi_bits"] = frame["pvi_bits"].clip(upper=1.0)
    frame[column] = -1.0 if column == "log2_p_null" else frame["pvi_bits"] - 1.0
    scores = read_scores(write(frame))
    assert relate(scores).tasks["nll_null_bits"].tolist() == pytest.approx([1.0, 1.0])
    assert not any("margin" in note for note in scores.notes)


def test_scores_that_are_written_and_read_give_the_affinity_that_they_gave(write: Write) -> None:
    """The way over a file changes no number, with seeds, clusters, labels and shared rows."""
    random, gold = np.random.default_rng(1), np.tile([0, 1], 40)
    clusters = [f"p{i // 2}" for i in range(80)]

    def predictions(sure: float) -> Predictions:
        right = 1 / (1 + np.exp(-random.normal(sure, 1, (3, 80))))
        log2_p = np.log2(np.where(gold[:, None] == np.arange(2), right[..., None], 1 - right[..., None]))
        return Predictions(log2_p, gold, [50, 50], clusters=clusters, source="notes")

    scores = scores_of({"a": predictions(2), "b": predictions(1.9), "c": predictions(0.2)})
    again = read_scores(write(scores.table.drop(columns=["estimator", "null", "epoch"]), "scores.parquet"))
    mine, theirs = relate(scores), relate(again)
    pd.testing.assert_frame_equal(mine.pairs, theirs.pairs)
    known = [c for c in mine.tasks.columns if c != "entropy_bits"]  # of the training labels, which no file of scores has
    pd.testing.assert_frame_equal(mine.tasks[known], theirs.tasks[known])
    assert again.tasks["state"].tolist() == scores.tasks["state"].tolist()


def test_a_file_per_task_needs_no_column_of_tasks(write: Write) -> None:
    files = [write(part.drop(columns="task"), f"{task}.csv") for task, part in table(cb=0.5, rte=0.9).groupby("task")]
    assert relate(read_scores(files)).tasks["task"].tolist() == ["cb", "rte"]


def test_columns_can_have_other_names(write: Write) -> None:
    frame = table(a=0.5, b=0.9).rename(columns={"task": "corpus", "row": "id", "pvi_bits": "pvi"})
    found = read_scores(write(frame), {"task": "corpus", "row": "id", "pvi_bits": "pvi"})
    assert set(found.table["task"]) == {"a", "b"}


def test_seeds_are_averaged_and_clusters_counted(write: Write) -> None:
    one = table(a=0.5, b=0.9)
    frame = pd.concat([one.assign(seed=s, pvi_bits=one["pvi_bits"] + s / 10) for s in (1, 2, 3)])
    frame["cluster"] = [f"{task}-{int(name[1:]) // 3}" for task, name in zip(frame["task"], frame["row"], strict=True)]
    found = relate(read_scores(write(frame))).tasks
    assert found["mean_bits"].tolist() == pytest.approx([0.7, 1.1])
    assert (found["seeds"].tolist(), found["clusters"].tolist(), found["n"].tolist()) == ([3, 3], [20, 20], [60, 60])


def test_a_task_with_one_row_has_a_state(write: Write) -> None:
    frame = pd.concat([table(a=0.5, b=0.5), pd.DataFrame({"task": ["c"], "row": ["x"], "pvi_bits": [0.5]})])
    scores = read_scores(write(frame))
    assert dict(zip(scores.tasks["task"], scores.tasks["state"], strict=True)) == {"a": "ok", "b": "ok", "c": "not_learned"}
    [plan] = group(relate(scores), Options())
    assert [s.serves for s in plan.servings] == [("a", "b"), ("c",)]


def test_a_relative_margin_of_an_unknown_null_is_refused_and_one_in_bits_is_not(write: Write) -> None:
    related = relate(read_scores(write(table(a=0.5, b=0.5, c=2.0))))
    with pytest.raises(InputError, match="--margin-bits"):
        group(related, Options(rule="equivalent"))
    [plan] = group(related, Options(rule="equivalent", margin_bits=0.3))
    assert [s.serves for s in plan.servings] == [("a", "b"), ("c",)]
    statistics, sets = Statistics.of(related), np.array([[0, 1], [0, 2]])
    assert outcomes(statistics, sets, Options()) == ["undecided, no margin known", "different, no margin known"]
    assert outcomes(statistics, sets, Options(margin_bits=0.3)) == ["equivalent", "different"]


def test_numbers_that_are_none_are_told_with_their_rows(faults: Callable[..., list[str]]) -> None:
    frame = table(a=0.5, b=0.9).astype({"pvi_bits": object})
    frame.loc[[3, 70], "pvi_bits"] = ["inf", "high"]
    [fault] = faults(frame)
    assert "pvi_bits" in fault and "s0:4, s0:71" in fault and "high" not in fault


def test_every_fault_of_the_values_is_told_at_once(faults: Callable[..., list[str]]) -> None:
    frame = table(a=0.5, b=0.9).assign(seed=0.5, log2_p_null=0.5, split="train", source="")
    found = faults(frame.assign(task=frame["task"] + "+"))
    words = ["source is empty", "log2_p_null should be the log2", "seed should be whole", "split should be dev or test", "'a+'", "'b+'"]
    assert [word for word in words if not any(word in fault for fault in found)] == []


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t[t["task"] == "a"], "two tasks at least, found one: a"),
    (lambda t: pd.concat([t, t.iloc[[5]]]), "each row once, found it again at s0:121"),
    (lambda t: t.assign(log2_p_null=-0.3), "at most −log2_p_null"),
    (lambda t: t.assign(log2_p_null=-2.0, log2_p_x=-1.9), "log2_p_x − log2_p_null"),
    (lambda t: t.assign(split=["dev", "test"] * 60), "60 of dev, 60 of test"),
    (lambda t: t.assign(source=[f"s{i % 2}" for i in range(120)]), "task a: its rows should have one source, found 2"),
    (lambda t: t.iloc[:0], "found none"),
])  # fmt: skip
def test_tables_that_cannot_be_related_are_refused(faults: Callable[..., list[str]], change: Any, words: str) -> None:
    assert any(words in fault for fault in faults(change(table(a=0.5, b=0.9))))


def test_seeds_score_the_same_rows_and_know_the_same_of_them(faults: Callable[..., list[str]]) -> None:
    one = table(a=0.5, b=0.9)
    two = pd.concat([one.assign(seed=1, gold="x"), one.assign(seed=2, gold="x")], ignore_index=True)
    assert any("task b" in fault and "s0:62" in fault for fault in faults(two.drop(index=181)))
    two.loc[0, "gold"] = "y"
    assert any("gold of a row should be the same" in fault and "s0:1, s0:121" in fault for fault in faults(two))


def test_files_have_the_same_columns(faults: Callable[..., list[str]]) -> None:
    [fault] = faults(table(a=0.5).assign(seed=1), table(b=0.5))
    assert fault.endswith("s1.csv: the column seed should be in each file or in none; s0.csv has it")


def test_columns_that_are_missing_are_suggested_in_every_file(faults: Callable[..., list[str]]) -> None:
    wrong = table(a=0.5, b=0.9).rename(columns={"pvi_bits": "pvi_bit"})
    found = faults(wrong, wrong)
    assert len(found) == 2 and all("unknown column 'pvi_bits'. Did you mean 'pvi_bit'?" in fault for fault in found)
    assert "Did you mean 'pvi_bits'?" in faults(wrong, columns={"pvi_bit": "x"})[0]


def test_files_that_are_none_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "latin.csv").write_bytes(b"task,row,pvi_bits\n\xe9,1,1\n")
    (tmp_path / "ragged.csv").write_text("task,row,pvi_bits\na,1\n")
    (tmp_path / "scores.xlsx").write_text("x")
    names = ["empty.csv", "latin.csv", "ragged.csv", "scores.xlsx", "gone.csv", "."]
    with pytest.raises(InputError) as caught:
        read_scores([tmp_path / name for name in names])
    words = ["is empty", "UTF-8", "should have 3 fields", "unknown format 'xlsx'", "found none", "found a folder"]
    assert [word for word, fault in zip(words, caught.value.faults, strict=True) if word not in fault] == []


def test_two_files_of_one_name_are_no_two_tasks(tmp_path: Path, write: Write) -> None:
    (tmp_path / "more").mkdir()
    files = [write(table(a=0.5).drop(columns="task"), name) for name in ("cb.csv", "more/cb.csv")]
    with pytest.raises(InputError, match="task cb: 2 files have its name"):
        read_scores(files)
