"""Groups: which plans were nominated, why, and what a person forced."""

from __future__ import annotations

from cotrain.grouping.plan import Plan
from cotrain.reporting.content import Block, Bullets, Chip, Chips, Figure, Section, Text
from cotrain.reporting.figures.plans import whole
from cotrain.reporting.first_screen import overrides
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import listing, plural

SAID = ("method", "rule", "test", "group_test", "alpha", "margin", "margin_bits", "select", "objective", "largest")


def section(run: RunTables) -> Section | None:
    """Return every plan at a glance, then the nominated ones with their reasons and runners-up."""
    if not run.plans:
        return None
    blocks: list[Block] = []
    if whole(run):
        blocks.append(Figure("plans", "Every plan: tasks in the order of V-information, joined where one model serves them; "
                             "hollow: alone.", "Grid of plans by tasks, joined where one model serves them"))  # fmt: skip
    for plan in run.plans:
        if plan.kind in ("nominated", "listing"):
            blocks.append(chips(plan))
    if not any(plan.kind == "nominated" for plan in run.plans):
        blocks.append(Text("No plan was nominated.", "quiet"))
    if forced := overrides(run):
        blocks += [Text("What a person forced:", "strong"), Bullets(forced)]
    return Section("groups", "Groups nominated, and why", tuple(blocks))


def chips(plan: Plan) -> Chips:
    """Return a plan as one chip per model, with its reasons, runner-up and settings in words."""
    found = [Chip(s.serves, tuple(str(m) for m in s.group.members if m.task not in s.serves)) for s in plan.servings if s.serves]
    found.sort(key=lambda chip: (-len(chip.tasks), chip.tasks))
    sentences = [_sentence(why, plan.tasks) for why in plan.why]
    if plan.runner_up:
        sentences.append(f"Runner-up: {plan.runner_up.strip().rstrip('.')}.")
    if plan.candidates:
        sentences.append(f"Trained besides: {listing(group.name for group in plan.candidates)}.")
    if made := [f"{key.replace('_', ' ')} {plan.settings[key]}" for key in SAID if plan.settings.get(key) not in (None, "")]:
        sentences.append(f"Made by: {', '.join(made)}.")
    kind = "" if plan.kind == plan.name else f"{plan.kind}, "
    return Chips(f"{plan.name} ({kind}{plural(plan.models, 'model')})", tuple(found), tuple(sentences))


def _sentence(text: str, tasks: tuple[str, ...]) -> str:
    """Return ``text`` with one full stop, and a capital unless it begins with the name of a task."""
    body = text.strip().rstrip(".") + "."
    return body if body.split()[0].strip(".:,;") in tasks else body[0].upper() + body[1:]
