"""Methods: what each sees, what it cost, and how well it says who gains from whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cotrain.affinity import judge, regret
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.components import Components, components, reliability
from cotrain.affinity.judge import LEAST, Interval, Losses
from cotrain.affinity.method import named
from cotrain.errors import InputError
from cotrain.reporting.tables import RunTables, states
from cotrain.reporting.words import interval, number, plural

TRUTH = "oracle"


class Cost(NamedTuple):
    """What a method sees and cost.

    Attributes:
        name: of the method.
        sees: what its values are about, in a word.
        fits: made for it.
        reused: fits that it read and that were made for others; nan where that is not counted.
        seconds: of the fits made for it and its own.
        passes: of gradients.
        agreement: Spearman's correlation of its values with those of PVI, over ordered pairs; nan where either are all equal.
    """

    name: str
    sees: str
    fits: float
    reused: float
    seconds: float
    passes: float
    agreement: float


class Score(NamedTuple):
    """How well a method says who gains from whom, on test.

    Attributes:
        name: of the method.
        interaction: the primary score with its interval.
        p: of QAP.
        within: the score within targets.
        gain: mean over tasks of what its plan gains.
        regret: of the plan, against the split oracle; nan where plans are too many.
        percentile: of the plan among all plans of pairs; likewise.
    """

    name: str
    interaction: Interval
    p: float
    within: float
    gain: float
    regret: float
    percentile: float


class Judged(NamedTuple):
    """What pairs truly gained, and the methods by it.

    Attributes:
        tasks: that were judged by: those that are learned.
        why_not: why methods are not ranked, in a sentence; empty where they are.
        components: of the gains, None where there are too few tasks or seeds.
        reliability: of the interaction over all seeds.
        scores: of the methods, the best first; none where they are not ranked.
        helper_mean: what the mean of a helper over other targets scores within targets.
        oracle: what the plan of the split oracle gains; nan where plans are too many.
        alone: the percentile of no sharing at all; likewise.
        best: the best method less PVI, or less the second where PVI is best: their names and the difference of scores.
    """

    tasks: tuple[str, ...]
    why_not: str
    components: Components | None = None
    reliability: float = math.nan
    scores: tuple[Score, ...] = ()
    helper_mean: float = math.nan
    oracle: float = math.nan
    alone: float = math.nan
    best: tuple[str, str, Interval] | None = None


def costs(run: RunTables) -> list[Cost]:
    """Return what each method of the run cost, PVI first; nothing where there is only one."""
    if len(run.affinities) < 2 or run.affinity is None:
        return []
    tasks = sorted(map(str, run.affinity.tasks["task"]))
    other, pvi = ~np.eye(len(tasks), dtype=bool), values(run.affinity, tasks)
    found = []
    for name in sorted(run.affinities, key=lambda name: (name != "pvi", name == TRUTH, name)):
        affinity = run.affinities[name]
        cost, fits = affinity.cost, affinity.cost.get("fits", 0.0)
        seconds = cost.get("seconds", math.nan) + cost.get("fit_seconds", math.nan if fits else 0.0)
        agreement = judge.spearman(values(affinity, tasks)[other], pvi[other]) if name != "pvi" else math.nan
        passes = cost.get("gradient_passes", 0.0)
        found.append(Cost(name, _sees(name), fits, cost.get("reused", math.nan), seconds, passes, agreement))
    return found


def judged(run: RunTables) -> Judged | None:
    """Return how well methods say who gains from whom, or None where no pair was trained for the truth, or nothing else is there."""
    if not run.truth or not [name for name in run.affinities if name != TRUTH]:
        return None
    alone, pairs = run.truth["alone"], run.truth["pairs"]
    lost = {task for task, (state, _) in states(run).items() if state == "not_learned"}
    tasks = tuple(sorted(set(alone["task"]) - lost))
    seeds = min(alone["seed"].nunique(), pairs["seed"].nunique())
    if len(tasks) < LEAST or seeds < 2:
        why = (f"Methods are not ranked: it takes {LEAST} tasks that are learned and two seeds with every pair, and there are "
               f"{len(tasks)} and {seeds}.")  # fmt: skip
        return Judged(tasks, why)
    losses = Losses.of(alone[alone["task"].isin(tasks)], pairs[pairs["target"].isin(tasks) & pairs["helper"].isin(tasks)])
    parts, reliable = components(losses), reliability(losses)
    if not parts.rankable:
        low, high = (10_000 * end for end in parts.interval[1:])
        why = (f"Methods cannot be ranked on these tasks: who gains from whom is not told from noise. The interval of its variance, "
               f"{interval(low, high, 2)} · 10⁻⁴, holds 0.{_seeds(' A reliability of .7 would take about', parts)}")  # fmt: skip
        return Judged(tasks, why, parts, reliable)
    return ranked(run, losses, parts, reliable)


def _seeds(words: str, parts: Components) -> str:
    """Return how many seeds a reliability of .7 takes, after ``words``; nothing where no number of them would do."""
    return "" if math.isinf(parts.seeds_needed) else f"{words} {plural(int(parts.seeds_needed), 'seed')}."


def ranked(run: RunTables, losses: Losses, parts: Components, reliable: float) -> Judged:
    """Return the scores of the methods, whatever of the gains is noise; ``judged`` says whether there is anything to rank by."""
    gains, n = losses.gains(), len(losses.tasks)
    told = {name: values(found, losses.tasks) for name, found in run.affinities.items() if name != TRUTH}
    few = n <= regret.MOST
    oracle = regret.oracle_gain(losses) if few else math.nan
    scores = []
    for name, of in told.items():
        gain = percentile = math.nan
        if few:
            # the units of gains say so
            choice = regret.chosen(of, str(run.affinities[name].pairs["unit"].iloc[0]).startswith("gain"))
            gain, percentile = regret.plan_gain(gains, choice), regret.percentile(gains, choice)
        scores.append(Score(name, judge.score_interval(gains, of), judge.qap(gains, of), judge.within_target(gains, of), gain,
                            oracle - gain, percentile))  # fmt: skip
    scores.sort(key=lambda one: (-np.nan_to_num(one.interaction.value, nan=-2.0), one.name))
    single = (regret.plans(n) == np.arange(n)).all(axis=1) if few else None
    alone = regret.percentile(gains, single) if single is not None else math.nan
    best = None
    if len(names := [one.name for one in scores if math.isfinite(one.interaction.value)]) > 1:
        other = "pvi" if "pvi" in names[1:] else names[1]
        best = names[0], other, judge.difference_interval(gains, told[names[0]], told[other])
    return Judged(
        losses.tasks, "", parts, reliable, tuple(scores), judge.within_target(gains, judge.helper_means(gains)), oracle, alone, best
    )


def values(affinity: Affinity, tasks: Sequence[str]) -> np.ndarray:
    """Return (n, n) values of target and helper; a pair that has one order has it for both."""
    found: dict[tuple[str, str], float] = {}
    for target, helper, value in affinity.pairs[["target", "helper", "value"]].itertuples(index=False):
        found[str(target), str(helper)] = float(value)
        found.setdefault((str(helper), str(target)), float(value))
    return judge.matrix(tasks, found)


def _sees(name: str) -> str:
    """Return what the values of a method are about; one from outside need not be there any more."""
    if name.startswith("pvi"):
        return "difficulty"
    try:
        return named(name).sees
    except InputError:
        return "not told"


def said(score: Interval) -> str:
    """Return a score of two digits with its interval: ``.41 [.08, .74]``."""
    return f"{number(score.value, 2)} {interval(score.low, score.high, 2)}".strip()
