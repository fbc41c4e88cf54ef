"""A report that may leave the place of its data: no small counts, no paths, no names of machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from cotrain.reporting.content import Cell, Table
from cotrain.reporting.tables import RunTables

LEAST = 11
"""Counts below it are not told, as few rows can be few patients: the least that the United States' CMS lets be published."""
_FEWER = f"<{LEAST}"
_SMALL = r"(?:[1-9]|10)"
_COUNTS = re.compile(r"#(?:rows|train|dev|test|clusters|rarest|answers|without|shared texts|shared context)\b(?!.*\[)")
_COUNTED = r"(?:held-out |dev )?(?:rows?|texts?|clusters?|contexts?|documents?|entities|faults|answers)\b"
_TOLD = re.compile(rf"(?<![\w.,:]){_SMALL}(?= {_COUNTED})|(?<=\(){_SMALL}(?=\))")
_PATH = re.compile(r"(?<![\w/:.])(?:[A-Za-z]:|~\w*|file://|\w[\w.-]*:)?(?:[/\\][^\s/\\,;'\"<>]+)*[/\\]([^\s/\\,;'\"<>]+)")
_ROOTED = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|file://")
_PLACES = ("path", "texts", "root", "shared_fits", "command", "host")


def unlocated(run: RunTables) -> RunTables:
    """Return what a report is made of without names of places and machines; of a path the last part is left."""
    asked = {name: {**facts, "address": facts["address"] and "a server"} for name, facts in run.prompted.items()}
    sent = {name: {**facts, "sent": {t: {**one, "to": ["a server"]} for t, one in facts["sent"].items()}} for name, facts in asked.items()}
    return replace(run, spec=_plain(run.spec), provenance=_plain(run.provenance), prompted=sent)


def _plain(value: Any) -> Any:
    """Return plain values without keys that name places, and without paths."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key not in _PLACES}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if not isinstance(value, str):
        return value
    # a whole value that is a path may have blanks
    return re.split(r"[/\\]", value.rstrip("/\\"))[-1] if _ROOTED.match(value) else _PATH.sub(r"\1", value)


def suppressed(content: Any) -> Any:
    """Return a section, a first screen, or any part of one, with counts below ``LEAST`` as ``<11`` and without paths."""
    if isinstance(content, Table):
        few = [bool(_COUNTS.match(column)) for column in content.columns]
        rows = tuple(tuple(_cell(cell, count) for cell, count in zip(line, few, strict=True)) for line in content.rows)
        return replace(content, rows=rows, caption=suppressed(content.caption), note=suppressed(content.note))
    if isinstance(content, str):
        return _TOLD.sub(_FEWER, _PATH.sub(r"\1", content))
    if isinstance(content, tuple) and not hasattr(content, "_fields"):
        return tuple(map(suppressed, content))
    if is_dataclass(content) and not isinstance(content, type):
        return replace(content, **{f.name: suppressed(getattr(content, f.name)) for f in fields(content)})
    return content


def _cell(cell: Cell, count: bool) -> Cell:
    """Return a cell, suppressed where it is a small count."""
    return cell._replace(text=_FEWER if count and re.fullmatch(_SMALL, cell.text) else suppressed(cell.text))
