"""Predictions of a model for the rows of a file, as a table that a killed run continues."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.serving import anafora
from cotrain.serving.inputs import Inputs
from cotrain.training.folders import owners_alone, told
from cotrain.training.models import SharedModel

ANAFORA = "anafora"
CHUNK = 4096
"""Rows that are sorted by length together, and after which the output is safe."""
Tell = Callable[[int, int], None]


def predict(shared: SharedModel, inputs: Inputs, start: int = 0) -> Iterator[pd.DataFrame]:
    """Yield tables of up to ``CHUNK`` rows, from row ``start`` on.

    Their columns are ``row`` and, per task, ``TASK`` (the label) and ``TASK:LABEL`` for the probability of each label.
    """
    for first in range(start, len(inputs.rows), CHUNK):
        chosen = slice(first, first + CHUNK)
        columns: dict[str, object] = {"row": pd.Series(inputs.rows[chosen], dtype=object)}
        for part in inputs.parts:
            found = shared.predict(part.texts[chosen], part.pairs[chosen] if part.pairs is not None else None, tasks=part.tasks)
            for task, p in found.items():
                labels = shared.labels(task)
                columns[task] = pd.Series(np.array(labels, dtype=object)[shared.decide(task, p)], dtype=object)
                columns |= {f"{task}:{label}": p[:, k].astype(np.float32) for k, label in enumerate(labels)}
        yield pd.DataFrame(columns)


def save(shared: SharedModel, inputs: Inputs, out: Path, tell: Tell = lambda done, total: None, form: str | None = None) -> Path:
    """Return ``out``, the predictions as jsonl, csv or parquet, or the folder of them as Anafora XML; it appears when it is complete.

    What is finished of it stands beside it until then. The same model, tasks and rows continue there; others begin anew.

    Args:
        tell: is told how many rows are done now, of how many that are not there yet.
        form: a name of ``FORMS``; the ending of ``out`` where none is given.

    Raises:
        InputError: another ending, a file that is there already, a full disk; of ``anafora`` what ``properties`` refuses.
    """
    form = check(out, form)
    of = anafora.properties(shared, inputs) if form == ANAFORA else {}
    parts = out.with_name(f".{out.name}-{_key(shared, inputs)}")
    try:
        with owners_alone(shared.private):  # rows are named by their document
            for old in out.parent.glob(f".{out.name}-*"):
                if old != parts:
                    shutil.rmtree(old)
            parts.mkdir(parents=True, exist_ok=True)
            done = sorted(file for file in parts.glob("*.parquet"))
            before = len(done) * CHUNK
            for number, table in enumerate(predict(shared, inputs, before), len(done)):
                file, work = parts / f"{number:08d}.parquet", parts / "writing"
                table.to_parquet(work, index=False)
                work.replace(file)
                done.append(file)
                tell(min(len(done) * CHUNK, len(inputs.rows)) - before, len(inputs.rows) - before)
            whole = parts / "whole"
            if form == ANAFORA:
                shutil.rmtree(whole, ignore_errors=True)
                anafora.write(done, whole, inputs, of)
            else:
                FORMS[form](done, whole)
            whole.replace(out)
            shutil.rmtree(parts)
    except OSError as error:
        raise told(error, out.parent) from error
    return out


def check(out: Path, form: str | None = None) -> str:
    """Return the format of what is to be written, before anything slow begins.

    Args:
        form: a name of ``FORMS`` or ``anafora``; by the ending of ``out`` where none is given.

    Raises:
        InputError: another format or ending than those known, a file that is there already.
    """
    form = out.suffix[1:].lower() if form is None else form
    if form not in (*FORMS, ANAFORA):
        raise InputError(f"{out}: {unknown('format', form, [*FORMS, ANAFORA])}")
    if out.exists():
        raise InputError(f"{out} exists already; remove it, or name another file with --out")
    return form


def lines(table: pd.DataFrame, plain: bool = False) -> Iterator[str]:
    """Yield the rows of a table as lines of JSON, numbers with six digits that count; ``plain``: letters beyond ASCII are escaped."""
    for row in table.to_dict("records"):
        yield json.dumps({str(k): float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}, ensure_ascii=plain)


def _key(shared: SharedModel, inputs: Inputs) -> str:
    """Return the hash of what determines an output: the model, its precision, the tasks and their thresholds, the rows."""
    tasks = [[(task, shared.entry(task)["threshold"]) for task in part.tasks] for part in inputs.parts]
    digest = hashlib.sha256(json.dumps([shared.about["files"], shared.precision, tasks]).encode())
    for column in (inputs.rows, *(texts for part in inputs.parts for texts in (part.texts, part.pairs or []))):
        for value in column:
            digest.update(f"{len(value)} {value}".encode())
    return digest.hexdigest()[:16]


def _jsonl(parts: list[Path], file: Path) -> None:
    """Write the parts as lines of JSON."""
    with file.open("w", encoding="utf-8") as out:
        for part in parts:
            out.writelines(f"{line}\n" for line in lines(pd.read_parquet(part)))


def _csv(parts: list[Path], file: Path) -> None:
    """Write the parts as csv, as RFC 4180 says."""
    for number, part in enumerate(parts):
        pd.read_parquet(part).to_csv(file, mode="a" if number else "w", header=not number, index=False, float_format="%.6g")


def _parquet(parts: list[Path], file: Path) -> None:
    """Write the parts as one parquet file."""
    schema = pq.read_schema(parts[0])
    with pq.ParquetWriter(file, schema) as writer:
        for part in parts:
            table: pa.Table = pq.read_table(part)
            writer.write_table(table)


FORMS: dict[str, Callable[[list[Path], Path], None]] = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}
