"""``read_scores``: PVI that anyone computed, from files of it: no rows, no encoder, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.pvi.arrays import facts_of
from cotrain.pvi.scores import Scores
from cotrain.tasks.readers.tabular import read_file
from cotrain.tasks.rendering import listed, missing
from cotrain.tasks.source import split_of
from cotrain.tasks.task import wrong_name

NEEDED = ("row", "pvi_bits")
OPTIONAL = ("task", "seed", "gold", "guess", "log2_p_x", "log2_p_null", "cluster", "source", "split")
_TEXTS = ("task", "row", "gold", "guess", "cluster", "source")
_ROUNDED_BITS = 0.01  # three digits of each of three numbers
_TRUST = (
    "The scores come from outside: that their rows were held out from training, and that one encoder scored all tasks, is taken on trust."
)
_NO_NULL = (
    "Without log2_p_null or log2_p_x nothing is known of the null model: V-information is not normalised, and equivalence needs a margin "
    "in bits."
)


def read_scores(paths: str | Path | Iterable[str | Path], columns: Mapping[str, str] | None = None) -> Scores:
    """Return the Scores of files (csv, tsv, jsonl, json, parquet) with a line per task, held-out row and seed.

    Needed are ``row`` (its id) and ``pvi_bits``. ``task`` is the name of the file where there is no such column, ``seed`` 0,
    ``source`` the task, ``cluster`` the row. ``gold`` with ``guess`` gives accuracy, ``log2_p_x`` or ``log2_p_null`` what
    the null model knows; else both are unknown. ``split`` is dev or test, ``held-out`` where it is not said.

    Args:
        columns: our name of a column to its name in the files, where they differ.

    Raises:
        InputError: every fault of every file: see ``docs/relate.md``.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    given = dict(columns or {})
    if faults := [unknown("column", name, (*NEEDED, *OPTIONAL)) for name in given if name not in (*NEEDED, *OPTIONAL)]:
        raise InputError(faults)
    parts: dict[Path, pd.DataFrame] = {}
    for file in files:
        try:
            parts[file] = _read(file, given)
        except InputError as error:
            faults += error.faults
    faults = faults or _different(parts)
    if faults or not parts:
        raise InputError(faults or "there should be at least one file of scores, found none")
    if "task" not in parts[files[0]]:
        faults += _same_stem(files)
        parts = {file: part.assign(task=file.stem) for file, part in parts.items()}
    table = pd.concat(parts.values(), ignore_index=True)
    if faults := [*faults, *_values(table), *_rows(table), *_tasks(table)]:
        raise InputError(faults)
    return _scores(table)


def _read(file: Path, given: Mapping[str, str]) -> pd.DataFrame:
    """Return the columns of one file under our names, and ``_where``."""
    if not file.is_file():
        raise InputError(f"{file}: there should be a file of scores; found {'a folder' if file.is_dir() else 'none'}")
    names = {name: given.get(name, name) for name in (*NEEDED, *OPTIONAL)}
    wanted = list(dict.fromkeys(names[name] for name in names if name in NEEDED or name in given))
    raw = read_file(file, wanted, [column for column in names.values() if column not in wanted])
    return pd.DataFrame({**{name: raw[column] for name, column in names.items() if column in raw}, "_where": raw["_where"]})


def _different(parts: Mapping[Path, pd.DataFrame]) -> list[str]:
    """Return which files lack a column that another one has."""
    every = {str(column): file for file, part in parts.items() for column in part}
    return [
        f"{file}: the column {column} should be in each file or in none; {every[column].name} has it"
        for file, part in parts.items()
        for column in every
        if column not in part
    ]


def _same_stem(files: Sequence[Path]) -> list[str]:
    """Return which files would be one task, where each file is a task."""
    stems = [file.stem for file in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    return [f"task {stem}: {stems.count(stem)} files have its name; rename one, or give them a column task" for stem in twice]


def _values(table: pd.DataFrame) -> Iterator[str]:
    """Yield what is wrong with single values; numbers of ``table`` are made numbers, texts texts."""
    where = table["_where"]
    for column in [c for c in _TEXTS if c in table]:
        if (gone := missing(table[column])).any():
            yield f"{column} is empty at {listed(where[gone])}; fill it"
        table[column] = table[column].map(str)
    for column in [c for c in ("pvi_bits", "log2_p_x", "log2_p_null", "seed") if c in table]:
        numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
        good = np.isfinite(numbers)
        if column == "seed":
            good &= np.where(good, numbers, 0.5) % 1 == 0
        if not good.all():
            yield f"{column} should be {'whole' if column == 'seed' else 'finite'} numbers, is something else at {listed(where[~good])}"
        if column.startswith("log2") and (above := good & (numbers > _ROUNDED_BITS)).any():
            yield f"{column} should be the log2 of a probability, at most 0, is above at {listed(where[above])}"
        table[column] = numbers
    if {"log2_p_x", "log2_p_null"} <= set(table):
        off = (table["log2_p_x"] - table["log2_p_null"] - table["pvi_bits"]).abs() > _ROUNDED_BITS
        if off.any():
            yield f"pvi_bits should be log2_p_x − log2_p_null, all of base 2, and is not at {listed(where[off])}"
    elif "log2_p_null" in table and (above := table["pvi_bits"] + table["log2_p_null"] > _ROUNDED_BITS).any():
        yield f"pvi_bits should be at most −log2_p_null, where the model is sure, is above at {listed(where[above])}"
    if "split" in table:
        table["split"] = table["split"].map(split_of)
        if (strange := ~table["split"].isin(["dev", "test"])).any():
            yield f"split should be dev or test (held-out rows alone have PVI), is something else at {listed(where[strange])}"
        elif table["split"].nunique() > 1:
            counts = ", ".join(f"{n} of {split}" for split, n in table["split"].value_counts().sort_index().items())
            yield f"the rows should be of one split, found {counts}; keep one of them"


def _rows(table: pd.DataFrame) -> Iterator[str]:
    """Yield rows that are there twice, that only some seeds score, or that seeds tell different things of."""
    where = table["_where"]
    keys = ["task", "row", *(["seed"] if "seed" in table else [])]
    if (twice := table.duplicated(keys)).any():
        yield f"a task should have each row once{' per seed' if 'seed' in table else ''}, found it again at {listed(where[twice])}"
        return
    if "seed" not in table:
        return
    of_row = table.groupby(["task", "row"], sort=False)
    lacking = (of_row["seed"].transform("size") < table.groupby("task")["seed"].transform("nunique")).to_numpy()
    for task, part in table[lacking].groupby("task", sort=False):
        yield f"task {task}: every seed should score the same rows; some seeds lack those at {listed(part['_where'])}"
    for column in [c for c in ("cluster", "gold") if c in table]:
        if (unlike := (of_row[column].transform("nunique") > 1).to_numpy()).any():
            yield f"{column} of a row should be the same for every seed, is not at {listed(where[unlike])}"


def _tasks(table: pd.DataFrame) -> Iterator[str]:
    """Yield names that are none, tasks of several sources, and a task that has nothing to be related to."""
    names = table["task"].unique().tolist()
    yield from filter(None, map(wrong_name, names))
    if "source" in table:
        for task, sources in table.groupby("task", sort=False)["source"].nunique().items():
            if sources > 1:
                yield f"task {task}: its rows should have one source, found {sources}"
    if len(names) == 1:
        yield (
            f"there should be two tasks at least, found one: {names[0]}; name the column of tasks (task=COLUMN), or give a file for each"
        )


def _scores(table: pd.DataFrame) -> Scores:
    """Return the Scores of a table without faults."""
    nan = float("nan")
    bits = table["pvi_bits"]
    null = table["log2_p_null"] if "log2_p_null" in table else table["log2_p_x"] - bits if "log2_p_x" in table else bits * nan
    found = pd.DataFrame({
        "task": table["task"], "row": table["row"], "split": table.get("split", "held-out"), "seed": table.get("seed", 0),
        "estimator": "outside", "null": "unknown", "epoch": -1, "log2_p_x": null + bits, "log2_p_null": null, "pvi_bits": bits,
        "gold": table.get("gold", ""), "guess": table.get("guess", ""), "cluster": table.get("cluster", table["row"]),
        "source": table.get("source", table["task"]),
    }).astype({"seed": int})  # fmt: skip
    facts = [
        facts_of(str(task), part, part["gold"].nunique() if "gold" in table else nan, nan, nan)
        for task, part in found.groupby("task", sort=False)
    ]
    return Scores(found, pd.DataFrame(facts), notes=(_TRUST, *([_NO_NULL] if found["log2_p_null"].isna().all() else [])))
