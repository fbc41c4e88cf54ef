"""V-information by epoch: where learning ends and over-fitting begins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cotrain.reporting.style import NARROW, Size, canvas, colour, labels, plain, short
from cotrain.reporting.tables import RunTables, tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return a small panel per task: a thin line per seed, a thick one for their mean, the scored epochs marked."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if run.scores is None or not len(run.scores.by_epoch):
        return None
    table = run.scores.by_epoch
    splits = set(table["split"])
    split = "dev" if "dev" in splits else str(next(iter(splits)))
    table = table[table["split"] == split]
    order = [task for task in tasks(run) if (table["task"] == task).any()]
    columns = min(len(order), 2 if size.narrow else 5)
    rows = math.ceil(len(order) / columns)
    height = 1.42 * rows + 0.5
    figure, panels = canvas(size, height, nrows=rows, ncols=columns, sharex=True)
    figure.subplots_adjust(left=0.1 if size.narrow else 0.05, right=0.985, bottom=0.48 / height, top=1 - 0.28 / height,
                           hspace=0.42, wspace=0.28)  # fmt: skip
    scored = run.scores.table.groupby("task", observed=True)["epoch"].unique()
    for axes in panels[len(order) :]:
        axes.set_visible(False)
    for at, (task, axes) in enumerate(zip(order, panels, strict=False)):
        plain(axes, size, grid="y")
        lines = table[table["task"] == task].pivot_table(index="epoch", columns="seed", values="v_information_bits")
        for epoch in scored.get(task, ()):
            axes.axvline(epoch, color=colour("band"), linewidth=7, zorder=0, solid_capstyle="butt")
        for seed in lines.columns:
            axes.plot(lines.index, lines[seed], color=colour("accent-soft"), linewidth=0.9, zorder=2)
        axes.plot(lines.index, lines.mean(axis=1), color=colour("accent"), linewidth=1.8, zorder=3)
        axes.axhline(0, color=colour("muted"), linewidth=0.8, zorder=1)
        axes.set_title(labels([task], NARROW)[0], loc="left", fontsize=size.points, color=colour("ink"), pad=4)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_formatter(FuncFormatter(short))
        axes.tick_params(labelsize=size.points - 1.5, pad=2, labelbottom=at >= len(order) - columns)
        axes.margins(x=0.04, y=0.1)
    figure.text(0.5, 0.06 / height, "epoch", ha="center", fontsize=size.points, color=colour("muted"))
    return figure
