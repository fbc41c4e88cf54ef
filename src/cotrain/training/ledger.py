"""Fits on disk: keys, atomic results with checksums, and reading them back without torch."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cotrain.errors import InputError
from cotrain.tasks.task import Task
from cotrain.training.fit import Block, Fit
from cotrain.training.folders import told
from cotrain.training.group import Group
from cotrain.training.settings import OWN_TRAINER, Settings
from cotrain.training.together import together

FORMAT = 1
CHECKSUMS = "checksums.json"
NUMERICS = 3
"""Raised whenever a change of our own code changes the numbers of a fit."""
_LATER = {"special_tokens": (), "pooling": "first", "task_weights": {}, "class_weights": "none", "tuning": "full", "lora_rank": 8,
          "long_texts": "beginning", "evaluate_from": 0, "trainer": OWN_TRAINER}  # fmt: skip
_ELSEWHERE = ("model", "device", "gradient_checkpointing", "report_to")
"""Settings that are no part of a key: the content of the model is; the device is told in the manifest, and mixed ones by the report;
the others change no number."""


def fit_key(group: Group, tasks: Mapping[str, Task], settings: Settings, encoder: str, seed: int, updates: int | None,
            contents: Mapping[str, str] | None = None) -> str:  # fmt: skip
    """Return the hash of exactly what determines the numbers of a fit.

    Args:
        settings: effective ones: nothing is ``auto``, and a trainer from outside has the hash of its file.
        encoder: hash of the content of encoder and tokenizer.
        updates: the resolved budget of the group.
        contents: ``content()`` of the tasks, where it is known already: it is the slow part.
    """
    effective = {name: value for name, value in asdict(settings).items() if name not in _ELSEWHERE}
    # settings that came later are part of a key where they change something, so that fits of before are found
    effective = {name: value for name, value in effective.items() if name not in _LATER or value != _LATER[name]}
    parts = {
        "numerics": NUMERICS,
        "members": [str(member) for member in group.members],
        "tasks": [
            {"content": (contents or {}).get(t) or tasks[t].content(), "labels": tasks[t].labels, "pair": tasks[t].has_pair, "name": t}
            for t in group.tasks
        ],
        "settings": effective,
        "encoder": encoder,
        "seed": seed,
        "updates": updates,
        **({"together": names} if (names := [one.tasks for one in together(group, tasks)]) else {}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=list).encode()).hexdigest()[:32]


@contextmanager
def being_written(fits: Path, key: str, over: Path | None = None) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``fits/key`` when the block ends; nothing is left when it fails.

    Where another process finished the same key meanwhile, its fit stays: equal keys are equal numbers.

    Args:
        over: the fit that is replaced by one with more extras; it is removed only when the new one is complete.

    Raises:
        InputError: the disk is full.
    """
    try:
        fits.mkdir(parents=True, exist_ok=True)
        work = fits / f".{key}-{secrets.token_hex(4)}"
        work.mkdir()
    except OSError as error:
        raise told(error, fits) from error
    try:
        yield work
        sums = {f.relative_to(work).as_posix(): sha256(f) for f in sorted(work.rglob("*")) if f.is_file()}
        (work / CHECKSUMS).write_text(json.dumps(sums, indent=1))
        if over is not None:
            over.rename(work.with_name(work.name + "-old"))
        try:
            work.rename(fits / key)
        except OSError:
            if damage(fits / key):
                raise
    except Exception as error:
        raise told(error, fits) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if over is not None:
            sweep(fits, key)


def extras_of(folder: Path) -> tuple[str, ...]:
    """Return the names of the extras that a fit has."""
    return tuple(sorted(f.name for f in (folder / "extras").iterdir())) if (folder / "extras").is_dir() else ()


def lacking(folder: Path, extras: Sequence[str]) -> list[str]:
    """Return the extras that a fit does not have."""
    return sorted(set(extras) - set(extras_of(folder)))


def extra(fit: Fit, name: str, file: str = "*.safetensors") -> Path:
    """Return a file that an extra of a fit wrote.

    Args:
        file: its name, or a pattern that only one has.

    Raises:
        InputError: it is not there, or a file of the fit is damaged.
    """
    found = sorted((fit.path / "extras" / name).glob(file)) if fit.path else []
    if len(found) != 1:
        raise InputError(
            f"fit {fit.group.name} seed {fit.seed} has {'no' if not found else 'more than one'} {file} of the extra '{name}'; "
            "train it with that extra"
        )
    assert fit.path
    if wrong := damage(fit.path, extras=True):
        raise InputError(f"fit {fit.group.name} seed {fit.seed}: {wrong}; remove its folder {fit.path} and train it again")
    return found[0]


def same(before: Fit, again: Fit) -> None:
    """Check that a fit made again has the predictions that it had.

    Raises:
        InputError: it has not: another device, other libraries.
    """
    if before.failed or again.failed:
        equal = bool(before.failed) == bool(again.failed)
    else:
        equal = all(
            np.array_equal(block.epochs, again.blocks[at].epochs) and np.allclose(block.log2_p, again.blocks[at].log2_p, atol=1e-4)
            for at, block in before.blocks.items()
        )
    if not equal:
        raise InputError(
            f"fit {before.group.name} seed {before.seed} made again does not give the predictions that it gave on "
            f"{before.manifest.get('host')} with {before.manifest.get('versions')}; remove its folder {before.key} and train it again"
        )


def sweep(fits: Path, key: str) -> None:
    """Remove what a killed or failed process left of a fit that nobody else writes now (the caller holds its lease)."""
    for old in fits.glob(f".{key}-*-old"):
        if not (fits / key).exists():
            old.rename(fits / key)
    for left in fits.glob(f".{key}-*"):
        shutil.rmtree(left, ignore_errors=True)


def write(fit: Fit, folder: Path) -> None:
    """Write a fit into ``folder``: predictions.parquet, history.parquet, manifest.json."""
    tables = []
    for (task, split), block in fit.blocks.items():
        e, n, k = block.log2_p.shape
        if not n:
            continue  # the test of a fold
        names = np.array(fit.labels[task], dtype=object)
        tables.append(
            pa.table(
                {
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
                }
            )
        )
    if tables:
        pq.write_table(pa.concat_tables(tables), folder / "predictions.parquet", use_dictionary=["task", "row", "split", "gold", "guess"])
    fit.history.to_parquet(folder / "history.parquet")
    manifest = {
        "format": FORMAT, "key": fit.key, "group": fit.group.name, "seed": fit.seed, "failed": fit.failed,
        "labels": {t: list(v) for t, v in fit.labels.items()},
        "train_counts": {t: list(v) for t, v in fit.train_counts.items()},
        "class_weights": {t: list(v) for t, v in fit.class_weights.items()},
        "cost": dict(fit.cost), **dict(fit.manifest),
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def find(fits: Path, key: str, say: Callable[[str], None] | None = None) -> Path | None:
    """Return the folder of a complete, unaltered fit, or None; a damaged one is set aside and said."""
    folder = fits / key
    if not folder.is_dir():
        return None
    wrong = damage(folder)
    if not wrong:
        return folder
    aside = next(f for n in range(10**6) if not (f := fits / f"{key}.damaged-{n}").exists())
    folder.rename(aside)
    if say:
        say(f"fit {key}: {wrong}; set aside as {aside.name}, it is trained again")
    return None


def damage(folder: Path, extras: bool = False) -> str:
    """Return what is wrong with the files of a fit: missing, altered or foreign ones; empty where nothing is.

    Args:
        extras: look into extras too: they can be large, so whoever uses them asks for it.
    """
    try:
        sums = json.loads((folder / CHECKSUMS).read_text())
        if missing := sorted({"manifest.json", "history.parquet"} - set(sums)):
            return f"{', '.join(missing)} is not there"
        for name, digest in sums.items():
            if not (folder / name).is_file():
                return f"{name} is not there"
            if (extras or not name.startswith("extras/")) and sha256(folder / name) != digest:
                return f"{name} is not what was written"
        key = json.loads((folder / "manifest.json").read_text())["key"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        return f"it cannot be read ({type(error).__name__})"
    return "" if key == folder.name else "it is another fit"


def sha256(file: Path) -> str:
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
    known = {"format", "key", "group", "seed", "failed", "labels", "train_counts", "class_weights", "cost"}
    return Fit(
        key=manifest["key"], group=Group.parse(manifest["group"]), seed=manifest["seed"], labels=labels,
        train_counts={t: tuple(v) for t, v in manifest["train_counts"].items()},
        class_weights={t: tuple(v) for t, v in manifest.get("class_weights", {}).items()}, blocks=blocks,
        history=pq.ParquetFile(folder / "history.parquet").read(use_threads=False).to_pandas(), cost=manifest["cost"],
        manifest={k: v for k, v in manifest.items() if k not in known}, failed=manifest["failed"], path=folder,
    )  # fmt: skip


def _blocks(file: Path, labels: Mapping[str, tuple[str, ...]], clusters: Mapping[str, Mapping[str, str]]) -> dict[Any, Block]:
    """Return the predictions of a file as arrays per task and split.

    Strings are read as codes of a dictionary and spelled out once per row of data, not once per row and epoch.
    """
    coded = ["task", "row", "split", "gold"]
    table = pq.ParquetFile(file, read_dictionary=coded).read([*coded, "epoch", "log2_p"], use_threads=False).combine_chunks()
    columns = {name: table[name].chunk(0) for name in coded}
    codes = {name: column.indices.to_numpy() for name, column in columns.items()}
    epoch = table["epoch"].to_numpy()
    lists = table["log2_p"].chunk(0)
    starts, values = lists.offsets.to_numpy(), lists.values.to_numpy()
    change = np.flatnonzero((np.diff(codes["task"]) != 0) | (np.diff(codes["split"]) != 0)) + 1
    blocks = {}
    for a, b in pairwise([0, *change.tolist(), len(epoch)]):
        task, split = (columns[name].dictionary[codes[name][a]].as_py() for name in ("task", "split"))
        later = epoch[a:b] != epoch[a]
        n = int(later.argmax()) if later.any() else b - a
        epochs = epoch[a:b:n]
        ids = columns["row"].dictionary.take(columns["row"].indices[a : a + n]).to_numpy(zero_copy_only=False)
        known = clusters.get(task)
        names = {name: k for k, name in enumerate(labels[task])}
        # the dictionary is that of all tasks: a name that is no label of this one is never looked up
        index = np.array([names.get(name, -1) for name in columns["gold"].dictionary.to_pylist()], dtype=np.int64)
        blocks[task, split] = Block(
            rows=ids,
            clusters=np.array([known.get(r, r) for r in ids], dtype=object) if known else ids,
            gold=index[codes["gold"][a : a + n]],
            epochs=epochs,
            log2_p=values[starts[a] : starts[b]].reshape(len(epochs), n, len(names)),
        )
    return blocks
