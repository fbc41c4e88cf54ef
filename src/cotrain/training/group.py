"""A Group: what one fit trains. The single-task learner and the null model are groups of one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self, get_args

from cotrain.errors import InputError

Variant = Literal["real", "blank", "permuted"]
_MEMBER = re.compile(r"^(?P<task>[^\[\]+@]+)(?:\[(?P<variant>blank|permuted)(?::(?P<seed>\d+))?\])?$")


@dataclass(frozen=True)
class Member:
    """A task in a group: with its real inputs, with blank inputs (the null model), or with permuted labels (placebo)."""

    task: str
    variant: Variant = "real"
    permutation_seed: int = 0

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise InputError(f"unknown variant '{self.variant}' of task {self.task}: real, blank or permuted")
        if not self.task or set(self.task) & set("[]+@"):
            raise InputError(f"the name of a task should be without [ ] + @, which part the names of groups; found '{self.task}'")

    def __str__(self) -> str:
        """Return ``rte``, ``rte[blank]`` or ``rte[permuted:7]``."""
        mark = {"real": "", "blank": "[blank]", "permuted": f"[permuted:{self.permutation_seed}]"}
        return self.task + mark[self.variant]


@dataclass(frozen=True)
class Group:
    """The ordered members that one fit trains with one shared encoder and a head per task.

    Attributes:
        members: at least one, each task once. The order is part of the identity.
        updates: none (the settings decide when to stop); a number of updates; or the name of another group, whose
            number of updates at the same seed is the budget (controls ``placebo`` and ``matched_updates``).
    """

    members: tuple[Member, ...]
    updates: int | str | None = None

    def __post_init__(self) -> None:
        if not self.members:
            raise InputError("a group needs at least one member")
        if len(set(self.tasks)) != len(self.tasks):
            raise InputError(f"group {self.name} has a task twice")

    @classmethod
    def of(cls, tasks: Iterable[str]) -> Self:
        """Return the group of real members, sorted by name, so that one set of tasks is one group.

        >>> Group.of(["rte", "cb"]).name
        'cb+rte'
        """
        return cls(tuple(Member(task) for task in sorted(tasks)))

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the group of a ``name``: ``cb+rte``, ``cb[blank]``, ``cb+rte[permuted:7]@cb+rte``, ``cb@120``."""
        body, at, budget = name.partition("@")
        members = []
        for part in body.split("+"):
            if not (found := _MEMBER.match(part)):
                raise InputError(f"'{name}' is not the name of a group; groups read like cb+rte, cb[blank], cb@120")
            members.append(Member(found["task"], found["variant"] or "real", int(found["seed"] or 0)))  # type: ignore[arg-type]
        updates: int | str | None = int(budget) if budget.isdecimal() else budget or None
        if updates == 0 or (at and not budget) or (isinstance(updates, str) and "@" in updates):
            raise InputError(f"'{name}' is not the name of a group; @ is followed by a number of updates, or by a group without any")
        return cls(tuple(members), updates)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The task names in the order of the members."""
        return tuple(member.task for member in self.members)

    @property
    def named(self) -> set[str]:
        """The tasks of the members, and of the group whose updates are the budget."""
        return {*self.tasks, *(Group.parse(self.updates).tasks if isinstance(self.updates, str) else ())}

    @property
    def real(self) -> tuple[str, ...]:
        """The names of the members with real inputs and labels: those that a model could serve."""
        return tuple(member.task for member in self.members if member.variant == "real")

    @property
    def name(self) -> str:
        """The name that :meth:`parse` reads back."""
        body = "+".join(map(str, self.members))
        return body if self.updates is None else f"{body}@{self.updates}"

    @property
    def deployable(self) -> bool:
        """Whether a model of it may be recommended: only real members and no budget override."""
        return self.updates is None and len(self.real) == len(self.members)
