"""Fits of real and of blank inputs, one after another: a JSON object of task to (CPU seconds of the null, of the fit)."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cotrain.study.spec import read
from cotrain.tasks.task import Task
from cotrain.training.group import Group, Member
from cotrain.training.settings import Settings
from cotrain.training.train import Options, Progress, train

SPEC = Path(__file__).resolve().parents[1] / "experiments" / "general9" / "study.yaml"
# words per row: as many as the rows of the public sets have word pieces, in the mean (MiniLM's tokenizer)
LENGTHS = {
    "boolq": 134, "cb": 88, "rte": 76, "copa": 36, "wic": 23, "cola": 11, "sst2": 14, "health_advice": 30, "causal_language": 28,
}  # fmt: skip
ROWS = {"train": 96, "dev": 24, "test": 24}
WORDS = ["time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state", "family"]


def generated(name: str, length: int) -> Task:
    """Return a task of two balanced classes and common words, each a single word piece, of about ``length`` pieces."""
    generator = np.random.default_rng(length)
    parts = []
    for split, n in ROWS.items():
        texts = [" ".join(generator.choice(WORDS, max(1, int(length * generator.uniform(0.5, 1.5)) - 2))) for _ in range(n)]
        parts.append(pd.DataFrame({
            "row": [f"{split}:{i}" for i in range(n)], "split": split, "text": texts, "pair": "", "label": ["no", "yes"] * (n // 2),
            "cluster": [f"{split}:{i}" for i in range(n)],
        }))  # fmt: skip
    return Task(name=name, labels=("no", "yes"), rows=pd.concat(parts, ignore_index=True))


def seconds(name: str, tasks: dict[str, Task], settings: Settings) -> tuple[float, float]:
    """Return CPU seconds of the null model's fit and of the fit alone, without reading the encoder."""
    groups = {"null": Group((Member(name, "blank"),)), "real": Group.of([name])}
    began: dict[str, float] = {}
    ended: dict[int, float] = {}

    def mark(state: Progress) -> None:
        for running in state.running:
            began.setdefault(running, time.process_time())
        ended.setdefault(state.done, time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        fits = train(groups.values(), tasks, settings, [1], Path(folder), Options(workers=1, progress=mark))
    if failed := [fit.failed for fit in fits if fit.failed]:
        raise SystemExit(f"{name}: {failed[0]}")
    took = {run: ended[at] - start for at, (run, start) in enumerate(began.items(), 1)}
    return tuple(next(cpu for run, cpu in took.items() if run.startswith(f"{group.name} ")) for group in groups.values())  # type: ignore[return-value]


def main() -> None:
    """Print the seconds of each task; the first fits of the process warm it up and are not counted."""
    tasks = {name: generated(name, length) for name, length in LENGTHS.items()}
    settings = read(SPEC, ("preset=paper", "training={epochs: 2}")).settings
    seconds("cola", tasks, settings)
    print(json.dumps({name: seconds(name, tasks, settings) for name in LENGTHS}))


if __name__ == "__main__":
    main()
