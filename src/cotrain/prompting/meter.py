"""A Meter: what was asked and answered so far, what may still be, and when."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

from cotrain.errors import CotrainError


class Capped(CotrainError):
    """A limit on spending is reached; the message names it."""


class Halted(CotrainError):
    """Another request failed for good; this one is not tried again."""


class Spent(NamedTuple):
    """Requests sent, tries that failed among them, and tokens of what was answered."""

    requests: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Limits:
    """At most so many requests and tokens; 0: no limit."""

    requests: int = 0
    tokens: int = 0


class Meter:
    """Counts across threads; ``halt`` ends every wait."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.halt = threading.Event()
        self._lock = threading.Lock()
        self._requests = self._in = self._out = self._reserved = 0
        self._not_before = 0.0

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        return Spent(self._requests, self._in, self._out)

    def take(self, tokens: int) -> None:
        """Count a request that may take so many tokens, when requests may be sent again.

        Raises:
            Capped: it would go beyond a limit.
            Halted: another request failed for good.
        """
        while (seconds := self._not_before - time.monotonic()) > 0 and not self.halt.is_set():
            self.halt.wait(seconds)
        if self.halt.is_set():
            raise Halted
        with self._lock:
            if self.limits.requests and self._requests >= self.limits.requests:
                raise Capped(f"--max-requests {self.limits.requests}")
            if self.limits.tokens and self._in + self._out + self._reserved + tokens > self.limits.tokens:
                raise Capped(f"--max-tokens {self.limits.tokens}")
            self._requests += 1
            self._reserved += tokens

    def give(self, reserved: int, tokens_in: int = 0, tokens_out: int = 0) -> None:
        """Count what a request took, nothing if it failed."""
        with self._lock:
            self._reserved -= reserved
            self._in += tokens_in
            self._out += tokens_out

    def pause(self, seconds: float) -> None:
        """Let no request begin before so many seconds are over."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)
