"""Which plan puts which tasks together: a row per plan, a column per task, one colour per shared model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cotrain.grouping.plan import Plan
from cotrain.reporting.style import NARROW, SERIES, Size, canvas, colour, labels, room
from cotrain.reporting.tables import RunTables, tasks
from cotrain.reporting.words import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TINTS = ("accent", *SERIES, "good", "warn")


def whole(run: RunTables) -> list[Plan]:
    """Return the plans that serve every task, the recommended one first, controls last."""
    every = set(run.tasks_rows["task"])
    found = [plan for plan in run.plans if set(plan.tasks) == every]
    if run.comparison is not None and all(plan.name != run.comparison.recommended.name for plan in found):
        found.append(run.comparison.recommended)
    rank = {"recommended": 0, "nominated": 1, "listing": 2, "control": 3}
    return sorted(found, key=lambda plan: rank[plan.kind])


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return a grid of dots: equal colour and a line between them where one model serves the tasks; hollow: alone."""
    plans, order = whole(run), tasks(run)
    if not plans:
        return None
    step = 0.36
    height = step * len(plans) + 1.25
    figure, (axes,) = canvas(size, height)
    figure.subplots_adjust(left=room([plan.name for plan in plans], size, 0.1), right=0.94 if size.narrow else 0.86, bottom=0.06 / height,
                           top=1 - 1.12 / height)  # fmt: skip
    for y, plan in enumerate(plans):
        _line(axes, plan, y, order)
        models = str(plan.models) if size.narrow else plural(plan.models, "model")
        axes.text(len(order) - 0.35, y, models, va="center", fontsize=size.points, color=colour("muted"))
        if y and plan.kind != plans[y - 1].kind:
            axes.axhline(y - 0.5, color=colour("rule"), linewidth=0.8)
    axes.set_xlim(-0.6, len(order) - 0.4)
    axes.set_ylim(len(plans) - 0.4, -0.6)
    axes.set_xticks(range(len(order)), labels(order, NARROW), rotation=40, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(plans)), labels([plan.name for plan in plans], size))
    axes.tick_params(length=0, labelsize=size.points, labelcolor=colour("ink"), pad=3)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.patch.set_visible(False)
    return figure


def _line(axes: Axes, plan: Plan, y: int, order: list[str]) -> None:
    """Draw one plan; shared models are drawn at slightly different heights so that their lines do not merge."""
    shared = [s for s in plan.servings if len(s.group.tasks) > 1 and s.serves]
    for at, serving in enumerate(sorted(shared, key=lambda s: min(order.index(t) for t in s.serves))):
        tint = colour(TINTS[at % len(TINTS)])
        xs = sorted(order.index(task) for task in serving.serves)
        up = y + (0.5 * (at / (len(shared) - 1) - 0.5) * _crossing(plan, order) if len(shared) > 1 else 0.0)
        axes.plot([xs[0], xs[-1]], [up, up], color=tint, linewidth=1.4, alpha=0.75, zorder=2)
        axes.plot(xs, [up] * len(xs), "o", color=tint, markersize=7.5, markeredgecolor=colour("paper"), zorder=3)
    alone = [order.index(s.serves[0]) for s in plan.servings if s.serves and len(s.group.tasks) == 1]
    axes.plot(alone, [y] * len(alone), "o", markersize=5.5, markerfacecolor=colour("paper"), zorder=3,
              markeredgecolor=colour("muted"), markeredgewidth=1.1)  # fmt: skip


def _crossing(plan: Plan, order: list[str]) -> float:
    """Return 1 where the spans of two models overlap, else .4: lines that do not cross may stay close."""
    spans = []
    for serving in plan.servings:
        xs = [order.index(task) for task in serving.serves]
        if len(xs) > 1:
            spans.append((min(xs), max(xs)))
    spans.sort()
    return 1.0 if any(a[1] > b[0] for a, b in pairwise(spans)) else 0.4
