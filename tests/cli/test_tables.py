"""Tables on stdout: readable at any width, and in a pipe."""

from __future__ import annotations

import pytest

from cotrain.cli.tables import bullets, filled, parts, sentence, write
from cotrain.reporting.content import Cell, Table, row

WIDE = Table(
    ("task", "#train n", "#difference [95 %]", "verdict", "#best control", "why"),
    tuple(row(Cell(f"a_task_with_a_name_{i}", "strong"), "1,200", "+.016 [.004, .028]", Cell("gain", "good"), "matched updates +.031",
              "P(loss > δ) of this task is above the limit") for i in range(34)),
)  # fmt: skip


@pytest.mark.parametrize("room", [60, 80, 100, 140, 400])
def test_no_line_is_wider_than_the_terminal(room: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(room))
    write(WIDE)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= room


@pytest.mark.parametrize("room", [60, 80, 140])
def test_every_column_is_there_once_and_every_part_begins_with_the_tasks(room: int) -> None:
    found = parts(WIDE, room)
    assert sorted(i for part in found for i in part if i) == [1, 2, 3, 4, 5]
    assert all(next(iter(part)) == 0 for part in found)


def test_no_cell_is_cut_at_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    write(WIDE)
    out = capsys.readouterr().out
    assert "…" not in out
    for text in ("a_task_with_a_name_33", "+.016 [.004, .028]", "matched updates +.031"):
        assert text in out


def test_parts_begin_where_they_are_told_to() -> None:
    assert [list(part) for part in parts(WIDE, 84, breaks=("verdict",))] == [[0, 1, 2], [0, 3, 4, 5]]


def test_a_title_takes_at_most_three_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    write(Table(("task", "#on both sides of the cut", "#x"), (row("a_task_with_a_long_name_" * 2, "0", "1"),)))
    lines = capsys.readouterr().out.splitlines()
    assert next(i for i, line in enumerate(lines) if line.startswith("───")) <= 3


def test_breaks_do_not_matter_where_the_table_fits() -> None:
    assert len(parts(WIDE, 400, breaks=("verdict",))) == 1


def test_in_a_pipe_a_row_is_a_line_without_colour(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    write(WIDE)
    sentence("A sentence stays on its line. " * 20)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len([line for line in out.splitlines() if "a_task_with_a_name_7 " in line and "P(loss > δ) of this task" in line]) == 1
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    assert "on its line. A sentence" in out.splitlines()[-1]


def test_a_long_name_leaves_room_for_numbers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "a_very_long_name_" * 6
    write(Table(("task", "#n"), (row(Cell(name, "strong"), "12,345"),)))
    out = capsys.readouterr().out
    assert "12,345" in out
    assert "".join(line.split()[0] for line in out.splitlines()[2:]) == name


def test_a_path_stays_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/" + "a-folder-with-a-long-name/" * 5 + "report.html"
    sentence(f"report   {path}")
    bullets([path])
    assert capsys.readouterr().out.count(path) == 2


def test_markup_in_data_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    write(Table(("task [bold]",), (row("a[red]b"),)))
    sentence("[.004, .028] and [bold]")
    out = capsys.readouterr().out
    assert "task [bold]" in out and "a[red]b" in out and "[.004, .028] and [bold]" in out


def test_columns_that_say_nothing_are_left_out() -> None:
    table = Table(("task", "failed seeds", "state"), (row("a", "", "ok"), row("b", "", "ok")))
    assert filled(table).columns == ("task", "state")
