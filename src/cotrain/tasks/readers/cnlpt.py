"""Folders of ``cnlp-transformers``: train, dev and test as csv, tsv or json, where every column but the text is a task."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.placement import names_only
from cotrain.tasks.readers.tabular import files, lacking, parse, read_file
from cotrain.tasks.rendering import listed, missing
from cotrain.tasks.source import Source
from cotrain.tasks.task import wrong_name

NONE = "__None__"
"""The label of a row that is no example of a task."""
RESERVED = ("id", "text", "text_a", "text_b")
NAMES = {"negation": {"-1": "not_negated", "1": "negated"}, "uncertainty": {"-1": "not_uncertain", "1": "uncertain"}}
"""Columns (whatever their case) whose labels are numbers: 1 is present. Elsewhere a label is its own name."""


def whole(source: Source) -> Source:
    """Return a source with the columns that it does not name: ``text_a`` and ``text_b``, and every task of the folder.

    Where the metadata of a json file name its tasks, its other columns are none.

    Raises:
        InputError: no files, a file that cannot be read, no task, a column that cannot be the name of one.
    """
    if (source.label or source.labels) and not Path(str(source.path)).exists():
        return source  # as other formats: a study can be read where its data are not
    found = _columns(source)
    if source.text == "text" and "text" not in found and "text_a" in found:
        source = replace(source, text="text_a", pair=source.pair or ("text_b" if "text_b" in found else None))
    if source.label or source.labels:
        return source
    used = {*RESERVED, source.id, source.group, source.split_column}
    tasks = dict.fromkeys(column for _, file in files(Path(str(source.path)), source.name) for column in _tasks(file))
    labels = tuple(column for column in tasks if column not in used)
    if not labels:
        raise InputError(f"{source.place}: there should be columns of labels besides {', '.join(RESERVED)}; found none")
    if not names_only(labels):
        raise InputError(
            f"{source.place}: there should be a header that names tasks; found {len(labels)} values that look like no names and are not "
            "shown. Is the first line the header?"
        )
    if faults := [fault for column in labels if (fault := wrong_name(f"{source.name}.{column}"))]:
        raise InputError(faults)
    return replace(source, labels=labels)


def read(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of all files, with ``_split`` and ``_where``; a label ``__None__`` is a missing one.

    Raises:
        InputError: what csv, tsv and json are refused for; an empty label; an output mode that is not classification.
    """
    labels = tuple(label for label in source.tasks.values() if label in columns)  # rows to be predicted have none
    parts, faults, seen = list[pd.DataFrame](), list[str](), dict[str, None]()
    for split, file in files(Path(str(source.path)), source.name):
        try:
            frame = read_file(file, [c for c in columns if c not in labels], labels, named="cnlpt").assign(_split=split)
            faults += [
                f"{source.place}: {label} has the output mode {mode}; only classification can be trained: name the other tasks with "
                "labels: [...]"
                for label, mode in _modes(file).items()
                if label in labels and mode.lower() != "classification"
            ]
        except InputError as error:
            faults += [f"task {source.name}: {fault}" for fault in error.faults]
            continue
        seen |= dict.fromkeys(frame.columns)
        for label in (label for label in labels if label in frame.columns):
            values = frame[label]
            if other := [type(value).__name__ for value in values if not isinstance(value, (str, type(None)))]:
                faults.append(f"{file}: labels of {label} should be strings, found {other[0]}; tagging and regression are not supported")
            elif source.missing_label == "error" and len(empty := frame.loc[missing(values), "_where"]):
                faults.append(
                    f"{file}: {label} is empty at {listed(empty)}; write {NONE} where a row is no example, or set missing_label: skip"
                )
        parts.append(frame)
    if faults:
        raise InputError(faults)
    if not seen.keys() >= set(columns):
        lacking(source.place, columns, _columns(source), first_line=True)
    table = pd.concat(parts, ignore_index=True)
    for label in labels:
        table[label] = _named(label, table[label])
    return table


def _named(column: str, values: pd.Series) -> pd.Series:
    """Return labels as a categorical of their names, missing where the row is no example."""
    there = values.where(~(missing(values) | (values == NONE)), None)
    known = NAMES.get(column.lower(), {})
    if set(there.dropna()) <= known.keys():
        return pd.Series(pd.Categorical(there.map(known, na_action="ignore"), categories=list(known.values())))
    return pd.Series(pd.Categorical(there, categories=sorted(set(there.dropna()))))


def _columns(source: Source) -> list[str]:
    """Return the columns of all files of a source."""
    return list(dict.fromkeys(column for _, file in files(Path(str(source.path)), source.name) for column in _header(file)))


def _header(file: Path) -> list[str]:
    """Return the columns of a file."""
    if file.suffix.lower() == ".json":
        items = _json(file).get("data")
        return list(dict.fromkeys(key for item in items if isinstance(item, dict) for key in item)) if isinstance(items, list) else []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return next(csv.reader(lines, delimiter="\t" if file.suffix.lower() == ".tsv" else ","), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError(f"{file}: should be a file of columns in UTF-8; its first line cannot be read") from None


def _tasks(file: Path) -> list[str]:
    """Return the columns of a file that can be tasks."""
    named = _modes(file) if file.suffix.lower() == ".json" else {}
    return [column for column in _header(file) if not named or column in named]


def _json(file: Path) -> Mapping[str, Any]:
    """Return the object of a JSON file."""
    try:
        found = parse(file, file.read_text(encoding="utf-8-sig"), 1)
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file}: should be JSON in UTF-8; it cannot be read") from None
    if isinstance(found, InputError):
        raise found
    return found if isinstance(found, dict) else {}


def _modes(file: Path) -> dict[str, str]:
    """Return the output modes of the tasks that the metadata name, of the file or beside it."""
    beside = file.with_name("metadata.json")
    said = _json(file).get("metadata") if file.suffix.lower() == ".json" else None
    if said is None and beside.is_file():
        said = _json(beside)
    tasks = said.get("subtasks") if isinstance(said, dict) else None
    return {str(one.get("task_name")): str(one.get("output_mode")) for one in tasks or () if isinstance(one, dict)}
