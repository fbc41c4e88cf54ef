"""From the rows of a file to what the tasks of a model read."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.readers.tabular import json_lines, read_file
from cotrain.tasks.rendering import columns_of, is_unicode, listed, missing, rendered, written
from cotrain.tasks.source import Source
from cotrain.training.models import SharedModel

STDIN = Path("-")
Way = tuple[str, str | None]
"""The templates of a text and of a second one, where there are two."""
_PLAIN = ("text", "pair")
"""The columns that are read where a file lacks those of a task's own templates."""


class Part(NamedTuple):
    """Tasks whose rows are built in one way, and these rows: (n,) texts and, for tasks that read two, (n,) second texts."""

    tasks: tuple[str, ...]
    texts: list[str]
    pairs: list[str] | None


class Corpus(NamedTuple):
    """Annotated notes that rows were made of: how they were read, (n,) the type of each annotation, and whether rows name their place."""

    source: Source
    types: list[str]
    placed: bool


@dataclass(frozen=True)
class Inputs:
    """The rows of a file or corpus as the tasks of a model read them.

    Attributes:
        rows: (n,) ids.
        parts: tasks that share their rows, so that one pass of the encoder does for them.
        left_out: why the other tasks of the model cannot be predicted from this file.
        corpus: the annotated notes that the rows are spans of, if they are.
    """

    rows: list[str] = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    left_out: tuple[str, ...] = ()
    corpus: Corpus | None = field(default=None, repr=False)


def read(shared: SharedModel, data: Path, tasks: Sequence[str] = (), *, text: str | None = None, pair: str | None = None,
         row_id: str | None = None) -> Inputs:  # fmt: skip
    """Return the rows of a csv, tsv, jsonl, json or parquet file, or of lines of JSON on standard input (``-``).

    A row of a task is built as in its study; where the file lacks those columns, from ``text`` and ``pair``.

    Args:
        tasks: all that the model serves and that the file can feed, where none are named.
        text, pair: a column, or a template over columns, instead of those of every task.
        row_id: the column of row ids; ``FILE:7`` by default.

    Raises:
        InputError: tasks that the model lacks or that the file cannot feed; what the reader refuses; empty texts.
    """
    ways = {task: _ways(shared, task, text, pair) for task in tasks or shared.serves}
    needed = [row_id] if row_id else []
    optional = {column: None for of_task in ways.values() for way in of_task for column in columns(way) if column not in needed}
    frame = _read(data, needed, list(optional))
    parts: dict[Way, list[str]] = {}
    unfit = []
    for task, of_task in ways.items():
        way = next((way for way in of_task if set(columns(way)) <= set(frame.columns)), None)
        if way is None:
            lacking = [column for column in columns(of_task[0]) if column not in frame.columns]
            unfit.append(
                f"{_name(data)}: task {task} reads the columns {', '.join(columns(of_task[0]))}; the file lacks {', '.join(lacking)}"
            )
        else:
            parts.setdefault(way, []).append(task)
    if unfit and (tasks or not parts):
        raise InputError([f"{fault}. Name others with --text and --pair" for fault in unfit])
    return made(_name(data), [(frame, way, of_way) for way, of_way in parts.items()], row_id, unfit)


def made(name: str, parts: Sequence[tuple[pd.DataFrame, Way, Sequence[str]]], row_id: str | None, left_out: Sequence[str] = (),
         corpus: Corpus | None = None) -> Inputs:  # fmt: skip
    """Return the Inputs of tables of the same rows, each with the templates and the tasks that its rows are built for.

    Args:
        name: of the data, for messages.

    Raises:
        InputError: empty texts and row ids, and texts that are none.
    """
    faults: list[str] = []
    found = []
    for frame, way, tasks in parts:
        texts, pairs = (_rendered(name, frame, column, template, faults) for column, template in zip(_PLAIN, way, strict=True))
        found.append(Part(tuple(tasks), texts or [], pairs))
    rows = parts[0][0]
    if row_id and len(gone := rows.loc[missing(rows[row_id]), "_where"]):
        faults.append(f"{name}: the column {row_id} should be the row id, is empty at {listed(gone)}")
    if faults:
        raise InputError(dict.fromkeys(faults))
    ids = [written(v) for v in rows[row_id or "_where"]]
    if not all(map(is_unicode, ids)):
        what = f"the column {row_id} should be Unicode, found half a surrogate pair" if row_id else "its name is not UTF-8; rename it"
        raise InputError(f"{name}: {what}")
    return Inputs(ids, tuple(found), tuple(left_out), corpus)


def _ways(shared: SharedModel, task: str, text: str | None, pair: str | None) -> list[Way]:
    """Return the templates (text, pair) that a row of a task can be built from, the best first."""
    entry = shared.entry(task)
    plain = (_PLAIN[0], _PLAIN[1] if entry["has_pair"] else None)
    own = (text or entry["text"] or plain[0], (pair or entry["pair"] or plain[1]) if entry["has_pair"] else None)
    return [own] if text or pair or own == plain else [own, plain]


def columns(way: Way) -> list[str]:
    """Return the columns of templates."""
    return list(dict.fromkeys(column for template in way if template is not None for column in columns_of(template)))


def _read(data: Path, needed: list[str], optional: list[str]) -> pd.DataFrame:
    """Return the needed columns of a file, those optional ones that it has, and ``_where``."""
    if data != STDIN:
        try:
            return read_file(data, needed, optional)
        except InputError:
            return read_file(data, [*needed, *optional[:1]], optional)  # where it has none of them, say so with the nearest names
    try:
        frame = json_lines(Path("stdin"), io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig"), needed, optional)
    except UnicodeDecodeError:
        raise InputError("standard input should be UTF-8, found other bytes") from None
    if frame.empty:
        raise InputError(f"standard input should be objects with {', '.join(optional)}, one a line; found none")
    frame["_where"] = [f"stdin:{number}" for number in range(1, len(frame) + 1)]
    return frame


def _rendered(source: str, frame: pd.DataFrame, name: str, template: str | None, faults: list[str]) -> list[str] | None:
    """Return the texts of a template, None without one; what is wrong with them is added to ``faults``."""
    if template is None:
        return None
    texts, bad = rendered(template, frame)
    faults += [f"{source}: {fault.format(name)} at {listed(frame.loc[rows, '_where'])}" for fault, rows in bad.items() if rows.any()]
    return list(texts)


def _name(data: Path) -> str:
    """Return how messages name the data."""
    return "standard input" if data == STDIN else str(data)
