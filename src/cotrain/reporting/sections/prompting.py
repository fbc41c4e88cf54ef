"""Language models: who was asked, where, what went unanswered, and what left this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from cotrain.reporting.content import Block, Bullets, Cell, Section, Table, row
from cotrain.reporting.tables import RunTables, arms, tasks
from cotrain.reporting.words import MISSING, count, estimate, listing, number

METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def section(run: RunTables) -> Section | None:
    """Return the tasks that each language model answered, and which of them were sent to another machine."""
    if not run.prompted:
        return None
    lines = [
        row(Cell(name, "strong"), str(facts["address"]) or "this machine", task, count(len(of_task["seeds"])), count(of_task["answers"]),
            Cell(count(of_task["unanswered"]), "warn" if of_task["unanswered"] else ""))
        for name, facts in run.prompted.items()
        for task, of_task in facts["tasks"].items()
    ]  # fmt: skip
    columns = ("model", "asked at", "task", "#sets of shots", "#answers", "#without an option")
    note = "One example of each class from train before each row. An answer without an option counts as wrong."
    blocks: list[Block] = [Table(columns, tuple(lines), "Language models", note)] if lines else []
    blocks += [_beside(run, name) for name in run.prompted if name in arms(run)]
    if sent := tuple(_sent(run)):
        blocks.append(Bullets(sent))
    return Section("prompting", "Language models", tuple(blocks))


def _beside(run: RunTables, name: str) -> Table:
    """Return accuracy and macro-F1 of the tasks alone, of the recommended plan and of a language model, as the paper's Tables 7, 8."""
    assert run.comparison is not None
    test = run.comparison.table.query("split == 'test'")
    asked, served = (_of_plan(test, plan) for plan in (name, "recommended"))
    lines = []
    for task in [task for task in tasks(run) if (task, "accuracy") in asked]:
        cells: list[str | Cell] = [Cell(task, "strong")]
        for of in METRICS:
            line, shared = asked[task, of], served[task, of]
            cells += [number(line["alone"]), MISSING if shared["served_by"] == task else number(shared["value"]),
                      number(line["value"]), estimate(line["difference"], line["low95"], line["high95"], sign=True)]  # fmt: skip
        lines.append(row(*cells))
    heads = [f"#{title}{of}" for of in METRICS.values() for title in ("alone, ", "shared, ", f"{name}, ", f"{name} − alone [95 %], ")]
    return Table(("task", *heads), tuple(lines), f"{name} beside the fits", "Each set of shots is a seed.", "test")


def _of_plan(table: pd.DataFrame, plan: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the lines of a plan or arm by task and metric."""
    return {(line["task"], line["metric"]): line for line in table[table["plan"] == plan].to_dict("records")}  # type: ignore[misc]


def _sent(run: RunTables) -> Iterator[str]:
    """Yield which tasks left this machine, and whose word it is that they may."""
    for name, facts in run.prompted.items():
        for address in sorted({address for of_task in facts["sent"].values() for address in of_task["to"]}):
            left = [task for task, of_task in facts["sent"].items() if address in of_task["to"]]
            yield f"Rows of {listing(left)} were sent to {address} for {name}; the study file does not call them private."
        if clinical := [task for task, of_task in facts["sent"].items() if of_task["clinical"]]:
            yield f"{listing(clinical)}: of a clinical format, which is private unless the study file says that it is not; it says so."
