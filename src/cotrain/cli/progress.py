"""Progress of slow verbs: a bar with time left on a terminal, one plain line per minute elsewhere; all on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from cotrain.reporting.words import duration, plural

if TYPE_CHECKING:
    from cotrain.training.train import Progress as State

console = Console(stderr=True, highlight=False)
SECONDS_BETWEEN_LINES = 60.0
_NAME = 28
"""Letters of the name of a running fit that are shown."""


class Stopped(BaseException):
    """A signal stopped the work. Not a KeyboardInterrupt, which argument parsers catch and swallow.

    Attributes:
        code: the exit code, 128 + signal.
        done: what is finished, in words; empty where nothing was trained.
    """

    def __init__(self, signal: int) -> None:
        self.code = 128 + signal
        self.done = ""
        super().__init__(self.code)


class Watch:
    """Told the state of training: shows it, remembers the last one, and says each message once."""

    def __init__(self, draw: Callable[[State], None]) -> None:
        self.last: State | None = None
        self._draw = draw
        self._said: set[str] = set()

    def __call__(self, state: State) -> None:
        """Show a state."""
        if state.message and state.message not in self._said:
            self._said.add(state.message)
            say(state.message)
        self._draw(state)
        self.last = state


def say(line: str) -> None:
    """Print a line on stderr, above the bar where there is one."""
    console.print(escape(line), soft_wrap=True)


@contextmanager
def fits_progress(before: str = "checking the data") -> Iterator[Watch]:
    """Yield what shows the state of training: a bar on a terminal, elsewhere a line at its start, each minute, at its end.

    Args:
        before: what is done until training begins.
    """
    with _bar(before) if console.is_terminal else _lines() as draw:
        watch = Watch(draw)
        try:
            yield watch
        except Stopped as stop:
            if watch.last is not None and watch.last.total:
                stop.done = f"{watch.last.done} of {plural(watch.last.total, 'fit')} are done and kept"
            raise


@contextmanager
def waiting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show that something is being done: a spinner on a terminal, elsewhere one line.

    Yields what can be told how much is done, of how much: the time left then stands beside it, elsewhere a line a minute.
    """
    began = said = time.monotonic()

    def far(done: int, total: int) -> str:
        left = (time.monotonic() - began) / done * (total - done)
        return f"{what}: {done} of {total}, {duration(left)} left"

    def line(done: int, total: int) -> None:
        nonlocal said
        if done < total and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            say(far(done, total))

    if not console.is_terminal:
        say(what)
        yield line
        return
    with console.status(escape(what)) as status:
        yield lambda done, total: status.update(escape(far(done, total)))


@contextmanager
def _bar(before: str) -> Iterator[Callable[[State], None]]:
    """Yield what draws a live bar; where nothing is trained it says so and only the clock runs."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=16), TextColumn("{task.fields[fits]}"),
        TimeElapsedColumn(), TextColumn("{task.fields[left]}"),
        TextColumn("[dim]{task.fields[running]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, expand=True) as bar:
        line = bar.add_task(before, total=None, fits="", left="", running="")

        def draw(state: State) -> None:
            busy = state.done < state.total
            bar.update(
                line, description="training" if busy else "working", completed=state.done, total=state.total if busy else None,
                fits=f"{state.done}/{state.total} fits", left=_left(state), running=escape(_running(state)) if busy else "",
            )  # fmt: skip

        yield draw


@contextmanager
def _lines() -> Iterator[Callable[[State], None]]:
    """Yield what writes lines: where training begins and ends, and between them one a minute."""
    last: State | None = None
    began: float | None = None
    stop = threading.Event()

    def remind() -> None:
        while not stop.wait(SECONDS_BETWEEN_LINES):
            if last is not None and began is not None:
                left = f", {_left(last)}" if last.seconds_left is not None else ""
                running = f"; now {_running(last)}" if last.running else ""
                say(f"training: {last.done} of {plural(last.total, 'fit')}{left}{running}")

    def write(state: State) -> None:
        nonlocal last, began
        last = state
        if began is None and state.running:  # fits that are there already are no training
            began = time.monotonic()
            there = f", {state.done} of them there already" if state.done else ""
            say(f"training: {plural(state.total, 'fit')}{there}")
        elif began is not None and state.done == state.total:
            say(f"training: {plural(state.total, 'fit')} done in {duration(time.monotonic() - began)}")
            began = None

    thread = threading.Thread(target=remind, daemon=True)
    thread.start()
    try:
        yield write
    finally:
        stop.set()
        thread.join()


def _left(state: State) -> str:
    """Return the time left, nothing before it is known."""
    return f"{duration(state.seconds_left)} left" if state.seconds_left is not None and state.done < state.total else ""


def _running(state: State) -> str:
    """Return the names of the fits that run, long ones cut."""
    return ", ".join(name if len(name) <= _NAME else f"{name[: _NAME - 8]}…{name[-7:]}" for name in state.running)
