"""docs/methods.md has a section for every method, and its table is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cotrain.affinity import METHODS
from cotrain.affinity.method import TRAINED, named

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")


def rows(heading: str, after: int = 0) -> dict[str, list[str]]:
    """Return the cells of the first table ``after`` a place that begins with a heading, by the first of them."""
    table = PAGE[PAGE.index(f"| {heading} |", after) :].split("\n\n")[0]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]
    return {cells[0].strip(" `"): [cell.strip(" `") for cell in cells[1:]] for cells in lines}


def test_every_method_has_its_line_and_its_section() -> None:
    table = rows("method")
    assert set(table) == set(METHODS)
    for name, (_, sees, directed, least, fits) in table.items():
        method = named(name)
        assert (sees, directed == "yes", int(least)) == (method.sees, method.directed, method.least), name
        beyond = [group for group in method.groups("abcdef", method.options) if len(group.tasks) > 1]
        assert (fits == "0") == (not beyond), name
        assert f"\n## {name}\n" in PAGE, name


@pytest.mark.parametrize("method", ["surrogate", "gradients"])
def test_options_are_those_of_the_code_with_their_defaults(method: str) -> None:
    own = {key: value for key, value in named(method).options.items() if key not in TRAINED}
    assert {key: cells[0] for key, cells in rows("option", PAGE.index(f"## {method}")).items()} == {
        key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in own.items()
    }
