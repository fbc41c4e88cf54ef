"""``accuracy``: tasks are alike that are solved alike well alone. Difficulty only."""

from __future__ import annotations

from math import isnan

from cotrain.affinity.method import Found, Ground, Method, apart
from cotrain.errors import InputError


def relate(ground: Ground) -> Found:
    """Return −|a_i − a_j|, a the accuracy of the task alone on the rows that PVI scored.

    Raises:
        InputError: scores from outside that do not tell what was guessed.
    """
    found = ground.facts("accuracy")
    if unknown := sorted(task for task, value in found.items() if isnan(value)):
        raise InputError(f"the method accuracy needs the guess of each row, and the scores of {', '.join(unknown)} do not tell it")
    return Found(apart(found), "accuracy")


METHOD = Method(relate, sees="difficulty")
