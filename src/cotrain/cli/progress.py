"""Progress of slow verbs: a bar with time left on a terminal, one plain line per minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from cotrain.training.train import Progress as State

console = Console(stderr=True, highlight=False)
SECONDS_BETWEEN_LINES = 60.0


def duration(seconds: float | None) -> str:
    """Return a duration as people say it.

    >>> duration(42), duration(754), duration(7300), duration(None)
    ('42 s', '12 min 34 s', '2 h 02 min', 'unknown')
    """
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@contextmanager
def fits_progress(what: str) -> Iterator[Callable[[State], None]]:
    """Yield a function that shows the state of training: a bar on a terminal, else a line per minute.

    A line is written at the start of training and at its end in any case, so that a log tells what happened.
    """
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"), TextColumn("[dim]{task.fields[running]}"),
        )  # fmt: skip
        with Progress(*columns, console=console, transient=True) as bar:
            line: TaskID = bar.add_task(what, total=None, left="", running="")

            def draw(state: State) -> None:
                left = f"{duration(state.seconds_left)} left" if state.seconds_left is not None else ""
                bar.update(line, completed=state.done, total=state.total, left=left, running=", ".join(state.running))

            yield draw
        return
    last = -SECONDS_BETWEEN_LINES

    def write(state: State) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES and state.done < state.total:
            return
        last = now
        left = f", {duration(state.seconds_left)} left" if state.seconds_left is not None else ""
        reused = f" ({state.reused} reused)" if state.reused else ""
        print(f"{what}: {state.done} of {state.total} fits{reused}{left}", file=sys.stderr, flush=True)

    yield write
