"""Every example in a docstring of the package is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import cotrain

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(cotrain.__path__, "cotrain.")
    if not found.name.endswith("__main__") and ">>>" in Path(str(importlib.util.find_spec(found.name).origin)).read_text()  # type: ignore[union-attr]
)


def test_there_are_examples() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_module_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
