"""Spectral clustering finds blocks, whatever the order and scale of values, and refuses what a cut of a graph cannot keep."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.plan import Plan

BLOCKS = (("a", "d", "g"), ("b", "e"), ("c", "f", "h", "i"))


def values(scale: float = 1.0, shift: float = 0.0) -> dict[tuple[str, str], float]:
    """Return noisy values of both orders, higher inside of a block."""
    random = np.random.default_rng(0)
    block = {task: k for k, tasks in enumerate(BLOCKS) for task in tasks}
    return {(x, y): shift + scale * ((block[x] == block[y]) + 0.2 * random.normal()) for x, y in permutations("abcdefghi", 2)}


def cut(affinity: Affinity, models: int, **options: object) -> Plan:
    [plan] = group(affinity, Options(rule="any", select="spectral", models=models, **options), "s")  # type: ignore[arg-type]
    return plan


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.01, -5.0)])
def test_planted_blocks_are_found_and_the_order_of_pairs_changes_nothing(
    scale: float, shift: float, valued: Callable[..., Affinity], groups: Callable[[Plan], list[str]]
) -> None:
    value = values(scale, shift)
    expected = sorted("+".join(block) for block in BLOCKS)
    assert groups(cut(valued(value), 3)) == expected
    assert groups(cut(valued(dict(reversed(value.items()))), 3)) == expected


def test_tasks_that_are_not_learned_stand_alone_and_count(valued: Callable[..., Affinity], groups: Callable[[Plan], list[str]]) -> None:
    related = valued(values(), states={"i": "not_learned"})
    assert groups(cut(related, 4)) == ["a+d+g", "b+e", "c+f+h", "i"]
    [half] = group(related, Options(select="spectral"), "s")
    assert len(half.servings) == 4 + 1, "half as many groups as learned tasks, and those alone; it tests nothing, whatever the rule"
    assert groups(cut(related, 2)) == ["a+b+c+d+e+f+g+h", "i"] and len(groups(cut(related, 9))) == 9
    with pytest.raises(InputError, match="at most 1 models are asked for, and 2 are needed"):
        cut(related, 1)


def test_what_it_cannot_keep_to_is_refused(valued: Callable[..., Affinity]) -> None:
    related = valued(values())
    with pytest.raises(InputError, match="cannot keep to apart, largest"):
        cut(related, 3, apart=(("a", "b"),), largest=2)
