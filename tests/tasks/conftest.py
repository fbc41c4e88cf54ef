"""Small files in every format, and the law that no message shows a text."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cotrain.errors import InputError

SECRET = "wombat"  # is in every text, and must be in no message
Row = dict[str, Any]


@pytest.fixture
def rows() -> Callable[..., list[Row]]:
    """Make n rows of texts that all differ, with labels in turn."""

    def make(n: int = 30, labels: Sequence[Any] = ("no", "yes"), start: int = 0) -> list[Row]:
        return [{"text": f"{SECRET} number {start + i}", "label": labels[i % len(labels)]} for i in range(n)]

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Sequence[Row]], Path]:
    """Write rows in the format of the file's ending."""

    def make(name: str, rows: Sequence[Row]) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        kind = file.suffix[1:]
        if kind == "parquet":
            pd.DataFrame(rows).to_parquet(file)
        elif kind == "json":
            file.write_text(json.dumps(rows))
        elif kind == "jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            with file.open("w", newline="") as out:
                writer = csv.DictWriter(out, list(rows[0]), delimiter="," if kind == "csv" else "\t")
                writer.writeheader()
                writer.writerows(rows)
        return file

    return make


@pytest.fixture
def refused() -> Callable[..., str]:
    """Call, expect an InputError, and return its message, which shows no text and no chained error."""

    def make(call: Callable[..., Any], *args: Any, **options: Any) -> str:
        with pytest.raises(InputError) as caught:
            call(*args, **options)
        error = caught.value
        assert SECRET not in str(error)
        assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__), "a library's message may quote texts"
        return str(error)

    return make
