"""How figures look: one palette, sizes for wide and narrow screens, and savers that give the same bytes every time."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from cotrain.reporting.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Every colour of a figure is one of these, so that the page can replace it by a variable of its dark or light theme.
PALETTE = {
    "ink": "#1b2430", "muted": "#5b6674", "rule": "#d3d9e1", "soft": "#eef1f6", "paper": "#fefefe", "accent": "#1d5fc4",
    "accent-soft": "#cfe0f8", "on-accent": "#fdfdff", "good": "#15783c", "bad": "#b3261f", "warn": "#97590a",
    "band": "#e3efe6", "purple": "#7f52bd", "orange": "#c4560f", "teal": "#0d7f86", "pink": "#a8327a", "olive": "#6d7a12",
    "seq-0": "#1c57ad", "seq-1": "#4a80cc", "seq-2": "#86aee3", "seq-3": "#bcd4f2", "seq-4": "#e4eefb",
}  # fmt: skip
SERIES = ("purple", "orange", "teal", "pink", "olive")
MARKS = ("s", "D", "^", "v", "P")
# Matplotlib writes `font: 9px 'A', 'B'` or `font-family: 'A', 'B'`, by version
_FONT = re.compile(r"(font: (?:[a-z0-9.]+ )*[0-9.]+px|font-family:) '[^;\"]+")
_LOOSE_ID = re.compile(r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend|PathCollection|'
                       r'LineCollection|PolyCollection|FillBetweenPolyCollection|QuadMesh)[^"]*"')  # fmt: skip


class Size(NamedTuple):
    """The width of a figure in inches and its type size in points.

    ``narrow`` figures are for telephones: they stack what stands side by side on a wide screen.
    """

    width: float
    points: float
    narrow: bool


WIDE = Size(9.6, 9.0, False)
NARROW = Size(4.6, 9.0, True)


@contextmanager
def literally() -> Iterator[None]:
    """Let figures show names as they are: ``$`` begins no formula, and letters that the font of a PNG lacks are boxes without a warning."""
    import matplotlib as mpl

    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def colour(name: str) -> str:
    """Return the hex code of a colour of the palette."""
    return PALETTE[name]


def canvas(size: Size, height: float, **grid: object) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``height`` inches and its axes, row by row; ``grid`` goes to ``Figure.subplots``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size.width, height))
    axes = figure.subplots(squeeze=False, **grid)  # type: ignore[call-overload]
    return figure, list(axes.ravel())


def labels(names: Iterable[str], size: Size) -> list[str]:
    """Return names for an axis, long ones with their middle left out.

    >>> labels(["notes.negation_of_family_history"], NARROW)
    ['notes.nega…_history']
    """
    most = 19 if size.narrow else 34
    return [name if len(name) <= most else f"{name[: most // 2 + 1]}…{name[-(most // 2 - 1) :]}" for name in names]


def room(names: Iterable[str], size: Size, least: float = 0.0) -> float:
    """Return the share of the width that the names of an axis need at its left."""
    longest = max((len(name) for name in labels(names, size)), default=0)
    return max(least, (longest * size.points * 0.0089 + 0.16) / size.width)


def plain(axes: Axes, size: Size, grid: str = "x") -> None:
    """Take away the frame, keep a light grid in one direction, and set the type."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=size.points, labelcolor=colour("muted"), pad=5)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=colour("rule"), linewidth=0.6)  # type: ignore[arg-type]
    axes.xaxis.label.set(color=colour("muted"), size=size.points)
    axes.yaxis.label.set(color=colour("muted"), size=size.points)
    axes.patch.set_visible(False)


def title(axes: Axes, size: Size, text: str) -> None:
    """Write the title of a panel over its left edge."""
    axes.set_title(text, loc="left", fontsize=size.points, fontweight="bold", color=colour("ink"), pad=7)


def short(value: float, _: int = 0) -> str:
    """Return a tick label as the tables print numbers: ``−.02``."""
    text = number(value, 3)
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(value: float, _: int = 0) -> str:
    """Return a tick label of a difference: ``+.02``."""
    text = short(value)
    return text if value <= 0 or text == "0" else "+" + text


def svg(figure: Figure, name: str) -> str:
    """Return the figure as a standalone SVG, the same bytes for the same numbers."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG of 200 dots per inch on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def inline(text: str, label: str) -> str:
    """Return a standalone SVG as an element of a page: colours and type of the page, a label for screen readers.

    Matplotlib's ids and style sheet are taken away where nothing refers to them: in one page they would repeat.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<style type="text/css">.*?</style>', "", body, flags=re.DOTALL)
    body = _LOOSE_ID.sub("", body)
    for name, code in PALETTE.items():
        body = body.replace(code, f"var(--{name})")
    body = _FONT.sub(r"\1 var(--sans)", body)
    view = re.search(r'viewBox="[^"]+"', body)
    head = f'<svg {view.group(0) if view else ""} role="img" aria-label="{label}" class="figure">'
    return re.sub(r"<svg[^>]*>", lambda _: head, body, count=1)
