"""From an entity in a note to the text of its row: a window around it, the entity between markers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from cotrain.errors import InputError

MARKERS = ("<e>", "</e>")
"""What stands around the entity; in every row each exactly once."""
_ESCAPED = (("<e>", "< e>"), ("</e>", "< /e>"))
_UNITS = ("sentence", "document")
_END = re.compile(r"[.!?](?=\s)|\n\s*\n")


class Window(NamedTuple):
    """What a row shows on either side of the entity: so many ``characters`` or ``tokens``, its ``sentence``, or the ``document``."""

    size: int
    unit: str


def window(written: int | str) -> Window:
    """Return the window that a study file names.

    >>> window(100), window("20 tokens")
    (Window(size=100, unit='characters'), Window(size=20, unit='tokens'))

    Raises:
        InputError: something else.
    """
    if isinstance(written, str) and written in _UNITS:
        return Window(0, written)
    found = re.fullmatch(r"(\d+)( tokens)?", str(written))
    if not found or isinstance(written, str) != bool(found[2]) or isinstance(written, bool):
        raise InputError('window should be characters on either side (100), tokens ("20 tokens"), sentence or document')
    return Window(int(found[1]), "tokens" if found[2] else "characters")


def covering(spans: Iterable[tuple[int, int]], text: str) -> tuple[int, int] | None:
    """Return begin and end of all parts of an entity together, or None where a part is empty, blank, or not in the text."""
    parts = list(spans)
    if not parts or any(not 0 <= begin < end <= len(text) or text[begin:end].isspace() for begin, end in parts):
        return None
    return min(begin for begin, _ in parts), max(end for _, end in parts)


def marked(text: str, begin: int, end: int, around: Window, low: int = 0, high: int | None = None) -> str:
    """Return ``text[begin:end]`` between markers in its window, every run of blanks and line ends one blank.

    A window of characters never shows half a token: what its border cuts is left out. Markers that the note itself has
    are broken by a blank (``< e>``), so that a row has exactly one of each.

    >>> marked("He denies\\nchest pain.", 10, 20, Window(4, "characters"))
    '<e> chest pain </e> .'

    Args:
        low, high: where the window may begin and must end, such as the borders of a section.
    """
    high = len(text) if high is None else high
    before, after = _SIDES[around.unit](text, begin, end, low, high, around.size)
    pieces = (_clean(before), MARKERS[0], _clean(text[begin:end]), MARKERS[1], _clean(after))
    return " ".join(piece for piece in pieces if piece)


def has_entity(text: str) -> bool:
    """Whether a text has an entity between markers.

    >>> has_entity("Denies <e> pain </e> ."), has_entity("</e> <e>")
    (True, False)
    """
    return MARKERS[1] in text.partition(MARKERS[0])[2]


def _clean(text: str) -> str:
    """Return a text on one line, its markers broken."""
    text = " ".join(text.split())
    if "<" in text:
        for marker, broken in _ESCAPED:
            text = text.replace(marker, broken)
    return text


def _characters(text: str, begin: int, end: int, low: int, high: int, size: int) -> tuple[str, str]:
    """Return at most ``size`` characters on either side, of whole tokens; a token that the entity itself is part of is cut by it."""
    left, right = max(low, begin - size), min(high, end + size)
    if left > low and not text[left - 1].isspace():
        while left < begin and not text[left].isspace():
            left += 1
    if right < high and not text[right].isspace():
        while right > end and not text[right - 1].isspace():
            right -= 1
    return text[left:begin], text[end:right]


def _tokens(text: str, begin: int, end: int, low: int, high: int, size: int) -> tuple[str, str]:
    """Return at most ``size`` tokens between blanks on either side."""
    before, after = text[low:begin].rsplit(None, size), text[end:high].split(None, size)
    return " ".join(before[-size:] if size else []), " ".join(after[:size])


def _sentence(text: str, begin: int, end: int, low: int, high: int, size: int) -> tuple[str, str]:
    """Return the rest of the sentence: up to a full stop, question or exclamation mark before a blank, or an empty line."""
    left = _last_end(text, low, begin)
    found = _END.search(text, end - 1, high)  # the full stop can be the entity's own
    return text[left:begin], text[end : found.end() if found else high]


def _last_end(text: str, low: int, begin: int) -> int:
    """Return where the last sentence before a place ends: backwards from there, as a note can be long and have many entities."""
    size = 512
    while True:
        start = max(low, begin - size)
        while start > low and text[start - 1].isspace():  # an empty line is found whole
            start -= 1
        if ends := [found.end() for found in _END.finditer(text, start, begin)]:
            return ends[-1]
        if start == low:
            return low
        size *= 4


def _document(text: str, begin: int, end: int, low: int, high: int, size: int) -> tuple[str, str]:
    """Return all that is there."""
    return text[low:begin], text[end:high]


_SIDES = {"characters": _characters, "tokens": _tokens, "sentence": _sentence, "document": _document}
