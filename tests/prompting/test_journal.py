"""A journal keeps every answer and no text; lines that were cut off are asked again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cotrain.prompting.answers import Reply
from cotrain.prompting.journal import Journal

ANSWERS = {"a": Reply(1, (-0.5, -1.0), 20, 1), "b": Reply(None, None, 7, 16), "c": Reply(0, None, 3, 2)}


def kept(file: Path) -> Path:
    with Journal(file) as journal:
        for key, reply in ANSWERS.items():
            journal.add(key, reply)
    return file


def test_answers_are_there_again(tmp_path: Path) -> None:
    found = Journal(kept(tmp_path / "new" / "m.jsonl"))
    assert {key: found.find(key) for key in ANSWERS} == ANSWERS
    assert found.find("d") is None


def test_nothing_answered_leaves_no_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "m.jsonl"):
        pass
    assert not (tmp_path / "m.jsonl").exists()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    assert kept(tmp_path / "m.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("lost", [1, 2, 10, 40])
def test_a_line_that_was_cut_off_is_no_answer_and_spoils_no_other(lost: int, tmp_path: Path) -> None:
    file = kept(tmp_path / "m.jsonl")
    file.write_bytes(file.read_bytes()[:-lost])
    again = Journal(file)
    assert (again.find("a"), again.find("b")) == (ANSWERS["a"], ANSWERS["b"])
    assert again.find("c") in (None, ANSWERS["c"]) and (lost == 1 or again.find("c") is None)
    with again:
        again.add("d", ANSWERS["a"])
    assert [Journal(file).find(key) for key in "abd"] == [ANSWERS["a"], ANSWERS["b"], ANSWERS["a"]]


def test_lines_of_something_else_are_passed_over(tmp_path: Path) -> None:
    file = kept(tmp_path / "m.jsonl")
    file.write_bytes(b'\xff\xfe\n[1]\n{"key": "x"}\n' + file.read_bytes())
    assert Journal(file).find("a") == ANSWERS["a"] and Journal(file).find("x") is None
