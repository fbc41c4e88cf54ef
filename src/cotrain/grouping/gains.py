"""Gains: what every group of tasks was measured to lose or to gain, by any program."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.readers.tabular import read_file
from cotrain.tasks.rendering import listed, missing
from cotrain.tasks.task import wrong_name


class Model(NamedTuple):
    """A measured model: its group (sorted names joined by +), and what it costs; a group may have models of several sizes."""

    group: str
    cost: float


@dataclass(frozen=True)
class Gains:
    """What every group of tasks was measured to lose.

    Attributes:
        table: one line per split, model and task: columns split, group, cost, task, loss.
        what: ``loss``, or ``gain`` where the losses are gains with the sign turned.
    """

    table: pd.DataFrame = field(repr=False)
    what: str = "loss"

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits, in the order of the table."""
        return tuple(self.table["split"].unique())

    @cached_property
    def losses(self) -> dict[str, dict[tuple[Model, str], float]]:
        """Split to the loss of each model for each of its tasks."""
        found: dict[str, dict[tuple[Model, str], float]] = {}
        for split, group, cost, task, loss in self.table[["split", "group", "cost", "task", "loss"]].itertuples(index=False):
            found.setdefault(split, {})[Model(group, cost), task] = loss
        return found


def read_gains(path: str | Path, cost: str | None = None) -> Gains:
    """Return the measured losses (or gains) of a file: csv, tsv, jsonl, json or parquet.

    Columns: ``group`` (tasks joined by +), ``task`` (one of them), ``loss`` or ``gain``, perhaps ``split``. Lines of a group
    that differ in cost are models of several sizes.

    Args:
        cost: the column of what a model costs; ``cost`` where there is one, else each model costs 1.

    Raises:
        InputError: every fault of the file, with its rows.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"{file}: there should be a table of measured losses (group, task, loss); found {'a folder' if file.is_dir() else 'no file'}"
        )
    wanted = ["group", "task", *([cost] if cost else [])]
    table = read_file(file, wanted, optional=[c for c in ("split", "loss", "gain", "cost") if c not in wanted])
    there = [what for what in ("loss", "gain") if what in table]
    if len(there) != 1:
        raise InputError(f"{file}: should have a column loss or a column gain, found {'both' if there else 'neither'}")
    [what] = there
    faults: list[str] = []

    def refuse(bad: Any, fault: str) -> None:
        if (bad := np.asarray(bad, dtype=bool)).any():
            faults.append(f"{file}: {fault} at {listed(table.loc[bad, '_where'])}")

    def numbers(name: str) -> np.ndarray:
        found = pd.to_numeric(table[name].map(lambda value: value.strip() if isinstance(value, str) else value), errors="coerce")
        values = found.to_numpy(dtype=float, na_value=np.nan)
        refuse(~np.isfinite(values), f"{name} should be a finite number, is something else")
        return values

    names = [name for name in ("split", "group", "task") if name in table]
    for name in names:
        refuse(missing(table[name]), f"{name} should not be empty, is")
    found = pd.DataFrame({name: table[name].map(lambda value: str(value).strip()) for name in names})
    if "split" not in names:
        found["split"] = "all"
    found["loss"] = numbers(what) * (-1 if what == "gain" else 1)
    column = cost or ("cost" if "cost" in table else None)
    found["cost"] = numbers(column) if column else 1.0
    tasks = found["group"].map(lambda name: tuple(sorted(part.strip() for part in name.split("+"))))
    bad = [len(set(names)) < len(names) or any(map(wrong_name, names)) for names in tasks]
    refuse(bad, "group should be different names of tasks joined by +, as a+b, is something else")
    strange = [not b and task not in names for task, names, b in zip(found["task"], tasks, bad, strict=True)]
    refuse(strange, "task should be one of its group, as a model serves its own tasks, is not")
    found["group"] = tasks.map("+".join)
    refuse(found["cost"] <= 0, f"{column} should be above 0, is not")
    which = "split, group and task" + (f" of one {column}" if column else "")
    refuse(found.duplicated(["split", "group", "cost", "task"]), f"a {which} should stand once, stands again")
    if not faults:
        lacking = found.groupby(["group", "cost", "task"])["split"].transform("nunique") < found["split"].nunique()
        refuse(lacking, f"a {which} should be there in every split ({', '.join(found['split'].unique())}), is not")
    if faults:
        raise InputError(faults)
    return Gains(found[["split", "group", "cost", "task", "loss"]], what)
