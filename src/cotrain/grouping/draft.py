"""A Draft: what a selection of groups decides; ``group`` makes the plan of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cotrain.grouping.plan import Serving
from cotrain.training.group import Group


@dataclass(frozen=True)
class Draft:
    """The part of a nominated plan that its selection knows.

    Attributes:
        name: of the plan.
        servings: who serves which task.
        why: sentences for people.
        runner_up: the next best plan in words.
        candidates: groups to train besides.
    """

    name: str
    servings: tuple[Serving, ...]
    why: tuple[str, ...]
    runner_up: str = ""
    candidates: tuple[Group, ...] = ()


def serving_all(groups: Iterable[Iterable[str]]) -> tuple[Serving, ...]:
    """Return groups that each serve all their members, sorted.

    >>> serving_all([["b", "a"]])[0].serves
    ('a', 'b')
    """
    return tuple(Serving(Group.of(g), tuple(sorted(g))) for g in sorted(tuple(sorted(g)) for g in groups))


def words(groups: Iterable[tuple[str, ...]]) -> str:
    """Return a partition in words.

    >>> words([("c",), ("a", "b")])
    'a+b; c'
    """
    return "; ".join("+".join(g) for g in sorted(groups))
