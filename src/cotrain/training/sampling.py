"""Batches of one task each, every row once per epoch, rows of like length together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cotrain.training.model import derived_seed

_BATCHES_PER_BUCKET = 8


class ProportionalBatches:
    """A batch sampler over several tasks: (task name, row positions); a new order in each epoch.

    The order of each task derives from (seed, task name, epoch), so that it does not depend on the group.
    """

    def __init__(self, lengths: Mapping[str, Sequence[int]], batch_size: int, seed: int) -> None:
        self.lengths = {task: np.asarray(values) for task, values in lengths.items()}
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return sum(-(-len(values) // self.batch_size) for values in self.lengths.values())

    def __iter__(self) -> Iterator[list[tuple[str, int]]]:
        """Yield the batches of the next epoch."""
        batches: list[list[tuple[str, int]]] = []
        for task, lengths in self.lengths.items():
            random = np.random.default_rng(derived_seed(self.seed, "order", task, str(self.epoch)))
            order = random.permutation(len(lengths))
            bucket = self.batch_size * _BATCHES_PER_BUCKET
            for start in range(0, len(order), bucket):
                part = order[start : start + bucket]
                part = part[np.argsort(lengths[part], kind="stable")]
                batches += [
                    [(task, int(i)) for i in part[k : k + self.batch_size]] for k in range(0, len(part), self.batch_size)
                ]
        names = "+".join(sorted(self.lengths))
        mix = np.random.default_rng(derived_seed(self.seed, "mix", names, str(self.epoch)))
        self.epoch += 1
        for i in mix.permutation(len(batches)):
            yield batches[int(i)]
