"""How fast this machine trains, by a few measured updates; and how much memory and disk a fit takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.task import SPLITS, Task
from cotrain.training import encoder
from cotrain.training.budget import Budget, budget, evaluated, likely
from cotrain.training.group import Group
from cotrain.training.long import spread
from cotrain.training.settings import Settings
from cotrain.training.work import CHARACTERS_PER_TOKEN, SCORED, TESTED, UPDATE, Work, letters, parts, tokens

_BATCHES = 60
"""Batches that are kept to measure on."""
_SECONDS = 3.0
"""How long training is measured, and at most half of it scoring."""
_LIBRARIES = 640e6
"""Bytes of a process without encoder and batches: libraries and their kernels."""


@dataclass(frozen=True)
class Rate:
    """The measured speed of this machine.

    Attributes:
        seconds_per_token: of one process, per token of work, while ``workers`` run side by side.
        workers: processes side by side.
        start: seconds until a process has read rows and encoder.
    """

    seconds_per_token: float
    workers: int
    start: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens of work per second, all processes together."""
        return self.workers / self.seconds_per_token

    def seconds(self, work: float) -> float:
        """Return the seconds that fits of so much ``work`` (tokens) take, all processes together."""
        return self.start + work / self.tokens_per_second


class Bytes(NamedTuple):
    """What a fit takes: ``memory`` of its process, ``disk`` of what it leaves."""

    memory: float
    disk: float


def calibrate(tasks: Mapping[str, Task], settings: Settings, workers: int) -> Rate:
    """Return the speed of fits of such tasks here, measured in ``workers`` processes that are thrown away.

    They train all tasks together on a sample of their rows, so that texts are as long as in the study, and score dev.
    About 15 seconds with a small encoder on a CPU.

    Raises:
        InputError: settings or an encoder that cannot be used; a process that was killed, most often for want of memory.
    """
    from cotrain.training.train import effective

    chosen = effective(settings)
    path = encoder.folder(chosen.model)
    encoder.tokenizer(path, chosen.max_length, chosen.special_tokens)
    from cotrain.training.model import refuse_attention

    refuse_attention(path, chosen.attention)
    few = _sample(tasks, chosen)
    whole = [parts(Group.of([name]), tasks, chosen, None) for name in tasks]
    total = Work(*(sum(column) for column in zip(*whole, strict=True)))
    try:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            jobs = [pool.submit(_measure, few, chosen, path, time.time()) for _ in range(workers)]
            found = [job.result() for job in jobs]
    except BrokenProcessPool:
        raise InputError(
            f"a process that measured the speed of training was killed, most often for want of memory: {workers} side by side need "
            f"about {workers * footprint(tasks, chosen).memory / 2**30:.1f} GiB; give --workers 1, or a smaller batch_size"
        ) from None
    training, scoring, start = np.mean(found, axis=0)
    seconds = training * (total.trained + UPDATE * total.updates) + scoring * total.scored
    return Rate(float(seconds / total.tokens), workers, float(start))


def expected(settings: Settings, tasks: Mapping[str, Task]) -> float:
    """Return the share of its most work that a study likely does: fits stop early (``budget.likely`` says when)."""
    most = soon = 0.0
    for task in tasks.values():
        plan = budget(settings, {task.name: len(task.split("train"))}, None)
        each = tokens(task, "train", settings.max_length) / plan.per_epoch + UPDATE
        most += each * plan.updates
        soon += each * likely(settings, plan, 1)
    return soon / most


def footprint(tasks: Mapping[str, Task], settings: Settings) -> Bytes:
    """Return about how many bytes a fit takes: its process at the longest texts of all tasks, and its predictions.

    Activations of a batch are 34 bytes per token and unit of width in each layer, and 5 per pair of tokens and head
    (Korthikanti et al. 2022, section 4.1, for 16 bits); 1.4 and 2.7 times as many were measured in bf16 and fp32.
    """
    path = encoder.folder(settings.model)
    shape = encoder.shape(path)
    longest = min(settings.max_length, max(_longest(task) for task in tasks.values()))
    each = longest * (34 * shape.width + 5 * shape.heads * longest)
    activations = (2.7 if settings.precision == "fp32" else 1.4) * shape.layers * settings.batch_size * each
    # the encoder as it was read, and in training its weights, gradients and two moments
    memory = _LIBRARIES + 5 * 4.0 * encoder.parameters(path) + activations
    disk = 0.0
    for name, task in tasks.items():
        plan = budget(settings, {name: len(task.split("train"))}, None)
        evaluations = evaluated(settings, plan)
        predictions = evaluations * len(task.split("dev")) + min(TESTED, evaluations) * len(task.split("test"))
        disk += 20_000 + predictions * (4 * len(task.labels) + 3)
    return Bytes(memory, disk / len(tasks))


def _longest(task: Task) -> int:
    """Return about how many tokens the longest input has."""
    return int(letters(task.rows).max() / CHARACTERS_PER_TOKEN) + 3


def _sample(tasks: Mapping[str, Task], settings: Settings) -> dict[str, Task]:
    """Return the tasks with few rows, each as large a part of them as it is of the study."""
    share = min(1.0, _BATCHES * settings.batch_size / sum(len(task.split("train")) for task in tasks.values()))
    random = np.random.default_rng(0)
    found = {}
    for name, task in tasks.items():
        kept = []
        for split in SPLITS:
            rows = task.split(split)
            n = max(min(settings.batch_size, len(rows)), round(share * len(rows)))
            kept.append(rows.iloc[np.sort(random.permutation(len(rows))[:n])])
        found[name] = replace(task, rows=pd.concat(kept, ignore_index=True))
    return found


def _measure(tasks: Mapping[str, Task], settings: Settings, path: Path, asked: float) -> tuple[float, float, float]:
    """Return seconds per token of training and of scoring, and seconds until this process was ready."""
    from cotrain.training import trainer, worker
    from cotrain.training.model import build
    from cotrain.training.scoring import predict

    worker.prepare(tasks, settings, path)
    data = {member.task: worker.data_of(member) for member in Group.of(tasks).members}
    start = time.time() - asked
    model, tokenizer = build(worker._here["base"], {t: tasks[t].labels for t in data}, 0), worker._here["tokens"]
    # one row to score, so that what is timed is training
    bare = {
        t: replace(d, dev=d.dev[:1], dev_labels=d.dev_labels[:1], stop_labels=d.stop_labels[:1], test=d.test[:1]) for t, d in data.items()
    }
    # tokens are those that ``work`` guesses from letters, so that a wrong guess of it costs nothing
    guessed = sum(tokens(tasks[t], "train", settings.max_length) for t in data) / _length(row for d in data.values() for row in d.train)

    def run(updates: int) -> tuple[float, float]:
        record, _ = trainer.run(model, bare, Budget(updates, 10**6, False), tokenizer, settings, 0)
        return record.cost["seconds"] - record.cost["scoring_seconds"], guessed * record.cost["tokens"] + UPDATE * updates

    run(1)  # kernels are chosen on first use
    seconds, done = run(2)
    if (more := int(2 * _SECONDS / seconds)) > 2:
        seconds, done = run(min(more, _BATCHES))
    training = seconds / done
    every = spread(row for d in data.values() for row in (*d.dev, *d.test))[0]
    share = min(1.0, _SECONDS / 2 / (SCORED * training * guessed * _length(every)))
    began, scored = time.perf_counter(), 0
    for t, d in data.items():
        rows = [*d.dev, *d.test]
        rows = rows[: max(1, round(share * len(rows)))]
        predict(model, t, rows, tokenizer)
        scored += _length(spread(rows)[0])
    return training, (time.perf_counter() - began) / (guessed * scored), start


def _length(rows: Iterable[Mapping[str, list[int]]]) -> int:
    """Return the tokens of rows, without padding."""
    return sum(len(row["input_ids"]) for row in rows)
