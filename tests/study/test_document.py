from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cotrain.errors import InputError
from cotrain.study.document import document

Write = Callable[..., Path]
Faults = Callable[..., list[str]]


def test_numbers_are_what_people_mean(write: Write) -> None:
    values = document(write(text="{a: 2e-5, b: 1E3, c: .5, d: 042, e: '7', f: 2020-01-02, g: 1:30, h: -3, i: 1.0e-2}")).values
    assert values == {"a": 2e-5, "b": 1000.0, "c": 0.5, "d": "042", "e": "7", "f": "2020-01-02", "g": "1:30", "h": -3, "i": 0.01}


def test_merged_keys_stand_where_they_were_written(write: Write) -> None:
    found = document(write(text="base: &b\n  x: 1\nother:\n  <<: *b\n  y: 2\n"))
    assert found.values["other"] == {"x": 1, "y": 2}
    assert found.fault(("other", "x"), "!").line == 2


def test_a_key_of_its_own_is_stronger_than_a_merged_one(write: Write) -> None:
    assert document(write(text="base: &b {x: 1}\nother: {<<: *b, x: 5}\n")).values["other"] == {"x": 5}


def test_a_fault_stands_at_the_deepest_part_that_there_is(write: Write) -> None:
    found = document(write(text="a:\n  b:\n    - 1\n    - 2\n"))
    assert [found.fault(at, "").line for at in [("a",), ("a", "b"), ("a", "b", 1), ("a", "c"), ("z",)]] == [1, 2, 4, 1, 0]


SETS = {
    "a value": ("a: {b: 1}", ["a.b=2"], {"a": {"b": 2}}),
    "a new section": ("a: 1", ["plan.alpha=0.05"], {"a": 1, "plan": {"alpha": 0.05}}),
    "a list": ("a: 1", ["seeds=[1, 2]"], {"a": 1, "seeds": (1, 2)}),
    "nothing": ("a: 1", ["a="], {"a": None}),
    "a value with an equals sign": ("a: 1", ["a=b=c"], {"a": "b=c"}),
    "the last of two": ("a: 1", ["a=2", "a=3"], {"a": 3}),
    "a name with dots": ("tasks: {notes.negation: {x: 1}}", ["tasks.notes.negation.x=2"], {"tasks": {"notes.negation": {"x": 2}}}),
    "in the order of the file": ("a: 1\nb: 2", ["a=3"], {"a": 3, "b": 2}),
    "of one alias, not of the other": ("a: &x {y: 1}\nb: *x", ["b.y=2"], {"a": {"y": 1}, "b": {"y": 2}}),
}


@pytest.mark.parametrize("case", SETS)
def test_set_is_as_if_it_stood_in_the_file(write: Write, case: str) -> None:
    text, sets, expected = SETS[case]
    values = document(write(text=text), sets).values
    assert values == expected
    assert list(values) == list(expected)


BROKEN = {
    "an open bracket": ("model: x\nseeds: [1, 2\ntasks: secret\n", "line 3: not YAML at column 6"),
    "an open quote": ('model: "secret\ntasks: 1\n', "not YAML at column"),
    "a tab": ("tasks:\n\tcb: secret\n", "line 2: not YAML at column 1: indent with blanks"),
    "a template without quotes": (
        "tasks:\n  cb: {text: x}\n  rte:\n    text: {premise} secret\n",
        "line 4: not YAML at column 21: a template",
    ),
    "a colon in a value": ("model: secret: one\n", "line 1: not YAML at column 14: look for"),
    "a tag": ("model: !!python/name:os.system secret\n", "line 1: not YAML at column 8: tags"),
    "an unknown alias": ("model: *secret\n", "line 1: not YAML at column 8: an alias"),
    "two documents": ("model: x\n---\nmodel: secret\n", "line 2: not YAML at column 1: there should be one document"),
    "a control character": ("model: x\nmodel: \x00secret\n", "line 2: there is a character"),
    "an anchor in itself": ("a: &a [*a]\n", "study.yaml"),
    "a list": ("- secret\n", "found a list"),
    "a text": ("secret words of somebody\n", "found something else"),
    "nothing": ("# only a comment\n", "found an empty file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_yaml_has_its_place_and_is_never_quoted(faults: Faults, case: str) -> None:
    text, words = BROKEN[case]
    (fault,) = faults(text=text)
    assert words in fault
    assert "secret" not in fault


def test_bytes_that_are_not_utf8_have_their_line(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_bytes(b"model: x\ntasks: \xff\n")
    with pytest.raises(InputError, match=r"study\.yaml line 2: a study file should be UTF-8"):
        document(tmp_path / "study.yaml")


def test_a_file_that_is_not_there_or_is_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FileNotFoundError"):
        document(tmp_path / "study.yaml")
    with pytest.raises(InputError, match="IsADirectoryError"):
        document(tmp_path)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_bytes(b"\xef\xbb\xbfmodel: x\n")
    assert document(tmp_path / "study.yaml").values == {"model": "x"}


def test_keys_that_are_there_twice_have_both_lines(faults: Faults) -> None:
    found = faults("  cb: {path: other}\nseeds: [1]\nplan:\n  alpha: 0.1\n  alpha: 0.2\nseeds: [2]\n")
    assert found == [
        "study.yaml line 5: the task 'cb' is there twice, first in line 3; keep or rename one",
        "study.yaml line 9: the key 'alpha' is there twice, first in line 8; keep or rename one",
        "study.yaml line 10: the key 'seeds' is there twice, first in line 6; keep or rename one",
    ]


def test_keys_that_yaml_takes_for_something_else_are_told(faults: Faults) -> None:
    found = faults("  no: {path: x}\n  2019: {path: y}\n  {premise}: {path: z}\n")
    assert found == [
        'study.yaml line 5: a key should be a name; put it in quotes: "no"',
        'study.yaml line 6: a key should be a name; put it in quotes: "2019"',
        "study.yaml line 7: a key should be a name; put a value with braces or brackets in quotes",
    ]
