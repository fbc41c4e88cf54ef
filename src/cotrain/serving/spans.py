"""From a document and its spans to the rows that a task reads."""

from __future__ import annotations

from collections.abc import Sequence

from cotrain.tasks.readers.entities import MARKERS, marked, window

BESIDE = 100
"""Characters on either side of a span, for tasks whose rows were not cut from annotated notes here."""


def rows(text: str, spans: Sequence[tuple[int, int]], around: int | str | None) -> list[str]:
    """Return one row per span: the span between markers, in the window of the task.

    Without a window it is what ``cnlp-transformers`` gives its models: 100 characters on either side, nothing changed.

    >>> rows("He denies chest pain.", [(10, 20)], None)
    ['He denies <e>chest pain</e>.']

    Args:
        spans: (begin, end) in characters, inside of the text and not empty.
        around: the window of annotated notes, as in a study file; None for tasks that have none.
    """
    if around is not None:
        return [marked(text, begin, end, window(around)) for begin, end in spans]
    before, after = MARKERS
    return [f"{text[max(0, begin - BESIDE) : begin]}{before}{text[begin:end]}{after}{text[end : end + BESIDE]}" for begin, end in spans]
