"""``group``: plans with their reasons, and sets of tasks that pass a rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cotrain.cli.tables import bullets, heading, sentence, write
from cotrain.reporting.content import Cell, Table, row
from cotrain.reporting.words import braces, count, listing, number, plural, probability, rows_needed

if TYPE_CHECKING:
    from cotrain.grouping.listing import Listing
    from cotrain.grouping.measured import Measured
    from cotrain.grouping.plan import Plan

NAMED = 8
"""Names in a sentence."""
LINES = 60
"""Of a listing on the terminal."""


def plans(nominated: Sequence[Plan]) -> None:
    """Print each nominated plan with its reasons, and the controls in one table."""
    for plan in (p for p in nominated if p.kind != "control"):
        heading(f"{plan.name}: {len(plan.tasks)} tasks → {plural(plan.models, 'model')}")
        _models_of(plan)
        bullets(why.rstrip(".") + "." for why in plan.why)
        if plan.runner_up:
            bullets([f"Runner-up: {plan.runner_up.rstrip('.')}."])
        if plan.candidates:
            names = [braces(group.tasks) for group in plan.candidates]
            bullets([f"Trained besides, serving nobody in this plan: {listing(some(names))}."])
        bullets((f"Forced: {forced.rstrip('.')}." for forced in plan.overrides), "warn")
    lines = [
        row(Cell(p.name, "strong"), count(p.models), listing(_shared_models(p)) or "none shared") for p in nominated if p.kind == "control"
    ]
    write(Table(("control", "#models", "shared models"), tuple(lines), "Controls"))


def _models_of(plan: Plan) -> None:
    """Print who serves whom."""
    shared = _shared_models(plan)
    alone = [s.serves[0] for s in plan.servings if s.serves and len(s.group.tasks) == 1]
    if shared:
        sentence(f"Share {listing(shared)}.")
    if alone:
        sentence(f"{'Alone:' if shared else 'Every task alone:'} {listing(alone)}.")


def _shared_models(plan: Plan) -> list[str]:
    """Return the shared models of a plan, those that do not serve all their tasks with whom they serve."""
    found = []
    for s in plan.servings:
        if s.serves and len(s.group.members) > 1:
            whole = braces(map(str, s.group.members))
            found.append(whole if len(s.serves) == len(s.group.members) else f"{whole} for {listing(s.serves)}")
    return found


def sets(found: Listing) -> None:
    """Print every pair of tasks, and the sets that pass the rule."""
    pairs = [
        row(
            Cell(braces((line["target"], line["helper"])), "strong"), number(line["statistic"], 2), probability(line["p"]),
            probability(line["p_holm"]), probability(line["p_equivalent"]), str(line["outcome"]), "yes" if line["passes"] else "no",
            rows_needed(line["rows_to_settle"]),
        )
        for line in found.pairs.head(LINES).to_dict("records")
    ]  # fmt: skip
    heads = ("pair", "#statistic", "#p", "#p (Holm)", "#p equivalent", "outcome", "passes", "#to settle, rows")
    write(Table(heads, tuple(pairs), f"{plural(len(found.pairs), 'pair')}{_first(len(found.pairs))}"))
    if found.pairs["rows_to_settle"].notna().any():
        sentence("To settle: held-out rows per task with which two equal tasks are shown equivalent with 80 % power.")
    larger = found.sets[found.sets["tasks"].map(len) > 2]
    lines = [
        row(Cell(braces(line["tasks"]), "strong"), number(line["statistic"], 2), probability(line["p"]), str(line["outcome"]))
        for line in larger.head(LINES).to_dict("records")
    ]
    sentence(found.note)
    passing = int(found.pairs["passes"].sum())
    if not len(found.sets):
        sentence("No set of tasks passes the rule.")
        return
    sentence(f"{plural(len(found.sets), 'set')} of tasks pass the rule: {plural(passing, 'pair')} and {len(larger)} larger.")
    write(Table(("tasks", "#statistic", "#p", "outcome"), tuple(lines), f"Sets of three or more{_first(len(larger))}"))


def _first(number: int) -> str:
    """Return that not all lines are shown, where that is so."""
    return f", the first {LINES} shown (all with --json)" if number > LINES else ""


def measured(found: Measured) -> None:
    """Print the plan that measured losses choose."""
    plans([found.plan])
    totals = tuple(row(Cell(split, "strong"), number(total, 5)) for split, total in found.total.items())
    write(Table(("split", f"#total {found.what}"), totals, "Sum over tasks"))


def some(names: Iterable[str]) -> list[str]:
    """Return the first names, and how many more there are."""
    every = list(names)
    return every if len(every) <= NAMED else [*every[: NAMED - 1], f"{len(every) - NAMED + 1} more"]
