"""Ways to share: mean difference to alone against bytes in memory, and against passes of the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotrain.reporting.figures.cost import Point, panel, two
from cotrain.reporting.style import Size, title
from cotrain.reporting.tables import RunTables
from cotrain.reporting.ways import ways

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = {"alone": "control", "recommended": "recommended"}


def draw(run: RunTables, size: Size) -> Figure | None:
    """Return two panels, or None where no other way was compared."""
    found = ways(run)
    if not found:
        return None
    figure, panels = two(size)
    panel(panels[0], size, [Point(w.name, _KINDS.get(w.name, "way"), w.bytes / 1e6, w.difference) for w in found], "MB in memory, float32")
    panel(panels[1], size, [Point(w.name, _KINDS.get(w.name, "way"), w.passes, w.difference) for w in found],
          "passes of an encoder per text")  # fmt: skip
    title(panels[0], size, "test: mean difference to alone")
    return figure
