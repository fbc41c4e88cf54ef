"""What a worker process does: read rows and encoder once, then make one fit after another."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from cotrain.choose import choose
from cotrain.tasks.task import Split, Task
from cotrain.training import encoder, ledger, outside
from cotrain.training.budget import budget
from cotrain.training.fit import Block, Fit
from cotrain.training.folders import folder_name
from cotrain.training.group import Group, Member
from cotrain.training.leases import lease
from cotrain.training.settings import Settings
from cotrain.training.together import inputs, together

EXTRAS = {
    "weights": "cotrain.training.extras:Weights",
    "fisher": "cotrain.training.gradients:Fisher",
    "fisher_of_batches": "cotrain.training.gradients:FisherOfBatches",
    "projected": "cotrain.training.gradients:Projected",
    "looks": "cotrain.training.look_ahead:LookAhead",
}
"""What a fit can leave in ``extras/NAME``: classes of ``cotrain.training.extras.Extra``."""

Outcome = Literal["made", "found", "busy"]


@dataclass(frozen=True)
class Job:
    """One fit to be made: everything that its key is made of, the key, and the extras that it should leave."""

    key: str
    group: Group
    seed: int
    updates: int | None
    extras: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return ``cb+rte (42)``."""
        return f"{self.group.name} ({self.seed})"


_here: dict[str, Any] = {}
"""The rows, settings, tokenizer and encoder of this process: read once, used by every fit of it."""


def prepare(tasks: Mapping[str, Task], settings: Settings, path: Path) -> None:
    """Read the encoder and keep the rows for the fits of this process."""
    if outside.is_outside(settings.trainer):
        release()
        _here.update(tasks=tasks, settings=settings)
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_few_kernels()
    import torch

    from cotrain.training.model import load_base

    _keep_memory()
    torch.set_num_threads(settings.threads)
    _encoded.cache_clear()
    _here.clear()
    _here.update(tasks=tasks, settings=settings, tokens=encoder.tokenizer(path, settings.max_length, settings.special_tokens))
    _here.update(base=load_base(path, settings.attention, settings.special_tokens, settings.pooling))


def keep_few_kernels() -> None:
    """Keep 64 kernels of the CPU, before torch is used.

    They are kept per shape of a batch, and texts come in many: 1,024 of them took 290 MB of a MiniLM's 1,470, and no less time.
    """
    for kept in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(kept, "64")


def release() -> None:
    """Forget rows, tokenizer and encoder."""
    _encoded.cache_clear()
    _here.clear()


@cache
def _libc() -> ctypes.CDLL | None:
    """Return glibc, or None where the C library is another one."""
    return ctypes.CDLL("libc.so.6") if platform.libc_ver()[0] == "glibc" else None


def _keep_memory() -> None:
    """Let glibc keep freed memory: giving it back and faulting it in again costs a fifth of a small training step."""
    if libc := _libc():
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


def _give_back() -> None:
    """Give freed memory back between fits: kept over many fits of batches of all lengths it would grow to twice the need."""
    if libc := _libc():
        libc.malloc_trim(0)


@cache
def _encoded(task: str, split: Split) -> list[dict[str, list[int]]]:
    """Return the token ids of a split of a task."""
    found: Task = _here["tasks"][task]
    settings: Settings = _here["settings"]
    return encoder.encode(found.split(split), found.has_pair, _here["tokens"], settings.max_length, settings.long_texts)


def data_of(member: Member) -> Any:
    """Return what a member gives to a fit; the null model sees blanks, the placebo permuted labels."""
    from cotrain.training.evaluations import Data
    from cotrain.training.sampling import permuted

    task: Task = _here["tasks"][member.task]
    rows = {"train": _encoded(task.name, "train"), "dev": _encoded(task.name, "dev"), "test": _encoded(task.name, "test")}
    gold: dict[Split, np.ndarray] = {"train": task.gold("train"), "dev": task.gold("dev")}
    labels = dict(gold)
    if member.variant == "permuted":
        labels = {split: permuted(member, split, gold[split]) for split in gold}
    if member.variant == "blank":
        empty = pd.DataFrame({"text": [""], "pair": [""]})
        [blank] = encoder.encode(empty, task.has_pair, _here["tokens"], _here["settings"].max_length)
        rows = {split: [blank] * len(rows[split]) for split in rows}
    return Data(
        train=rows["train"], train_labels=labels["train"], dev=rows["dev"], dev_labels=gold["dev"], test=rows["test"],
        counts=task.train_counts, stop_labels=labels["dev"], variant=member.variant,
        class_weights=_class_weights(task.train_counts) if _here["settings"].class_weights == "balanced" else (),
    )  # fmt: skip


def _class_weights(counts: tuple[int, ...]) -> tuple[float, ...]:
    """Return what makes each label weigh alike in all: rows / (labels · rows of the label)."""
    return tuple(sum(counts) / (len(counts) * n) for n in counts)


def fit(job: Job, fits: Path) -> Outcome:
    """Make one fit and write it to ``fits``, unless it is there, or another process is at it."""
    from cotrain.training.checkpoints import Checkpoints

    with lease(fits, job.key) as mine:
        if not mine:
            return "busy"
        ledger.sweep(fits, job.key)
        there = ledger.find(fits, job.key)
        if there and not ledger.lacking(there, job.extras):
            return "found"
        if there:
            job = replace(job, extras=tuple(sorted({*job.extras, *ledger.extras_of(there)})))
        kept = fits / f".{job.key}.checkpoint"
        with ledger.being_written(fits, job.key, over=there) as folder:
            found = make(job, folder, kept)
            if there:
                ledger.same(ledger.load(there), found)
            ledger.write(found, folder)
        Checkpoints(kept, {}).forget()
    _give_back()
    return "made"


def make(job: Job, folder: Path, kept: Path | None = None) -> Fit:
    """Return one fit; its extras are written below ``folder``.

    Args:
        kept: where a long fit is kept while it trains.
    """
    tasks: Mapping[str, Task] = _here["tasks"]
    if outside.is_outside((settings := _here["settings"]).trainer):
        return outside.make(job, tasks, settings, folder, manifest(settings))
    data = {member.task: data_of(member) for member in job.group.members}
    record, failed, about = _trained(job, data, folder, kept)
    blocks: dict[Any, Block] = {}
    for task in data if not failed else ():
        for split, stored in (("dev", record.dev[task]), ("test", record.test[task])):
            ids = tasks[task].split(split)["row"].to_numpy(dtype=object)  # type: ignore[arg-type]
            epochs = sorted(stored)
            log2_p = np.stack([stored[e] for e in epochs]).astype(np.float32)
            blocks[task, split] = Block(ids, ids, tasks[task].gold(split), np.array(epochs, dtype=np.int64), log2_p)  # type: ignore[arg-type]
    return Fit(
        key=job.key, group=job.group, seed=job.seed, labels={t: tasks[t].labels for t in data},
        train_counts={t: d.counts for t, d in data.items()},
        class_weights={t: d.class_weights for t, d in data.items() if d.class_weights},
        blocks=blocks, history=pd.DataFrame(record.history), cost=record.cost, manifest=about, failed=failed,
    )  # fmt: skip


def _trained(job: Job, data: Mapping[str, Any], folder: Path, kept: Path | None) -> tuple[Any, str, dict[str, object]]:
    """Return the record of a fit, why it failed, and its manifest.

    Where memory is short, batches go through the model in parts, of half as many rows each time it is tried again.
    """
    from cotrain.training import trainer
    from cotrain.training.checkpoints import Checkpoints
    from cotrain.training.evaluations import Record
    from cotrain.training.model import build

    settings: Settings = _here["settings"]
    tasks: Mapping[str, Task] = _here["tasks"]
    plan = budget(settings, {name: len(rows) for name, rows in inputs(job.group, tasks).items()}, job.updates)
    shared = together(job.group, tasks)
    rows, about = settings.batch_size, manifest(settings)
    # fits in a hidden folder are made once more for a model, and leave nothing
    tracking = (folder.parent if folder.parent.name.startswith(".") else folder.parent.parent) / "tracking"
    while True:
        model = build(_here["base"], {t: tasks[t].labels for t in data}, job.seed, settings.tuning, settings.lora_rank)
        extras = _extras(job, model, data, rows, folder)
        if any(extra.steps for extra in extras):
            kept = None
        watch = trainer.Watch(
            extras, folder, Checkpoints(kept, {**about, "host": ""}) if kept else None,
            (tracking, f"{folder_name(job.group.name)}.{job.seed}"),
        )  # fmt: skip
        try:
            record, failed = trainer.run(model, data, plan, _here["tokens"], settings, job.seed, shared, watch, rows)
        except trainer.OutOfMemory:
            if rows == 1:
                return Record(cost={"updates": 0.0}), "out of memory, even a row at a time; a smaller max_length needs less", about
            rows = -(-rows // 2)
            about = {**about, "rows_at_once": rows}
            _free(settings.device)
        else:
            return record, failed, about


def _free(device: str) -> None:
    """Give memory back that nothing holds any more."""
    import gc

    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    _give_back()


def _extras(job: Job, model: Any, data: Mapping[str, Any], rows: int, folder: Path) -> list[Any]:
    """Return the extras that a fit should leave, each with its own folder; what an earlier try left is gone."""
    from cotrain.training.extras import Seen

    shutil.rmtree(folder / "extras", ignore_errors=True)
    found = []
    for name in job.extras:
        inside = folder / "extras" / name
        inside.mkdir(parents=True, exist_ok=True)
        found.append(choose("extra of a fit", name, EXTRAS)(Seen(model, _here["tokens"], data, _here["settings"], job.seed, rows, inside)))
    return found


def manifest(settings: Settings) -> dict[str, object]:
    """Return where and with what a fit was made."""
    versions = {name: version(name) for name in ("torch", "transformers", "numpy", "cotrain")}
    # the name of the encoder, not the folder where this machine has it
    shown = {**asdict(settings), "model": settings.model if settings.model.startswith("package:") else Path(settings.model).name}
    return {"settings": shown, "versions": versions, "host": socket.gethostname(), "machine": platform.machine()}
