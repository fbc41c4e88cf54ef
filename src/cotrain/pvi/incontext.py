"""``score`` in context: PVI of a language model that was shown a few examples and trained on none (Lu et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.pvi.arrays import facts_of
from cotrain.pvi.pvi import entropy, prior, pvi
from cotrain.pvi.scores import Scores
from cotrain.tasks.task import Split, Task


@dataclass(frozen=True)
class Answered:
    """What a language model says about the rows of a split under S sets of shots.

    Attributes:
        log2_p: (S, n, K) log2 probability of each option given the shots and the row; rows as in ``Task.split``.
        log2_blank: (S, K) the same given the shots and a row without texts.
        seeds: (S,) of the shots.
    """

    log2_p: np.ndarray
    log2_blank: np.ndarray
    seeds: Sequence[int]


def score(tasks: Mapping[str, Task], answered: Mapping[str, Answered], split: Split = "dev") -> Scores:
    """Return the Scores of tasks: log2 p(y | shots, x) − log2 p(y | shots, blank) per row and set of shots, which are the seeds.

    The probabilities are those of the options alone, so that they sum to 1. Notes tell how far V-information goes apart
    between sets of shots, and how much worse the blank is than label frequencies: so much of it is no information.

    Raises:
        InputError: arrays of another shape than the rows and labels.
    """
    if faults := [
        f"task {task}: log2_p should be (S, n, K) = {shape} and log2_blank (S, K), found {a.log2_p.shape} and {a.log2_blank.shape}"
        for task, a in answered.items()
        if a.log2_p.shape != (shape := (len(a.seeds), len(tasks[task].split(split)), len(tasks[task].labels)))
        or a.log2_blank.shape != (shape[0], shape[2])
    ]:
        raise InputError(faults)
    tables = {task: _table(tasks[task], split, a) for task, a in answered.items()}
    counts = {task: tasks[task].train_counts for task in answered}
    facts = [facts_of(task, table, len(counts[task]), sum(counts[task]), entropy(counts[task])) for task, table in tables.items()]
    notes = tuple(_note(task, table, prior(counts[task]), tasks[task].labels) for task, table in tables.items())
    return Scores(pd.concat(tables.values(), ignore_index=True), pd.DataFrame(facts), notes=notes)


def _table(task: Task, split: Split, answered: Answered) -> pd.DataFrame:
    """Return the score rows of one task, one set of shots after the other."""
    rows, names = task.split(split), np.array(task.labels, dtype=object)
    gold = task.gold(split)
    parts = [
        pd.DataFrame({
            "task": task.name, "row": rows["row"], "split": split, "seed": seed, "estimator": "incontext", "null": "blank", "epoch": -1,
            "log2_p_x": log2_p[np.arange(len(gold)), gold], "log2_p_null": blank[gold], "pvi_bits": pvi(log2_p, gold, blank),
            "gold": names[gold], "guess": names[log2_p.argmax(axis=1)], "cluster": rows["cluster"], "source": task.source,
        })
        for seed, log2_p, blank in zip(answered.seeds, answered.log2_p, answered.log2_blank, strict=True)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _note(task: str, table: pd.DataFrame, log2_prior: np.ndarray, labels: Sequence[str]) -> str:
    """Return how V-information varies between sets of shots, and what the blank has less than label frequencies."""
    by_shots = table.groupby("seed")["pvi_bits"].mean()
    frequencies = np.mean([log2_prior[labels.index(label)] for label in table["gold"]])
    spread = f"from {_signed(by_shots.min())} to {_signed(by_shots.max())} bit between {len(by_shots)} sets of shots"
    said = spread if len(by_shots) > 1 else f"{_signed(by_shots.iloc[0])} bit with one set of shots, others may give another"
    worse = float(frequencies - table["log2_p_null"].mean())
    return f"{task}: V-information in context {said}; without the text the model loses {_signed(worse)} bit more than label frequencies."


def _signed(value: float) -> str:
    """Return a number with two digits and a true minus sign."""
    return f"{value:.2f}".replace("-", "−")
