"""How well a method says who gains from whom: gains over seeds, double-centring, scores, their p and intervals (METHOD, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import special
from scipy.stats import rankdata

from cotrain.errors import InputError

LEAST = 4
"""Tasks below which nothing is ranked: of three, the interaction has one degree of freedom."""
EXACT = 7
"""Tasks up to which every permutation is taken: 5,040."""
_DIGITS = 9  # of a value over the largest one; what differs by less is rounding, and ties have to stay ties


@dataclass(frozen=True)
class Losses:
    """What n tasks lose on test, alone and in every pair: the truth that methods are judged by.

    Attributes:
        tasks: (n,) names, sorted.
        alone: (S, n) by seed.
        pairs: (R, n, n) by seed: the row's task, trained with the column's; nan on the diagonal.
    """

    tasks: tuple[str, ...]
    alone: np.ndarray = field(repr=False)
    pairs: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, alone: pd.DataFrame, pairs: pd.DataFrame) -> Self:
        """Return the losses in tables of ``task``, ``seed``, ``loss`` and of ``target``, ``helper``, ``seed``, ``loss``.

        Tasks alone may have other seeds than pairs, and more of them.

        Raises:
            InputError: fewer than three tasks; a task or an ordered pair that has not exactly one finite loss at every seed.
        """
        tasks = tuple(sorted(set(alone["task"]) | set(pairs["target"]) | set(pairs["helper"])))
        if len(tasks) < 3:
            raise InputError(f"who gains from whom is a question of three tasks at least; the losses have {len(tasks)}")
        known = {(t, s): x for t, s, x in alone[["task", "seed", "loss"]].itertuples(index=False)}
        paired = {(t, h, s): x for t, h, s, x in pairs[["target", "helper", "seed", "loss"]].itertuples(index=False)}
        seeds, drawn = sorted(set(alone["seed"])), sorted(set(pairs["seed"]))
        wanted = {(t, s) for t in tasks for s in seeds}, {(t, h, s) for t, h in permutations(tasks, 2) for s in drawn}
        for found, every, table, what in ((known, wanted[0], alone, "task"), (paired, wanted[1], pairs, "ordered pair")):
            wrong = set(found) ^ every | {key for key, loss in found.items() if not np.isfinite(loss)}
            if wrong or len(table) != len(every) or not every:
                first = f", unlike {' '.join(map(str, min(wrong, key=str)))}" if wrong else ""
                raise InputError(
                    f"every {what} should have one finite loss at every seed{first}; train what is missing, or leave its seed out"
                )
        cells = [[[paired.get((t, h, s), np.nan) for h in tasks] for t in tasks] for s in drawn]
        return cls(tasks, np.array([[known[t, s] for t in tasks] for s in seeds], dtype=float), np.array(cells, dtype=float))

    def gains(self, alone: Sequence[int] | None = None, pairs: Sequence[int] | None = None) -> np.ndarray:
        """Return (n, n) loss alone − loss in the pair, of the row's task with the column's, means over seeds; nan on the diagonal.

        Args:
            alone, pairs: positions of the seeds that count; all where none are given.
        """
        own = self.alone if alone is None else self.alone[list(alone)]
        together = self.pairs if pairs is None else self.pairs[list(pairs)]
        return np.asarray(own.mean(axis=0)[:, None] - together.mean(axis=0))


def matrix(tasks: Sequence[str], values: Mapping[tuple[str, str], float]) -> np.ndarray:
    """Return (n, n) values of row's target and column's helper; nan on the diagonal.

    Raises:
        InputError: a pair without a finite value.
    """
    cells = [[values.get((t, h), np.nan) if t != h else np.nan for h in tasks] for t in tasks]
    found = np.array(cells, dtype=float)
    if not np.isfinite(found[~np.eye(len(tasks), dtype=bool)]).all():
        raise InputError("a method is judged by one finite value of every target and helper; it has not all of them")
    return found


class Effects(NamedTuple):
    """What a matrix without a diagonal is made of: a mean, (n,) effects of targets and of helpers, and the (n, n) rest."""

    mean: float
    target: np.ndarray
    helper: np.ndarray
    interaction: np.ndarray


def effects(values: np.ndarray) -> Effects:
    """Return the least-squares fit of μ + target_i + helper_j to the off-diagonal cells of an (n, n) matrix, n ≥ 3, and its residual.

    A task's row and column lack the same cell, so means of rows hold a part of the helper effects. The normal equations are solved by
    target_i = ((n−1)²·row_i + (n−1)·column_i)/(n(n−2)) − (n−1)/(n−2)·mean, and helper_j the other way round (Warner, Kenny and Stoto,
    *A New Round Robin Analysis of Variance for Social Interaction Data*, JPSP 1979).
    """
    n = len(values)
    rows, columns, mean = np.nanmean(values, axis=1), np.nanmean(values, axis=0), float(np.nanmean(values))

    def effect(own: np.ndarray, other: np.ndarray) -> np.ndarray:
        return ((n - 1) ** 2 * own + (n - 1) * other) / (n * (n - 2)) - (n - 1) / (n - 2) * mean

    target, helper = effect(rows, columns), effect(columns, rows)
    return Effects(mean, target, helper, values - mean - target[:, None] - helper)


def double_centred(values: np.ndarray) -> np.ndarray:
    """Return the (n, n) interaction alone: who should share with whom, whoever gains anyway and whoever helps everybody."""
    return effects(values).interaction


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's correlation of (m,) numbers, equal up to rounding taken as equal; nan where either are all equal."""
    return _correlation(_centred_ranks(a), _centred_ranks(b))


def score(gains: np.ndarray, values: np.ndarray) -> float:
    """Return Spearman's correlation of double-centred gains and double-centred values over ordered pairs, the primary score.

    nan where either has no interaction: a method that only says who helps everybody.
    """
    return _correlation(_ranked(gains), _ranked(values))


def within_target(gains: np.ndarray, values: np.ndarray) -> float:
    """Return the mean over targets of Spearman's correlation of gains and values over helpers: interaction and helper effect.

    A target that a method has no order for counts as 0; nan where it has one for none.
    """
    n = len(gains)
    other = ~np.eye(n, dtype=bool)
    each = [spearman(gains[i, other[i]], values[i, other[i]]) for i in range(n)]
    return float("nan") if np.isnan(each).all() else float(np.nan_to_num(each).mean())


def helper_means(gains: np.ndarray) -> np.ndarray:
    """Return (n, n) what each helper brings to the tasks other than the target: a baseline within targets, that knows no pair.

    It is nothing for the primary score: of a helper's mean the target's own gain is left out, so double-centred it is that of the
    gains over −(n−2), and correlates with them at −1.
    """
    return np.asarray((np.nansum(gains, axis=0) - gains) / (len(gains) - 2))


def qap(gains: np.ndarray, values: np.ndarray, drawn: int = 10_000, seed: int = 0) -> float:
    """Return the one-sided p of a primary score at least as high where tasks are exchanged, rows and columns alike (Krackhardt 1988).

    Every permutation for up to ``EXACT`` tasks, the identity among them; else so many drawn ones, (1 + as high)/(1 + drawn).
    """
    a, b = _ranked(gains), _ranked(values)
    if np.isnan(_correlation(a, b)):
        return float("nan")
    n = len(a)
    generator = np.random.default_rng(seed)
    exact = n <= EXACT
    order = np.array(list(permutations(range(n))) if exact else [generator.permutation(n) for _ in range(drawn)])
    # ranks of double-centred cells move with their tasks, so they are made once
    found = np.einsum("ij,pij->p", a, b[order[:, :, None], order[:, None, :]])
    high = int((found >= (a * b).sum() - 1e-6).sum())
    return high / len(order) if exact else (1 + high) / (1 + len(order))


class Interval(NamedTuple):
    """A value and the ends of its 95 % interval; nan ends where there is none."""

    value: float
    low: float
    high: float


def score_interval(gains: np.ndarray, values: np.ndarray) -> Interval:
    """Return the primary score with its delete-one-task jackknife interval, within −1 and 1."""
    found = _jackknife(lambda kept: score(gains[kept], values[kept]), len(gains))
    return Interval(found.value, max(found.low, -1.0), min(found.high, 1.0))


def difference_interval(gains: np.ndarray, values: np.ndarray, others: np.ndarray) -> Interval:
    """Return the primary score of one method minus that of another, with its delete-one-task jackknife interval."""
    return _jackknife(lambda kept: score(gains[kept], values[kept]) - score(gains[kept], others[kept]), len(gains))


def _jackknife(statistic: Callable[[tuple[np.ndarray, ...]], float], n: int) -> Interval:
    """Return a statistic of the tasks kept, ± t(.975, n−1)·√((n−1)/n·Σ(θ_without_k − mean)²); no ends below five tasks."""
    every = np.arange(n)
    value = statistic(np.ix_(every, every))
    if n <= LEAST:
        return Interval(value, float("nan"), float("nan"))
    without = np.array([statistic(np.ix_(kept, kept)) for kept in (np.delete(every, k) for k in range(n))])
    half = float(special.stdtrit(n - 1, 0.975) * np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    return Interval(value, value - half, value + half)


def _ranked(values: np.ndarray) -> np.ndarray:
    """Return (n, n) centred ranks of the double-centred cells, 0 on the diagonal."""
    other = ~np.eye(len(values), dtype=bool)
    ranks = np.zeros(values.shape)
    ranks[other] = _centred_ranks(double_centred(values)[other], float(np.nanmax(np.abs(values))))
    return ranks


def _centred_ranks(values: np.ndarray, scale: float = 0.0) -> np.ndarray:
    """Return (m,) mid-ranks less their mean, values equal that differ by rounding of ``scale`` (that of their largest by default)."""
    ranks = rankdata(np.round(values / (scale or float(np.abs(values).max()) or 1.0), _DIGITS))
    return np.asarray(ranks - ranks.mean())


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of centred numbers, nan where either are all equal."""
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else float("nan")
