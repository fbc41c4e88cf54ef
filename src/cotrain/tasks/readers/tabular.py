"""csv, tsv, jsonl, json and parquet, read strictly and as they are: no guessing of types, quotes or missing values."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.tasks.placement import names_only
from cotrain.tasks.source import FORMATS, SPLIT_NAMES, Source

_ORDER = ("train", "validation", "test")
_KINDS = ", ".join(f".{f}" for f in FORMATS)


def read(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of all files of ``source``, with ``_split`` (or None) and ``_where`` (file:row).

    Raises:
        InputError: no file, an empty file, a ragged row, bytes that are not UTF-8, a damaged file, missing columns.
    """
    parts, faults = [], []
    for split, file in files(Path(str(source.path)), source.name):
        try:
            parts.append(read_file(file, columns, named=source.format).assign(_split=split))
        except InputError as error:
            faults += [f"task {source.name}: {fault}" for fault in error.faults]
    if faults:
        raise InputError(faults)
    return pd.concat(parts, ignore_index=True)


def files(path: Path, name: str) -> list[tuple[str | None, Path]]:
    """Return (published split or None, file) of a file, a folder, or a common beginning of files.

    ``data/cb`` is data/cb/train.csv and so on, or data/cb_train.csv and so on, or data/cb.csv.

    Raises:
        InputError: nothing there, several files for one split, a file of all rows beside files of splits.
    """
    if path.is_file():
        return [(None, path)]
    if path.is_dir():
        there = [f for f in sorted(path.iterdir()) if f.is_file()]
        named = [(f.stem.lower(), f) for f in there if _kind(f) in FORMATS]
    elif path.parent.is_dir():
        there = [f for f in sorted(path.parent.iterdir()) if f.is_file() and f.name.startswith(path.name)]
        named = [(f.stem.removeprefix(path.name).lower(), f) for f in there if _kind(f) in FORMATS]
        named = [(rest[1:] if rest[:1] in ("_", "-", ".") else rest and f"…{rest}", f) for rest, f in named]
    else:
        there, named = [], []
    found = [(SPLIT_NAMES.get(rest), f) for rest, f in named if rest in SPLIT_NAMES or (rest == "" and not path.is_dir())]
    if not found:
        seen = f"found only {', '.join(f.name for f in there[:5])}" if there else "found nothing"
        raise InputError(f"task {name}: {path} should be a file, or a folder with train, validation and test files ({_KINDS}); {seen}")
    splits = [split for split, _ in found]
    if splits.count(None) > 1:
        raise InputError(f"task {name}: {path} begins the names of {len(splits)} files ({', '.join(f.name for _, f in found)}); name one")
    if twice := sorted({str(split) for split in splits if splits.count(split) > 1}):
        raise InputError(f"task {name}: {path} has two files for the split {', '.join(twice)}; keep one of each, or name a file")
    if None in splits and len(splits) > 1:
        raise InputError(f"task {name}: {path} is both one file and files per split ({', '.join(f.name for _, f in found)}); name one")
    return sorted(found, key=lambda pair: _ORDER.index(pair[0]) if pair[0] else 0)


def _kind(file: Path) -> str:
    """Return the ending of a file without its dot."""
    return file.suffix[1:].lower()


def read_file(file: Path, columns: Sequence[str], optional: Sequence[str] = (), named: str = "tabular") -> pd.DataFrame:
    """Return the wanted columns of one file, those of ``optional`` that it has, and ``_where``; ``named`` is a format besides its ending.

    Raises:
        InputError: as :func:`read`.
    """
    kind = named if named in FORMATS else _kind(file)
    if kind not in FORMATS:
        raise InputError(f"{file}: {unknown('format', kind, FORMATS)}")
    try:
        if file.stat().st_size == 0:
            raise InputError(f"{file}: the file is empty; it should have rows")
        if kind == "parquet":
            frame = _parquet(file, columns, optional)
        elif kind in ("csv", "tsv"):
            frame = _delimited(file, columns, optional, "," if kind == "csv" else "\t")
        elif kind == "jsonl":
            frame = _json_lines(file, columns, optional)
        else:
            frame = _json_list(file, columns, optional, "data" if named == "cnlpt" else None)
    except UnicodeDecodeError:
        raise InputError(f"{file}: should be UTF-8, found other bytes in line {first_bad_line(file)}; convert the file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({type(error).__name__})") from None
    if frame.empty:
        raise InputError(f"{file}: there should be rows, found none")
    stem = file.stem
    frame["_where"] = pd.Series([f"{stem}:{number}" for number in range(1, len(frame) + 1)], dtype=object)
    return frame


def lacking(place: object, wanted: Sequence[str], found: Iterable[str], first_line: bool = False) -> None:
    """Raise InputError, with the nearest names, where wanted columns are not among those found; never with values for names.

    Args:
        first_line: what is found is the first line of a file, which is an example where the file has no header.
    """
    there = [str(column) for column in found]
    gone = [column for column in wanted if column not in there]
    if gone and not (any(there) and names_only(there) and not (first_line and len(gone) == len(wanted))):
        what = f"found {len(there)} values that may be those of a row and are not shown" if any(there) else "found none"
        raise InputError(f"{place}: there should be a header, with {', '.join(gone)}; {what}. Is the first line the header?")
    if gone:
        raise InputError(f"{place}: {unknown('column', column, there)}" for column in gone)
    if twice := sorted({column for column in wanted if there.count(column) > 1}):
        raise InputError(f"{place}: the columns {', '.join(twice)} are there twice; rename one of each")


def _there(file: Path, columns: Sequence[str], optional: Sequence[str], found: Iterable[str], first_line: bool = False) -> list[str]:
    """Return the columns that are read of those found: all wanted ones, or InputError, and the optional ones that are there."""
    header = list(found)
    there = [*columns, *(column for column in optional if column in header)]
    lacking(file, there, header, first_line)
    return there


def _parquet(file: Path, columns: Sequence[str], optional: Sequence[str]) -> pd.DataFrame:
    """Read a parquet file; nested columns are kept as they are and refused later where they are texts or labels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            wanted = _there(file, columns, optional, opened.schema_arrow.names)
            table = opened.read(columns=wanted)
    except (pa.ArrowException, OSError):
        raise InputError(f"{file}: should be a parquet file; it is damaged, cut short, or of another format") from None
    # integers beside missing values stay integers
    return table.to_pandas(integer_object_nulls=True, ignore_metadata=True).astype(object)[wanted]


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let csv fields be longer than 128 KiB: a clinical note is."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _delimited(file: Path, columns: Sequence[str], optional: Sequence[str], delimiter: str) -> pd.DataFrame:
    """Read csv or tsv as strings, quoted as RFC 4180 says; every row must have as many fields as the header."""
    faults: list[str] = []
    values: dict[str, list[str]] = {}
    number = 0
    try:
        with _long_fields(), file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            header = next(reader, [])
            values = {column: [] for column in _there(file, columns, optional, header, first_line=True)}
            wanted = [header.index(column) for column in values]
            for row in reader:
                if not row:
                    continue  # a blank line
                number += 1
                if len(row) != len(header):
                    faults.append(
                        f"{file}: row {number} (line {reader.line_num}) should have {len(header)} fields as the header, "
                        f"found {len(row)}; quote fields that hold a delimiter"
                    )
                    continue
                for items, k in zip(values.values(), wanted, strict=True):
                    items.append(row[k])
    except csv.Error:
        raise InputError(
            f"{file}: the quotes of row {number + 1} are not closed or not doubled; write the file with a csv library"
        ) from None
    if faults:
        raise InputError(_few(faults))
    return pd.DataFrame({column: pd.Series(items, dtype=object) for column, items in values.items()})


def _json_lines(file: Path, columns: Sequence[str], optional: Sequence[str]) -> pd.DataFrame:
    """Read one object per line, one line at a time, so that a million rows stay small."""
    with file.open(encoding="utf-8-sig") as lines:
        return json_lines(file, lines, columns, optional)


def json_lines(place: Path, lines: Iterable[str], columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Return the wanted columns of objects that stand one per line, as :func:`read_file`, without ``_where``."""
    return _objects(place, columns, optional, (parse(place, line, n) for n, line in enumerate(lines, 1) if line.strip()))


def _json_list(file: Path, columns: Sequence[str], optional: Sequence[str], under: str | None) -> pd.DataFrame:
    """Read a list of objects; ``under`` is the key that holds it, where it is no list itself."""
    items = parse(file, file.read_text(encoding="utf-8-sig"), 1)
    if isinstance(items, InputError):
        raise items from None
    if under is not None:
        items = items.get(under) if isinstance(items, dict) else None
    if not isinstance(items, list):
        where = f"have a list of objects under {under}" if under else "be a list of objects"
        raise InputError(f"{file}: should {where}, found {_named(items)}; one object per line is .jsonl")
    return _objects(file, columns, optional, items)


def _objects(file: Path, columns: Sequence[str], optional: Sequence[str], items: Iterable[Any]) -> pd.DataFrame:
    """Return the columns of objects; a key that an object lacks is a missing value, one that all lack an error."""
    values: dict[str, list[Any]] = {column: [] for column in (*columns, *optional)}
    seen: dict[str, None] = {}
    faults: list[str] = []
    for number, item in enumerate(items, 1):
        if isinstance(item, InputError):
            faults += item.faults
        elif not isinstance(item, dict):
            faults.append(f"{file}: row {number} should be an object, found {_named(item)}")
        else:
            seen.update(dict.fromkeys(item))
            for column, kept in values.items():
                kept.append(item.get(column))
    if faults:
        raise InputError(_few(faults))
    wanted = _there(file, columns, optional, seen) if seen else columns
    return pd.DataFrame({column: pd.Series(values[column], dtype=object) for column in wanted})


def parse(file: Path, text: str, line: int) -> Any:
    """Return parsed JSON, or an InputError as a value; the library's message quotes the text, so it is replaced."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        fault = InputError(f"{file}: line {line + error.lineno - 1} is not JSON (character {error.colno})")
    except ValueError:
        fault = InputError(f"{file}: line {line} has a number of too many digits")
    except RecursionError:
        fault = InputError(f"{file}: line {line} is nested too deeply")
    return fault


def _named(value: Any) -> str:
    """Return the JSON name of a value's type."""
    names = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}
    return names.get(type(value), "null")


def first_bad_line(file: Path) -> int:
    """Return the first line that is not UTF-8; the decoder knows only bytes of its own buffer."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def _few(faults: list[str], most: int = 10) -> list[str]:
    """Return the first faults and how many more there are."""
    return faults if len(faults) <= most else [*faults[:most], f"… and {len(faults) - most} more rows of this kind"]
