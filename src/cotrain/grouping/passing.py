"""Which sets of tasks pass a rule (METHOD, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from cotrain.affinity import tests
from cotrain.affinity.affinity import Affinity
from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.grouping import OBJECTIVES, RULES, SELECTIONS


@dataclass(frozen=True)
class Options:
    """How groups are chosen from an affinity; the keys of ``plan`` in the study file.

    Attributes:
        rule: what a group must pass: one of ``RULES``.
        alpha: level of the tests.
        margin: of equivalence, relative to the smaller NLL_null of the pair.
        margin_bits: the same in bits; replaces ``margin``.
        select: one of ``SELECTIONS``.
        objective: of ``partition``: ``fewest`` models, or least dispersion within a ``budget`` of ``models``.
        models: the budget.
        largest: tasks in a group, at most.
        together: sets of tasks that must share a group.
        apart: sets of tasks that must not.
        paper: group tasks that are not learned too, as the paper would, with a warning.
    """

    rule: str = "not_different"
    alpha: float = 0.01
    margin: float = 0.1
    margin_bits: float | None = None
    select: str = "partition"
    objective: str = "fewest"
    models: int | None = None
    largest: int = 4
    together: tuple[tuple[str, ...], ...] = ()
    apart: tuple[tuple[str, ...], ...] = ()
    paper: bool = False

    def __post_init__(self) -> None:
        faults = []
        if self.rule not in RULES:
            faults.append(unknown("rule", self.rule, RULES))
        if self.select not in SELECTIONS:
            faults.append(unknown("selection", self.select, SELECTIONS))
        if self.objective not in OBJECTIVES:
            faults.append(unknown("objective", self.objective, OBJECTIVES))
        if not 0 <= self.alpha <= 1:
            faults.append(f"alpha should be between 0 and 1, found {self.alpha}")
        if self.margin <= 0 or (self.margin_bits is not None and self.margin_bits <= 0):
            faults.append("the margin of equivalence should be above 0")
        if self.objective == "budget" and not self.models and self.select == "partition":
            faults.append("the objective budget needs models: how many there may be at most")
        for sets in self.apart:
            if any(len(set(sets) & set(must)) > 1 for must in self.together):
                faults.append(f"together and apart collide on {', '.join(sets)}")
        if faults:
            raise InputError(faults)


class Passing(NamedTuple):
    """A set of tasks that passes, with the statistic and p of its test, and its dispersion in bits²."""

    tasks: tuple[str, ...]
    statistic: float
    p: float
    dispersion: float


def eligible(affinity: Affinity, options: Options) -> list[str]:
    """Return the tasks that may be grouped: the learned ones; with ``paper`` all."""
    table = affinity.tasks
    return sorted(table["task"] if options.paper else table.loc[table["state"] == "ok", "task"])


def outcome(pair: dict[str, float], alpha: float, margin: float) -> str:
    """Return different, equivalent, both (negligible) or undecided."""
    different = pair["p"] <= alpha
    same = tests.tost_p(pair["difference_bits"], pair["se_bits"], pair["df"], margin) <= alpha
    return "both (negligible)" if different and same else "different" if different else "equivalent" if same else "undecided"


class Table:
    """The statistics of an affinity, ready for many sets of tasks."""

    def __init__(self, affinity: Affinity, options: Options) -> None:
        self.affinity, self.options = affinity, options
        tasks = affinity.tasks.set_index("task")
        self.index = {str(t): k for k, t in enumerate(tasks.index)}
        self.mean, self.se, self.df = (tasks[c].to_numpy(dtype=float) for c in ("mean_bits", "se_bits", "df"))
        self.sd, self.n = tasks["sd_bits"].to_numpy(dtype=float), tasks["n"].to_numpy(dtype=float)
        self.null = tasks["nll_null_bits"].to_numpy(dtype=float)
        self.pairs = {frozenset((r["target"], r["helper"])): r for r in affinity.pairs.to_dict("records")}
        self.covariance = np.diag(self.se**2)
        for pair, record in self.pairs.items():
            i, j = (self.index[t] for t in pair)
            self.covariance[i, j] = self.covariance[j, i] = record["covariance_bits2"]

    def margin(self, a: str, b: str) -> float:
        """Return the margin of equivalence of a pair in bits."""
        if self.options.margin_bits is not None:
            return self.options.margin_bits
        return self.options.margin * float(min(self.null[self.index[a]], self.null[self.index[b]]))

    def dispersion(self, tasks: Sequence[str]) -> float:
        """Return Σ n_i (V_i − V̄_group)²."""
        where = [self.index[t] for t in tasks]
        n, mean = self.n[where], self.mean[where]
        return float((n * (mean - (n * mean).sum() / n.sum()) ** 2).sum())

    def test(self, tasks: Sequence[str]) -> tuple[float, float]:
        """Return (statistic, p) of equality: the pair test for two tasks, the group test for more."""
        if len(tasks) == 2:
            pair = self.pairs[frozenset(tasks)]
            return float(pair["statistic"]), float(pair["p"])
        where = [self.index[t] for t in tasks]
        if self.affinity.group_test == "anova":
            return tests.anova(self.mean[where], self.sd[where], self.n[where])
        joint = self.covariance[np.ix_(where, where)]
        if np.count_nonzero(joint - np.diag(np.diag(joint))):
            return tests.wald(self.mean[where], joint, float(self.df[where].min()))
        return tests.welch_anova(self.mean[where], self.se[where], self.df[where])

    def passes(self, tasks: Sequence[str], p: float) -> bool:
        """Whether a set passes the rule; ``p`` is that of :meth:`test`."""
        rule, alpha = self.options.rule, self.options.alpha
        if rule == "any":
            return True
        if rule == "not_different":
            return p > alpha
        pairs = [self.pairs[frozenset(c)] for c in combinations(tasks, 2)]
        if rule == "clique":
            return all(r["p"] > alpha for r in pairs)
        return all(
            tests.tost_p(r["difference_bits"], r["se_bits"], r["df"], self.margin(r["target"], r["helper"])) <= self._level() for r in pairs
        )

    def _level(self) -> float:
        """Return alpha, Bonferroni-bounded over all pairs searched (Holm's first step holds for every group)."""
        return self.options.alpha / max(1, len(self.pairs))


def passing(affinity: Affinity, options: Options) -> list[Passing]:
    """Return every set of 2 to ``largest`` eligible tasks that passes the rule, ``apart`` respected, best p first."""
    table, names = Table(affinity, options), eligible(affinity, options)
    found = []
    for size in range(2, min(options.largest, len(names)) + 1):
        for tasks in combinations(names, size):
            if any(len(set(tasks) & set(a)) > 1 for a in options.apart):
                continue
            statistic, p = table.test(tasks)
            forced = any(set(tasks) <= set(t) for t in options.together)
            if forced or table.passes(tasks, p):
                found.append(Passing(tasks, statistic, p, table.dispersion(tasks)))
    return sorted(found, key=lambda g: (len(g.tasks), -g.p, g.tasks))
