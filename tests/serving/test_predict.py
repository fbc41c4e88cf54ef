"""predict: rows of any file, all tasks from one pass, an output that a killed run continues."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain import load
from cotrain.errors import InputError
from cotrain.serving import predict as verb
from cotrain.serving.inputs import STDIN, read
from cotrain.training.models import SharedModel

TEXTS = [f"w{i % 40:02d} w{(7 * i) % 40:02d} " + "w11 " * (i % 9) for i in range(50)]


@pytest.fixture
def model(bert: Any) -> SharedModel:
    return load(bert.folder, "cpu", "fp32")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Rows of the tasks neg and kind, which read the column note."""
    file = tmp_path / "rows.csv"
    pd.DataFrame({"id": [f"n{i}" for i in range(50)], "note": TEXTS, "other": "w01"}).to_csv(file, index=False)
    return file


def same(table: pd.DataFrame, model: SharedModel, tasks: tuple[str, ...] = ("neg", "kind")) -> None:
    """The table says what the model says of each text by itself."""
    expected = model.predict(TEXTS, tasks=tasks)
    for task in tasks:
        labels = model.labels(task)
        np.testing.assert_allclose(table[[f"{task}:{label}" for label in labels]].to_numpy(), expected[task], atol=2e-6)
        assert list(table[task]) == [labels[k] for k in expected[task].argmax(axis=1)]


def table_of(file: Path) -> pd.DataFrame:
    readers: dict[str, Any] = {"jsonl": lambda f: pd.read_json(f, lines=True), "csv": pd.read_csv, "parquet": pd.read_parquet}
    return pd.DataFrame(readers[file.suffix[1:]](file))


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_every_format_says_labels_and_probabilities_of_the_rows_in_their_order(
    ending: str, model: SharedModel, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "CHUNK", 16)
    out = verb.save(model, read(model, rows, row_id="id"), tmp_path / f"out.{ending}")
    found = table_of(out)
    assert list(found.columns) == ["row", "neg", "neg:no", "neg:yes", "kind", "kind:fair", "kind:not so", "kind:off"]
    assert list(found["row"]) == [f"n{i}" for i in range(50)]
    same(found, model)
    assert sorted(f.name for f in tmp_path.iterdir()) == [out.name, "rows.csv"], "nothing temporary should be left"
    assert not any(text.strip().encode() in out.read_bytes() for text in TEXTS if len(text) > 10), "no text of a row"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_rows_come_from_every_tabular_format(ending: str, model: SharedModel, tmp_path: Path) -> None:
    table, file = pd.DataFrame({"note": TEXTS}), tmp_path / f"rows.{ending}"
    writers: dict[str, Any] = {
        "csv": lambda: table.to_csv(file, index=False), "tsv": lambda: table.to_csv(file, index=False, sep="\t"),
        "jsonl": lambda: table.to_json(file, orient="records", lines=True), "json": lambda: table.to_json(file, orient="records"),
        "parquet": lambda: table.to_parquet(file),
    }  # fmt: skip
    writers[ending]()
    [found] = verb.predict(model, read(model, file))
    assert found["row"].iloc[6] == "rows:7"
    same(found, model)


def test_tasks_of_one_input_share_a_pass_of_the_encoder(model: SharedModel, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = model.model.classifier("neg").base_model
    passes: list[int] = []
    through = type(encoder).forward
    monkeypatch.setattr(type(encoder), "forward", lambda self, *a, **k: passes.append(len(a[0])) or through(self, *a, **k))
    [found] = verb.predict(model, read(model, rows))
    assert sum(passes) == 50 and {"neg", "kind"} < set(found.columns)


def test_a_task_reads_its_own_columns_or_text_and_pair_or_what_a_person_names(model: SharedModel, tmp_path: Path) -> None:
    def columns(tasks: tuple[str, ...] = (), **rows: list[str]) -> dict[str, tuple[list[str], list[str] | None]]:
        named = {key: rows.pop(key)[0] for key in ("text_", "pair_") if key in rows}
        (tmp_path / "rows.jsonl").write_text(json.dumps({key: value[0] for key, value in rows.items()}))
        found = read(model, tmp_path / "rows.jsonl", tasks, text=named.get("text_"), pair=named.get("pair_"))
        return {task: (part.texts, part.pairs) for part in found.parts for task in part.tasks}

    assert columns(note=["w01"], text=["w02"]) == {"neg": (["w01"], None), "kind": (["w01"], None)}
    assert columns(text=["w02"]) == {"neg": (["w02"], None), "kind": (["w02"], None)}
    assert columns(a=["w01"], b=["w02"], c=["w03"]) == {"two": (["w01 w02"], ["w03"])}
    assert columns(text=["w01"], pair=["w03"])["two"] == (["w01"], ["w03"])
    assert columns(("neg",), x=["w07"], y=["w08"], text_=["{y}, {x}"]) == {"neg": (["w08, w07"], None)}
    assert columns(("helper",), text=["w02"]) == {"helper": (["w02"], None)}


def test_tasks_that_a_file_cannot_feed_are_left_out_and_said_unless_they_are_named(model: SharedModel, rows: Path) -> None:
    found = read(model, rows)
    assert [part.tasks for part in found.parts] == [("neg", "kind")]
    [why] = found.left_out
    assert "task two reads the columns a, b, c; the file lacks a, b, c" in why
    with pytest.raises(InputError, match=r"task two reads the columns a, b, c.*Name others with --text and --pair"):
        read(model, rows, ["neg", "two"])


def test_what_is_wrong_with_a_file_is_said_without_its_texts(model: SharedModel, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"

    def refused(sentence: str, *lines: dict[str, Any], **given: Any) -> None:
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        with pytest.raises(InputError, match=sentence) as error:
            read(model, file, **given)
        assert "secret" not in str(error.value)

    refused("the file is empty")
    refused("unknown column 'note'. Did you mean 'notes'", {"notes": "secret"})
    refused("the text is empty or missing.* at rows:2, rows:3", {"note": "secret"}, {"note": " "}, {"note": None})
    refused("should be Unicode, found half a surrogate pair at rows:1", {"note": "secret \ud800"})
    refused("should be a string, found lists", {"note": ["secret"]})
    refused("unknown column 'row'", {"note": "secret"}, row_id="row")
    refused("'negs'. Did you mean 'neg'", {"note": "secret"}, tasks=["negs"])
    with pytest.raises(InputError, match="cannot be read"):
        read(model, tmp_path / "nowhere.jsonl")


def test_lines_of_json_come_from_standard_input(model: SharedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f"{json.dumps({'note': text})}\n" for text in TEXTS)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"\ufeff{lines}".encode())))
    [found] = verb.predict(model, read(model, STDIN))
    assert found["row"].iloc[2] == "stdin:3"
    same(found, model)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(InputError, match="standard input should be objects with note, text"):
        read(model, STDIN)


class Killed(BaseException):
    """A kill at any moment."""


def test_a_killed_run_continues_after_what_is_complete(
    model: SharedModel, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "CHUNK", 16)
    inputs, out = read(model, rows), tmp_path / "out.parquet"
    true, chunks = verb.predict, []

    def some(shared: SharedModel, rows: Any, start: int = 0) -> Iterator[pd.DataFrame]:
        for table in true(shared, rows, start):
            chunks.append(len(table))
            if len(chunks) == 3:
                raise Killed
            yield table

    monkeypatch.setattr(verb, "predict", some)
    with pytest.raises(Killed):
        verb.save(model, inputs, out)
    assert not out.exists() and chunks == [16, 16, 16]
    told: list[tuple[int, int]] = []
    verb.save(model, inputs, out, lambda done, total: told.append((done, total)))
    assert chunks[3:] == [16, 2], "the two chunks that were complete are not made again"
    assert told == [(16, 18), (18, 18)]
    same(pd.read_parquet(out), model)


def test_other_rows_or_tasks_begin_anew(model: SharedModel, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "CHUNK", 16)
    true = verb.predict

    def one(shared: SharedModel, rows: Any, start: int = 0) -> Iterator[pd.DataFrame]:
        yield next(true(shared, rows, start))
        raise Killed

    for inputs in (read(model, rows, text="other"), read(model, rows, ["neg"])):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(verb, "predict", one)
            verb.save(model, inputs, tmp_path / "out.csv")
    verb.save(model, read(model, rows), tmp_path / "out.csv")
    same(pd.read_csv(tmp_path / "out.csv"), model)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["out.csv", "rows.csv"]


def test_a_file_that_is_there_or_has_an_unknown_ending_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        verb.check(tmp_path / "out.csv")
    with pytest.raises(InputError, match=r"format 'xlsx'.*Known: anafora, csv, jsonl, parquet"):
        verb.check(tmp_path / "out.xlsx")


def test_a_full_disk_is_one_sentence(model: SharedModel, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(InputError, match="full"):
        verb.save(model, read(model, rows), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_the_command_prints_lines_of_json_or_writes_a_file(bert: Any, rows: Path, tmp_path: Path, cotrain: Any) -> None:
    said = cotrain("predict", bert.folder, rows, "--tasks", "neg, helper", "--text", "note", "--precision", "fp32")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0 and len(lines) == 50
    assert list(lines[0]) == ["row", "neg", "neg:no", "neg:yes", "helper", "helper:no", "helper:yes"]
    same(pd.DataFrame(lines), load(bert.folder, "cpu", "fp32"), ("neg", "helper"))
    said = cotrain("predict", bert.folder, rows, "--out", tmp_path / "out.jsonl")
    assert (said.code, said.out) == (0, f"{tmp_path / 'out.jsonl'}\n") and "left out: " in said.err
    assert cotrain("predict", bert.folder, rows, "--out", tmp_path / "out.jsonl").code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("{rows}", "--tasks", "negs"), "Did you mean 'neg'"),
        (("{rows}", "--precision", "fp8"), "unknown precision 'fp8'"),
        (("{rows}", "--device", "tpu"), "device should be one of cpu"),
        (("nowhere.csv",), "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_exit_code_2(arguments: tuple[str, ...], sentence: str, bert: Any, rows: Path, cotrain: Any) -> None:
    said = cotrain("predict", bert.folder, *(argument.format(rows=rows) for argument in arguments))
    assert said.code == 2 and sentence in said.err and not said.out


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, rows: Path, cotrain: Any) -> None:
    said = cotrain("predict", tmp_path, rows)
    assert said.code == 2 and "no model of cotrain" in said.err
