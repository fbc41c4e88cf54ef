"""Every error that a person can cause, with what should be, what was found, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class CotrainError(Exception):
    """The base of the errors that the command line prints without a traceback (exit code 2)."""


class InputError(CotrainError):
    """One or more faults of what a person gave; all of them at once, never the text of an example.

    Args:
        faults: one sentence per fault: what should be, what was found, where (file, row), what to do.
    """

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class MissingExtra(CotrainError):
    """A library of an optional extra is not installed; the message is the exact command that installs it."""

    def __init__(self, extra: str, library: str) -> None:
        super().__init__(f'{library} is not installed, and this needs it. Install it with: pip install "cotrain[{extra}]"')


class ChangedStudy(CotrainError):
    """A run folder belongs to a study that differs from the one given; the message lists what changed."""


class FitsFailed(CotrainError):
    """The study went on, but some fits failed; the message names them (exit code 1)."""


def few(names: Iterable[str], most: int = 3) -> str:
    """Return the first names of a fault, and how many more there are.

    >>> few("abcde")
    'a, b, c and 2 more'
    """
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
