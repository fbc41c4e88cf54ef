"""The distribution of PVI over the rows of each task, seeds averaged: easy rows right, wrongly confident ones left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cotrain.reporting.style import Size, canvas, colour, labels, plain, room, short
from cotrain.reporting.tables import RunTables, tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 90
SHARE = (0.5, 99.8)  # percentiles that the axis holds: single rows reach −20 bits


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return one ridge per task: a smoothed histogram, its mean as a bar, and the share of rows below 0 bits."""
    from matplotlib.ticker import FuncFormatter

    if run.scores is None or not len(run.scores.table):
        return None
    means = run.scores.table.groupby(["task", "row"], observed=True)["pvi_bits"].mean()
    order = [task for task in tasks(run) if task in means.index.get_level_values("task")]
    low, high = np.nanpercentile(means, SHARE)
    if low == high:  # all rows alike, as where nothing was learned
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 1.8) ** 2)
    height = 0.46 * len(order) + 0.95
    figure, (axes,) = canvas(size, height)
    figure.subplots_adjust(left=room(order, size, 0.1), right=0.83 if size.narrow else 0.88, bottom=0.5 / height,
                           top=1 - 0.4 / height)  # fmt: skip
    plain(axes, size)
    for at, task in enumerate(order):
        bits = means.loc[task].to_numpy(dtype=float)
        bits = bits[np.isfinite(bits)]
        density = np.convolve(np.histogram(np.clip(bits, low, high), edges)[0].astype(float), kernel, mode="same")
        ridge = at - 0.95 * density / max(density.max(), 1e-9)
        axes.fill_between(middle, at, ridge, color=colour("accent-soft"), linewidth=0, zorder=2 + at)
        axes.plot(middle, ridge, color=colour("accent"), linewidth=1.1, zorder=2 + at)
        axes.axhline(at, color=colour("rule"), linewidth=0.6, zorder=1)
        axes.plot([bits.mean()] * 2, [at, at - 0.5], color=colour("ink"), linewidth=1.6, zorder=3 + at)
        axes.text(1.02, at - 0.2, f"{100 * np.mean(bits < 0):.0f} %", transform=axes.get_yaxis_transform(), va="center",
                  fontsize=size.points, color=colour("muted"))  # fmt: skip
    axes.text(1.02, -1.05, "below 0", transform=axes.get_yaxis_transform(), va="center", fontsize=size.points,
              color=colour("muted"))  # fmt: skip
    axes.axvline(0, color=colour("muted"), linewidth=0.9, zorder=1)
    axes.set_yticks(np.arange(len(order)) - 0.2, labels(order, size))
    axes.tick_params(axis="y", labelsize=size.points + 0.5, labelcolor=colour("ink"))
    axes.set_ylim(len(order) - 0.9, -1.15)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.set_xlabel("PVI, bits (bar: the mean, the V-information)", labelpad=4)
    return figure
