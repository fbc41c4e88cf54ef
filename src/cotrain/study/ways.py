"""Other ways to share one encoder, as arms beside the plans: adapters per task, an encoder that stays as it is, merged encoders."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cotrain.study import data
from cotrain.study.presets import WAYS
from cotrain.study.steps import Show, alone, refuse_failed
from cotrain.study.study import Study
from cotrain.tasks.task import SPLITS, Task
from cotrain.training import encoder
from cotrain.training.fit import Fit
from cotrain.training.group import Group, Member
from cotrain.training.outside import refuse
from cotrain.training.room import room
from cotrain.training.selection import select_epoch
from cotrain.training.settings import Settings
from cotrain.training.train import Options, effective, train

_TUNING = {"lora": "lora", "frozen": "heads"}
_FASTER = {"lora": 10.0, "frozen": 50.0}
"""Learning rates over that of the study: adapters are best at about ten times it (Schulman et al. 2025), heads alone need more still."""
_TIMED = 256
"""Rows that the speed of a way is measured on."""


def ways(study: Study, show: Show | None = None, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """Return facts of other ways to share, trained where they are missing; their predictions are arms of the next comparison.

    Facts: ``encoder`` (its parameters), ``heads`` and ``adapters`` (those of all tasks), ``seconds`` per text of one pass (``plain``,
    ``heads`` with all heads, ``lora`` with adapters), and ``ways``: those that are there.

    Args:
        wanted: of ``WAYS``; those of the study where none are named, or else all.

    Raises:
        FitsFailed: some fits failed; what could be compared is.
    """
    data.needs_rows(study, "train")
    data.needs_seeds(study, "train")
    refuse(study.resolved.settings.trainer, "other ways to share (share, --for share) need")
    chosen = tuple(wanted or study.resolved.share or WAYS)
    tasks, base = data.tasks(study), data.settings(study)
    failed, made = list[Fit](), dict[str, pd.DataFrame]()
    for way in chosen:
        if way in _TUNING:
            settings = replace(base, tuning=_TUNING[way], learning_rate=base.learning_rate * _FASTER[way])  # type: ignore[arg-type]
            how = Options(workers=study.workers, executor=study.executor, progress=show)
            fits = train(alone(study), tasks, settings, study.resolved.seeds, study.fits, how)
            failed += [fit for fit in fits if fit.failed]
            if usable := [fit for fit in fits if not fit.failed]:
                made[way] = _predictions(usable, study.resolved.select)
        else:
            made[way] = _merged(study, tasks, base, show)
        if way in made:
            study.save_arm(way, made[way])
    facts = {**_measured(tasks, base), "ways": sorted({*made, *study.shared.get("ways", ())})}
    study.save_shared(facts)
    refuse_failed(failed)
    return facts


def _predictions(fits: Iterable[Fit], by: str) -> pd.DataFrame:
    """Return the predictions of single-task fits at their selected epochs, as an arm."""
    parts = []
    for fit in fits:
        epoch, [task] = select_epoch(fit, by), fit.group.tasks
        for split in SPLITS[1:]:
            block = fit.blocks[task, split]
            parts.append(_arm(task, fit.seed, fit.labels[task], block.rows, block.at(epoch)))
    return pd.concat(parts, ignore_index=True)


def _arm(task: str, seed: int, labels: Sequence[str], rows: Any, log2_p: np.ndarray) -> pd.DataFrame:
    """Return (n,) lines of an arm."""
    names = np.array(labels, dtype=object)
    return pd.DataFrame({"task": task, "row": rows, "seed": seed, "guess": names[log2_p.argmax(axis=1)], "log2_p": list(log2_p)})


def _merged(study: Study, tasks: Mapping[str, Task], settings: Settings, show: Show | None) -> pd.DataFrame:
    """Return the predictions of each head on the mean of the encoders that the tasks alone have at their selected epochs."""
    from cotrain.training import worker
    from cotrain.training.evaluations import predicted, streams
    from cotrain.training.model import build

    parts = []
    labels = {name: task.labels for name, task in tasks.items()}
    for seed in study.resolved.seeds:
        weights = _mean(study, tasks, settings, seed, show)
        worker.prepare(tasks, effective(settings), encoder.folder(settings.model))
        try:
            model = build(worker._here["base"], labels, seed)
            model.restore(weights)
            members = {name: worker.data_of(Member(name)) for name in tasks}
            for split in SPLITS[1:]:
                for stream in streams(members, (), split).values():
                    found = predicted(stream, model, members, split, worker._here["tokens"])
                    parts += [_arm(t, seed, labels[t], tasks[t].split(split)["row"], log2_p) for t, log2_p in found.items()]
        finally:
            worker.release()
    return pd.concat(parts, ignore_index=True)


def _mean(study: Study, tasks: Mapping[str, Task], settings: Settings, seed: int, show: Show | None) -> dict[str, Any]:
    """Return the weights of a shared model: the mean of the encoders of the tasks alone, and their heads.

    Fits keep no weights, so each is made once more; few at a time, since their weights lie on the disk meanwhile.
    """
    from safetensors.torch import load_file

    from cotrain.training.model import load_base

    of_encoder = f"classifiers.0.{load_base(encoder.folder(settings.model), 'eager').prefix}."
    how = Options(workers=study.workers, progress=show, extras=("weights",))
    found, names, at_once = dict[str, Any](), list(tasks), study.workers or room(effective(settings))
    for start in range(0, len(names), at_once):
        with tempfile.TemporaryDirectory(prefix=".merging-", dir=study.path) as scratch:
            fits = train([Group.of([name]) for name in names[start : start + at_once]], tasks, settings, [seed], Path(scratch), how)
            refuse_failed(fits)
            for i, fit in enumerate(fits, start):
                epoch = select_epoch(fit, study.resolved.select)
                assert fit.path
                for key, value in load_file(fit.path / "extras" / "weights" / f"{epoch}.safetensors").items():
                    if not key.startswith(of_encoder):
                        found[key.replace("classifiers.0.", f"classifiers.{i}.", 1)] = value
                    elif value.is_floating_point():
                        found[key] = found.get(key, 0.0) + value / len(names)
                    else:
                        found[key] = value
    return found


def _measured(tasks: Mapping[str, Task], settings: Settings) -> dict[str, Any]:
    """Return the parameters of encoder, heads and adapters, and the seconds per text of a pass."""
    from cotrain.training import worker
    from cotrain.training.model import build
    from cotrain.training.scoring import lowered, predict_several

    resolved = effective(settings)
    labels = {name: task.labels for name, task in tasks.items()}
    worker.prepare(tasks, resolved, encoder.folder(settings.model))
    try:
        base, tokens = worker._here["base"], worker._here["tokens"]
        plain, adapted = (build(base, labels, 0, how, settings.lora_rank).to(resolved.device).eval() for how in ("full", "lora"))
        rows = [row for name in tasks for row in worker.data_of(Member(name)).test][:_TIMED]

        def seconds(model: Any, which: Sequence[str]) -> float:
            best = float("inf")
            for _ in range(3):
                began = time.perf_counter()
                with lowered(resolved.device, resolved.precision):
                    predict_several(model, which, rows, tokens, 1024 if resolved.device == "cpu" else 32768)
                best = min(best, time.perf_counter() - began)
            return best / len(rows)

        first, every = list(tasks)[:1], list(tasks)
        heads = sum(w.numel() for name in tasks for w in plain.head(name).values())
        adapters = sum(w.numel() for name, w in adapted.named_parameters() if ".lora_" in name)
        return {
            "encoder": sum(w.numel() for w in plain.parameters()) - heads, "heads": heads, "adapters": adapters * len(tasks),
            "seconds": {"plain": seconds(plain, first), "heads": seconds(plain, every), "lora": seconds(adapted, first)},
        }  # fmt: skip
    finally:
        worker.release()
