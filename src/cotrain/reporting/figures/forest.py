"""Alone against shared: the difference per task with its interval, the band of ±δ, and the controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cotrain.grouping.plan import Plan
from cotrain.reporting.style import MARKS, SERIES, Size, canvas, colour, labels, plain, room, signed, title
from cotrain.reporting.tables import RunTables, chosen_plan, controls, of_plan, primary, tasks
from cotrain.reporting.words import estimate

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAYS = {"dev": "dev: decides", "test": "test: confirms"}
VERDICTS = {"gain": "good", "equivalent": "good", "not worse": "good", "harm": "bad", "undecided": "warn"}
ROW = 0.46  # inches per task


def first(run: RunTables, size: Size) -> Figure | None:
    """Return the forest of the recommended plan on test, with values and verdicts at the right."""
    plan = chosen_plan(run)
    return None if run.comparison is None or plan is None else draw(run, plan, ("test",), size)


def draw(run: RunTables, plan: Plan, splits: tuple[str, ...], size: Size) -> Figure | None:
    """Return one panel per split; on narrow screens the panels stand below each other."""
    order = ordered(run, plan)
    if not len(primary(run, "test")) or not order:
        return None
    names = [name for name in controls(run) if name != plan.name][: len(SERIES)]
    rows, columns = (len(splits), 1) if size.narrow else (1, len(splits))
    height = (ROW * len(order) + 0.8) * rows + 0.36 + (0.19 * ((len(names) + 1) // 3) if size.narrow else 0)
    figure, panels = canvas(size, height, nrows=rows, ncols=columns)
    with_values = len(splits) == 1 and not size.narrow
    left = room(order, size, 0.1)
    figure.subplots_adjust(
        left=left, right=0.8 if with_values else 0.97, bottom=0.5 / height, wspace=0.06, hspace=0.75 * rows / height,
        top=1 - (0.66 + (0.19 * ((len(names) + 1) // 3) if size.narrow else 0)) / height,
    )  # fmt: skip
    span = _span(run, plan, names, splits)
    for at, (axes, split) in enumerate(zip(panels, splits, strict=True)):
        _panel(axes, run, plan, split, order, names, size, span)
        named = size.narrow or at == 0
        axes.set_yticks(range(len(order)), labels(order, size) if named else [""] * len(order))
        axes.tick_params(axis="y", labelsize=size.points + 0.5, labelcolor=colour("ink"))
        if named:
            _brackets(axes, plan, order)
        if with_values:
            _values(axes, of_plan(run, plan, split), order, size)
    figure.legend(handles=handles(names, f"plan {plan.name}"), loc="upper left", bbox_to_anchor=(0.0, 1.0), frameon=False,
                  ncols=3 if size.narrow else 7, fontsize=size.points - 0.5, labelcolor=colour("ink"), handlelength=1.6,
                  columnspacing=1.2, handletextpad=0.5)  # fmt: skip
    return figure


def ordered(run: RunTables, plan: Plan) -> list[str]:
    """Return the tasks of a plan, those of one model together, shared models first."""
    order = [task for task in tasks(run) if task in plan.tasks]
    rank = {task: at for at, task in enumerate(order)}
    place = {}
    for serving in plan.servings:
        for task in serving.serves:
            place[task] = (len(serving.group.tasks) == 1, min(rank[t] for t in serving.serves), rank[task])
    return sorted(order, key=place.__getitem__)


def _span(run: RunTables, plan: Plan, names: list[str], splits: tuple[str, ...]) -> tuple[float, float]:
    """Return the range of the axis: intervals of the plan whole, controls by their points, the band always."""
    values = [0.0]
    for split in splits:
        mine, table = of_plan(run, plan, split), primary(run, split)
        shared = mine[mine["verdict"] != "alone"] if len(mine) else mine
        for column in ("low95", "high95") if len(shared) else ():
            values += shared[column].astype(float).tolist()
        points = table[table["plan"].isin(names) & table["task"].isin(plan.tasks)]
        values += points["difference"].astype(float).tolist()
        values += [1.3 * float(table["delta"].max()), -1.3 * float(table["delta"].max())]
    finite = np.array([v for v in values if np.isfinite(v)])
    pad = 0.04 * (finite.max() - finite.min())
    return float(finite.min() - pad), float(finite.max() + pad)


def _panel(
    axes: Axes, run: RunTables, plan: Plan, split: str, order: list[str], names: list[str], size: Size,
    span: tuple[float, float],
) -> None:  # fmt: skip
    """Draw the band, the zero line, the plan and the controls of one split."""
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    plain(axes, size, grid="")
    table, mine = primary(run, split), of_plan(run, plan, split)
    deltas = table.groupby("task")["delta"].first()
    for y, task in enumerate(order):
        delta = float(deltas.get(task, 0.0))
        axes.add_patch(Rectangle((-delta, y - 0.5), 2 * delta, 1, color=colour("band"), linewidth=0, zorder=0))
        if y:
            axes.axhline(y - 0.5, color=colour("rule"), linewidth=0.5, zorder=1)
        there = table[(table["task"] == task) & (table["verdict"] != "alone")].drop_duplicates("plan").set_index("plan")
        shown = [(at, name) for at, name in enumerate(names) if name in there.index]
        for place, (at, name) in enumerate(shown, start=1):
            _mark(axes, there.loc[name], y + 0.02 + 0.42 * place / (len(shown) + 1), SERIES[at], MARKS[at])
        if len(mine) and task in mine.index and mine.loc[task, "verdict"] != "alone":
            line = mine.loc[task]
            axes.plot([line["low95"], line["high95"]], [y - 0.16] * 2, color=colour("accent"), linewidth=2.4,
                      solid_capstyle="round", zorder=4)  # fmt: skip
            axes.plot(line["difference"], y - 0.16, "o", color=colour("accent"), markersize=6.5, zorder=5,
                      markeredgecolor=colour("paper"), markeredgewidth=1)  # fmt: skip
    axes.axvline(0, color=colour("muted"), linewidth=0.9, zorder=2)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlim(*span)
    axes.xaxis.set_major_formatter(FuncFormatter(signed))
    axes.xaxis.set_major_locator(MaxNLocator(5 if size.narrow else 7, steps=[1, 2, 5, 10]))
    axes.set_xlabel("shared minus alone, primary metric", labelpad=4)
    title(axes, size, SAYS[split])


def _mark(axes: Axes, line: Any, y: float, tint: str, mark: str) -> None:
    """Draw a control: a small hollow mark with a thin interval."""
    axes.plot([line["low95"], line["high95"]], [y, y], color=colour(tint), linewidth=0.6, alpha=0.45, zorder=2)
    axes.plot(line["difference"], y, mark, markersize=4, markerfacecolor=colour("paper"), markeredgecolor=colour(tint),
              markeredgewidth=1.1, zorder=3)  # fmt: skip


def _brackets(axes: Axes, plan: Plan, order: list[str]) -> None:
    """Join the tasks of one model by a bar between their names and the panel."""
    for serving in plan.servings:
        rows = [order.index(task) for task in serving.serves]
        if len(rows) > 1:
            axes.plot([-0.008, -0.008], [min(rows) - 0.32, max(rows) + 0.32], color=colour("accent"), linewidth=2.2,
                      transform=axes.get_yaxis_transform(), clip_on=False, solid_capstyle="round")  # fmt: skip


def _values(axes: Axes, lines: pd.DataFrame, order: list[str], size: Size) -> None:
    """Write difference, interval and verdict at the right of each row."""
    place = axes.get_yaxis_transform()
    for y, task in enumerate(order):
        if task not in lines.index:
            continue
        line = lines.loc[task]
        verdict = str(line["verdict"])
        if verdict == "alone":
            axes.text(1.02, y, "alone", transform=place, va="center", fontsize=size.points, color=colour("muted"))
            continue
        gap = estimate(line["difference"], line["low95"], line["high95"], sign=True)
        axes.text(1.02, y - 0.17, gap, transform=place, va="center", fontsize=size.points, color=colour("ink"))
        axes.text(1.02, y + 0.2, verdict, transform=place, va="center", fontsize=size.points - 0.5, fontweight="bold",
                  color=colour(VERDICTS.get(verdict, "ink")))  # fmt: skip


def handles(names: list[str], plan: str) -> list[Artist]:
    """Return legend entries: the plan, the controls, the band."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Artist] = [
        Line2D([], [], color=colour("accent"), marker="o", linewidth=2.4, markersize=6.5, label=plan),
        Patch(color=colour("band"), label="within ±δ"),
    ]
    for at, name in enumerate(names):
        entries.append(Line2D([], [], color=colour(SERIES[at]), marker=MARKS[at], markerfacecolor=colour("paper"),
                              linewidth=0.6, markersize=4, label=name.replace("_", " ")))  # fmt: skip
    return entries
