"""V-information per task with its interval, beside the truth where it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotrain.reporting.style import Size, canvas, colour, labels, plain, room, short
from cotrain.reporting.tables import RunTables, tasks
from cotrain.reporting.words import estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TONES = {"ok": "accent", "not_learned": "warn", "overfit": "bad"}


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return a dot with a 95 % interval per task, most information first; states by colour and in words."""
    from matplotlib.ticker import FuncFormatter

    if run.affinity is None:
        return None
    table = run.affinity.tasks.set_index("task")
    order = [task for task in tasks(run) if task in table.index]
    known = run.known or {}
    height = 0.32 * len(order) + 0.85
    figure, (axes,) = canvas(size, height)
    figure.subplots_adjust(left=room(order, size, 0.1), right=0.96 if size.narrow else 0.72, bottom=0.5 / height,
                           top=1 - 0.3 / height)  # fmt: skip
    plain(axes, size)
    for y, task in enumerate(order):
        line = table.loc[task]
        tint = colour(TONES.get(str(line["state"]), "accent"))
        axes.plot([line["low_bits"], line["high_bits"]], [y, y], color=tint, linewidth=2.2, solid_capstyle="round")
        axes.plot(line["mean_bits"], y, "o", color=tint, markersize=6, markeredgecolor=colour("paper"))
        if task in known:
            axes.plot(known[task], y, "|", color=colour("ink"), markersize=15, markeredgewidth=2, zorder=5)
        if not size.narrow:
            words = estimate(line["mean_bits"], line["low_bits"], line["high_bits"], 2)
            words += f"   true {short(round(known[task], 2))}" if task in known else ""
            words += f"   {str(line['state']).replace('_', ' ')}" if line["state"] != "ok" else ""
            axes.text(1.02, y, words, transform=axes.get_yaxis_transform(), va="center", fontsize=size.points,
                      color=colour("ink") if line["state"] == "ok" else tint)  # fmt: skip
    axes.axvline(0, color=colour("muted"), linewidth=0.9)
    axes.set_yticks(range(len(order)), labels(order, size))
    axes.tick_params(axis="y", labelsize=size.points + 0.5, labelcolor=colour("ink"))
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.set_xlabel("V-information, bits" + (" (bar: the truth)" if known else ""), labelpad=4)
    return figure
