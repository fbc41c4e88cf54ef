"""Batches of one task each, every row once per epoch, rows of like length together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

_BATCHES_PER_BUCKET = 8


def derived_seed(seed: int, *names: str) -> int:
    """Return a seed that depends on the seed and on names, never on positions in a group."""
    return int.from_bytes(hashlib.sha256("\x1f".join([str(seed), *names]).encode()).digest()[:4], "little")


class ProportionalBatches:
    """A batch sampler over several tasks: lists of (task name, row position); another order in each epoch.

    The order of each task derives from (seed, task name, epoch): what it is trained with does not change it.
    """

    def __init__(self, lengths: Mapping[str, Sequence[int]], batch_size: int, seed: int) -> None:
        self.lengths = {task: np.asarray(lengths[task]) for task in sorted(lengths)}
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is next; the Trainer calls it, also when it resumes."""
        self.epoch = epoch

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return sum(-(-len(values) // self.batch_size) for values in self.lengths.values())

    def __iter__(self) -> Iterator[list[tuple[str, int]]]:
        """Yield the batches of the epoch."""
        batches: list[list[tuple[str, int]]] = []
        for task, lengths in self.lengths.items():
            random = np.random.default_rng(derived_seed(self.seed, "order", task, str(self.epoch)))
            order = random.permutation(len(lengths))
            bucket = self.batch_size * _BATCHES_PER_BUCKET
            for start in range(0, len(order), bucket):
                part = order[start : start + bucket]
                part = part[np.argsort(lengths[part], kind="stable")]
                batches += [[(task, int(i)) for i in part[k : k + self.batch_size]] for k in range(0, len(part), self.batch_size)]
        mix = np.random.default_rng(derived_seed(self.seed, "mix", *self.lengths, str(self.epoch)))
        for i in mix.permutation(len(batches)):
            yield batches[int(i)]
