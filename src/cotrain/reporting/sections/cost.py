"""Cost: parameters, fits and seconds of each plan beside its score, and of the study."""

from __future__ import annotations

from cotrain.reporting.content import Block, Cell, Figure, Section, Table, Text, row
from cotrain.reporting.figures.cost import price
from cotrain.reporting.figures.plans import whole
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import count, duration, large, number, plural


def section(run: RunTables) -> Section | None:
    """Return the costs of plans and of every fit of the study."""
    if not len(run.costs):
        return None
    total = f"{plural(len(run.costs), 'fit')} took {duration(run.costs['seconds'].sum())} of training in all"
    tokens = f" and {large(run.costs['tokens'].sum())} tokens" if run.costs["tokens"].notna().any() else ""
    blocks: list[Block] = [Text(f"{total}{tokens}. Nominating groups by PVI costs no fit beyond the single-task learners.")]
    if run.affinity is not None and run.affinity.cost.get("fits"):
        blocks = [Text(f"{total}{tokens}, {count(run.affinity.cost['fits'])} fits of them only to nominate groups.")]
    lines = []
    for plan in whole(run):
        if (found := price(run, plan)) is not None:
            lines.append(row(
                Cell(plan.name, "strong"), count(plan.models), large(found.parameters), duration(found.seconds),
                count(found.updates), count(found.fits), number(found.difference, sign=True),
            ))  # fmt: skip
    if lines:
        if run.comparison is not None:
            blocks.append(Figure("cost", "Cost against score: to the left is cheaper, higher is better.",
                                 "Parameters and training time of each plan against its mean difference to alone", "test"))  # fmt: skip
        columns = ("plan", "#models", "#parameters", "#training, one seed", "#updates, one seed", "#fits", "#mean difference, test")
        blocks.append(Table(columns, tuple(lines), "Cost of each plan"))
    return Section("cost", "Cost against score", tuple(blocks))
