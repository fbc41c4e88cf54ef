"""The verb ``report``: everything that a run knows as HTML, Markdown, LaTeX and figures."""

from __future__ import annotations

import html as escaping
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cotrain.choose import choose
from cotrain.reporting import html, latex, markdown, style
from cotrain.reporting.content import Figure, Section
from cotrain.reporting.figures import FIGURES
from cotrain.reporting.first_screen import sentences
from cotrain.reporting.sections import SECTIONS
from cotrain.reporting.sections.comparison import compared, figure_name
from cotrain.reporting.sharing import suppressed, unlocated
from cotrain.reporting.tables import RunTables, chosen_plan, outside
from cotrain.reporting.words import plural
from cotrain.training.outside import is_outside
from cotrain.training.settings import OWN_TRAINER

if TYPE_CHECKING:
    from matplotlib import figure as mpl

Draw = Callable[[RunTables, style.Size], "mpl.Figure | None"]


def report(run: RunTables, to: Path, share: bool = False) -> Path:
    """Write ``report.html``, ``report.md``, ``tables/*.tex`` and ``figures/*.svg|png`` into ``to``; return the HTML.

    The same tables give the same bytes (PNG aside, which depends on the version of FreeType).

    Args:
        share: it may leave the place of its data: no counts below 11, no paths, no names of machines.
    """
    run = unlocated(run) if share else run
    (to / "figures").mkdir(parents=True, exist_ok=True)
    (to / "tables").mkdir(parents=True, exist_ok=True)
    screen, sections, forest = sentences(run), _sections(run), _forest(run)
    if share:
        screen, forest = suppressed(screen), suppressed(forest)
        sections = [suppressed(section) for section in sections]
    pictures = [forest, *(block for section in sections for block in section.blocks if isinstance(block, Figure))]
    drawings = {picture.name: found for picture in pictures if (found := _draw(run, picture, to / "figures"))}
    page = html.render(run.name, _facts(run), screen, forest, sections, drawings, _foot(run))
    for name, text in latex.tables(run).items():
        (to / "tables" / name).write_text(text, encoding="utf-8")
    (to / "report.md").write_text(markdown.render(run.name, screen, forest, sections, drawings), encoding="utf-8")
    path = to / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _sections(run: RunTables) -> list[Section]:
    """Return the sections that have data."""
    found = (choose("section", name, SECTIONS)(run) for name in SECTIONS)
    return [section for section in found if section is not None]


def _forest(run: RunTables) -> Figure:
    """Return the figure of the first screen."""
    plan = chosen_plan(run)
    words = " ".join(sentences(run).sentences)
    caption = ("Shared minus alone per task with 95 % intervals; tasks of one model are joined at the left. Small marks: the "
               f"controls. Plan: {plan.name if plan is not None else 'none'}.")  # fmt: skip
    return Figure("forest", caption, f"Forest plot of shared minus alone per task. {words}", "test")


def _drawers(run: RunTables) -> dict[str, Draw]:
    """Return every figure by name, one per plan among them."""
    from cotrain.reporting.figures.forest import draw

    named: dict[str, Draw] = {name: choose("figure", name, FIGURES) for name in FIGURES}
    for plan in compared(run):
        named[figure_name(plan)] = partial(_plan, draw, plan)
    return named


def _plan(draw: Callable[..., mpl.Figure | None], plan: object, run: RunTables, size: style.Size) -> mpl.Figure | None:
    """Return the forest of one plan on dev and test."""
    return draw(run, plan, ("dev", "test"), size)


@style.literally()
def _draw(run: RunTables, picture: Figure, to: Path) -> html.Drawing | None:
    """Write a figure as SVG and PNG and return it for the page, or None where there is nothing to draw."""
    drawer = _drawers(run)[picture.name]
    wide = drawer(run, style.WIDE)
    if wide is None:
        return None
    text = style.svg(wide, picture.name)
    (to / f"{picture.name}.svg").write_text(text, encoding="utf-8")
    (to / f"{picture.name}.png").write_bytes(style.png(wide))
    label = escaping.escape(picture.alt)
    narrow = drawer(run, style.NARROW)
    small = style.svg(narrow, f"{picture.name}-narrow") if narrow is not None else text
    return html.Drawing(style.inline(text, label), style.inline(small, label))


def _facts(run: RunTables) -> list[str]:
    """Return the line above the headline: study, encoder, a trainer from outside, preset, goal, tasks, seeds."""
    seeds = run.spec.get("seeds", ())
    plan = chosen_plan(run)
    goal = (plan.settings.get("goal") if plan else None) or run.spec.get("goal")  # a comparison may have had another than the study
    trainer = str(run.spec.get("trainer", OWN_TRAINER))
    trained = [str(run.spec.get("model", "")), f"trainer {trainer}" if is_outside(trainer) else "",
               f"preset {run.spec['preset']}" if "preset" in run.spec else "", f"goal: {goal}" if goal else ""]  # fmt: skip
    facts = [run.name, *(["scores from outside"] if outside(run) else trained), plural(run.tasks_rows["task"].nunique(), "task"),
             plural(len(seeds), "seed") if isinstance(seeds, (list, tuple)) and seeds else ""]  # fmt: skip
    return [fact for fact in facts if fact]


def _foot(run: RunTables) -> str:
    """Return the last line: what made the page."""
    version = run.provenance.get("cotrain")
    return f"Made by cotrain{f' {version}' if version else ''}. Numbers only: no text of any example is in this page."
