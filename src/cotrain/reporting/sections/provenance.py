"""Provenance: what would be needed to get the same numbers again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cotrain.reporting.content import Block, Cell, Section, Table, Text, row
from cotrain.reporting.tables import RunTables, outside


def section(run: RunTables) -> Section | None:
    """Return versions, hashes, device and command, and the resolved study file."""
    looks = run.looks_at_test
    times = {0: "never", 1: "once", 2: "twice"}.get(looks, f"{looks} times")
    blocks: list[Block] = [Text(f"Test was looked at {times}.")]
    if run.provenance:
        blocks.append(_table(run.provenance, "Where the numbers come from"))
    if run.spec and not outside(run):  # of scores from outside it is defaults that nothing used
        blocks.append(_table(run.spec, "The resolved study file"))
    return Section("provenance", "Provenance", tuple(blocks))


def _table(values: Mapping[str, Any], caption: str) -> Table:
    """Return nested plain values as two columns."""
    return Table(("what", "value"), tuple(row(Cell(key, "strong"), value) for key, value in flat(values)), caption)


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield ``training.epochs``, ``10`` for nested mappings; lists on one line."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, "none" if value in (None, "") else str(value)
