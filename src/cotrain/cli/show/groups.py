"""``group``: plans with their reasons, and sets of tasks that pass a rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cotrain.cli.tables import bullets, heading, sentence, write
from cotrain.reporting.content import Cell, Table, row
from cotrain.reporting.words import braces, count, listing, number, plural, probability

if TYPE_CHECKING:
    from cotrain.grouping.plan import Plan

NAMED = 8
"""Names in a sentence."""


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


def sets(passing: Any) -> None:
    """Print the sets of tasks that pass a rule: ``tasks``, ``statistic``, ``p``, ``outcome``."""
    lines = [
        row(Cell(braces(line["tasks"]), "strong"), number(line["statistic"], 2), probability(line["p"]), str(line.get("outcome", "")))
        for line in passing.to_dict("records")
    ]
    if not lines:
        sentence("No set of tasks passes the rule.")
    write(Table(("tasks", "#statistic", "#p", "outcome"), tuple(lines), f"{plural(len(lines), 'set')} of tasks pass the rule"))


def some(names: Iterable[str]) -> list[str]:
    """Return the first names, and how many more there are."""
    every = list(names)
    return every if len(every) <= NAMED else [*every[: NAMED - 1], f"{len(every) - NAMED + 1} more"]
