"""Budgets: from parameters or bytes to a number of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor

from cotrain.errors import InputError
from cotrain.grouping.options import Options

BYTES = 4
"""Of a parameter, in single precision."""


@dataclass(frozen=True)
class Size:
    """The parameters of models: one encoder each, and a head for every task that it serves."""

    encoder: int
    heads: Mapping[str, int]

    def parameters(self, models: int) -> int:
        """Return the parameters of a plan of so many models, which serve every task once."""
        return models * self.encoder + sum(self.heads.values())


def affordable(options: Options, size: Size | None) -> Options:
    """Return options whose budget is a number of ``models``: each task has one head in any plan, so only the encoders differ.

    Raises:
        InputError: a budget in parameters or bytes where no encoder is known, or below the least plan.
    """
    if options.budget is None:
        return options
    if options.cost == "models":
        number = floor(options.budget)
        if number < 1:
            raise InputError(f"a budget of {options.budget:g} models is below one model; allow 1 or more")
        return replace(options, budget=None, models=number)
    if size is None:
        raise InputError(
            f"a budget in {options.cost} needs an encoder, and this affinity comes without one; give the budget in models (--models)"
        )
    each = BYTES if options.cost == "bytes" else 1
    number = floor((options.budget / each - sum(size.heads.values())) / size.encoder)
    if number < 1:
        raise InputError(
            f"a budget of {options.budget:,.0f} {options.cost} is below one model for all tasks; that takes {each * size.parameters(1):,}"
        )
    return replace(options, models=min(number, options.models or number))


def words(options: Options, size: Size | None) -> str:
    """Return what a budget in parameters or bytes buys, or nothing."""
    if size is None or options.budget is None:
        return ""
    each = BYTES if options.cost == "bytes" else 1
    return (
        f"The budget of {options.budget:,.0f} {options.cost} buys {options.models} models: "
        f"{each * size.encoder:,} each, and {each * sum(size.heads.values()):,} for all heads."
    )
