"""csv, tsv, jsonl, json and parquet, read strictly and as they are: no guessing of types, quotes or missing values."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.source import FORMATS, Source

SPLIT_NAMES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test",
}  # fmt: skip


def read(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of all files of ``source``, with ``_split`` (or None) and ``_where`` (file:row).

    Raises:
        InputError: no file, an empty file, a ragged row, bytes that are not UTF-8, a damaged file, missing columns.
    """
    parts, faults = [], []
    for split, file in files(Path(str(source.path))):
        try:
            frame = _read_file(file, columns)
        except InputError as error:
            faults += error.faults
            continue
        parts.append(frame.assign(_split=split))
    if faults:
        raise InputError(f"task {source.name}: {fault}" for fault in faults)
    return pd.concat(parts, ignore_index=True)


def files(path: Path) -> list[tuple[str | None, Path]]:
    """Return (published split or None, file) of a file, a folder, or a common beginning of files per split."""
    if path.is_file():
        return [(None, path)]
    if path.is_dir():
        found = [f for f in sorted(path.iterdir()) if f.suffix[1:] in FORMATS and f.stem.lower() in SPLIT_NAMES]
        named = [(SPLIT_NAMES[f.stem.lower()], f) for f in found]
    else:
        found = [f for f in sorted(path.parent.glob(path.name + "*")) if f.suffix[1:] in FORMATS]
        named = [
            (SPLIT_NAMES[end], f)
            for f in found
            if (end := f.stem.lower().removeprefix(path.name.lower()).lstrip("_-.")) in SPLIT_NAMES
        ]
    if not named:
        kinds = ", ".join(f".{f}" for f in FORMATS)
        raise InputError(f"{path}: there should be a file, or a folder with train, validation and test files ({kinds}); found none")
    splits = [split for split, _ in named]
    if twice := sorted({split for split in splits if splits.count(split) > 1}):
        raise InputError(f"{path}: two files for the split {', '.join(twice)}; keep one of each")
    return sorted(named, key=lambda pair: ("train", "validation", "test").index(pair[0]))  # type: ignore[return-value]


def _read_file(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of one file and ``_where``."""
    if file.stat().st_size == 0:
        raise InputError(f"{file}: the file is empty")
    kind = file.suffix[1:].lower()
    if kind == "parquet":
        frame = _parquet(file, columns)
    elif kind in ("csv", "tsv"):
        frame = _delimited(file, columns, "," if kind == "csv" else "\t")
    elif kind in ("jsonl", "json"):
        frame = _json(file, columns, lines=kind == "jsonl")
    else:
        raise InputError(f"{file}: unknown format '.{kind}'. Known: {', '.join(FORMATS)}")
    if frame.empty:
        raise InputError(f"{file}: there should be rows, found none")
    frame["_where"] = [f"{file.stem}:{number}" for number in range(1, len(frame) + 1)]
    return frame


def _lacking(file: Path, wanted: Iterable[str], found: Sequence[str]) -> None:
    """Raise InputError where wanted columns are not among those found."""
    from cotrain.choose import unknown

    if faults := [f"{file}: {unknown('column', column, found)}" for column in wanted if column not in found]:
        raise InputError(faults)


def _parquet(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a parquet file; nested columns are kept as they are and refused later where they are labels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _lacking(file, columns, pq.read_schema(file).names)
        table = pq.read_table(file, columns=list(columns))
    except (pa.ArrowInvalid, OSError):
        raise InputError(f"{file}: cannot be read as parquet; the file is damaged or cut short") from None
    return table.to_pandas()


def _delimited(file: Path, columns: Sequence[str], delimiter: str) -> pd.DataFrame:
    """Read csv or tsv as strings; every row must have as many fields as the header."""
    faults: list[str] = []
    rows: list[list[str]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            header = next(reader)
            _lacking(file, columns, header)
            wanted = [header.index(column) for column in columns]
            for number, row in enumerate(reader, 1):
                if len(row) != len(header):
                    faults.append(f"{file}: row {number} (line {reader.line_num}) has {len(row)} fields, the header {len(header)}")
                    continue
                rows.append([row[k] for k in wanted])
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: should be UTF-8, found another encoding at byte {error.start}; convert the file") from None
    except csv.Error:
        raise InputError(f"{file}: a quote is not closed at row {len(rows) + 1}; write the file with a csv library") from None
    if faults:
        raise InputError(_few(faults))
    return pd.DataFrame(rows, columns=list(columns), dtype=object)


def _json(file: Path, columns: Sequence[str], lines: bool) -> pd.DataFrame:
    """Read one object per line, or a list of objects, column by column so that a million rows stay small."""
    values: dict[str, list[Any]] = {column: [] for column in columns}
    faults: list[str] = []

    def take(number: int, item: Any) -> None:
        if not isinstance(item, dict):
            faults.append(f"{file}: row {number} should be an object, found {type(item).__name__}")
        elif lacking := [column for column in columns if column not in item]:
            faults.append(f"{file}: row {number} lacks {', '.join(lacking)}")
        else:
            for column in columns:
                values[column].append(item[column])

    try:
        with file.open(encoding="utf-8-sig") as text:
            if lines:
                for number, line in enumerate(text, 1):
                    if line.strip():
                        take(number, _parse(file, line, number))
            else:
                items = _parse(file, text.read(), 1)
                if not isinstance(items, list):
                    raise InputError(f"{file}: should be a list of objects, found {type(items).__name__}")
                for number, item in enumerate(items, 1):
                    take(number, item)
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: should be UTF-8, found another encoding at byte {error.start}; convert the file") from None
    if faults:
        raise InputError(_few(faults))
    return pd.DataFrame({column: pd.Series(items, dtype=object) for column, items in values.items()})


def _parse(file: Path, text: str, number: int) -> Any:
    """Parse JSON; the library's message quotes the text, so it is replaced."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{file}: row {number} is not JSON (character {error.pos})") from None


def _few(faults: list[str], most: int = 10) -> list[str]:
    """Return the first faults and how many more there are."""
    return faults if len(faults) <= most else [*faults[:most], f"… and {len(faults) - most} more rows of this kind"]
