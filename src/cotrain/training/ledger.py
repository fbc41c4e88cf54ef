"""Fits on disk: keys, atomic results with checksums, and reading them back without torch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cotrain.errors import InputError
from cotrain.tasks.task import Task
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group
from cotrain.training.settings import Settings

FORMAT = 1
NUMERICS = 1
"""Raised whenever a change of our own code changes the numbers of a fit."""


def fit_key(group: Group, tasks: Mapping[str, Task], settings: Settings, encoder: str, seed: int, updates: int | None) -> str:
    """Return the hash of exactly what determines the numbers of a fit.

    Args:
        settings: effective ones: nothing is ``auto``.
        encoder: hash of the content of encoder and tokenizer.
        updates: the resolved budget of the group.
    """
    effective = asdict(settings)
    del effective["model"]  # its content counts, not where it lies
    parts = {
        "numerics": NUMERICS,
        "members": [str(member) for member in group.members],
        "tasks": [
            {"content": tasks[t].content(), "labels": tasks[t].labels, "pair": tasks[t].has_pair, "name": t} for t in group.tasks
        ],
        "settings": effective,
        "encoder": encoder,
        "seed": seed,
        "updates": updates,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=list).encode()).hexdigest()[:32]


@contextmanager
def being_written(fits: Path, key: str) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``fits/key`` when the block ends; nothing is left when it fails."""
    fits.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{key[:8]}-", dir=fits))
    try:
        yield work
        sums = {str(f.relative_to(work)): _sha256(f) for f in sorted(work.rglob("*")) if f.is_file()}
        (work / "checksums.json").write_text(json.dumps(sums, indent=1))
        target = fits / key
        if target.exists():
            shutil.rmtree(target)
        os.replace(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write(fit: Fit, folder: Path) -> None:
    """Write a fit into ``folder``: predictions.parquet, history.parquet, manifest.json."""
    tables = []
    for (task, split), block in fit.blocks.items():
        e, n, k = block.log2_p.shape
        names = np.array(fit.labels[task], dtype=object)
        tables.append(
            pa.table({
                "task": pa.array([task] * (e * n)),
                "row": pa.array(np.tile(block.rows.astype(object), e)),
                "split": pa.array([split] * (e * n)),
                "seed": pa.array(np.full(e * n, fit.seed)),
                "epoch": pa.array(np.repeat(block.epochs, n)),
                "gold": pa.array(np.tile(names[block.gold], e)),
                "guess": pa.array(names[block.log2_p.argmax(axis=2)].reshape(-1)),
                "log2_p": pa.ListArray.from_arrays(
                    np.arange(0, e * n * k + 1, k, dtype=np.int32), pa.array(block.log2_p.reshape(-1).astype(np.float32))
                ),
            })  # fmt: skip
        )
    if tables:
        pq.write_table(pa.concat_tables(tables), folder / "predictions.parquet", use_dictionary=["task", "row", "split", "gold", "guess"])
    fit.history.to_parquet(folder / "history.parquet")
    manifest = {
        "format": FORMAT, "key": fit.key, "group": fit.group.name, "seed": fit.seed, "failed": fit.failed,
        "labels": {t: list(v) for t, v in fit.labels.items()},
        "train_counts": {t: list(v) for t, v in fit.train_counts.items()},
        "cost": dict(fit.cost), **dict(fit.manifest),
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def find(fits: Path, key: str) -> Path | None:
    """Return the folder of a complete, unaltered fit, or None; a damaged one is set aside and said on the folder's name."""
    folder = fits / key
    if not folder.is_dir():
        return None
    if _whole(folder):
        return folder
    aside = fits / f"{key}.damaged-{os.getpid()}"
    os.replace(folder, aside)
    return None


def _whole(folder: Path) -> bool:
    """Whether every file of a fit is there with its checksum."""
    try:
        sums = json.loads((folder / "checksums.json").read_text())
    except (OSError, ValueError):
        return False
    return all((folder / name).is_file() and _sha256(folder / name) == digest for name, digest in sums.items())


def _sha256(file: Path) -> str:
    """Return the sha256 of a file."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def load(folder: Path, clusters: Mapping[str, Mapping[str, str]] | None = None) -> Fit:
    """Return the fit of a folder, with the clusters of the study's rows (task to row to cluster) where given.

    Raises:
        InputError: a fit of a newer format.
    """
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    if manifest["format"] > FORMAT:
        raise InputError(f"{folder}: a fit of format {manifest['format']}; this version reads up to {FORMAT}: update cotrain")
    labels = {t: tuple(v) for t, v in manifest["labels"].items()}
    blocks = _blocks(folder / "predictions.parquet", labels, clusters or {}) if not manifest["failed"] else {}
    known = {"format", "key", "group", "seed", "failed", "labels", "train_counts", "cost"}
    return Fit(
        key=manifest["key"], group=Group.parse(manifest["group"]), seed=manifest["seed"], labels=labels,
        train_counts={t: tuple(v) for t, v in manifest["train_counts"].items()}, blocks=blocks,
        history=pd.read_parquet(folder / "history.parquet"), cost=manifest["cost"],
        manifest={k: v for k, v in manifest.items() if k not in known}, failed=manifest["failed"], path=folder,
    )  # fmt: skip


def _blocks(file: Path, labels: Mapping[str, tuple[str, ...]], clusters: Mapping[str, Mapping[str, str]]) -> dict[Any, Block]:
    """Return the predictions of a file as arrays per task and split."""
    table = pq.read_table(file, columns=["task", "row", "split", "epoch", "gold", "log2_p"])
    task, split = (table[c].to_numpy(zero_copy_only=False) for c in ("task", "split"))
    rows, gold = (table[c].to_numpy(zero_copy_only=False) for c in ("row", "gold"))
    epoch = table["epoch"].to_numpy()
    lists = table["log2_p"].combine_chunks()
    starts, values = lists.offsets.to_numpy(), lists.values.to_numpy()
    change = np.flatnonzero((task[1:] != task[:-1]) | (split[1:] != split[:-1])) + 1
    edges = [0, *change.tolist(), len(task)]
    blocks = {}
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        names = labels[task[a]]
        epochs = np.unique(epoch[a:b])
        n = (b - a) // len(epochs)
        index = {name: k for k, name in enumerate(names)}
        ids = rows[a : a + n]
        known = clusters.get(task[a], {})
        blocks[task[a], split[a]] = Block(
            rows=ids,
            clusters=np.array([known.get(r, r) for r in ids], dtype=object),
            gold=np.array([index[g] for g in gold[a : a + n]], dtype=np.int64),
            epochs=epochs,
            log2_p=values[starts[a] : starts[b]].reshape(len(epochs), n, len(names)),
        )
    return blocks
