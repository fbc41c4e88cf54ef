"""Which trained groups pass, for which of their tasks: dev decides (METHOD, section 4, "Decision")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special

from cotrain.evaluation.estimate import probability, said
from cotrain.evaluation.intervals import Arm, Difference, Differences, Joint
from cotrain.evaluation.power import RISK
from cotrain.training.group import Group

GOALS = ("fewer", "better")
MOST = 12  # members of a group of which `better` looks at all subsets


@dataclass(frozen=True)
class Evidence:
    """What dev says of one group: the difference of each member, and their joint covariance.

    Attributes:
        tasks: (m,) members.
        deltas: (m,) losses that the owner can accept.
        joint: the m arms that share, then the m arms alone.
        why_not: a fault of the fits that rules the group out, or empty.
    """

    group: Group
    tasks: tuple[str, ...]
    deltas: np.ndarray
    joint: Joint = field(repr=False)
    why_not: str = ""

    @classmethod
    def of(
        cls, group: Group, shared: Mapping[str, Arm], alone: Mapping[str, Arm], deltas: Mapping[str, float], why_not: str = ""
    ) -> Evidence:
        """Return the evidence on a group from the arms of its tasks."""
        tasks = tuple(sorted(group.tasks))
        joint = Joint([*(shared[t] for t in tasks), *(alone[t] for t in tasks)])
        return cls(group, tasks, np.array([deltas[t] for t in tasks]), joint, why_not)

    @cached_property
    def differences(self) -> list[Difference]:
        """The difference of each member."""
        eye = np.eye(len(self.tasks))
        return self.joint.differences(np.concatenate([eye, -eye], axis=1)).each()

    @cached_property
    def p_loss(self) -> np.ndarray:
        """(m,) P(loss > δ) of each member."""
        return np.array([d.p_loss(delta) for d, delta in zip(self.differences, self.deltas, strict=True)])

    @cached_property
    def in_deltas(self) -> np.ndarray:
        """(m,) differences in units of δ."""
        return np.array([d.value for d in self.differences]) / self.deltas

    def mean(self, serves: Sequence[str]) -> Difference:
        """Return the mean difference over the tasks served."""
        inside = np.isin(self.tasks, list(serves))
        return self._means(inside[None]).each()[0]

    def _means(self, inside: np.ndarray) -> Differences:
        """Return the mean differences over (P, m) sets of members."""
        share = inside / inside.sum(axis=1, keepdims=True)
        return self.joint.differences(np.concatenate([share, -share], axis=1))

    def reason(self, serves: Sequence[str], goal: str) -> str:
        """Return why the group may not serve these tasks; empty where it may."""
        inside = np.isin(self.tasks, list(serves))
        if self.why_not:
            return self.why_not
        worst = int(np.where(inside, self.p_loss, -1).argmax())
        if self.p_loss[worst] > RISK:
            return f"P(loss > δ) of {self.tasks[worst]} is {probability(self.p_loss[worst])}"
        mean = float(self.in_deltas[inside].mean())
        if mean <= -0.5:
            return f"the mean difference is {said(mean, 2)} δ, not above −δ/2"
        if goal == "better" and not self._gain(inside[None])[0]:
            low, high = self.mean(serves).interval(0.95)
            return f"the mean gain [{said(low)}, {said(high)}] is not above 0 with 95 %"
        return ""

    def _gain(self, inside: np.ndarray) -> np.ndarray:
        """Return for (P, m) sets whether the 95 % interval of their mean difference is above 0."""
        value, se, df, *_ = self._means(inside)
        return np.asarray(value > special.stdtrit(df, 0.975) * se)

    def harmless(self) -> np.ndarray:
        """Return (m,) which members may be served as far as they alone are concerned: P(loss > δ) ≤ .1."""
        return (self.p_loss <= RISK) & (not self.why_not)

    @cached_property
    def gaining(self) -> list[tuple[str, ...]]:
        """The sets of tasks that may be served under ``better``.

        All of them for up to 12 harmless members; of more the 12 with the largest differences, and all together.
        """
        place = np.flatnonzero(self.harmless())
        kept = place[np.argsort(-self.in_deltas[place], kind="stable")][:MOST]
        if not len(kept):
            return []
        chosen = (np.arange(1, 2 ** len(kept))[:, None] >> np.arange(len(kept))) & 1
        inside = np.zeros((len(chosen) + 1, len(self.tasks)), dtype=bool)
        inside[:-1, kept] = chosen
        inside[-1, place] = True
        inside = np.unique(inside, axis=0)
        mean = (inside * self.in_deltas).sum(axis=1) / inside.sum(axis=1)
        inside = inside[(mean > -0.5) & self._gain(inside)]
        return [tuple(t for t, yes in zip(self.tasks, row, strict=True) if yes) for row in inside]

    def may_serve(self, task: str, goal: str) -> bool:
        """Whether some set of tasks that the group may serve has this one."""
        at = self.tasks.index(task)
        if goal == "better":
            return any(task in served for served in self.gaining)
        room = np.where(self.harmless(), self.in_deltas + 0.5, 0)
        return bool(self.harmless()[at] and room[at] + np.delete(room, at).clip(min=0).sum() > 0)

    def largest(self, goal: str) -> tuple[str, ...]:
        """Return the largest set of tasks that the group may serve, the best mean difference among equals; or none."""
        if goal == "better":
            sets = self.gaining
            return max(sets, key=lambda s: (len(s), self.mean(s).value, s), default=())
        order = [i for i in np.argsort(-self.in_deltas, kind="stable") if self.harmless()[i]]
        while order and self.in_deltas[order].mean() <= -0.5:
            order.pop()
        return tuple(sorted(self.tasks[i] for i in order))
