"""What a run of the study measured: losses by metric, how reliable gains are, the methods by them, and what else gives the same gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from cotrain.affinity import judge, losses
from cotrain.affinity.components import RELIABLE, Components, components, reliability
from cotrain.affinity.judge import Interval, Losses
from cotrain.affinity.pvi import relate
from cotrain.evaluation.intervals import seed_interval
from cotrain.evaluation.metrics import value
from cotrain.grouping.options import Options
from cotrain.grouping.passing import passes
from cotrain.grouping.stability import pairs_pass
from cotrain.grouping.statistics import Statistics
from cotrain.reporting.methods import TRUTH, Judged, Score, judged, ranked, values
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import number, plural
from cotrain.study import data, methods
from cotrain.study.study import Study
from cotrain.study.tables import tables, truth
from cotrain.training.group import Group
from cotrain.training.selection import chosen, select_epoch

METRICS = ("log_loss", "macro_f1", "mcc")
"""The first is the primary one; the loss of the others is 1 − metric."""
LAST = "log_loss, last epoch"
"""Beside them: no epoch is chosen, and a pair was evaluated at twice as many as its tasks alone."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Judgement:
    """What was measured.

    Attributes:
        run: what the run folder holds, with what is true.
        judged: the methods, in the order of their scores; by name where they are not ranked. No scores where nothing can be computed.
        losses: by metric ``target``, ``helper`` (empty: alone), ``seed``, ``loss`` of the tasks judged; none without a seed.
        parts: by metric the components of gains and the reliability of the interaction; none where there are too few tasks or seeds.
        controls: what else gave a gain: ``kind``, ``target``, ``helper``, ``seeds``, ``gain``, ``shared`` (that of the pair, same seeds),
            ``more`` (the second less the first) with ``low`` and ``high``, its interval over seeds.
        stability: ``target``, ``helper``, ``same`` (the test calls them not different), ``flips`` (share of resamples that say otherwise).
        seeds: those with every pair, and those that the study wants.
    """

    run: RunTables
    judged: Judged
    losses: Mapping[str, pd.DataFrame]
    parts: Mapping[str, tuple[Components, float]]
    controls: pd.DataFrame
    stability: pd.DataFrame
    seeds: tuple[int, int]

    @property
    def why_not(self) -> str:
        """Why methods are not ranked, in a sentence; empty where they are."""
        if self.judged.why_not or self.judged.reliability >= RELIABLE:
            return self.judged.why_not
        assert self.judged.components is not None
        return (
            f"Methods are not ranked: who gains from whom is seen with a reliability of {number(self.judged.reliability, 2)}, below "
            f"{number(RELIABLE, 2)}, which takes about {plural(int(self.judged.components.seeds_needed), 'seed')}."
        )

    @property
    def scores(self) -> dict[str, Score]:
        """The scores by method, in their order."""
        return {one.name: one for one in self.judged.scores}

    def gains(self, metric: str = METRICS[0]) -> np.ndarray:
        """Return (n, n) mean gains of the row's task with the column's."""
        return matrix_of(self.losses[metric]).gains()

    def values(self, name: str) -> np.ndarray:
        """Return (n, n) values of a method."""
        return values(self.run.affinities[name], self.judged.tasks)

    def difference(self, above: str, below: str) -> Interval:
        """Return the primary score of a method less that of another."""
        return judge.difference_interval(self.gains(), self.values(above), self.values(below))


def judgement(study: Study) -> Judgement:
    """Return what a run measured, over the seeds that have every pair.

    Raises:
        SystemExit: the tasks are not related yet, or by PVI alone.
    """
    run = tables(study)
    if run.affinity is None or len(run.affinities) < 2:
        by = "" if run.affinity is None else " by any method beside pvi"
        raise SystemExit(f"the tasks of the run are not related{by} yet; first: cotrain relate RUN{' --by METHOD' if by else ''}")
    # the affinity of the oracle wants every seed, and is no part of what is true
    run = replace(run, truth=run.truth or truth(study, {**run.affinities, TRUTH: run.affinity}))
    found = judged(run)
    assert found is not None
    by_metric = _losses(study, run, found.tasks)
    parts = {}
    if found.components is not None:
        measured = {metric: matrix_of(table) for metric, table in by_metric.items()}
        parts = {metric: (components(one), reliability(one)) for metric, one in measured.items()}
        scored = found if found.scores else ranked(run, measured[METRICS[0]], *parts[METRICS[0]])
        found = scored._replace(why_not=found.why_not)
    wanted = len(methods.chosen(study, TRUTH).seeds)
    seeds = int(run.truth["pairs"]["seed"].nunique()), wanted
    held = Judgement(run, found, by_metric, parts, _controls(study, by_metric), _stability(study, run), seeds)
    return replace(held, judged=found._replace(scores=tuple(sorted(found.scores, key=lambda s: s.name)))) if held.why_not else held


def matrix_of(table: pd.DataFrame) -> Losses:
    """Return the Losses in a table of ``target``, ``helper`` (empty: alone), ``seed``, ``loss``."""
    single = table["helper"] == ""
    return Losses.of(table[single].rename(columns={"target": "task"}), table[~single])


def _losses(study: Study, run: RunTables, tasks: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Return what the tasks lose on test by each metric, at the epoch of least log-loss on dev, and after the last one."""
    if not tasks:
        return {}
    lines: list[tuple[Any, ...]] = [(METRICS[0], t, "", s, x) for t, s, x in run.truth["alone"].itertuples(index=False)]
    lines += [(METRICS[0], t, h, s, x) for t, h, s, x in run.truth["pairs"].itertuples(index=False)]
    seeds = sorted(map(int, run.truth["alone"]["seed"].unique()))
    for fit in data.fits(study, methods.chosen(study, TRUTH).groups, seeds):
        for task in fit.group.tasks:
            helper = "".join(name for name in fit.group.tasks if name != task)
            test = chosen(fit, task, "test", METRICS[0])
            lines += [(metric, task, helper, fit.seed, 1 - value(metric, test.gold, test.log2_p)) for metric in METRICS[1:]]
            lines.append((LAST, task, helper, fit.seed, losses.test(fit, task, select_epoch(fit, "last"))))
    table = pd.DataFrame(lines, columns=["metric", "target", "helper", "seed", "loss"])
    table = table[table["target"].isin(tasks) & table["helper"].isin(["", *tasks])].sort_values(["target", "helper", "seed"])
    return {metric: table[table["metric"] == metric].drop(columns="metric").reset_index(drop=True) for metric in (*METRICS, LAST)}


def _controls(study: Study, by_metric: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what targets gain in log-loss with the updates of a pair alone, and with a helper whose labels are permuted."""
    names = ["kind", "target", "helper"]
    measures = ["seeds", "gain", "shared", "more", "low", "high"]
    if not by_metric:
        return pd.DataFrame(columns=[*names, *measures])
    known = {(t, h, s): x for t, h, s, x in by_metric[METRICS[0]].itertuples(index=False)}
    lines = []
    for name in sorted(study.index):
        group, seed = Group.parse(name.rpartition(" ")[0]), int(name.rpartition(" ")[2])
        for kind, target, helper in _control(group):
            if (target, helper, seed) in known:
                lines += [
                    (kind, target, helper, seed, known[target, "", seed] - losses.test(fit, target),
                     known[target, "", seed] - known[target, helper, seed])
                    for fit in data.fits(study, [group], [seed]) if not fit.failed
                ]  # fmt: skip
    table = pd.DataFrame(lines, columns=[*names, "seed", "gain", "shared"])
    found = []
    for which, part in table.groupby(names):
        more = seed_interval(part["shared"] - part["gain"])
        found.append((*which, more.n, part["gain"].mean(), part["shared"].mean(), more.value, more.low, more.high))
    return pd.DataFrame(found, columns=[*names, *measures])


def _control(group: Group) -> Iterator[tuple[str, str, str]]:
    """Yield kind, target and helper of a group that is trained as long as a pair of its one real member; nothing of another group."""
    pair = Group.parse(group.updates).tasks if isinstance(group.updates, str) else ()
    if len(pair) != 2 or len(group.real) != 1 or group.real[0] not in pair or not set(group.tasks) <= set(pair):
        return
    (helper,) = (task for task in pair if task != group.real[0])
    variants = {member.variant for member in group.members if member.task == helper}
    if variants <= {"permuted"}:
        yield "placebo" if variants else "matched updates", group.real[0], helper


def _stability(study: Study, run: RunTables) -> pd.DataFrame:
    """Return how often what the test says of pairs of learned tasks turns into the other where rows and seeds are drawn anew."""
    resolved = study.resolved
    options = Options(alpha=resolved.plan.alpha)
    affinity = relate(study.load_scores("pvi"), resolved.test, resolved.group_test, resolved.paper, bootstrap=RESAMPLES)
    statistics = Statistics.of(affinity)
    sets = np.stack([statistics.positions(affinity.pairs[side].tolist()) for side in ("target", "helper")], axis=1)
    same = passes(statistics, sets, affinity, options)
    found = pairs_pass(affinity, options)
    lost = {task for task, state in affinity.tasks[["task", "state"]].itertuples(index=False) if state != "ok"}
    table = found.assign(same=same, flips=np.where(same, 1 - found["passes"], found["passes"])).drop(columns="passes")
    return table[~table["target"].isin(lost) & ~table["helper"].isin(lost)].reset_index(drop=True)
