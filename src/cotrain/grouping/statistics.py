"""Statistics: an affinity as arrays, ready to test many sets of tasks at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from cotrain.affinity import GROUP_TESTS
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.tests import Sample, Tested, tost_p, wald
from cotrain.choose import choose
from cotrain.grouping.options import Options


@dataclass(frozen=True)
class Statistics:
    """What is known of T tasks and their pairs; sets of tasks are (N, k) positions in ``names``.

    Attributes:
        names: of the tasks, sorted, so that the order of an affinity changes nothing.
        tasks: (T,) means, standard errors, df, standard deviations, sizes.
        null_bits: (T,) NLL_null.
        covariance: (T, T) of the means.
        difference: (T, T) in bits, of the row minus the column; 0 on the diagonal.
        pairs: (T, T) pair tests.
        few: (T, T) whether a pair has too few rows to be tested.
        value: (T, T) of the affinity, of the row helped by the column; nan where it is not known and on the diagonal.
        group_test: of three tasks or more without shared rows.
    """

    names: tuple[str, ...]
    tasks: Sample
    null_bits: np.ndarray
    covariance: np.ndarray
    difference: np.ndarray
    pairs: Tested
    few: np.ndarray
    value: np.ndarray
    group_test: str

    @classmethod
    def of(cls, affinity: Affinity) -> Self:
        """Return the statistics of an affinity."""
        tasks = affinity.tasks.set_index("task").sort_index()
        names = tuple(map(str, tasks.index))
        numbers = [tasks[c].to_numpy(dtype=float) for c in ("mean_bits", "se_bits", "df", "sd_bits", "n")]
        place = pd.Index(names)
        i, j = (place.get_indexer(pd.Index(affinity.pairs[c])) for c in ("target", "helper"))

        def square(column: str, sign: int = 1, diagonal: float = 0.0) -> np.ndarray:
            found = np.full((len(names), len(names)), diagonal)
            values = affinity.pairs[column].to_numpy(dtype=float)
            found[j, i] = sign * values
            found[i, j] = values  # where both orders are there each keeps its own
            return found

        value = np.full((len(names), len(names)), np.nan)
        value[i, j] = affinity.pairs["value"].to_numpy(dtype=float)
        if np.isnan(value[j, i]).all():  # no pair is there in both orders
            value[j, i] = value[i, j]
        few = np.zeros((len(names), len(names)), dtype=bool)
        few[i, j] = few[j, i] = (affinity.pairs["state"] == "too few").to_numpy(dtype=bool)
        covariance = square("covariance_bits2") + np.diag(np.nan_to_num(numbers[1]) ** 2)
        pairs = Tested(square("se_bits"), square("statistic", -1), square("df", diagonal=1.0), square("p", diagonal=1.0))
        null = tasks["nll_null_bits"].to_numpy(dtype=float)
        return cls(names, Sample(*numbers), null, covariance, square("difference_bits", -1), pairs, few, value, affinity.group_test)

    @cached_property
    def _place(self) -> dict[str, int]:
        """The position of each name."""
        return {name: k for k, name in enumerate(self.names)}

    @property
    def moments(self) -> bool:
        """Whether the mean of every task is known; a method that has none relates tasks by ``value`` alone."""
        return bool(np.isfinite(self.tasks.mean).all())

    @property
    def tested(self) -> bool:
        """Whether any pair was tested."""
        return bool(np.isfinite(self.pairs.p[~np.eye(len(self.names), dtype=bool)]).any())

    def positions(self, tasks: Sequence[str]) -> np.ndarray:
        """Return (k,) positions of names."""
        return np.array([self._place[t] for t in tasks], dtype=int)

    def apart(self, options: Options) -> np.ndarray:
        """Return (T, T) whether two tasks must be apart."""
        found = np.zeros_like(self.few)
        for sets in options.apart:
            where = self.positions(sets)
            found[np.ix_(where, where)] = True
        np.fill_diagonal(found, False)
        return found

    def dispersion(self, sets: np.ndarray) -> np.ndarray:
        """Return (N,) Σ n_i (V_i − V̄_group)², V̄ the mean over all rows of the group.

        Without moments Σ d over the pairs of the group, over the tasks in it, where d is the largest value less the pair's: were d squared
        distances this would be their spread about the centre too. A constant added to all values changes nothing.
        """
        if not self.moments:
            alike = (self.value + self.value.T) / 2
            return self._within(np.nanmax(alike) - alike, sets) / sets.shape[1]
        n, mean = self.tasks.n[sets], self.tasks.mean[sets]
        centre = (n * mean).sum(axis=1) / n.sum(axis=1)
        return np.asarray((n * (mean - centre[:, None]) ** 2).sum(axis=1))

    def gain(self, sets: np.ndarray) -> np.ndarray:
        """Return (N,) Σ over tasks of the mean value of the others as helpers (Standley et al. 2020, higher-order approximation)."""
        return self._within(self.value + self.value.T, sets) / max(1, sets.shape[1] - 1)

    @staticmethod
    def _within(of: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """Return (N,) the sum of symmetric (T, T) ``of`` over the pairs in each set."""
        k = sets.shape[1]
        return sum((of[sets[:, a], sets[:, b]] for a in range(k) for b in range(a + 1, k)), np.zeros(len(sets)))

    def test(self, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (N,) statistics and p of equality: the pair test for two tasks, the group test for more.

        Sets with shared rows get Wald's test from the joint covariance; those with a task of too few rows p = 1, nan, and so do all
        where the affinity has values alone.
        """
        if sets.shape[1] == 2:
            a, b = sets.T
            return self.pairs.statistic[a, b], self.pairs.p[a, b]
        if not self.group_test:
            return np.full(len(sets), np.nan), np.ones(len(sets))
        few = self.any_pair(self.few, sets)
        shared = self.any_pair(self.covariance != 0, sets) & ~few
        statistic, p = np.full(len(sets), np.nan), np.ones(len(sets))
        alone = ~shared & ~few
        if alone.any():
            where = sets[alone]
            test = choose("group test", self.group_test, GROUP_TESTS)
            statistic[alone], p[alone] = test(Sample(*(values[where] for values in self.tasks)))
        if shared.any():
            where = sets[shared]
            joint = self.covariance[where[:, :, None], where[:, None, :]]
            statistic[shared], p[shared] = wald(self.tasks.mean[where], joint, self.tasks.df[where].min(axis=1))
        return statistic, p

    def margin(self, options: Options) -> np.ndarray:
        """Return (T, T) margins of equivalence in bits; nan where it is a share of an NLL_null that is not known."""
        if options.margin_bits is not None:
            return np.full(self.difference.shape, options.margin_bits)
        return np.asarray(options.margin * np.minimum(self.null_bits[:, None], self.null_bits[None, :]))

    def tost(self, options: Options) -> np.ndarray:
        """Return (T, T) p of equivalence within the margin; 1 where there are too few rows or no margin is known."""
        key = (options.margin, options.margin_bits)
        if key not in self._tost:
            margin = self.margin(options)
            self._tost[key] = np.where(self.few | np.isnan(margin), 1.0, tost_p(self.difference, self.pairs.se, self.pairs.df, margin))
        return self._tost[key]

    @cached_property
    def _tost(self) -> dict[tuple[float, float | None], np.ndarray]:
        """What :meth:`tost` found: listings ask for it once per size of sets."""
        return {}

    @staticmethod
    def largest(of: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """Return (N,) the largest of symmetric (T, T) ``of`` among the pairs in each set."""
        k = sets.shape[1]
        found = np.full(len(sets), -np.inf)
        for a in range(k):
            for b in range(a + 1, k):
                found = np.maximum(found, of[sets[:, a], sets[:, b]])
        return found

    @staticmethod
    def any_pair(of: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """Return (N,) whether (T, T) ``of`` holds for some pair in each set."""
        k = sets.shape[1]
        found = np.zeros(len(sets), dtype=bool)
        for a in range(k) if of.any() else ():
            for b in range(a + 1, k):
                found |= of[sets[:, a], sets[:, b]]
        return found
