"""The similarity matrix: the difference of mean PVI below the diagonal, its p above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotrain.reporting.style import NARROW, Size, canvas, colour, labels
from cotrain.reporting.tables import RunTables, tasks
from cotrain.reporting.words import known, number, probability, share

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

STEPS_BITS = (0.05, 0.1, 0.2, 0.4)  # a task of two balanced classes holds 1 bit
WRITTEN = 14  # with more tasks the cells are too small for numbers


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return the matrix in the order of V-information: alike tasks stand beside each other and are dark."""
    if run.affinity is None or not len(run.affinity.pairs):
        return None
    from matplotlib.patches import Patch, Rectangle

    order = [task for task in tasks(run) if task in set(run.affinity.tasks["task"])]
    table = run.affinity.pairs if run.stability is None else run.affinity.pairs.merge(run.stability, on=["target", "helper"], how="left")
    pairs = _both_ways(table)
    n = len(order)
    left, side = (1.08, 3.45) if size.narrow else (1.9, min(6.3, 0.72 * n))
    height = side + (1.65 if size.narrow else 1.75)
    figure, (axes,) = canvas(size, height)
    axes.set_position((left / size.width, 0.55 / height, side / size.width, side / height))
    small = size.points - (2.4 if size.narrow else 0.3) - max(0, n - 10) * 0.5
    for y, a in enumerate(order):
        for x, b in enumerate(order):
            pair = pairs.get((a, b))
            if a == b or pair is None:
                axes.add_patch(Rectangle((x, y), 1, 1, color=colour("soft"), linewidth=0))
                continue
            step = sum(abs(float(pair["difference_bits"])) > edge for edge in STEPS_BITS)
            axes.add_patch(Rectangle((x + 0.02, y + 0.02), 0.96, 0.96, color=colour(f"seq-{step}"), linewidth=0))
            if n <= WRITTEN:
                tint = colour("on-accent" if step < 2 else "ink")
                first, second = _below(pair, a) if x < y else _above(pair)
                mark = "*" if str(pair["state"]) == "shared rows" else ""
                axes.text(x + 0.5, y + (0.36 if second else 0.5), first + mark, ha="center", va="center", fontsize=small, color=tint)
                axes.text(x + 0.5, y + 0.7, second, ha="center", va="center", fontsize=0.8 * small, color=tint)
    axes.set_xlim(0, n)
    axes.set_ylim(n, 0)
    axes.set_xticks([i + 0.5 for i in range(n)], labels(order, NARROW), rotation=40, ha="left", rotation_mode="anchor")
    axes.set_yticks([i + 0.5 for i in range(n)], labels(order, NARROW))
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=size.points - (1 if size.narrow else 0), labelcolor=colour("ink"), pad=3)
    for spine in axes.spines.values():
        spine.set_visible(False)
    steps = [f"≤ {number(STEPS_BITS[0], 2)}", *(f"≤ {number(e, 2)}" for e in STEPS_BITS[1:]), f"> {number(STEPS_BITS[-1], 2)}"]
    entries = [Patch(color=colour(f"seq-{i}"), label=label) for i, label in enumerate(steps)]
    figure.legend(
        handles=entries, loc="lower left", bbox_to_anchor=((0.05 if size.narrow else left - 0.05) / size.width, 0.0),
        ncols=5, frameon=False, fontsize=size.points - 0.5, labelcolor=colour("ink"), handlelength=1.0, columnspacing=0.9,
        handletextpad=0.4, title="difference of V-information, bits", title_fontsize=size.points - 0.5, alignment="left",
    ).get_title().set_color(colour("muted"))  # fmt: skip
    return figure


def _below(pair: pd.Series, row: str) -> tuple[str, str]:
    """Return the difference of the row's task minus the column's, and how often the pair passes."""
    gap = float(pair["difference_bits"]) * (1 if pair["target"] == row else -1)
    return number(gap, 2, sign=True), share(pair["passes"]) if "passes" in pair else ""


def _above(pair: pd.Series) -> tuple[str, str]:
    """Return p, and the gap that the test would see."""
    gap = pair["detectable_bits"]
    return probability(pair["p"]), f"sees {number(gap, 2)}" if known(gap) else ""


def _both_ways(pairs: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    """Return the line of each pair under both orders of its tasks."""
    found = {}
    for _, line in pairs.iterrows():
        found[str(line["target"]), str(line["helper"])] = line
        found[str(line["helper"]), str(line["target"])] = line
    return found
