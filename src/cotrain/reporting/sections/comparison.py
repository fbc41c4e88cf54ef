"""Comparison: each plan on dev, which decides, and on test, which confirms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cotrain.grouping.plan import Plan
from cotrain.reporting.content import Block, Cell, Figure, Section, Table, Text, row
from cotrain.reporting.figures.forest import ordered
from cotrain.reporting.first_screen import VERDICT_TONES
from cotrain.reporting.sections.groups import chips
from cotrain.reporting.tables import RunTables, arms, of_arm, of_plan, tasks
from cotrain.reporting.words import MISSING, count, estimate, interval, listing, number, probability


def section(run: RunTables) -> Section | None:
    """Return the recommended plan, each nominated plan, and what the decision looked at."""
    if run.comparison is None:
        return None
    goal = str(run.spec.get("goal", "fewer"))
    blocks: list[Block] = [
        Text(f"Dev, cross-selected, decides (goal: {goal}); test confirms and never chooses. Differences are shared minus "
             "alone on the same rows, over all seeds.")
    ]  # fmt: skip
    for plan in compared(run):
        blocks.append(chips(plan))
        blocks.append(Figure(figure_name(plan), f"{plan.name}: shared minus alone per task, with the controls.",
                             f"Forest plot of plan {plan.name} on dev and test", "both"))  # fmt: skip
        blocks.append(_table(of_plan(run, plan, "dev"), of_plan(run, plan, "test"), ordered(run, plan), plan.name))
    for name, notes in arms(run).items():
        order = [task for task in tasks(run) if task in notes["seeds"]]
        blocks += [Text(_told(name, notes)), _table(of_arm(run, name, "dev"), of_arm(run, name, "test"), order, name, name)]
    blocks.append(_candidates(run))
    return Section("comparison", "Comparison", tuple(blocks))


def compared(run: RunTables) -> list[Plan]:
    """Return the recommended and the nominated plans, each once."""
    if run.comparison is None:
        return []
    best = run.comparison.recommended
    return [best, *(plan for plan in run.plans if plan.kind == "nominated" and plan.name != best.name)]


def figure_name(plan: Plan) -> str:
    """Return the name of a plan's forest plot, safe for a file."""
    return "plan-" + "".join(c if c.isalnum() or c in "-_." else "-" for c in plan.name)


def _told(name: str, notes: Mapping[str, Any]) -> str:
    """Return what predictions from outside are, and what they lack."""
    seeds = set(notes["seeds"].values())
    said = [f"`{name}` was not trained here: predictions for {listing(notes['seeds'])} stand beside the fits, and decide nothing."]
    if 1 in seeds:
        said.append("With one answer per row its interval is conditional on one fit.")
    if notes["labels_only"]:
        said.append(f"Of {listing(notes['labels_only'])} labels alone are known, so metrics of probabilities are left out.")
    if notes["unanswered"]:
        said.append(
            f"Answers that name no label count as wrong: {listing(f'{task} ({count(n)})' for task, n in notes['unanswered'].items())}."
        )
    if notes["unused"]:
        said.append(
            f"Rows of the file that are not held out are not used: {listing(f'{why} ({count(n)})' for why, n in notes['unused'].items())}."
        )
    return " ".join(said)


def _table(dev: pd.DataFrame, test: pd.DataFrame, order: Sequence[str], name: str, shared: str = "shared") -> Table:
    """Return a line per task: dev and test beside each other."""
    lines = []
    for task in order:
        cells: list[str | Cell] = [Cell(task, "strong")]
        cells += _side(dev, task)
        cells.append(probability(dev.loc[task, "p_loss"]) if task in dev.index and dev.loc[task, "verdict"] != "alone" else MISSING)
        cells += _side(test, task)
        verdict = str(test.loc[task, "verdict"]) if task in test.index else MISSING
        adjusted = probability(test.loc[task, "p_adjusted"]) if verdict not in ("alone", MISSING) else MISSING
        cells += [adjusted, Cell(verdict, VERDICT_TONES.get(verdict, ""))]
        lines.append(row(*cells))
    columns = ("task", "#alone, dev", f"#{shared}, dev", "#difference [95 %], dev", "#P(loss > δ), dev", "#alone, test",
               f"#{shared}, test", "#difference [95 %], test", "#p adjusted, test", "verdict, test")  # fmt: skip
    return Table(columns, tuple(lines), f"{name}, primary metric of each task", split="both")


def _side(lines: pd.DataFrame, task: str) -> list[str | Cell]:
    """Return alone, shared and their difference of one split."""
    if task not in lines.index:
        return [MISSING] * 3
    line = lines.loc[task]
    if line["verdict"] == "alone":
        return [number(line["alone"]), MISSING, MISSING]
    return [number(line["alone"]), number(line["value"]),
            estimate(line["difference"], line["low95"], line["high95"], sign=True)]  # fmt: skip


def _candidates(run: RunTables) -> Table:
    """Return what the decision looked at: every trained group, and why it does not pass."""
    assert run.comparison is not None
    lines = []
    for _, line in run.comparison.candidates.iterrows():
        passes = bool(line["passes"])
        lines.append(row(
            Cell(_group(line["group"], line["serves"]), "strong"), count(line["tasks_served"]),
            f"{number(line['mean_difference'], sign=True)} {interval(line['mean_low95'], line['mean_high95'])}",
            f"{line['worst_task']}: {probability(line['worst_p_loss'])}",
            Cell("passes" if passes else "fails", "good" if passes else "bad"), str(line["reason"] or ""),
        ))  # fmt: skip
    columns = ("group", "#serves", "#mean difference [95 %]", "largest P(loss > δ)", "decision", "why not")
    return Table(columns, tuple(lines), "Trained groups that the decision looked at", split="dev")


def _group(group: object, serves: object) -> str:
    """Return the tasks served, and the group where it carries more."""
    served = serves if isinstance(serves, str) else ", ".join(map(str, serves))  # type: ignore[call-overload]
    names = str(group).split("+")
    inside = "{" + ", ".join(names) + "}"
    return inside if len(served.replace("+", ", ").split(", ")) == len(names) else f"{inside} for {served}"
