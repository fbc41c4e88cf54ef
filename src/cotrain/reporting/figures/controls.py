"""Every plan beside its controls: the mean difference to alone over the tasks, dev and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotrain.reporting.figures.plans import whole
from cotrain.reporting.style import Size, canvas, colour, labels, plain, room, signed, title
from cotrain.reporting.tables import RunTables, of_plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TINTS = {"recommended": "accent", "nominated": "accent", "listing": "muted", "control": "orange"}


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return two panels, dev and test; each task is a small dot, their mean a bar."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    plans = [plan for plan in whole(run) if plan.name != "alone"]
    if run.comparison is None or not plans:
        return None
    rows, columns = (2, 1) if size.narrow else (1, 2)
    height = (0.34 * len(plans) + 0.75) * rows + 0.25
    figure, panels = canvas(size, height, nrows=rows, ncols=columns, sharex=True)
    figure.subplots_adjust(left=room([p.name for p in plans], size, 0.1), right=0.97, bottom=0.5 / height, top=1 - 0.35 / height,
                           wspace=0.06, hspace=0.7 / height * rows)  # fmt: skip
    for at, (axes, split) in enumerate(zip(panels, ("dev", "test"), strict=True)):
        plain(axes, size)
        for y, plan in enumerate(plans):
            lines = of_plan(run, plan, split)
            if not len(lines):
                continue
            gaps = lines["difference"].astype(float)
            tint = colour(TINTS[plan.kind])
            axes.plot(gaps, [y] * len(gaps), "o", color=tint, markersize=4.5, alpha=0.4, markeredgewidth=0, zorder=2)
            axes.plot([gaps.mean()] * 2, [y - 0.34, y + 0.34], color=tint, linewidth=3, zorder=4, solid_capstyle="round")
        axes.axvline(0, color=colour("muted"), linewidth=0.9, zorder=1)
        axes.set_yticks(range(len(plans)), labels([p.name for p in plans], size) if size.narrow or not at else [""] * len(plans))
        axes.tick_params(axis="y", labelsize=size.points, labelcolor=colour("ink"))
        axes.set_ylim(len(plans) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(FuncFormatter(signed))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        if not size.narrow or at:
            axes.set_xlabel("difference to alone (dot: a task, bar: mean)", labelpad=4)
        title(axes, size, f"{split}: {'decides' if split == 'dev' else 'confirms'}")
    return figure
