"""An Estimate: a number with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cotrain.errors import InputError


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
        """Return ``.712 [.690, .734]``."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
