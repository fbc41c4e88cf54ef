"""Controls: what groups made without PVI do, and whether a gain is more than more training."""

from __future__ import annotations

from cotrain.reporting.content import Block, Bullets, Cell, Figure, Section, Table, Text, row
from cotrain.reporting.figures.plans import whole
from cotrain.reporting.tables import RunTables, controls, of_plan, primary, tasks
from cotrain.reporting.words import MISSING, estimate, number, plural

SAYS = {
    "together": "together: one model for all tasks.",
    "random": "random: groups of the same sizes, drawn at random.",
    "different": "different: each task with the one most unlike it (the paper's Tables 5 and 6).",
    "by_entropy": "by_entropy: groups by label entropy instead of PVI.",
    "by_accuracy": "by_accuracy: groups by accuracy alone instead of PVI.",
    "placebo": "placebo: the same helpers with permuted labels; what it gains is more training, not transfer.",
    "matched_updates": "matched_updates: the task alone with as many updates as the group gave; the same.",
}


def section(run: RunTables) -> Section | None:
    """Return means of all plans beside the controls, and the differences of every control per task."""
    names = controls(run)
    if run.comparison is None or not names:
        return None
    said = tuple(text for key, text in SAYS.items() if any(name == key or name.startswith(f"{key}-") for name in names))
    blocks: list[Block] = [Text("A grouping that its controls match has not shown that PVI chose well."), Bullets(said)]
    if len(whole(run)) > 1:
        blocks.append(Figure("controls", "Difference to alone of every plan: a dot per task, a bar for the mean.",
                             "Mean difference to alone per plan, dev and test", "both"))  # fmt: skip
    blocks.append(_means(run))
    blocks.append(_per_task(run, names))
    return Section("controls", "Controls", tuple(blocks))


def _means(run: RunTables) -> Table:
    """Return models and the mean difference of each plan that serves every task."""
    lines = []
    for plan in whole(run):
        dev, test = of_plan(run, plan, "dev"), of_plan(run, plan, "test")
        worst = test["difference"].astype(float).idxmin() if len(test) and plan.models < len(plan.tasks) else ""
        lines.append(row(
            Cell(plan.name, "strong"), plan.kind, plural(plan.models, "model"),
            number(dev["difference"].astype(float).mean(), sign=True) if len(dev) else MISSING,
            number(test["difference"].astype(float).mean(), sign=True) if len(test) else MISSING,
            f"{worst} {number(test['difference'].astype(float).min(), sign=True)}" if worst else MISSING,
        ))  # fmt: skip
    columns = ("plan", "kind", "#models", "#mean difference, dev", "#mean difference, test", "#worst task, test")
    return Table(columns, tuple(lines), "Plans beside controls; the mean is over all tasks, those alone count 0")


def _per_task(run: RunTables, names: list[str]) -> Table:
    """Return the difference of every control per task, on test."""
    table, lines = primary(run, "test"), []
    for task in tasks(run):
        cells: list[str | Cell] = [Cell(task, "strong")]
        for name in names:
            found = table[(table["plan"] == name) & (table["task"] == task)]
            if not len(found) or found.iloc[0]["verdict"] == "alone":
                cells.append(Cell(MISSING, "quiet"))
                continue
            line = found.iloc[0]
            cells.append(estimate(line["difference"], line["low95"], line["high95"], sign=True))
        lines.append(row(*cells))
    return Table(("task", *(f"#{name}" for name in names)), tuple(lines), "Control minus alone [95 %] per task", split="test")
