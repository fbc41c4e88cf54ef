from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotrain.tasks.readers import memory
from cotrain.tasks.readers.tabular import files, read, read_file
from cotrain.tasks.source import FORMATS, Source

NASTY = ["001", "NA", "null", "1e5", " kept ", 'a "quoted" word', "comma, tab\tand\nline", "true", "ünï", "-"]


@pytest.mark.parametrize("kind", FORMATS)
def test_strings_come_back_as_they_were_written(write: Callable, kind: str) -> None:
    rows = [{"text": value, "other": "x", "label": value} for value in NASTY]
    file = write(f"data.{kind}", rows)
    found = read(Source("t", path=str(file)), ["label", "text"])
    assert found["text"].tolist() == NASTY
    assert found["label"].tolist() == NASTY
    assert found["_split"].tolist() == [None] * len(NASTY)
    assert found["_where"].tolist()[:2] == ["data:1", "data:2"]
    assert "other" not in found.columns


def test_a_column_that_a_parquet_file_or_a_table_has_twice_is_told(tmp_path: Path, refused: Callable) -> None:
    frame = pd.DataFrame([["a", "x", "x"]], columns=["text", "label", "label"])
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 3, names=list(frame.columns)), tmp_path / "a.parquet")
    assert "columns label are there twice" in refused(read_file, tmp_path / "a.parquet", ["text", "label"])
    assert "columns label are there twice" in refused(memory.table, Source("t"), frame, ["text", "label"])


@pytest.mark.parametrize("kind", ["parquet", "json", "jsonl"])
def test_integers_beside_missing_values_stay_integers(write: Callable, kind: str) -> None:
    file = write(f"data.{kind}", [{"label": 1}, {"label": None}, {"label": 0}])
    if kind == "parquet":
        pd.DataFrame({"label": pd.array([1, None, 0], dtype="Int64")}).to_parquet(file)
    assert read(Source("t", path=str(file)), ["label"])["label"].tolist() == [1, None, 0]


@pytest.mark.parametrize("kind", FORMATS)
def test_optional_columns_are_read_where_they_are_there(write: Callable, kind: str) -> None:
    file = write(f"data.{kind}", [{"row": "a", "text": "x", "seed": "1"}])
    found = read_file(file, ["row"], ["seed", "gold"])
    assert found.to_dict("list") == {"row": ["a"], "seed": ["1"], "_where": ["data:1"]}


def test_a_folder_has_a_file_per_split(write: Callable, rows: Callable) -> None:
    for name in ("train.csv", "dev.jsonl", "test.parquet"):
        write(f"d/{name}", rows(3))
    folder = write("d/notes.csv", rows(2)).parent
    found = read(Source("t", path=str(folder)), ["text"])
    assert found["_split"].tolist() == ["train"] * 3 + ["validation"] * 3 + ["test"] * 3
    assert found["_where"].tolist()[:4] == ["train:1", "train:2", "train:3", "dev:1"]


def test_a_common_beginning_names_files_per_split_or_one_file(write: Callable, rows: Callable, tmp_path: Path) -> None:
    for name in ("cb_train.csv", "cb_valid.csv", "cb2_train.csv", "cbx.csv"):
        write(name, rows(3))
    write("one.tsv", rows(3))
    assert [(s, f.name) for s, f in files(tmp_path / "cb", "t")] == [("train", "cb_train.csv"), ("validation", "cb_valid.csv")]
    assert [(s, f.name) for s, f in files(tmp_path / "one", "t")] == [(None, "one.tsv")]


def test_a_named_format_overrides_the_ending(write: Callable, rows: Callable) -> None:
    written = write("data.csv", rows(3))
    file = written.rename(written.with_suffix(".txt"))
    assert len(read(Source("t", path=str(file), format="csv"), ["text"])) == 3


def test_blank_lines_of_csv_and_jsonl_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,b\n\n\n")
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n\n{"text": "b"}\n\n')
    assert len(read(Source("t", path=str(tmp_path / "a.csv")), ["text"])) == 1
    assert len(read(Source("t", path=str(tmp_path / "a.jsonl")), ["text"])) == 2


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext,label\na,b\n")
    assert read(Source("t", path=str(tmp_path / "a.csv")), ["text"])["text"].tolist() == ["a"]


def test_a_long_note_is_read_whole(write: Callable) -> None:
    note = "w " * 200_000
    file = write("a.csv", [{"text": note}])
    assert read(Source("t", path=str(file)), ["text"])["text"].tolist() == [note]


def test_a_key_that_some_objects_lack_is_a_missing_value(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "neg": "yes"}\n{"text": "b"}\n')
    assert read(Source("t", path=str(tmp_path / "a.jsonl")), ["text", "neg"])["neg"].tolist() == ["yes", None]


BROKEN: dict[str, tuple[str, bytes, list[str]]] = {
    "empty": ("a.csv", b"", ["a.csv", "empty"]),
    "header only": ("a.csv", b"text,label\n", ["a.csv", "rows"]),
    "ragged, every row named": (
        "a.csv",
        b"text,label\nwombat\nok,b\nwombat,b,c\n",
        ["row 1 (line 2)", "row 3 (line 4)", "found 3", "2 fields"],
    ),
    "ragged tsv": ("a.tsv", b"text\tlabel\nwombat\tb\tc\n", ["row 1 (line 2)"]),
    "open quote": ("a.csv", b'text,label\nok,b\n"wombat,b\n', ["row 2", "quotes"]),
    "text after a quote": ("a.csv", b'text,label\n"wom"bat,b\n', ["row 1", "quotes"]),
    "latin-1": ("a.csv", b"text,label\nok,b\nwombat \xe9,b\n", ["UTF-8", "line 3"]),
    "latin-1 jsonl": ("a.jsonl", b'{"text": "wombat \xe9", "label": 1}\n', ["UTF-8", "line 1"]),
    "no such column": ("a.csv", b"txet,label\nwombat,b\n", ["unknown column 'text'", "Did you mean 'txet'?"]),
    "no such key": ("a.jsonl", b'{"txet": "wombat", "label": 1}\n', ["unknown column 'text'", "txet"]),
    "column twice": ("a.csv", b"text,text,label\nwombat,wombat,b\n", ["columns text are there twice"]),
    "not JSON": ("a.jsonl", b'{"text": "a", "label": 1}\n{"text": wombat}\n{wombat\n', ["line 2", "line 3", "not JSON"]),
    "not a list": ("a.json", b'{"text": "wombat"}', ["list of objects", "an object", ".jsonl"]),
    "broken list": ("a.json", b'[{"text":\n "wombat",}]', ["line 2", "not JSON"]),
    "not an object": ("a.jsonl", b'["wombat"]\n3\nnull\n', ["row 1", "a list", "row 2", "a number", "row 3", "null"]),
    "no header": (
        "a.csv",
        b"He has a wombat.,1\nok,0\n",
        ["there should be a header, with text, label", "2 values that may be those of a row"],
    ),
    "no header, few words": ("a.csv", b"my wombat denies pain,negated\nok,no\n", ["there should be a header", "not shown"]),
    "no header, a number": ("a.tsv", b"wombat\t1\nok\t0\n", ["there should be a header, with text, label", "not shown"]),
    "a blank first line": ("a.csv", b"\ntext,label\nwombat,b\n", ["there should be a header, with text, label; found none"]),
    "a number of too many digits": ("a.jsonl", b'{"text": "wombat", "label": ' + b"1" * 5000 + b"}\n", ["line 1", "too many digits"]),
    "not parquet": ("a.parquet", b"wombat" * 100, ["parquet", "damaged"]),
    "unknown ending": ("a.xslx", b"wombat", ["unknown format 'xslx'", "csv"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, refused: Callable, case: str) -> None:
    name, content, words = BROKEN[case]
    (tmp_path / name).write_bytes(content)
    message = refused(read, Source("cb", path=str(tmp_path / name)), ["text", "label"])
    assert "task cb" in message
    for word in [*words, name]:
        assert word in message


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_truncated_parquet_is_refused(write: Callable, rows: Callable, refused: Callable, kept: float) -> None:
    file = write("a.parquet", rows(500))
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * kept)])
    assert "damaged" in refused(read, Source("t", path=str(file)), ["text"])


def test_parquet_with_damaged_pages_is_refused_or_read_as_it_was(write: Callable, rows: Callable, refused: Callable) -> None:
    file = write("a.parquet", rows(500))
    content = bytearray(file.read_bytes())
    content[40:400] = b"\xff" * 360
    file.write_bytes(content)
    assert "damaged" in refused(read, Source("t", path=str(file)), ["text"])


def test_faults_of_all_files_come_at_once(tmp_path: Path, refused: Callable) -> None:
    (tmp_path / "train.csv").write_text("txt,label\nwombat,b\n")
    (tmp_path / "test.csv").write_bytes(b"text,label\nwombat\xff,b\n")
    message = refused(read, Source("t", path=str(tmp_path)), ["text", "label"])
    assert "train.csv" in message and "test.csv" in message


def test_many_ragged_rows_are_counted_not_listed(tmp_path: Path, refused: Callable) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "wombat\n" * 5000)
    message = refused(read, Source("t", path=str(tmp_path / "a.csv")), ["text"])
    assert "4990 more" in message
    assert len(message) < 3000


def test_where_nothing_is_found_the_message_says_what_is_there(tmp_path: Path, refused: Callable) -> None:
    (tmp_path / "wrong.csv").write_text("text\na\n")
    assert "wrong.csv" in refused(read, Source("t", path=str(tmp_path)), ["text"])
    assert "found nothing" in refused(read, Source("t", path=str(tmp_path / "no" / "where")), ["text"])


def test_two_files_of_one_split_are_refused(write: Callable, rows: Callable, refused: Callable, tmp_path: Path) -> None:
    for name in ("train.csv", "train.parquet", "val.csv", "dev.csv"):
        write(name, rows(3))
    assert "train, validation" in refused(read, Source("t", path=str(tmp_path)), ["text"])


def test_one_file_beside_files_of_splits_is_refused(write: Callable, rows: Callable, refused: Callable, tmp_path: Path) -> None:
    write("cb.csv", rows(3))
    write("cb_train.csv", rows(3))
    assert "cb.csv" in refused(read, Source("t", path=str(tmp_path / "cb")), ["text"])
