"""``status``: what is done, what is left, what it will take."""

from __future__ import annotations

from typing import Any

from cotrain.study import data, steps
from cotrain.study.study import Study
from cotrain.training.calibrate import expected
from cotrain.training.group import Group
from cotrain.training.models import ABOUT
from cotrain.training.outside import is_outside
from cotrain.training.work import work


def unchecked(study: Study) -> bool:
    """Whether ``check`` has not seen the present tasks and seeds."""
    checked = study.checked
    return (
        study.changed
        or not checked
        or set(checked.get("tasks", {})) != set(study.tasks)
        or checked.get("seeds") != list(study.resolved.seeds)
    )


def status(study: Study) -> dict[str, Any]:
    """Return the state of a study.

    The keys: ``study``, ``path``, ``outside`` (made of scores from outside: only verbs that need no rows are left),
    ``verbs`` (verb to whether its artefact is there; without ``models`` where the trainer is from outside), ``fits`` (``done``, ``wanted``,
    ``failed``), ``missing`` (group and seed of what ``train`` would train), ``seconds_spent`` (training time of its fits,
    added up), ``seconds_left`` (by the speed of the fits that are done; None before the first), ``predicted_seconds`` (by
    ``check``), ``looks_at_test``, ``models``.
    """
    plans, outside = study.plans(), study.resolved.outside
    wanted = [] if outside else list(dict.fromkeys([*steps.alone(study), *steps.blanks(study), *(g for p in plans for g in p.groups)]))
    index, seeds = study.index, study.resolved.seeds
    missing = [(g, seed) for g in wanted for seed in seeds if data.name_of(g, seed) not in index]
    fits = data.fits(study, wanted)
    verbs = {
        "check": not unchecked(study), "score": study.find_scores("pvi") is not None, "relate": study.find_affinity("pvi") is not None,
        "group": study.find_affinity("pvi") is not None and any(p.kind == "nominated" for p in plans), "train": bool(plans) and not missing,
        "compare": study.load_comparison() is not None, "models": study.load_comparison() is not None and bool(_models(study)),
        "report": (study.report / "report.html").is_file(),
    }  # fmt: skip
    if outside:
        verbs = {verb: verbs[verb] for verb in ("relate", "group", "report")}
    elif not seeds:
        verbs = {verb: verbs[verb] for verb in ("check", "score", "relate", "group", "report")}
    elif is_outside(study.resolved.settings.trainer):
        del verbs["models"]
    return {
        "study": study.resolved.name, "path": str(study.path), "outside": outside, "verbs": verbs,
        "fits": {"done": len(fits), "wanted": len(wanted) * len(seeds), "failed": sum(bool(f.failed) for f in fits)},
        "missing": [data.name_of(g, seed) for g, seed in missing], "seconds_spent": sum(f.cost.get("seconds", 0.0) for f in fits),
        "seconds_left": _left(study, [g for g, _ in missing]), "predicted_seconds": (study.checked.get("cost") or {}).get("seconds"),
        "looks_at_test": len(study.looks), "models": _models(study),
    }  # fmt: skip


def _models(study: Study) -> list[str]:
    """Return the names of the models that are kept."""
    return sorted(folder.name for folder in study.models.glob("[!.]*") if (folder / ABOUT).is_file())


def _left(study: Study, missing: list[Group]) -> float | None:
    """Return the seconds that missing fits will take, by the rate of those that are done, side by side as before."""
    if not missing:
        return 0.0
    done = [f for f in data.fits(study, steps.trained_groups(study)) if not f.failed]
    if not done or study.placement is None:
        return None
    tasks, settings = data.tasks(study), data.settings(study)
    spent = sum(f.cost["seconds"] for f in done)
    # what a trainer from outside counts as updates, if it does, says nothing of our work
    made = sum(work(f.group, tasks, settings, None if is_outside(settings.trainer) else f.updates) for f in done)
    workers = int((study.checked.get("cost") or {}).get("workers", 1))
    left = sum(work(g, tasks, settings, None) for g in missing)
    if not is_outside(settings.trainer):
        left *= expected(settings, tasks)  # as check counts: most stop early
    return len(data.points(study)) * spent / made * left / max(1, workers)
