"""Predictions from outside in a run folder: read, joined to the rows of the fits, kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.evaluation.outside import Outside, Rows, read_arm
from cotrain.grouping import CONTROLS
from cotrain.study.presets import WAYS
from cotrain.study.study import Study
from cotrain.tasks.task import wrong_name
from cotrain.training.fit import Fit


@dataclass(frozen=True)
class Beside:
    """What stands beside the fits.

    Attributes:
        arms: predictions from outside.
        left_out: sentences on kept ones that the rows or metrics of the study no longer fit.
        rows, labels: of each task, as the arms have them.
    """

    arms: tuple[Outside, ...]
    left_out: tuple[str, ...]
    rows: Rows
    labels: Mapping[str, Sequence[str]]


def outsiders(study: Study, fits: Sequence[Fit], metrics: Mapping[str, str], given: Mapping[str, Path | None]) -> Beside:
    """Return the predictions in ``arms/`` and in the files given; one that is given as None is taken out.

    Raises:
        InputError: faults of the files that are given, all at once.
    """
    singles = {fit.group.tasks[0]: fit for fit in fits if not fit.failed and len(fit.group.members) == 1 and fit.group.real}
    rows: Rows = {(task, split): fit.blocks[task, split].rows.tolist() for task, fit in singles.items() for split in ("dev", "test")}
    labels = {task: fit.labels[task] for task, fit in singles.items()}
    elsewhere = _elsewhere(study)
    faults = [fault for name, file in given.items() if (fault := _wrong(study, name, file))]
    found, left_out = list[Outside](), list[str]()
    for name, file in {**study.arms, **given}.items():
        if file is None:
            continue
        try:
            arm = read_arm(name, file, rows, labels, elsewhere, silent=name in study.prompted and name not in given)
            if unfit := arm.unfit(metrics):
                raise InputError(unfit)
            found.append(arm)
        except InputError as error:
            if name in given:
                faults += error.faults
            else:
                left_out.append(f"Predictions are left out: {error.faults[0]}. Give them anew (--arm {name}=FILE), or take them out "
                                f"(--arm {name}=).")  # fmt: skip
    if faults:
        raise InputError(faults)
    return Beside(tuple(found), tuple(left_out), rows, labels)


def keep(study: Study, beside: Beside, given: Mapping[str, Path | None]) -> None:
    """Keep the predictions that were given, and take out those given as None."""
    for arm in (arm for arm in beside.arms if arm.name in given):
        study.save_arm(arm.name, arm.table(beside.rows, beside.labels))
    study.forget(*(f"arms/{name}.parquet" for name, file in given.items() if file is None))


def _wrong(study: Study, name: str, file: Path | None) -> str:
    """Return what is wrong with the name of an arm that is given, or nothing."""
    if file is None and name not in study.arms:
        return unknown("arm", name, study.arms) if study.arms else f"unknown arm '{name}': this study has none"
    return wrong_arm(study, name)


def wrong_arm(study: Study, name: str) -> str:
    """Return what is wrong with a name for predictions from outside, or nothing."""
    if name in WAYS:
        return f"arm '{name}': a way to share has this name; choose another"
    if name in (*study.tasks, *(plan.name for plan in study.plans()), *CONTROLS, "recommended"):
        return f"arm '{name}': a task or plan has this name; choose another"
    return wrong_name(name).replace("task", "arm", 1)


def _elsewhere(study: Study) -> dict[str, dict[str, str]]:
    """Return task to row to where it went, of rows that are not held out."""
    if study.placement is None:
        return {}
    placed = study.placement[~study.placement["split"].isin(["dev", "test"])]
    return {str(task): dict(zip(part["row"], part["split"], strict=True)) for task, part in placed.groupby("task")}
