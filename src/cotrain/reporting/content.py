"""What a section holds, independent of HTML or Markdown: paragraphs, lists, tables, figures, groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Tone = Literal["", "good", "bad", "warn", "quiet", "strong"]
Split = Literal["", "dev", "test", "both", "scored dev", "scored test", "scored out of fold"]
SPLIT_LABELS: dict[Split, tuple[tuple[str, str], ...]] = {
    "": (), "dev": (("dev", "dev: decides"),), "test": (("test", "test: confirms"),),
    "both": (("dev", "dev: decides"), ("test", "test: confirms")),
    "scored dev": (("dev", "scored on dev"),), "scored test": (("test", "scored on test"),),
    "scored out of fold": (("dev", "scored out of fold"),),
}  # fmt: skip
"""How each kind of held-out data is labelled: (class, words). Scores come from dev, or from test in preset ``paper``."""


SCORED: dict[str, Split] = {"dev": "scored dev", "test": "scored test", "out-of-fold": "scored out of fold"}
"""The label of scores by the split of their rows; those from outside may have none."""


class Cell(NamedTuple):
    """The text of a table cell and how it is meant; tone is never the only carrier of a meaning."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = ""
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Table:
    """A table. ``columns`` that begin with ``#`` are numeric and stand at the right; ``split`` labels its rows' data."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    note: str = ""
    split: Split = ""
    kind: Literal["table"] = "table"

    @property
    def heads(self) -> tuple[str, ...]:
        """The titles of the columns, without marks."""
        return tuple(column.removeprefix("#") for column in self.columns)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether each column holds numbers."""
        return tuple(column.startswith("#") for column in self.columns)


@dataclass(frozen=True)
class Figure:
    """A picture by name, with its caption, and in words for those who cannot see it."""

    name: str
    caption: str
    alt: str
    split: Split = ""
    kind: Literal["figure"] = "figure"


class Chip(NamedTuple):
    """One model of a plan: the tasks that it serves, and helpers that it carries but does not serve."""

    tasks: tuple[str, ...]
    helpers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chips:
    """A plan as one chip per model."""

    title: str
    chips: tuple[Chip, ...]
    sentences: tuple[str, ...] = ()
    kind: Literal["chips"] = "chips"


Block = Text | Bullets | Table | Figure | Chips


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def row(*cells: str | Cell) -> tuple[Cell, ...]:
    """Return a line of a table from plain texts and cells."""
    return tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells)
