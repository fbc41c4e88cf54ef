"""The report as one HTML file: figures inside it, no network, no scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cotrain.reporting.content import SPLIT_LABELS, Figure, Section
from cotrain.reporting.first_screen import FirstScreen
from cotrain.reporting.style import PALETTE

if TYPE_CHECKING:
    from markupsafe import Markup

DARK = {
    "ink": "#e6ebf2", "muted": "#97a3b3", "rule": "#2d3642", "soft": "#222a35", "paper": "#12161c", "accent": "#6ba4f8",
    "accent-soft": "#1f3a63", "on-accent": "#0d131b", "good": "#63c787", "bad": "#f58a80", "warn": "#e3b056",
    "band": "#1d3529", "purple": "#b796ea", "orange": "#f09a5d", "teal": "#4dc3c9", "pink": "#e886c2", "olive": "#b6c455",
    "seq-0": "#7db0fb", "seq-1": "#5d94e4", "seq-2": "#2f62ab", "seq-3": "#234774", "seq-4": "#1d2f49",
}  # fmt: skip


def _code(text: str) -> Markup:
    """Return ``text`` escaped, with names in backticks as code, and intervals that do not break over lines."""
    from markupsafe import Markup, escape

    body = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\[[^\]<]{1,24}\]", r'<span class="whole">\g<0></span>', body))


class Drawing(NamedTuple):
    """A figure as two SVG elements: for wide and for narrow screens."""

    wide: str
    narrow: str


def render(
    name: str, facts: Sequence[str], screen: FirstScreen, forest: Figure, sections: Sequence[Section],
    drawings: Mapping[str, Drawing], foot: str,
) -> str:  # fmt: skip
    """Return the page.

    Everything is escaped but the SVG elements, whose texts matplotlib has escaped already.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("cotrain.reporting", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["code"] = _code
    style = environment.get_template("style.css").render(light=PALETTE, dark=DARK)
    safe = {key: Drawing(Markup(d.wide), Markup(d.narrow)) for key, d in drawings.items()}
    return environment.get_template("report.html").render(
        name=name, labels=SPLIT_LABELS, facts=facts, screen=screen, forest=forest, sections=sections, drawings=safe, foot=foot,
        style=Markup(style),
    )  # fmt: skip
