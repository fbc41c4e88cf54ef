"""Ways to share: score against bytes and against passes of the encoder."""

from __future__ import annotations

from cotrain.reporting.content import Block, Bullets, Cell, Figure, Section, Table, row
from cotrain.reporting.tables import RunTables
from cotrain.reporting.ways import Way, ways
from cotrain.reporting.words import count, number

_MEGA = 1e6


def section(run: RunTables) -> Section | None:
    """Return the table and the figure of the ways to share, and which of them leaves the recommended plan behind."""
    found = ways(run)
    if not found:
        return None
    lines = [
        row(Cell(way.name, "strong"), way.what, number(way.difference, sign=True) if way.name != "alone" else "",
            ", ".join(f"{k} {word}" for word, k in way.verdicts.items()), _megabytes(way), count(way.passes), count(way.speed))
        for way in found
    ]  # fmt: skip
    columns = ("way", "what it is", "#mean difference, test", "verdicts", "#MB in memory", "#passes per text", "#texts per second")
    note = "Weights in float32. Passes of an encoder for the labels of all tasks of one text; texts per second measured on this machine."
    blocks: list[Block] = [
        Table(columns, tuple(lines), "Ways to share one encoder", note, "test"),
        Figure("ways", "Score against memory and against passes: to the left is cheaper, higher is better.",
               "Mean difference to alone of each way to share, against its bytes and its passes", "test"),
        Bullets(tuple(_judged(found))),
    ]  # fmt: skip
    return Section("ways", "Ways to share", tuple(blocks))


def _judged(found: list[Way]) -> list[str]:
    """Return which ways dominate the recommended plan, by their estimates."""
    best = next((way for way in found if way.name == "recommended"), None)
    better = [way for way in found[1:] if best is not None and way is not best and way.dominates(best)]
    if not better:
        return ["No other way dominates the recommended plan: none is as good in score, memory and passes without harm to a task."]
    return [
        f"{way.name} dominates the recommended plan by these estimates: a mean difference of {number(way.difference, sign=True)}, "
        f"{_megabytes(way)} MB, {count(way.passes)} passes, and no task harmed."
        for way in better
    ]


def _megabytes(way: Way) -> str:
    """Return the bytes of a way in MB, with a digit after the point where they are few."""
    return count(way.bytes / _MEGA) if way.bytes >= 10 * _MEGA else f"{way.bytes / _MEGA:.1f}"
