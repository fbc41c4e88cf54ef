"""The report as Markdown: the same words and tables, figures as files beside it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from cotrain.reporting.content import SPLIT_LABELS, Block, Bullets, Chips, Figure, Section, Split, Table, Text
from cotrain.reporting.first_screen import FirstScreen

_SPECIAL = re.compile(r"[\\`*<|#]|\](?=\()|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_CODE = re.compile(r"\\`([^`]+)\\`")


def render(name: str, screen: FirstScreen, forest: Figure, sections: Sequence[Section], drawn: Collection[str]) -> str:
    """Return the report; figures are linked as ``figures/NAME.svg`` where they were drawn."""
    parts = [f"# {escape(name)}"]
    if screen.banner:
        parts.append(f"> **{escape(screen.banner)}**")
    parts.append(f"**{escape(screen.headline)}**")
    parts.append(_bullets(screen.sentences))
    parts.append(_block(forest, drawn))
    parts.append(_table(screen.table))
    if screen.reasons:
        parts += ["## Reasons for distrust", _bullets(screen.reasons)]
    if screen.overrides:
        parts += ["## What a person forced", _bullets(screen.overrides)]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += [_block(block, drawn) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    r"""Return ``text`` so that Markdown shows it as it is; what is harmless stays readable.

    >>> print(escape("causal_language, [.002, .077], _x_ < *y*"))
    causal_language, [.002, .077], \_x\_ \< \*y\*
    """
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _block(block: Block, drawn: Collection[str]) -> str:
    """Return one block."""
    if isinstance(block, Text):
        return escape(block.text)
    if isinstance(block, Bullets):
        return _bullets(block.items)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Chips):
        models = "; ".join("{" + ", ".join(chip.tasks) + "}" for chip in block.chips)
        return "\n\n".join([f"### {escape(block.title)}", escape(models), *map(escape, block.sentences)])
    if block.name not in drawn:
        return ""
    return f"![{escape(block.alt)}](figures/{block.name}.svg)\n\n{_label(block.split)}{escape(block.caption)}"


def _bullets(items: Sequence[str]) -> str:
    """Return a list."""
    return "\n".join("- " + _CODE.sub(r"`\1`", escape(item)) for item in items)


def _label(split: Split) -> str:
    """Return which data a table or figure is of."""
    return "".join(f"*{words}.* " for _, words in SPLIT_LABELS[split])


def _table(table: Table) -> str:
    """Return a table with numeric columns at the right."""
    if not table.rows:
        return ""
    head = "| " + " | ".join(map(escape, table.heads)) + " |"
    rule = "|" + "|".join(" ---: " if numeric else " --- " for numeric in table.numeric) + "|"
    lines = ["| " + " | ".join(escape(cell.text) for cell in line) + " |" for line in table.rows]
    before = f"{_label(table.split)}{escape(table.caption)}\n\n" if table.caption or table.split else ""
    after = f"\n\n{escape(table.note)}" if table.note else ""
    return before + "\n".join([head, rule, *lines]) + after
