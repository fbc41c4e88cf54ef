"""Progress of ``prompt``: answers and what they took so far; a bar on a terminal, one plain line per minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cotrain.cli.progress import SECONDS_BETWEEN_LINES, Stopped, console, say
from cotrain.reporting.words import count, duration, plural

if TYPE_CHECKING:
    from cotrain.prompting.ask import State


@contextmanager
def asking_progress() -> Iterator[Callable[[State], None]]:
    """Yield what shows how many prompts are answered; a signal says that they are kept."""
    last: State | None = None
    began = time.monotonic()

    def tell(state: State) -> None:
        nonlocal last
        last = state
        draw(state, _left(state, time.monotonic() - began))

    with _bar() if console.is_terminal else _lines() as draw:
        try:
            yield tell
        except Stopped as stop:
            if last is not None:
                stop.done = f"{last.done:,} of {plural(last.total, 'prompt')} are answered and kept"
            raise


@contextmanager
def _bar() -> Iterator[Callable[[State, str], None]]:
    """Yield what draws a live bar."""
    columns = (TextColumn("asking"), BarColumn(bar_width=16), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task("asking", total=None, said="")
        yield lambda state, left: bar.update(line, completed=state.done, total=state.total, said=_said(state) + left)


@contextmanager
def _lines() -> Iterator[Callable[[State, str], None]]:
    """Yield what writes a line at the beginning, each minute, and at the end."""
    told = float("-inf")

    def write(state: State, left: str) -> None:
        nonlocal told
        if state.done == state.total or time.monotonic() - told >= SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            say(f"asking: {_said(state)}{left}")

    yield write


def _said(state: State) -> str:
    """Return how far it is and what it took."""
    tokens = state.spent.tokens_in + state.spent.tokens_out
    return f"{count(state.done)} of {plural(state.total, 'prompt')}, {plural(state.spent.requests, 'request')}, {count(tokens)} tokens"


def _left(state: State, seconds: float) -> str:
    """Return the time left, nothing before it is known."""
    made, left = state.done - state.there, state.total - state.done
    return f", {duration(seconds / made * left)} left" if made > 2 and left else ""
