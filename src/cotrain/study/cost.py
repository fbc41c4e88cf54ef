"""What a study will cost: fits, tokens, time, memory, disk (``check``), and what is left of it (``status``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cotrain.grouping.controls import drawn
from cotrain.pvi.crossfit import folds
from cotrain.study import data, methods, steps
from cotrain.study.study import Study
from cotrain.tasks.task import Task
from cotrain.training.calibrate import calibrate, expected, footprint
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.outside import is_outside
from cotrain.training.room import room
from cotrain.training.settings import Settings
from cotrain.training.train import effective
from cotrain.training.work import work

_MEASURED = ("tokens", "seconds", "seconds_most", "tokens_per_second", "memory_bytes", "disk_bytes")
_PAIRS = ("max_abs_t", "min_gap", "top1_per_target")


def cost(study: Study, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Return the cost plan of a study, its speed measured here by a few steps; nothing where it has no seeds to train with.

    The keys: ``fits``, ``tokens``, ``seconds`` (expected) and ``seconds_most`` (no fit stops early), ``workers``,
    ``tokens_per_second`` (measured), ``memory_bytes`` (all workers), ``disk_bytes``, and ``parts``: fits and tokens of
    the single-task fits, null models, folds, the method that relates tasks, nominated plans and each control. Groups that are not
    nominated yet are counted as one more training of every task per plan; where a task is served by its own pair, as two.
    With a trainer from outside only ``fits``, ``workers`` and ``parts`` are known; the others are None.
    """
    if not study.resolved.seeds:
        return {}
    settings = data.settings(study)
    workers = study.workers or room(effective(settings))
    parts = _summed([_parts(study, tasks, point) for point in data.points(study)])
    seeds = len(study.resolved.seeds)
    fits = round(seeds * sum(part["fits"] for part in parts.values()))
    if is_outside(settings.trainer):
        return {**dict.fromkeys(_MEASURED), "fits": fits, "workers": workers, "parts": {k: {"fits": v["fits"]} for k, v in parts.items()}}
    rate = calibrate(tasks, max(data.points(study), key=lambda point: point.max_length), workers)
    tokens = seeds * sum(part["tokens"] for part in parts.values())
    most = rate.seconds(tokens)
    bytes_of = footprint(tasks, settings)
    return {
        "fits": fits, "tokens": tokens, "seconds": rate.seconds(tokens * expected(settings, tasks)),
        "seconds_most": most, "workers": workers,
        "tokens_per_second": rate.tokens_per_second, "memory_bytes": workers * bytes_of.memory, "disk_bytes": fits * bytes_of.disk,
        "parts": parts,
    }  # fmt: skip


def _summed(parts: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the parts of a cost over all points of a grid."""
    return {name: {key: sum(part[name][key] for part in parts) for key in first} for name, first in parts[0].items()}


def afterwards(study: Study, fits: Sequence[Fit]) -> float | None:
    """Return the seconds that the measured speed gives for the fits that were made; None before ``check``, or where no speed is known.

    The plan of costs cannot know how many tasks are learned, and so which groups there are; this is its speed alone.
    """
    found = study.checked.get("cost")
    if not found or not found["tokens_per_second"]:
        return None
    tasks, settings = data.tasks(study), data.settings(study)
    return sum(work(f.group, tasks, settings, f.updates) for f in fits if not f.failed) / float(found["tokens_per_second"])


def _parts(study: Study, tasks: Mapping[str, Task], settings: Settings) -> dict[str, dict[str, float]]:
    """Return fits and training tokens of one seed, by what they are for."""

    def tokens(groups: list[Group]) -> float:
        return sum(work(g, tasks, settings, None) for g in groups)

    n, resolved = len(tasks), study.resolved
    alone = tokens(steps.alone(study))
    parts: dict[str, dict[str, float]] = {"alone": {"fits": n, "tokens": alone}}
    if nulls := steps.blanks(study):
        parts["null models"] = {"fits": n, "tokens": tokens(nulls)}
    if resolved.estimator == "crossfit":
        parts["folds"] = _folds(tasks, settings)
    if resolved.by != "pvi" and (needed := _by(study)):
        of, share = needed
        parts[f"by {resolved.by}"] = {"fits": len(of) * share, "tokens": tokens(of) * share}
    if resolved.plan.select == "nested":
        for name, models in (("nominated, half", -(-n // 2)), ("nominated, quarter", -(-n // 4))):
            parts[name] = {"fits": models, "tokens": alone}
    else:
        paired = resolved.plan.select in _PAIRS
        parts["nominated"] = {"fits": n if paired else -(-n // 2), "tokens": alone * (2 if paired else 1)}
    for name in resolved.controls:
        if name == "together":
            parts[name] = {"fits": 1, "tokens": tokens([Group.of(tasks)])}
        elif name in ("placebo", "matched_updates"):
            parts[name] = {"fits": n, "tokens": 2 * alone}
        elif name != "alone":
            _, draws = drawn(name)
            parts[name] = {"fits": -(-n // 2) * draws, "tokens": alone * draws}
    return parts


def _by(study: Study) -> tuple[list[Group], float] | None:
    """Return the groups that the method of the study needs besides what is trained anyway, and its seeds as a share of the study's."""
    one = methods.chosen(study, study.resolved.by)
    own = set(one.seeds) - set(study.resolved.seeds)
    groups = [group for group in one.groups if own or len(group.tasks) > 1]
    return (groups, len(one.seeds) / len(study.resolved.seeds)) if groups else None


def _folds(tasks: Mapping[str, Task], settings: Settings) -> dict[str, float]:
    """Return the fits and tokens of scores out of fold."""
    found = {fold.name: fold for task in tasks.values() for fold in folds(task)}
    return {"fits": len(found), "tokens": sum(work(Group.of([fold]), found, settings, None) for fold in found)}
