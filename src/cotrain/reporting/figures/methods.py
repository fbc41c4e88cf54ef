"""Methods: how well each says who gains from whom, what its plan gains, and beside it what it cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cotrain.reporting.methods import Cost, Judged, costs, judged
from cotrain.reporting.style import MARKS, SERIES, Size, canvas, colour, labels, plain, room, signed, title
from cotrain.reporting.tables import RunTables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = dict(zip(("content", "difficulty", "size", "gains"), zip(SERIES, MARKS, strict=True), strict=False))
_OTHER = ("muted", "o")
_TIMES = {1e-2: "10 ms", 1.0: "1 s", 60.0: "1 min", 3600.0: "1 h", 86400.0: "1 day", 864000.0: "10 days"}
_SHORTEST = 1e-3
_APART = 0.5  # inches between labels


def draw(run: RunTables, size: Size, found: Judged | None = None) -> Figure | None:
    """Return rows of methods, the best first, in panels of score, gain of the plan (where there is room) and time; None without scores.

    Args:
        found: how the methods were judged, where that is known, in an order of its own.
    """
    found = found or judged(run)
    if found is None or not found.scores:
        return None
    spent = {one.name: one for one in costs(run)}
    names = [one.name for one in found.scores]
    gains = not size.narrow and math.isfinite(found.oracle)
    below = 1.2 if size.narrow else 1.02
    height = 0.27 * len(names) + below + 0.42
    ratios = (1.4, 1.1, 1.1) if gains else (1.25, 1)
    figure, panels = canvas(size, height, ncols=len(ratios), width_ratios=ratios, sharey=True)
    figure.subplots_adjust(left=room(names, size, 0.1), right=0.965, bottom=below / height, top=1 - 0.36 / height,
                           wspace=0.2 if size.narrow else 0.14)  # fmt: skip
    _scores(panels[0], size, found, spent)
    if gains:
        _gains(panels[1], size, found, spent)
    _times(panels[-1], size, [spent[name] for name in names])
    panels[0].set_yticks(range(len(names)), labels(names, size))
    panels[0].tick_params(axis="y", labelcolor=colour("ink"))
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    _legend(figure, size, [spent[name].sees for name in names])
    return figure


def _scores(axes: Axes, size: Size, found: Judged, spent: dict[str, Cost]) -> None:
    """Draw the primary scores with their intervals."""
    plain(axes, size)
    axes.axvline(0, color=colour("muted"), linewidth=0.9, zorder=1)
    for y, one in enumerate(found.scores):
        tint, mark = _look(spent[one.name])
        value, low, high = one.interaction
        if math.isfinite(low) and math.isfinite(high):
            axes.plot([low, high], [y, y], color=tint, linewidth=2.2, alpha=0.45, solid_capstyle="round", zorder=2)
        axes.plot(value, y, mark, color=tint, markersize=7, markeredgecolor=colour("paper"), zorder=3)
    axes.set_xlim(-1.04, 1.04)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−.5", "0", ".5", "1"])
    axes.set_xlabel("Spearman" if size.narrow else "Spearman, double-centred, with 95 % interval", labelpad=4)
    title(axes, size, "test: who with whom")


def _gains(axes: Axes, size: Size, found: Judged, spent: dict[str, Cost]) -> None:
    """Draw what the plans gain, between no sharing and the split oracle."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    plain(axes, size)
    axes.axvline(0, color=colour("muted"), linewidth=0.9, zorder=1)
    axes.axvline(found.oracle, color=colour("accent"), linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
    for y, one in enumerate(found.scores):
        tint, mark = _look(spent[one.name])
        axes.plot([0, one.gain], [y, y], color=tint, linewidth=2.2, alpha=0.45, solid_capstyle="butt", zorder=2)
        axes.plot(one.gain, y, mark, color=tint, markersize=7, markeredgecolor=colour("paper"), zorder=3)
    ends = [0.0, found.oracle, *(one.gain for one in found.scores)]
    pad = 0.1 * (max(ends) - min(ends) or 1.0)
    axes.set_xlim(min(ends) - pad, max(ends) + pad)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(signed))
    axes.set_xlabel("share of NLL_null; dashed: oracle", labelpad=4)
    title(axes, size, "test: what its plan gains")


def _times(axes: Axes, size: Size, spent: list[Cost]) -> None:
    """Draw the seconds of each method on a scale of decades."""
    from matplotlib.ticker import NullFormatter, NullLocator

    plain(axes, size)
    seconds = [max(one.seconds, _SHORTEST) for one in spent]  # nan stays nan
    seen = [value for value in seconds if math.isfinite(value)] or [1.0]
    axes.set_xscale("log")
    low, high = min(seen) / 3, max(*seen, 100 * min(seen)) * 3
    axes.set_xlim(low, high)
    for y, (one, value) in enumerate(zip(spent, seconds, strict=True)):
        tint, mark = _look(one)
        axes.plot([low, value], [y, y], color=tint, linewidth=1.0, alpha=0.45, solid_capstyle="butt", zorder=2)
        axes.plot(value, y, mark, color=tint, markersize=7, markeredgecolor=colour("paper"), zorder=3)
    inside = [at for at in _TIMES if low <= at <= high]
    # labels of neighbours would run into each other where the panel is small
    inches = axes.get_position().width * size.width / math.log(high / low)
    told = list[float]()
    for at in inside:
        if not told or math.log(at / told[-1]) * inches > _APART:
            told.append(at)
    axes.set_xticks(inside, [_TIMES[at] if at in told else "" for at in inside])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("fits and its own" if size.narrow else "fits made for it, and its own", labelpad=4)
    title(axes, size, "time")


def _look(one: Cost) -> tuple[str, str]:
    """Return the colour and the mark of what a method sees."""
    name, mark = _LOOKS.get(one.sees, _OTHER)
    return colour(name), mark


def _legend(figure: Figure, size: Size, sees: list[str]) -> None:
    """Say below what colours and marks mean."""
    from matplotlib.lines import Line2D

    there = [name for name in (*_LOOKS, "not told") if name in sees]
    looks = [_LOOKS.get(name, _OTHER) for name in there]
    entries = [Line2D([], [], color=colour(c), marker=m, markersize=6.5, markeredgecolor=colour("paper"), linewidth=0) for c, m in looks]
    figure.legend(
        entries, there, loc="lower left", bbox_to_anchor=(0.0, 0.0), ncols=3 if size.narrow else len(there), frameon=False,
        fontsize=size.points - 0.5, labelcolor=colour("ink"), handletextpad=0.3, columnspacing=1.4, borderaxespad=0.3,
        title="what the method sees", title_fontsize=size.points - 0.5, alignment="left",
    ).get_title().set_color(colour("muted"))  # fmt: skip
