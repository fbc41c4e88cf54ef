"""Language models: who was asked, where, what went unanswered, and what left this machine."""

from __future__ import annotations

from collections.abc import Iterator

from cotrain.reporting.content import Block, Bullets, Cell, Section, Table, row
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import count, listing


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
    if sent := tuple(_sent(run)):
        blocks.append(Bullets(sent))
    return Section("prompting", "Language models", tuple(blocks))


def _sent(run: RunTables) -> Iterator[str]:
    """Yield which tasks left this machine, and whose word it is that they may."""
    for name, facts in run.prompted.items():
        for address in sorted({address for of_task in facts["sent"].values() for address in of_task["to"]}):
            left = [task for task, of_task in facts["sent"].items() if address in of_task["to"]]
            yield f"Rows of {listing(left)} were sent to {address} for {name}; the study file does not call them private."
        if clinical := [task for task, of_task in facts["sent"].items() if of_task["clinical"]]:
            yield f"{listing(clinical)}: of a clinical format, which is private unless the study file says that it is not; it says so."
