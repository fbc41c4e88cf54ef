"""A trainer from outside: what it is asked, what it answers, and the Fit that comes of it; without torch.

A function of an ``Asked`` that returns an ``Answer``, named ``my_module:my_function`` in a study file (``trainer``).
"""

from __future__ import annotations

import hashlib
import importlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cotrain.choose import choose, not_imported, raised, unknown
from cotrain.errors import InputError
from cotrain.tasks.task import Split, Task
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group, Member
from cotrain.training.sampling import permuted
from cotrain.training.selection import goodness
from cotrain.training.settings import OWN_TRAINER, Settings

if TYPE_CHECKING:
    from cotrain.training.worker import Job

SUM = 1e-3
"""How far probabilities of a row may sum to something else than 1."""
_HELD_OUT: tuple[Split, ...] = ("dev", "test")
_COSTS = ("updates", "tokens", "parameters")


@dataclass(frozen=True)
class Rows:
    """The rows of one member of a group, as it is to be trained: a blank one has blank texts, a permuted one permuted labels.

    Attributes:
        labels: the K label names, in the order of the columns of log2 p.
        has_pair: whether there is a second text.
        train: table of ``row`` (unique id), ``text``, ``pair`` (empty where there is none), ``label`` (a name of ``labels``).
        dev: the same; to choose epochs and to stop by. It decides which plan is recommended, so it is nothing to learn from.
        test: the same without ``label``.
    """

    labels: tuple[str, ...]
    has_pair: bool
    train: pd.DataFrame
    dev: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class Asked:
    """What a trainer is asked: to train a group with a seed.

    Attributes:
        group: its members, in order.
        tasks: by name the rows of each member, in that order.
        settings: of the study, nothing ``auto``; a trainer takes of them what it can use.
        seed: of all that is random.
        updates: how many updates to make, where the group has a budget; None: as many as the trainer finds right.
        scratch: an empty folder that is removed afterwards; what lies there is as private as the rows.
    """

    group: Group
    tasks: Mapping[str, Rows]
    settings: Settings
    seed: int
    updates: int | None
    scratch: Path


@dataclass(frozen=True)
class Answer:
    """What a trainer answers.

    Attributes:
        log2_p: (n, K) or, at several epochs, (E, n, K) log2 probability of each label in label order, of the rows of dev and of test in
            their order, by (task, ``"dev"`` or ``"test"``); all with the same E. A value that is not a number makes the fit a failed one.
        epochs: (E,) ascending names of the epochs; 1 to E where none are given.
        updates: how many were made; the controls ``placebo`` and ``matched_updates`` need to know.
        tokens: that were trained on.
        parameters: of the model.
    """

    log2_p: Mapping[tuple[str, str], Any]
    epochs: Sequence[int] = ()
    updates: float | None = None
    tokens: float | None = None
    parameters: float | None = None


Trainer = Callable[[Asked], Answer]
_read: dict[str, str] = {}
"""The sha256 of the file of each module, as this process has imported it."""


def is_outside(trainer: str) -> bool:
    """Return whether a trainer is another than our own."""
    return trainer != OWN_TRAINER


def shown(trainer: str) -> str:
    """Return the name of a trainer without the hash of its file.

    >>> shown("words:fit@9f86d081"), shown("shared_encoder")
    ('words:fit', 'shared_encoder')
    """
    return trainer.partition("@")[0]


def pinned(trainer: str) -> str:
    """Return a trainer with the sha256 of its file, ``my_module:fit@…``: fits of one that was edited are other fits. Our own as it is.

    Only the file of the module is looked at, not what it imports.

    Raises:
        InputError: as :func:`loaded`.
    """
    return f"{shown(trainer)}@{_found(trainer)[1]}" if is_outside(trainer) else trainer


def loaded(trainer: str) -> Trainer:
    """Return the function of a trainer; a module whose file was edited is imported anew.

    Raises:
        InputError: no such function, one that has no file, or a file that is not the one that the trainer was pinned to.
    """
    return _found(trainer)[0]


def _found(trainer: str) -> tuple[Trainer, str]:
    """Return the function of a trainer and the sha256 of its file."""
    name, _, pin = trainer.partition("@")
    module = name.partition(":")[0]
    if ":" not in name:
        raise InputError(unknown("trainer", name, [OWN_TRAINER]))
    there = module in sys.modules
    function = choose("trainer", name, {})
    file = getattr(sys.modules[module], "__file__", None)
    if not file or module == "__main__":
        raise InputError(f"trainer '{name}' should be in a module with a file, that other processes can import; found {module}")
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    if there and _read.get(module) != digest:
        try:
            importlib.reload(sys.modules[module])
        except Exception as error:
            raise InputError(not_imported("trainer", name, error)) from error
        function = choose("trainer", name, {})
    _read[module] = digest
    if pin not in ("", digest):
        raise InputError(
            f"trainer '{name}': {file} is not the file that this training began with; start it again, or give all machines one"
        )
    if not callable(function):
        raise InputError(f"trainer '{name}' should be a function of a cotrain.Asked, found a {type(function).__name__}")
    return function, digest


def refuse(trainer: str, what: str) -> None:
    """Refuse what needs more of a fit than a trainer from outside leaves.

    Raises:
        InputError: it is one from outside.
    """
    if is_outside(trainer):
        raise InputError(
            f"{what} what a fit keeps beside its predictions, such as weights; the trainer {shown(trainer)} is from outside and gives "
            f"predictions alone. Leave it out, or train with trainer: {OWN_TRAINER}"
        )


def make(job: Job, tasks: Mapping[str, Task], settings: Settings, folder: Path, about: Mapping[str, object]) -> Fit:
    """Return the fit of a job by the trainer of ``settings``; failed where its predictions are not numbers.

    Args:
        settings: effective ones.
        folder: where scratch files may be.
        about: the manifest.

    Raises:
        InputError: the trainer raised an error, or answered something else than it was asked: all of it.
    """
    members = {member.task: rows_of(member, tasks[member.task]) for member in job.group.members}
    function = loaded(settings.trainer)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        began = time.perf_counter()
        answer = _answer(function, Asked(job.group, members, settings, job.seed, job.updates, Path(scratch)), tasks)
        seconds = time.perf_counter() - began
    said = f"trainer {shown(settings.trainer)}, {job}"
    log2_p, epochs = _predictions(answer, members, said)
    cost = {"seconds": seconds, "peak_bytes": _peak(settings.device), **_said(answer)}
    wrong = next((at for at, found in log2_p.items() if not np.isfinite(found).any(axis=2).all() or np.isnan(found).any()), None)
    blocks: dict[Any, Block] = {}
    for (task, split), found in log2_p.items() if wrong is None else ():
        ids = tasks[task].split(split)["row"].to_numpy(dtype=object)
        blocks[task, split] = Block(ids, ids, tasks[task].gold(split), epochs, found.astype(np.float32))
    return Fit(
        key=job.key, group=job.group, seed=job.seed, labels={t: tasks[t].labels for t in members},
        train_counts={t: tasks[t].train_counts for t in members}, blocks=blocks,
        history=_history({t: members[t] for t in members if blocks}, tasks, blocks, epochs, cost), cost=cost, manifest=about,
        failed=f"the predictions of {wrong[0]} on {wrong[1]} are not numbers" if wrong else "",
    )  # fmt: skip


def rows_of(member: Member, task: Task) -> Rows:
    """Return what a trainer sees of a member; labels of test are not among it."""

    def table(split: Split) -> pd.DataFrame:
        rows = task.split(split)
        blank = member.variant == "blank"
        return pd.DataFrame({
            "row": rows["row"].tolist(), **{c: [""] * len(rows) if blank else rows[c].tolist() for c in ("text", "pair")},
        })  # fmt: skip

    def labelled(split: Split) -> pd.DataFrame:
        gold = permuted(member, split, task.gold(split)) if member.variant == "permuted" else task.gold(split)
        return table(split).assign(label=[task.labels[k] for k in gold])

    return Rows(task.labels, task.has_pair, labelled("train"), labelled("dev"), table("test"))


def _answer(function: Trainer, asked: Asked, tasks: Mapping[str, Task]) -> Answer:
    """Return what a trainer answers; an error of it is told with its place.

    The words of an error may quote a row, so that those of a group with private rows stay with it.
    """
    try:
        return function(asked)
    except Exception as error:
        private = any(tasks[task].private for task in asked.group.tasks)
        told = raised("trainer", shown(asked.settings.trainer), error, f"for {asked.group.name} ({asked.seed})", private)
        if private:
            raise told from None
        raise told from error


def _predictions(answer: Any, members: Mapping[str, Rows], said: str) -> tuple[dict[tuple[str, Split], np.ndarray], Any]:
    """Return by task and split (E, n, K) log2 p, and (E,) epochs.

    Raises:
        InputError: every fault of the answer; ``said`` names trainer and fit.
    """
    if not isinstance(answer, Answer) or not isinstance(answer.log2_p, Mapping):
        raise InputError(f"{said}: should return a cotrain.Answer, whose log2_p is by (task, split); found a {type(answer).__name__}")
    wanted = {(t, s): (len(getattr(rows, s)), len(rows.labels)) for t, rows in members.items() for s in _HELD_OUT}
    faults = [
        f"log2_p has {at!r}, which is not asked for; (task, 'dev') and (task, 'test') are" for at in answer.log2_p if at not in wanted
    ]
    found: dict[tuple[str, Split], np.ndarray] = {}
    for at, (n, k) in wanted.items():
        words = _fault(answer.log2_p.get(at), n, k)
        if words:
            faults.append(f"task {at[0]}, {at[1]}: {words}")
        else:
            array = np.asarray(answer.log2_p[at], dtype=float)
            found[at] = array[None] if array.ndim == 2 else array
    if len(sizes := {len(array) for array in found.values()}) > 1:
        each = ", ".join(f"{task}, {split}: {len(array)}" for (task, split), array in found.items())
        faults.append(f"all arrays should have the same number of epochs, found {each}")
    epochs = list(answer.epochs) or list(range(1, max(sizes, default=0) + 1))
    if any(isinstance(e, bool) or not isinstance(e, (int, np.integer)) or e < 0 for e in epochs) or sorted(set(epochs)) != epochs:
        faults.append(f"epochs should be whole numbers that ascend, found {epochs}")
    elif len(sizes) == 1 and len(epochs) not in sizes:
        faults.append(f"epochs should be as many as log2_p has, {min(sizes)}, found {len(epochs)}")
    faults += [
        f"{what} should be a number, 0 or more, found {getattr(answer, what)!r}"
        for what in _COSTS
        if (value := getattr(answer, what)) is not None and not (isinstance(value, (int, float, np.number)) and 0 <= value < np.inf)
    ]
    if faults:
        raise InputError(f"{said}: {fault}" for fault in faults)
    return found, np.array(epochs, dtype=np.int64)


def _fault(log2_p: Any, n: int, k: int) -> str:
    """Return what is wrong with the predictions of (n, K) rows, or nothing; what is not a number is no fault here."""
    if log2_p is None:
        return "there are no predictions"
    try:
        found = np.asarray(log2_p, dtype=float)
    except (TypeError, ValueError):
        return f"log2_p should be an array of numbers, found a {type(log2_p).__name__}"
    if found.ndim not in (2, 3) or found.shape[-2:] != (n, k) or not len(found[None] if found.ndim == 2 else found):
        return f"log2_p should have the shape ({n}, {k}) or (epochs, {n}, {k}): rows and labels; found {found.shape}"
    with np.errstate(over="ignore"):
        sums = np.exp2(found).sum(axis=-1)
    # rows that are not numbers make the fit fail; −inf alone is none either
    far = np.where(np.isnan(sums) | (sums == 0), 0.0, np.abs(sums - 1))
    if (far > SUM).any():
        worst = sums.reshape(-1)[far.argmax()]
        return (
            f"probabilities of {int((far > SUM).sum())} of {far.size} predictions do not sum to 1, the worst to {worst:.4g}; "
            "log2_p should be logarithms to base 2"
        )
    return ""


def _said(answer: Answer) -> dict[str, float]:
    """Return the costs that a trainer tells."""
    return {what: float(value) for what in _COSTS if (value := getattr(answer, what)) is not None}


def _history(members: Mapping[str, Rows], tasks: Mapping[str, Task], blocks: Mapping[Any, Block], epochs: Any,
             cost: Mapping[str, float]) -> pd.DataFrame:  # fmt: skip
    """Return a line per epoch and task; of updates and seconds only those at the end are known, of training losses none."""
    lines = []
    for e, epoch in enumerate(epochs):
        done = cost if e == len(epochs) - 1 else {}
        for task, rows in members.items():
            block, counts = blocks[task, "dev"], tasks[task].train_counts
            seen = rows.dev["label"].map({label: k for k, label in enumerate(rows.labels)}).to_numpy(dtype=np.int64)
            lines.append({
                "epoch": int(epoch), "updates": done.get("updates", np.nan), "seconds": done.get("seconds", np.nan), "task": task,
                "train_bits": np.nan, "dev_bits": float(-block.log2_p[e][np.arange(len(seen)), seen].mean(dtype=float)),
                "dev_accuracy": goodness(block.log2_p[e], block.gold, counts, "accuracy"),
                "dev_macro_f1": goodness(block.log2_p[e], block.gold, counts, "macro_f1"),
            })  # fmt: skip
    return pd.DataFrame(lines)


def _peak(device: str) -> float:
    """Return the peak memory in bytes: of the device, where the trainer is on it by torch, or of this process so far."""
    if device == "cuda" and (torch := sys.modules.get("torch")):
        return float(torch.cuda.max_memory_allocated())
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
