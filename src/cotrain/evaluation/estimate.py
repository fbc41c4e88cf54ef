"""An Estimate: a number with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cotrain.errors import InputError


def said(value: float, digits: int = 3, sign: bool = False) -> str:
    """Return a number as people print it: no leading zero, a true minus sign.

    >>> said(-0.0041), said(0.02, 2), said(0.004, sign=True)
    ('−.004', '.02', '+.004')
    """
    text = f"{abs(value):.{digits}f}"
    mark = "" if not text.strip("0.") else "−" if value < 0 else "+" if sign else ""
    return mark + text.removeprefix("0")


def probability(value: float) -> str:
    """Return a probability, never 0 or 1.

    >>> probability(0.034), probability(0.0), probability(1.0)
    ('.034', '< .001', '> .999')
    """
    return "< .001" if value < 0.001 else "> .999" if value > 0.999 else said(value)


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval and the number of observations (seeds or rows) behind it."""

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        if not math.isnan(self.value) and (self.low > self.value or self.high < self.value):
            raise InputError(f"the interval [{self.low}, {self.high}] does not hold its value {self.value}")

    def __str__(self) -> str:
        """Return ``.712 [.690, .734]``, or the value alone where the interval is not known."""
        inside = "" if math.isnan(self.low) or math.isnan(self.high) else f" [{said(self.low)}, {said(self.high)}]"
        return said(self.value) + inside
