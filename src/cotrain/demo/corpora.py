"""``write``: the corpora of the demo as files, with their truth and a study file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cotrain.demo.encoder import MODEL
from cotrain.demo.generate import generate
from cotrain.demo.styles import CORPORA
from cotrain.demo.truth import FILE

STUDY = "study.yaml"
_STUDY = """\
# The demo of cotrain: six small clinical-style tasks on three generated corpora.
# Every sentence is made up; the share of wrong labels is known, so the true V-information is too.
model: {model}
tasks:
{tasks}
splits: {{test: 0.25, dev: 0.3}}         # whole notes; dev is a share of what test leaves
preset: fast
training: {{learning_rate: 2.25e-4, epochs: 3, batch_size: 16, max_length: 32, evaluate_every: 26}}   # short texts, few of them
goal: fewer
delta: 0.05                            # so small test sets decide nothing finer
plan: {{rule: any, select: partition, models: 3}}
controls: [alone, together]
seeds: [1, 2, 3]
"""
_TASK = "  {name}: {{path: {file}, text: text, labels: [{labels}], id: row, group: {note}}}"


def write(folder: Path, seed: int = 0) -> Path:
    """Return the study file of the demo, written to ``folder`` with its data (csv, jsonl, parquet) and their truth.

    The same seed gives the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = generate(seed)
    for corpus in CORPORA:
        table = tables[corpus.name]
        seen = table[["row", corpus.note, "text", *corpus.columns]]
        file = folder / corpus.file
        if file.suffix == ".csv":
            seen.to_csv(file, index=False, lineterminator="\n")
        elif file.suffix == ".jsonl":
            seen.to_json(file, orient="records", lines=True, force_ascii=False)
        else:
            seen.to_parquet(file, index=False)
    _truth(tables).to_parquet(folder / FILE, index=False)
    path = folder / STUDY
    path.write_text(study(), encoding="utf-8")
    return path


def study() -> str:
    """Return the study file as text."""
    tasks = [_TASK.format(name=c.name, file=c.file, labels=", ".join(c.columns), note=c.note) for c in CORPORA]
    return _STUDY.format(model=MODEL, tasks="\n".join(tasks))


def _truth(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the true label of every row of every task, and the noise of the task."""
    parts = [
        pd.DataFrame({
            "task": f"{corpus.name}.{column}", "row": tables[corpus.name]["row"],
            "true": tables[corpus.name][f"true_{column}"], "noise": noise,
        })
        for corpus in CORPORA
        for column, noise in zip(corpus.columns, corpus.noise, strict=True)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)
