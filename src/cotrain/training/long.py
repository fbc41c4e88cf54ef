"""Texts that are longer than the encoder reads: their beginning and end, or windows that overlap and are read one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Row = dict[str, list[int]]
_OVERLAP = 4
"""Neighbouring windows share at least one part in so many."""


class Windows(Row):
    """A row that is read in several windows: itself the first of them, in ``all`` every one in the order of the text."""

    def __init__(self, windows: Sequence[Row]) -> None:
        super().__init__(windows[0])
        self.all = tuple(windows)


def head_and_tail(row: Mapping[str, list[int]], text: Sequence[int], pair: Sequence[int], max_length: int) -> Row:
    """Return a tokenised row of at most ``max_length`` tokens without the middle of its text.

    As much is left of its beginning as of its end; a second text is cut at its end to what a short first one leaves, or to half.

    Args:
        row: whole, as the tokenizer gives it.
        text, pair: the token ids of each text alone, without what the tokenizer adds.
    """
    parts = _Parts.of(row["input_ids"], text, pair, max_length)
    head = math.ceil(parts.room / 2)
    return parts.taken(row, [*parts.first[:head], *parts.first[len(text) - (parts.room - head) :]])


def windows(row: Mapping[str, list[int]], text: Sequence[int], pair: Sequence[int], max_length: int) -> Windows:
    """Return a tokenised row as windows over its text of ``max_length`` tokens each, equally far from each other.

    Each has the second text, where there is one, cut as in :func:`head_and_tail`.
    """
    parts = _Parts.of(row["input_ids"], text, pair, max_length)
    number = math.ceil((len(text) - parts.room) / (parts.room - parts.room // _OVERLAP)) + 1
    starts = np.linspace(0, len(text) - parts.room, number).round().astype(int)
    return Windows([parts.taken(row, parts.first[start : start + parts.room]) for start in starts])


def shown(row: Row, turn: int) -> Row:
    """Return what training sees of a row: of several windows one, the next at every turn."""
    return row.all[turn % len(row.all)] if isinstance(row, Windows) else row


def spread(rows: Iterable[Row]) -> tuple[list[Row], np.ndarray]:
    """Return every window of rows, and (windows,) the index of the row that each is of."""
    every = [row.all if isinstance(row, Windows) else (row,) for row in rows]
    return [window for several in every for window in several], np.repeat(np.arange(len(every)), [len(several) for several in every])


def joined(values: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the (n, …) means over the windows of each row."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    sums = np.add.reduceat(values, starts, axis=0) if len(values) else values
    return np.asarray(sums / np.diff(starts, append=len(owners)).reshape(-1, *[1] * (values.ndim - 1)), dtype=values.dtype)


def place(ids: Sequence[int], part: Sequence[int], start: int) -> int:
    """Return where a text begins in its row."""
    return next(i for i in range(start, len(ids) + 1) if ids[i : i + len(part)] == part)


class _Parts(NamedTuple):
    """Where the first text is in a row, which places of the second go, and for how many tokens of the first there is room."""

    first: range
    gone: range
    room: int

    @classmethod
    def of(cls, ids: Sequence[int], text: Sequence[int], pair: Sequence[int], max_length: int) -> _Parts:
        """Return the parts of a row that is too long."""
        start = place(ids, text, 0)
        second = place(ids, pair, start + len(text))
        room = max(1, max_length - (len(ids) - len(text) - len(pair)))
        kept = min(len(pair), max(room // 2, room - len(text)))
        return cls(range(start, start + len(text)), range(second + kept, second + len(pair)), max(1, min(len(text), room - kept)))

    def taken(self, row: Mapping[str, list[int]], kept: Sequence[int]) -> Row:
        """Return a row with these places of its first text."""
        gone = {*self.first, *self.gone}.difference(kept)
        return {name: [value for i, value in enumerate(values) if i not in gone] for name, values in row.items()}
