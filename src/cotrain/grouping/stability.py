"""How far a plan hangs on the rows and fits that happened to be drawn: the plan of every resample of the affinity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.tests import Sample, Tested
from cotrain.errors import InputError
from cotrain.grouping.options import Options
from cotrain.grouping.passing import passes
from cotrain.grouping.plan import Plan
from cotrain.grouping.statistics import Statistics

SELECTED, SELECTED_OF_MANY = 200, 40
"""Resamples in which groups are selected anew: an exact partition of many tasks takes long. Pairs are tested in all of them."""
_MANY = 12
_SURE = 0.9
Nominate = Callable[[Affinity, Options, str], Sequence[Plan]]


def pairs_pass(affinity: Affinity, options: Options) -> pd.DataFrame:
    """Return ``target``, ``helper`` and ``passes``: the share of resamples in which the pair passes the rule.

    A task that is not learned passes nothing: its state is not drawn anew.
    """
    assert affinity.resamples is not None
    base = Statistics.of(affinity)
    i, j = (base.positions(affinity.pairs[side].tolist()) for side in ("target", "helper"))
    sets = np.stack([i, j], axis=1)
    number, t, p = len(affinity.resamples), len(affinity.tasks), len(affinity.pairs)
    place = base.positions(affinity.tasks["task"].tolist())
    tasks = {c: affinity.resamples.tasks[c].to_numpy(dtype=float).reshape(number, t)[:, np.argsort(place)] for c in
             ("mean_bits", "se_bits", "df", "sd_bits")}  # fmt: skip
    drawn = {c: affinity.resamples.pairs[c].to_numpy(dtype=float).reshape(number, p) for c in
             ("difference_bits", "se_bits", "statistic", "df", "p")}  # fmt: skip

    def square(values: np.ndarray, like: np.ndarray, sign: int = 1) -> np.ndarray:
        found = like.copy()
        found[i, j], found[j, i] = values, sign * values
        return found

    passed = np.zeros(p)
    for b in range(number):
        of = {c: v[b] for c, v in drawn.items()}
        tested = Tested(square(of["se_bits"], base.pairs.se), square(of["statistic"], base.pairs.statistic, -1),
                        square(of["df"], base.pairs.df), square(of["p"], base.pairs.p))  # fmt: skip
        moments = Sample(tasks["mean_bits"][b], tasks["se_bits"][b], tasks["df"][b], tasks["sd_bits"][b], base.tasks.n)
        here = replace(base, tasks=moments, difference=square(of["difference_bits"], base.difference, -1), pairs=tested)
        passed += passes(here, sets, affinity, options)
    learned = affinity.tasks.set_index("task")["state"] == "ok"
    may = learned[affinity.pairs["target"]].to_numpy() & learned[affinity.pairs["helper"]].to_numpy() | options.paper
    return affinity.pairs[["target", "helper"]].assign(passes=np.where(may, passed / number, 0.0)).reset_index(drop=True)


def chosen(affinity: Affinity, options: Options, name: str, plans: Sequence[Plan], nominate: Nominate) -> dict[str, dict[str, float]]:
    """Return plan to shared group to the share of resamples in whose plan of that name it is, too.

    The first 200 resamples are looked at, with more than 12 tasks the first 40.

    Args:
        nominate: makes the plans of an affinity.
    """
    assert affinity.resamples is not None
    number = min(SELECTED if len(affinity.tasks) <= _MANY else SELECTED_OF_MANY, len(affinity.resamples))
    counts: Counter[tuple[str, str]] = Counter()
    for b in range(number):
        try:
            there = nominate(affinity.resampled(b), options, name)
        except InputError:
            continue  # a budget that this draw does not meet: none of the groups is chosen
        counts.update({(plan.name, s.group.name) for plan in there for s in plan.servings if s.serves})
    return {
        plan.name: {s.group.name: counts[plan.name, s.group.name] / number for s in plan.servings if s.serves and len(s.group.tasks) > 1}
        for plan in plans
    }


def sentences(plan: Plan, shares: Mapping[str, float], pairs: pd.DataFrame, rule: str) -> tuple[str, ...]:
    """Return how often each group of a plan is chosen, and which pairs inside its groups pass now and then."""
    words = [f"{{{', '.join(name.split('+'))}}} is chosen in {percent(share)} of resamples." for name, share in shares.items()]
    inside = [set(s.group.tasks) for s in plan.servings if s.serves]
    if rule != "any":
        for a, b, share in zip(pairs["target"], pairs["helper"], pairs["passes"].tolist(), strict=True):
            if share < _SURE and any({a, b} <= group for group in inside):
                words.append(f"{a}–{b} passes in {percent(share)} of resamples: these samples cannot tell.")
    return tuple(words)


def percent(share: float) -> str:
    """Return a share in words, without rounding one that is not all to all.

    >>> percent(0.998)
    'over 99 %'
    """
    if 0.995 <= share < 1:
        return "over 99 %"
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
