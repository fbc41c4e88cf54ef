"""Cost against score: what each plan deploys and what it takes to train, against its mean score on test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cotrain.grouping.plan import Plan
from cotrain.reporting.figures.plans import whole
from cotrain.reporting.style import Size, canvas, colour, plain, signed, title
from cotrain.reporting.tables import RunTables, of_plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TINTS = {"recommended": "accent", "nominated": "accent", "listing": "muted", "control": "orange", "way": "muted"}


class Point(NamedTuple):
    """A dot of a panel: the name and kind of a plan, or of something beside it."""

    name: str
    kind: str
    x: float
    y: float


class Price(NamedTuple):
    """What a plan costs and gives.

    Attributes:
        parameters: of all models deployed.
        seconds: of training them once, one seed.
        fits: over all seeds.
        updates: of one seed.
        difference: mean over tasks of shared minus alone, primary metric, test.
    """

    parameters: float
    seconds: float
    fits: int
    updates: float
    difference: float


def price(run: RunTables, plan: Plan) -> Price | None:
    """Return what ``plan`` costs, or None where its fits have no recorded cost."""
    if not len(run.costs):
        return None
    served = [serving.group.name for serving in plan.servings if serving.serves]
    lines = run.costs[run.costs["group"].isin(served)]
    if set(lines["group"]) != set(served):
        return None
    # what a trainer from outside does not tell is not 0
    per_group = lines.groupby("group")[["parameters", "seconds", "updates"]].mean().sum(skipna=False)
    test = of_plan(run, plan, "test")
    gap = float(test["difference"].astype(float).mean()) if len(test) else float("nan")
    return Price(float(per_group["parameters"]), float(per_group["seconds"]), len(lines), float(per_group["updates"]), gap)


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return two panels: parameters deployed and minutes of training, each against the mean difference to alone."""
    prices = [(plan, found) for plan in whole(run) if (found := price(run, plan)) is not None and found.parameters > 0]
    if run.comparison is None or not prices:
        return None
    figure, panels = two(size)
    scale = 1e9 if max(found.parameters for _, found in prices) > 2e9 else 1e6
    unit = "billions" if scale == 1e9 else "millions"
    panel(panels[0], size, [Point(p.name, p.kind, found.parameters / scale, found.difference) for p, found in prices],
          f"parameters deployed, {unit}")  # fmt: skip
    panel(panels[1], size, [Point(p.name, p.kind, found.seconds / 60, found.difference) for p, found in prices],
          "minutes of training per seed")  # fmt: skip
    title(panels[0], size, "test: mean difference to alone")
    return figure


def two(size: Size) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure of two panels with one scale of scores: side by side, or above each other where there is little room."""
    rows, columns = (2, 1) if size.narrow else (1, 2)
    height = 2.9 * rows
    figure, panels = canvas(size, height, nrows=rows, ncols=columns, sharey=True)
    figure.subplots_adjust(left=0.15 if size.narrow else 0.07, right=0.96, bottom=0.52 / height, top=1 - 0.35 / height,
                           wspace=0.08, hspace=0.34)  # fmt: skip
    return figure, panels


def panel(axes: Axes, size: Size, points: list[Point], label: str) -> None:
    """Draw plans as labelled dots; labels of near neighbours go to alternate sides."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    plain(axes, size, grid="both")
    axes.axhline(0, color=colour("muted"), linewidth=0.9)
    for _, kind, x, y in points:
        big = kind == "recommended"
        axes.plot(x, y, "o", color=colour(TINTS[kind]), markersize=9 if big else 6.5, markeredgecolor=colour("paper"))
    top = max(point.x for point in points)
    axes.set_xlim(0, top * 1.12)
    low, high = min(0.0, *(y for *_, y in points)), max(0.0, *(y for *_, y in points))
    pad = 0.18 * max(high - low, 0.01)
    axes.set_ylim(low - pad, high + pad)
    placed: list[tuple[float, float]] = []
    for name, kind, x, y in sorted(points, key=lambda point: -point.y):
        place = _free(placed, x / top, y / (high - low + 2 * pad))
        right = x > 0.72 * top
        axes.annotate(name, (x, y), xytext=(-8 if right else 8, place), textcoords="offset points",
                      ha="right" if right else "left", va="center", fontsize=size.points,
                      fontweight="bold" if kind == "recommended" else "normal", color=colour("ink"))  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(signed))
    axes.set_xlabel(label, labelpad=4)


def _free(placed: list[tuple[float, float]], x: float, y: float) -> float:
    """Return by how many points to shift a label down so that it does not cover an earlier one."""
    shift = 0.0
    while any(abs(x - a) < 0.3 and abs((y - shift / 180) - b) < 0.062 for a, b in placed):
        shift += 3.0
    placed.append((x, y - shift / 180))
    return -shift
