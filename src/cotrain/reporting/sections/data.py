"""Data: what the rows are, and what the check found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotrain.reporting.content import Block, Bullets, Cell, Section, Table, Text, row
from cotrain.reporting.distrust import FEW_CLUSTERS, FEW_OF_A_CLASS
from cotrain.reporting.tables import RunTables, outside, scored, sizes, tasks
from cotrain.reporting.words import MISSING, count, known, number, plural


def section(run: RunTables) -> Section | None:
    """Return sizes per task, warnings, what reading did to the rows, and what tasks share; from outside only what was scored."""
    if outside(run):
        told = Text("The scores were read from files; of the rows nothing is known but these numbers.")
        return Section("data", "Data", (told, _scored(run)))
    blocks: list[Block] = []
    warnings = tuple(str(sentence) for sentence in run.check.get("warnings", ()))
    blocks.append(Bullets(warnings) if warnings else Text("The check found nothing to warn of.", "quiet"))
    blocks.append(_sizes(run))
    if (facts := _facts(run)).rows:
        blocks.append(facts)
    if (shared := _shared(run)).rows:
        blocks.append(shared)
    return Section("data", "Data", tuple(blocks))


def _sizes(run: RunTables) -> Table:
    """Return rows, classes, clusters, lengths and the smallest δ that the rows can decide."""
    table, facts, lines = sizes(run), run.check.get("tasks", {}), []
    deltas = run.check.get("smallest_delta", {})
    for task in tasks(run):
        n = table.loc[task]
        tokens, share = facts.get(task, {}).get("tokens", {}), facts.get(task, {}).get("truncated_share")
        lines.append(row(
            Cell(task, "strong"), count(n["classes"]), count(n["train"]), count(n["dev"]), count(n["test"]),
            Cell(count(n["clusters"]), "warn" if n["clusters"] < FEW_CLUSTERS else ""),
            Cell(count(n["rarest"]), "warn" if n["rarest"] < FEW_OF_A_CLASS else ""),
            f"{count(tokens['median'])} / {count(tokens['p95'])}" if tokens else MISSING,
            f"{100 * share:.1f} %" if known(share) else MISSING, number(_delta(deltas, task)),
        ))  # fmt: skip
    columns = ("task", "#classes", "#train", "#dev", "#test", "#clusters, test", "#rarest class, test",
               "#tokens, median / 95 %", "#truncated", "#smallest δ")  # fmt: skip
    keep = [i for i in range(len(columns)) if i < 7 or any(line[i].text != MISSING for line in lines)]
    return Table(tuple(columns[i] for i in keep), tuple(tuple(line[i] for i in keep) for line in lines), "Rows of each task",
                 "The smallest δ is what the dev rows can decide at risk .1 and power .8." if 9 in keep else "")  # fmt: skip


def _scored(run: RunTables) -> Table:
    """Return rows, clusters and seeds of scores from outside, and the file of each task."""
    table, sources = scored(run), run.spec.get("tasks", {})
    lines = [
        row(Cell(task, "strong"), *map(count, table.loc[task]), str(sources.get(task, {}).get("path") or MISSING)) for task in tasks(run)
    ]
    return Table(("task", "#rows", "#clusters", "#seeds", "file"), tuple(lines), "Rows scored")


def _delta(deltas: Any, task: str) -> Any:
    """Return the smallest decidable δ of a task, a number or a mapping that holds it as ``delta``."""
    value = deltas.get(task) if isinstance(deltas, Mapping) else None
    return value.get("delta") if isinstance(value, Mapping) else value


def _facts(run: RunTables) -> Table:
    """Return what reading and cutting did to the rows: dropped, capped, yielded, duplicates."""
    lines = []
    for task in tasks(run):
        found = run.check.get("tasks", {}).get(task, {})
        for name in ("duplicates_within_splits", "duplicates_across_splits"):
            if found.get(name):
                lines.append(row(Cell(task, "strong"), name.replace("_", " "), count(found[name])))
        for name, n in found.get("facts", {}).items():
            if n:
                lines.append(row(Cell(task, "strong"), str(name).replace("_", " "), count(n)))
    return Table(("task", "what", "#rows"), tuple(lines), "What reading and cutting did")


def _shared(run: RunTables) -> Table:
    """Return the texts that stand in two tasks."""
    lines = [
        row(f"{pair['a']}, {pair['b']}", count(pair.get("texts", 0)), count(pair.get("contexts", 0)),
            Cell(plural(int(pair["leaks"]), "text") if pair.get("leaks") else "none", "bad" if pair.get("leaks") else "quiet"))
        for pair in run.check.get("shared", ())
    ]  # fmt: skip
    columns = ("tasks", "#shared texts", "#shared context", "train to held-out")
    note = "Shared context, one side of a pair, is reported and never dropped. The cut keeps shared texts on one side."
    return Table(columns, tuple(lines), "Texts that tasks share", note)
