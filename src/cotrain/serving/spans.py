"""From a document and its spans to the rows that a task reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cotrain.tasks.readers.anafora import Sections
from cotrain.tasks.readers.entities import MARKERS, marked, window

BESIDE = 100
"""Characters on either side of a span, for tasks whose rows were not cut from annotated notes here."""


def rows(text: str, spans: Sequence[tuple[int, int]], around: int | str | None, form: str | None = None) -> Iterator[str]:
    """Yield one row per span: the span between markers, in the window of the task.

    Without a window it is what ``cnlp-transformers`` gives its models: 100 characters on either side, nothing changed.

    >>> list(rows("He denies chest pain.", [(10, 20)], None))
    ['He denies <e>chest pain</e>.']

    Args:
        spans: (begin, end) in characters, inside of the text and not empty.
        around: the window of annotated notes, as in a study file; None for tasks that have none.
        form: the format of these notes; ``anafora`` has lines of markup, which are no part of a row.
    """
    if around is not None:
        size = window(around)
        sections = Sections.of(text if form == "anafora" else "")
        text = sections.blanked(text)
        for begin, end in spans:
            yield marked(text, begin, end, size, *sections.borders(begin, end))
        return
    before, after = MARKERS
    for begin, end in spans:
        yield f"{text[max(0, begin - BESIDE) : begin]}{before}{text[begin:end]}{after}{text[end : end + BESIDE]}"
