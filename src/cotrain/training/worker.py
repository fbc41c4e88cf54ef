"""What a worker process does: read rows and encoder once, then make one fit after another."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cotrain.tasks.task import Task
from cotrain.training import encoder, ledger
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Member
from cotrain.training.settings import Settings

if TYPE_CHECKING:
    from cotrain.training.train import Job

_here: dict[str, Any] = {}
"""The rows, settings, tokenizer and encoder of this process: read once, used by every fit of it."""


def prepare(tasks: Mapping[str, Task], settings: Settings, path: Path) -> None:
    """Read the encoder and keep the rows for the fits of this process."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    from cotrain.training.model import load_base

    torch.set_num_threads(settings.threads)
    tokens = encoder.tokenizer(path, settings.max_length)
    _encoded.cache_clear()
    _here.update(tasks=tasks, settings=settings, tokens=tokens, base=load_base(path, settings.attention))


@cache
def _encoded(task: str, split: str) -> list[dict[str, list[int]]]:
    """Return the token ids of a split of a task."""
    found: Task = _here["tasks"][task]
    return encoder.encode(found.split(split), found.has_pair, _here["tokens"], _here["settings"].max_length)  # type: ignore[arg-type]


def _data(member: Member) -> Any:
    """Return what a member gives to a fit; the null model sees blanks, the placebo permuted labels."""
    from cotrain.training.model import derived_seed
    from cotrain.training.trainer import Data

    task: Task = _here["tasks"][member.task]
    index = {name: k for k, name in enumerate(task.labels)}
    gold = {s: np.array([index[y] for y in task.split(s)["label"]], dtype=np.int64) for s in ("train", "dev", "test")}  # type: ignore[arg-type]
    rows = {s: _encoded(member.task, s) for s in ("train", "dev", "test")}
    labels = dict(gold)
    if member.variant == "permuted":
        for split in ("train", "dev"):
            seed = derived_seed(member.permutation_seed, "permuted", member.task, split)
            labels[split] = gold[split][np.random.default_rng(seed).permutation(len(gold[split]))]
    if member.variant == "blank":
        empty = pd.DataFrame({"text": [""], "pair": [""]})
        [blank] = encoder.encode(empty, task.has_pair, _here["tokens"], _here["settings"].max_length)
        rows = {s: [blank] * len(rows[s]) for s in rows}
    counts = tuple(np.bincount(gold["train"], minlength=len(task.labels)).tolist())
    return Data(
        train=rows["train"], train_labels=labels["train"], dev=rows["dev"], dev_labels=gold["dev"], test=rows["test"],
        counts=counts, stop_labels=labels["dev"], blank=member.variant == "blank",
    )  # fmt: skip


def fit(job: Job, fits: Path) -> None:
    """Make one fit and write it to ``fits``."""
    with ledger.being_written(fits, job.key) as folder:
        ledger.write(make(job), folder)


def make(job: Job, at_epoch: Callable[[Any, int], None] | None = None) -> Fit:
    """Return one fit; ``at_epoch`` sees the model after each evaluation."""
    import torch

    from cotrain.training import trainer
    from cotrain.training.model import build

    settings: Settings = _here["settings"]
    tasks: Mapping[str, Task] = _here["tasks"]
    data = {member.task: _data(member) for member in job.group.members}
    labels = {t: tasks[t].labels for t in data}
    model = build(_here["base"], labels, job.seed)
    plan = trainer.budget(settings, {t: len(d.train) for t, d in data.items()}, job.updates)
    failed, record, cost = "", trainer.Record(), {"seconds": 0.0, "updates": 0.0, "tokens": 0.0, "parameters": 0.0, "peak_bytes": 0.0}
    watch = (lambda epoch: at_epoch(model, epoch)) if at_epoch else None
    try:
        record, cost = trainer.run(model, data, plan, _here["tokens"], settings, job.seed, watch)
    except (trainer.Diverged, torch.OutOfMemoryError) as error:
        # shown in every table and never tried again with another seed
        failed = str(error).splitlines()[0]
    blocks: dict[Any, Block] = {}
    for task in data if not failed else ():
        for split, stored, epochs in (("dev", record.dev, record.epochs), ("test", record.test, record.test_epochs)):
            rows = tasks[task].split(split)  # type: ignore[arg-type]
            ids = rows["row"].to_numpy(dtype=object)
            index = {name: k for k, name in enumerate(labels[task])}
            gold = np.array([index[y] for y in rows["label"]], dtype=np.int64)
            blocks[task, split] = Block(ids, ids, gold, np.array(epochs, dtype=np.int64), np.stack(stored[task]).astype(np.float32))
    return Fit(
        key=job.key, group=job.group, seed=job.seed, labels=labels, train_counts={t: d.counts for t, d in data.items()},
        blocks=blocks, history=pd.DataFrame(record.history), cost=cost, manifest=_manifest(settings), failed=failed,
    )  # fmt: skip


def _manifest(settings: Settings) -> dict[str, object]:
    """Return where and with what a fit was made."""
    versions = {name: version(name) for name in ("torch", "transformers", "numpy", "cotrain")}
    return {"settings": asdict(settings), "versions": versions, "host": socket.gethostname(), "machine": platform.machine()}
