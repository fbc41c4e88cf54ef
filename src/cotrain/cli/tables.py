"""Tables and sentences on stdout, readable at any width: what does not fit beside stands below, nothing is cut off."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from cotrain.reporting.content import SPLIT_LABELS, Cell, Table, Tone

STYLES: dict[Tone, str] = {"": "", "good": "green", "bad": "red", "warn": "yellow", "quiet": "dim", "strong": "bold"}
_UNBOUNDED = 100_000
_TEXT = 16
"""Columns of words may be folded to this width where room is short."""
_GAP = 2


def screen() -> Console:
    """Return stdout as it is now: as wide as the terminal; for a file or a pipe as wide as needed, so that a row is a line."""
    bounded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if bounded else _UNBOUNDED)


def heading(text: str) -> None:
    """Print the title of a part."""
    _print(screen(), Text(f"\n{text}", "bold"))


def sentence(text: str, tone: Tone = "") -> None:
    """Print a sentence, wrapped between words."""
    _print(screen(), Text(_wrapped(text), STYLES[tone]))


def command(text: str) -> None:
    """Print a command on a line of its own, never broken, so that it can be copied."""
    _print(screen(), Text(f"  {text}", "cyan"))


def bullets(items: Iterable[str], tone: Tone = "") -> None:
    """Print a list."""
    for item in items:
        _print(screen(), Text(_wrapped(f"- {item}", "  "), STYLES[tone]))


def write(table: Table, breaks: Collection[str] = ()) -> None:
    """Print a table; where it is too wide in parts, one below the other, each beginning with its first column.

    Args:
        breaks: titles of columns at which a new part begins, if parts are needed.
    """
    if not table.rows:
        return
    console = screen()
    if table.caption:
        words = ", ".join(words for _, words in SPLIT_LABELS[table.split])
        heading(f"{table.caption} ({words})" if words else table.caption)
    for n, columns in enumerate(parts(table, console.width, breaks)):
        if n:
            _print(console, Text())
        _print(console, _grid(table, columns))
    if table.note:
        sentence(table.note, "quiet")


def filled(table: Table) -> Table:
    """Return a table without the columns in which every cell is empty."""
    keep = [i for i in range(len(table.columns)) if any(line[i].text for line in table.rows)]
    rows = tuple(tuple(line[i] for i in keep) for line in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in keep), rows=rows)


def parts(table: Table, room: int, breaks: Collection[str] = ()) -> list[dict[int, int]]:
    """Return per part its columns and their widths; the first column leads each of them."""
    everything = range(len(table.columns))
    full, least = _widths(table, folded=False), _widths(table, folded=True)
    least[0] = min(least[0], max(8, room // 2))
    if _total(full[i] for i in everything) <= room:
        return [{i: full[i] for i in everything}]
    packed: list[list[int]] = [[0]]
    fits = _total(least[i] for i in everything) <= room
    for i in everything[1:]:
        new = table.heads[i] in breaks or _total(least[k] for k in [*packed[-1], i]) > room
        if new and not fits and len(packed[-1]) > 1:
            packed.append([0])
        packed[-1].append(i)
    return [_widened(table, columns, least, full, room) for columns in packed]


def _widths(table: Table, folded: bool) -> list[int]:
    """Return the width of each column: as wide as its widest cell and title, or as narrow as words allow."""
    found = []
    for i, head in enumerate(table.heads):
        cells = max(cell_len(row[i].text) for row in table.rows)
        if not folded:
            found.append(max(cells, cell_len(head)))
            continue
        if i and not table.numeric[i]:
            words = (word for row in table.rows for word in row[i].text.split())
            cells = max([min(cells, _TEXT), *map(cell_len, words)])
        found.append(max(cells, _head(head)))
    return found


def _head(text: str) -> int:
    """Return the least width at which a title takes no more than three lines."""
    longest = max(map(cell_len, text.split()), default=0)
    return next(width for width in range(longest, cell_len(text) + 1) if len(textwrap.wrap(text, max(1, width))) <= 3)


def _widened(table: Table, columns: Sequence[int], least: Sequence[int], full: Sequence[int], room: int) -> dict[int, int]:
    """Return widths that use the room which is left: titles on one line where they fit, the rest for columns of words."""
    widths = {i: least[i] for i in columns}
    for i in sorted(columns, key=lambda i: full[i] - least[i]):
        spare = room - _total(widths.values())
        if not table.numeric[i] or full[i] - least[i] <= spare:
            widths[i] = min(full[i], least[i] + spare)
    return widths


def _total(widths: Iterable[int]) -> int:
    """Return the width of a line of cells."""
    listed = list(widths)
    return sum(listed) + _GAP * (len(listed) - 1)


def _grid(table: Table, widths: dict[int, int]) -> Grid:
    """Return some columns of a table for the terminal."""
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), header_style="bold")
    for i, width in widths.items():
        grid.add_column(Text(table.heads[i]), justify="right" if table.numeric[i] else "left", width=width, overflow="fold", vertical="top")
    for row in table.rows:
        grid.add_row(*(_cell(row[i]) for i in widths))
    return grid


def _cell(cell: Cell) -> Text:
    """Return a cell in its tone."""
    return Text(cell.text, STYLES[cell.tone])


def _wrapped(text: str, indent: str = "") -> str:
    """Return a text in lines between words; a path longer than a line stays whole, so that it can be copied."""
    return textwrap.fill(text, screen().width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _print(console: Console, what: RenderableType) -> None:
    """Print, for a file without blanks at the ends of lines."""
    if console.is_terminal:
        console.print(what, soft_wrap=isinstance(what, Text))
        return
    with console.capture() as captured:
        console.print(what, soft_wrap=isinstance(what, Text))
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
