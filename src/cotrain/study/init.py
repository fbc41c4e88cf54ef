"""``init``: a study file for a folder of data, with what was guessed and why as comments."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain.errors import InputError
from cotrain.study.guesses import LABELS, TEXTS, Guess, guess
from cotrain.study.study import INDEX, PLACEMENT
from cotrain.tasks.readers import hub, tabular
from cotrain.tasks.rendering import is_unicode
from cotrain.tasks.source import FORMATS, SPLIT_NAMES, Source
from cotrain.tasks.task import wrong_name

_HEAD = """\
# Guessed by cotrain init from the files of a folder: read the comments, mend what is wrong, then: cotrain check
model: roberta-base             # a Hub id or a local folder of any pretrained encoder
preset: default                 # fast: a first look; paper: as the paper did it
goal: fewer                     # fewer: fewer models without harm; better: higher scores
tasks:
"""
_TAIL = re.compile(r"^(.+)[_.-]([A-Za-z]+)$")
_SHARD = re.compile(r"^([A-Za-z]+)-\d+-of-\d+\.parquet$")
_COLUMN, _LONG = 32, 60
_DEEPEST = 3


def init(folder: Path, beside: Path | None = None) -> str:
    """Return a study file for the csv, tsv, jsonl, json and parquet files of a folder; it has no value of a text.

    Args:
        beside: the folder that the study file will be in; default: ``folder``.

    Raises:
        InputError: no folder, or nothing in it that looks like labelled texts, with the reason for each file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there should be a folder of data, found none")
    entries: dict[str, list[str]] = {}
    left_out = []
    for name, path in _units(folder):
        if not is_unicode(str(path)):
            left_out.append(f"{os.fsencode(path).decode(errors='replace')}: its name is not UTF-8; rename it")
            continue
        try:
            table = _read(name, path)
            found = guess(table)
        except InputError as error:
            left_out += [re.sub(r"^task .+?: ", "", fault) for fault in error.faults]
            continue
        unique = name
        while unique in entries:
            unique += "_"
        key = "hub" if path.is_dir() and _shards(path) else "path"
        entries[unique] = _entry(unique, key, os.path.relpath(path, beside or folder), found, table)
    if not entries:
        kinds = ", ".join(f".{kind}" for kind in FORMATS)
        raise InputError([f"{folder}: there should be data ({kinds}) with a text and a label, found none", *left_out])
    comments = [f"# left out: {_line(words)}" for words in left_out]
    return _HEAD + "\n".join([line for lines in entries.values() for line in lines] + comments) + "\n"


def _units(folder: Path, depth: int = 0) -> Iterator[tuple[str, Path]]:
    """Yield (task name, path) of each file, set of files, or folder that is one task."""
    if (folder / INDEX).is_file() or (folder / PLACEMENT).is_file():
        return  # the folder of a run
    there = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    data = [path for path in there if path.is_file() and path.suffix[1:].lower() in FORMATS]
    if any(SPLIT_NAMES.get(path.stem.lower()) == "train" for path in data) or _shards(folder):
        yield _name(folder.absolute().name), folder
        return
    tails = {path: match for path in data if (match := _TAIL.match(path.stem)) and match[2].lower() in SPLIT_NAMES}
    common = {match[1] for match in tails.values() if SPLIT_NAMES[match[2].lower()] == "train"}
    for stem in sorted(common):
        yield _name(stem), folder / stem
    for path in data:
        if path not in tails or tails[path][1] not in common:
            yield _name(path.stem), path
    for path in there:
        if path.is_dir() and depth < _DEEPEST:
            yield from _units(path, depth + 1)


def _shards(folder: Path) -> list[Path]:
    """Return the files of a folder as the Hub names them, such as ``train-00000-of-00002.parquet``; none where none is of train."""
    found = {path: match[1].lower() for path in sorted(folder.iterdir()) if (match := _SHARD.match(path.name))}
    return list(found) if "train" in map(SPLIT_NAMES.get, found.values()) else []


def _name(stem: str) -> str:
    """Return the name of a task."""
    name = re.sub(r"[^\w.-]+", "_", stem).strip(" .-_") or "task"
    return f"{name}_" if wrong_name(name) else name


def _read(name: str, path: Path) -> pd.DataFrame:
    """Return all columns of all files of a task."""
    if shards := _shards(path) if path.is_dir() else []:
        return hub.read(Source(name, hub=str(path)), _columns(shards[0]))
    files = [file for _, file in tabular.files(path, name)]
    columns = [c for c in _columns(files[0]) if c]  # pandas writes its index without a name
    strange = [c for c in columns if not _is_name(c)]
    if not strange and files[0].suffix[1:].lower() in ("csv", "tsv") and not _known(columns):
        strange = [c for c in columns if " " in c]  # a few words that nobody knows as a column may be a text
    if strange:
        raise InputError(f"{path}: the first line should name the columns; {len(strange)} of {len(columns)} do not look like names")
    for file in files[1:]:
        there = _columns(file)
        if gone := [c for c in columns if c.lower() in LABELS and there and c not in there]:
            raise InputError(f"{file}: lacks the column {gone[0]}, which {files[0].name} has; remove the file or add the labels")
        if there and not set(columns) & set(there):
            raise InputError(f"{file}: has no column of {files[0].name}; do both name their columns in the first line?")
        columns = [c for c in columns if c in there] or columns  # not every split has every column
    return tabular.read(Source(name, path=str(path)), columns)


def _known(columns: Iterable[str]) -> bool:
    """Whether a word of a name is one that texts or labels are often called by."""
    return any(word in (*TEXTS, *LABELS) for column in columns for word in re.findall(r"[a-z_\d]+", column.lower()))


def _is_name(column: str) -> bool:
    """Whether the head of a column can be a name: no number, no sentence."""
    words = column.split()
    return 0 < len(words) <= 4 and len(column) <= 60 and column[-1] not in ".?!" and not re.fullmatch(r"[-+\d.]+", column)


def _columns(file: Path) -> list[str]:
    """Return the names of the columns of a file; none where it cannot be read, which the reader then explains."""
    kind = file.suffix[1:].lower()
    try:
        if kind == "parquet":
            import pyarrow.parquet as pq

            return [str(name) for name in pq.read_schema(file).names]
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            if kind in ("csv", "tsv"):
                return list(dict.fromkeys(next(csv.reader(lines, delimiter="," if kind == "csv" else "\t"), [])))
            rows = json.load(lines) if kind == "json" else [json.loads(line) for line, _ in zip(lines, range(1000), strict=False)]
            return [str(key) for key in dict.fromkeys(key for row in rows for key in row)]
    except (OSError, ValueError, TypeError, csv.Error, RecursionError):
        return []


def _entry(name: str, key: str, path: str, found: Guess, table: pd.DataFrame) -> list[str]:
    """Return the lines of one task."""
    splits = table["_split"].fillna("rows").value_counts(sort=False)
    counts = ", ".join(f"{split} {n:,}" if split != "rows" else f"{n:,} rows" for split, n in splits.items())
    lines = [f"  {_scalar(name)}:", *_commented(f"    {key}: {_scalar(path)}", counts)]
    for guessed, value in found.entry.items():
        lines += _commented(f"    {guessed}: {_value(value)}", found.why.get(guessed, ""))
    if words := found.why.get("missing_label"):
        lines += _commented("    # missing_label: skip", words)
    if words := found.why.get(""):
        lines.append(f"    # {_line(words)}")
    return lines


def _commented(line: str, words: str) -> list[str]:
    """Return a line with a comment behind it, or before it where the line is long."""
    words = f"# {_line(words)}" if words else ""
    return [f"    {words}", line] if words and len(line) > _LONG else [f"{line:<{_COLUMN - 1}} {words}".rstrip()]


def _line(words: str) -> str:
    """Return words on one line."""
    return " ".join(words.split())


def _value(value: Any) -> str:
    """Return a value in YAML, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    """Return a text in YAML, in quotes where it could be read as anything else."""
    plain = re.fullmatch(r"[A-Za-z_][\w./-]*", text) and text.lower() not in ("null", "yes", "no", "true", "false", "on", "off", "y", "n")
    return text if plain else json.dumps(text, ensure_ascii=False)
