"""Ways to share: mean difference to alone against bytes in memory, and against passes of the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotrain.reporting.figures.cost import Point, panel
from cotrain.reporting.style import Size, canvas, title
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
    rows, columns = (2, 1) if size.narrow else (1, 2)
    height = 2.9 * rows
    figure, panels = canvas(size, height, nrows=rows, ncols=columns, sharey=True)
    figure.subplots_adjust(left=0.15 if size.narrow else 0.07, right=0.96, bottom=0.52 / height, top=1 - 0.35 / height,
                           wspace=0.08, hspace=0.34)  # fmt: skip
    panel(panels[0], size, [Point(w.name, _KINDS.get(w.name, "way"), w.bytes / 1e6, w.difference) for w in found], "MB in memory, float32")
    panel(panels[1], size, [Point(w.name, _KINDS.get(w.name, "way"), w.passes, w.difference) for w in found],
          "passes of an encoder per text")  # fmt: skip
    title(panels[0], size, "test: mean difference to alone")
    return figure
