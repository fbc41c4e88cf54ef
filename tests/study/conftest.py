"""Study files made in the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotrain.errors import InputError
from cotrain.study.presets import Resolved
from cotrain.study.spec import read

SMALL = """\
model: some/encoder
tasks:
  cb: {path: data/cb, text: premise, pair: hypothesis}
  rte: {hub: nyu-mll/glue, config: rte, text: sentence1, pair: sentence2}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a study file; by default a small one, ``more`` below it."""

    def make(more: str = "", text: str = SMALL, name: str = "demo/study.yaml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + more)
        return file

    return make


@pytest.fixture
def resolved(write: Callable[..., Path]) -> Callable[..., Resolved]:
    """Read a study file."""

    def make(more: str = "", *sets: str, text: str = SMALL, **options: Any) -> Resolved:
        return read(write(more, text), sets, **options)

    return make


@pytest.fixture
def faults(write: Callable[..., Path]) -> Callable[..., list[str]]:
    """Read a study file that is at fault, and return its faults without the folder; no library's error is chained."""

    def make(more: str = "", *sets: str, text: str = SMALL, **options: Any) -> list[str]:
        file = write(more, text)
        with pytest.raises(InputError) as caught:
            read(file, sets, **options)
        assert caught.value.__cause__ is None and (caught.value.__context__ is None or caught.value.__suppress_context__)
        return [fault.replace(f"{file}", "study.yaml") for fault in caught.value.faults]

    return make
