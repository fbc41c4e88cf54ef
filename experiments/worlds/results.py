"""Who ranks helpers as they are: ``python experiments/worlds/results.py RUN [TO]`` writes TO/RESULTS.md, beside this file if no other is
named, from a finished run of the study.yaml there.

Kinds of helpers of a target: ``same`` (the other sample of its rule), ``unrelated`` (another rule), ``noise`` (its labels are permuted;
called harmful only where the interval of its true gain, over five seeds or more, targets fixed, is below 0). True gains are of log-loss on
test, temperature-scaled on dev, of the epoch that is best by the dev rows of the target alone: permuted labels choose none, else training
that stopped early would pass for harm. AUC: the share of pairs of helpers of one target that a method has in the true order, ties counted
half, over all targets. Found: for how many of the targets that have one, the other sample is the best helper.
"""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path

import numpy as np
from scipy import stats

from cotrain.affinity import losses
from cotrain.affinity.method import named
from cotrain.reporting.words import count, duration, number
from cotrain.study import data, methods
from cotrain.study.open import open_study
from cotrain.study.study import Study
from cotrain.training.fit import Fit
from cotrain.training.selection import select_epoch

LEAST = 5
"""Seeds without which nothing is called harmful."""
KINDS = ("same", "unrelated", "noise")
ORDERS = (("same", "unrelated"), ("same", "noise"), ("unrelated", "noise"))


def kind(target: str, helper: str) -> str:
    """Return what a helper is to a target."""
    return "noise" if helper == "noise" else "same" if target[:-1] == helper[:-1] else "unrelated"


def auc(values: dict[tuple[str, str], float], better: str, worse: str) -> tuple[float, int]:
    """Return the share of pairs of helpers of one target, one of each kind, whose order is the true one, and the number of pairs."""
    right = []
    for target in sorted({t for t, _ in values} - {"noise"}):
        by_kind: dict[str, list[float]] = {one: [v for (t, h), v in values.items() if t == target and kind(t, h) == one] for one in KINDS}
        right += [float(a > b) + 0.5 * (a == b) for a in by_kind[better] for b in by_kind[worse]]
    return float(np.mean(right)), len(right)


def found(values: dict[tuple[str, str], float]) -> str:
    """Return for how many targets the helper of the same kind is above all others, of how many."""
    best = []
    for target in sorted({t for t, _ in values}):
        helpers = {h: v for (t, h), v in values.items() if t == target}
        same = [h for h in helpers if kind(target, h) == "same"]
        best += [all(helpers[same[0]] > v for h, v in helpers.items() if h not in same)] if same and target != "noise" else []
    return f"{sum(best)} of {len(best)}"


def loss(fit: Fit, task: str) -> float:
    """Return NLL/NLL_null on test, temperature-scaled on dev, at the best of the stored epochs by the dev rows of the task alone."""
    return losses.test(fit, task, select_epoch(fit, lambda gold, log2_p: -losses.nll(log2_p, gold), [task]))


def truth(study: Study) -> dict[str, np.ndarray]:
    """Return by kind of helper the (targets and helpers, seeds) gains on test, as shares of NLL_null, over seeds that have every fit."""
    one = methods.chosen(study, "oracle")
    fits = {(fit.group, fit.seed): fit for fit in data.fits(study, one.groups, one.seeds) if not fit.failed}
    seeds = [seed for seed in one.seeds if all((group, seed) in fits for group in one.groups)]
    if not seeds:
        raise SystemExit(f"{study.path}: no seed has every fit; first: cotrain train {study.path} --for oracle")
    alone = {group.tasks[0]: group for group in one.groups if len(group.tasks) == 1}
    gains: dict[str, list[list[float]]] = {one: [] for one in KINDS}
    for group in one.groups:
        for target, helper in permutations(group.tasks) if len(group.tasks) == 2 else ():
            if target != "noise":
                pairs = [loss(fits[alone[target], seed], target) - loss(fits[group, seed], target) for seed in seeds]
                gains[kind(target, helper)].append(pairs)
    return {one: np.array(values) for one, values in gains.items()}


def results(run: Path, to: Path) -> Path:
    """Write ``to/RESULTS.md`` and return it.

    Raises:
        SystemExit: pairs that were not trained.
    """
    study = open_study(run)
    gains = truth(study)
    number_of = gains["same"].shape[1]
    where = "" if to == Path(__file__).parent else f" {to.as_posix()}"
    lines = [f"# {to.name.capitalize()}: who ranks helpers as they are\n",
             f"Made by `python experiments/worlds/results.py RUN{where}`; the tasks are in make.py.\n",
             "| helper | pairs | mean true gain, share of NLL_null | 95 % over seeds |", "|---|--:|--:|---|"]  # fmt: skip
    ends = {}
    for one, values in gains.items():
        means = values.mean(axis=0)
        half = float(stats.t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)))
        ends[one] = means.mean() - half, means.mean() + half
        lines.append(f"| {one} | {len(values)} | {number(means.mean(), sign=True)} | [{number(ends[one][0])}, {number(ends[one][1])}] |")
    harmful = ends["noise"][1] < 0 and number_of >= LEAST
    told = "is harmful" if harmful else "is not surely harmful, so the last AUC says nothing of methods"
    lines += [f"\nOver {number_of} seeds noise {told}.\n",
              "| method | sees | same found | same over unrelated, AUC | same over noise | unrelated over noise "
              "| fits made | gradient passes | time |",
              "|---|---|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name, affinity in sorted(study.affinities.items()):
        if name == "oracle":
            continue
        values: dict[tuple[str, str], float] = {}
        for target, helper, value in affinity.pairs[["target", "helper", "value"]].itertuples(index=False):
            values[target, helper] = value
            values.setdefault((helper, target), value)
        cost = affinity.cost
        shares = [number(auc(values, *two)[0], 2) for two in ORDERS]
        seconds = cost.get("seconds", 0.0) + cost.get("fit_seconds", 0.0)
        spent = count(cost.get("fits", 0)), count(cost.get("gradient_passes", 0)), duration(seconds)
        lines.append(f"| `{name}` | {' | '.join([sees(name), found(values), *shares, *spent])} |")
    every = {(t, h): 0.0 for t in study.tasks for h in study.tasks if t != h}
    counts = [str(auc(every, *two)[1]) for two in ORDERS]
    lines.append(f"\nPairs of helpers compared: {', '.join(counts)}. .5 is chance.")
    path = to / "RESULTS.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def sees(name: str) -> str:
    """Return what a method sees."""
    return "difficulty" if name.startswith("pvi") else named(name).sees


if __name__ == "__main__":
    print(results(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent))
