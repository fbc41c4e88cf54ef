"""The exact best way to serve every task once, by trained groups that pass or alone (mixed-integer programming)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import LinearConstraint
from scipy.sparse import csr_array

from cotrain.grouping.solver import minimise

_SCALE = 1e4  # the solver's absolute gap is 1e-6; differences matter below that
_HELPERS = 1e-9  # of gains that are equal, that of a task alone is taken
_ROOM = 1e-5  # in δ: how far above −δ/2 the solver keeps a mean, ten times its tolerance


class Option(NamedTuple):
    """A group that may serve tasks: their gains, and their room: difference/δ + ½, whose sum over those served must be above 0.

    ``whole``: it serves all of them or none; else any of them.
    """

    name: str
    gains: Mapping[str, float]
    room: Mapping[str, float]
    whole: bool


class Assignment(NamedTuple):
    """Option names to the tasks that they serve; who is in none stands alone. ``gain`` is the sum over tasks."""

    serves: Mapping[str, tuple[str, ...]]
    models: int
    gain: float


def assign(tasks: Sequence[str], options: Sequence[Option], fewest: bool) -> list[Assignment]:
    """Return the best assignment and the next best: fewest models and then the largest gain, or the largest gain alone.

    A group is one model whomever it serves; a task alone gains 0.
    """
    problem = _Problem(sorted(tasks), sorted(options, key=lambda o: (o.name, sorted(o.gains))))
    best = problem.solve(fewest)
    following = problem.solve(fewest, without=best)
    return [problem.read(x) for x in (best, following) if x is not None]


class _Problem:
    """Binary variables: a model per option, who of its tasks it serves where it may serve any, and each task alone."""

    def __init__(self, tasks: list[str], options: list[Option]) -> None:
        self.tasks, self.options = tasks, options
        self.owner: list[int] = []  # the option of a variable, −1 for a task alone
        self.served: list[tuple[str, ...]] = []
        self.opens: list[bool] = []  # whether it is a model
        for k, option in enumerate(options):
            members = sorted(option.gains)
            self._add(k, tuple(members) if option.whole else (), True)
            if not option.whole:
                for task in members:
                    self._add(k, (task,), False)
        for task in tasks:
            self._add(-1, (task,), True)
        self.gain = np.array([sum(options[k].gains[t] for t in s) if k >= 0 else 0.0 for k, s in zip(self.owner, self.served, strict=True)])
        self.models = np.array(self.opens, dtype=float)
        self.helped = np.array([k >= 0 for k in self.owner]) * self.models
        self.rules = [self._once(), *self._of_options()]

    def _add(self, owner: int, served: tuple[str, ...], opens: bool) -> None:
        """Add a variable."""
        self.owner.append(owner)
        self.served.append(served)
        self.opens.append(opens)

    def _once(self) -> LinearConstraint:
        """Return that each task is served once."""
        index = {task: i for i, task in enumerate(self.tasks)}
        at = [(index[task], j) for j, served in enumerate(self.served) for task in served]
        rows, columns = zip(*at, strict=True)
        return LinearConstraint(csr_array((np.ones(len(at)), (rows, columns)), shape=(len(self.tasks), len(self.served))), 1, 1)

    def _of_options(self) -> list[LinearConstraint]:
        """Return that who is served has a model, and that the mean over those served is above −δ/2."""
        rows = []
        open_at = {k: j for j, (k, opens) in enumerate(zip(self.owner, self.opens, strict=True)) if opens and k >= 0}
        for k, option in enumerate(self.options):
            if option.whole:
                continue
            room = np.zeros(len(self.served))
            for j in (j for j, owner in enumerate(self.owner) if owner == k and not self.opens[j]):
                needs = np.zeros(len(self.served))
                needs[open_at[k]], needs[j] = 1, -1
                rows.append(needs)
                room[j] = option.room[self.served[j][0]]
            room[open_at[k]] = -_ROOM
            rows.append(room)
        return [LinearConstraint(csr_array(np.array(rows)), 0, np.inf)] if rows else []

    def solve(self, fewest: bool, without: np.ndarray | None = None) -> np.ndarray | None:
        """Return the best values of the variables, those ``without`` excluded; None where there are no others."""
        rules = list(self.rules)
        if without is not None:
            taken = without * [bool(s) for s in self.served]
            rules.append(LinearConstraint(taken[None], -np.inf, taken.sum() - 1))
        if fewest:
            if (least := minimise(self.models, rules)) is None:
                return None
            rules.append(LinearConstraint(self.models[None], 0, (self.models * least).sum()))
        return minimise(_SCALE * (_HELPERS * self.helped - self.gain), rules)

    def read(self, x: np.ndarray) -> Assignment:
        """Return a solution as an Assignment."""
        serves: dict[str, tuple[str, ...]] = {}
        for j in np.flatnonzero(x):
            if self.owner[j] >= 0 and self.served[j]:
                name = self.options[self.owner[j]].name
                serves[name] = tuple(sorted((*serves.get(name, ()), *self.served[j])))
        alone = len(self.tasks) - sum(map(len, serves.values()))
        return Assignment(serves, len(serves) + alone, float(self.gain @ x))
