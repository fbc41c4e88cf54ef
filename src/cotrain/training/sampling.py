"""Batches of one task each, rows of like length together, and how many of each task an epoch has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cotrain.errors import InputError
from cotrain.tasks.task import Split
from cotrain.training.group import Member
from cotrain.training.settings import Settings

_BATCHES_PER_BUCKET = 8


def derived_seed(seed: int, *names: str) -> int:
    """Return a seed that depends on the seed and on names, never on positions in a group."""
    return int.from_bytes(hashlib.sha256("\x1f".join([str(seed), *names]).encode()).digest()[:4], "little")


def permuted(member: Member, split: Split, gold: np.ndarray) -> np.ndarray:
    """Return (n,) the labels of a split of a member in an order that is permuted by its seed."""
    seed = derived_seed(member.permutation_seed, "permuted", member.task, split)
    return gold[np.random.default_rng(seed).permutation(len(gold))]


def counts(rows: Mapping[str, int], settings: Settings) -> dict[str, int]:
    """Return the batches of each task in an epoch; together always as many as all rows make.

    ``proportional``: each row once. Others give a task a share of the epoch that grows with its n rows less: ``uniform`` none at
    all, ``sqrt`` √n, ``temperature`` min(n, cap)^(1/T), ``explicit`` as ``shares`` says; tasks on the same rows (``a+b``), which are
    trained together, have the sum of their shares. Each task has one batch at least.

    Raises:
        InputError: ``explicit`` without the share of a task.
    """
    whole = {task: -(-n // settings.batch_size) for task, n in rows.items()}
    if settings.sampling == "proportional" or len(rows) == 1:
        return whole
    named = {task for stream in rows for task in stream.split("+")}
    if settings.sampling == "explicit" and (lacking := sorted(named - set(settings.shares))):
        raise InputError(f"sampling explicit needs the share of every task: training.shares lacks {', '.join(lacking)}")
    weights = {task: _weight(task, n, settings) for task, n in rows.items()}
    total, all_batches = sum(weights.values()), sum(whole.values())
    exact = {task: all_batches * w / total for task, w in weights.items()}
    found = {task: max(1, int(e)) for task, e in exact.items()}
    # the largest remainders get what rounding down left; by name where they are equal
    for task in sorted(exact, key=lambda t: (int(exact[t]) - exact[t], t))[: max(0, all_batches - sum(found.values()))]:
        found[task] += 1
    while sum(found.values()) > all_batches:  # of those that have one batch whatever their share
        found[max(found, key=lambda t: (found[t], t))] -= 1
    return found


def _weight(task: str, n: int, settings: Settings) -> float:
    """Return what the share of a task of n rows in an epoch is proportional to."""
    if settings.sampling == "explicit":
        return sum(settings.shares[name] for name in task.split("+"))
    root = {"uniform": 0.0, "sqrt": 0.5, "temperature": 1 / settings.temperature}[settings.sampling]
    return float(min(n, settings.sampling_cap or n) if settings.sampling == "temperature" else n) ** root


class Batches:
    """A batch sampler over several tasks: lists of (task name, row position); another order in each epoch.

    Each task is an endless stream of passes over its rows, the order of a pass derived from (seed, task name, pass): what it is
    trained with does not change it. An epoch takes the next ``counts`` batches of each stream, mixed.

    Args:
        lengths: tokens of each row, by task.
        per_epoch: batches of each task in an epoch; those of one pass where none are given (every row once).
    """

    def __init__(
        self, lengths: Mapping[str, Sequence[int]], batch_size: int, seed: int, per_epoch: Mapping[str, int] | None = None
    ) -> None:
        self.lengths = {task: np.asarray(lengths[task]) for task in sorted(lengths)}
        self.batch_size = batch_size
        self.seed = seed
        self.per_epoch = {task: -(-len(v) // batch_size) if per_epoch is None else per_epoch[task] for task, v in self.lengths.items()}
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is next; the Trainer calls it, also when it resumes."""
        self.epoch = epoch

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return sum(self.per_epoch.values())

    def __iter__(self) -> Iterator[list[tuple[str, int]]]:
        """Yield the batches of the epoch."""
        batches: list[list[tuple[str, int]]] = []
        for task, number in self.per_epoch.items():
            stream = self._stream(task, self.epoch * number)
            batches += [next(stream) for _ in range(number)]
        mix = np.random.default_rng(derived_seed(self.seed, "mix", *self.lengths, str(self.epoch)))
        for i in mix.permutation(len(batches)):
            yield batches[int(i)]

    def _stream(self, task: str, start: int) -> Iterator[list[tuple[str, int]]]:
        """Yield the batches of a task, pass after pass, from the batch ``start`` on."""
        number, skip = divmod(start, -(-len(self.lengths[task]) // self.batch_size))
        while True:
            yield from self._one_pass(task, number)[skip:]
            number, skip = number + 1, 0

    def _one_pass(self, task: str, number: int) -> list[list[tuple[str, int]]]:
        """Return the batches of one pass over the rows of a task."""
        lengths, batches = self.lengths[task], []
        order = np.random.default_rng(derived_seed(self.seed, "order", task, str(number))).permutation(len(lengths))
        bucket = self.batch_size * _BATCHES_PER_BUCKET
        for start in range(0, len(order), bucket):
            part = order[start : start + bucket]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches += [[(task, int(i)) for i in part[k : k + self.batch_size]] for k in range(0, len(part), self.batch_size)]
        return batches
