"""``log_size``: tasks are alike that have as many training rows. It sees nothing else."""

from __future__ import annotations

from math import log2

from cotrain.affinity.method import Found, Ground, Method, apart


def relate(ground: Ground) -> Found:
    """Return −|log2 n_i − log2 n_j|, n the training rows."""
    return Found(apart({name: log2(sum(task.train_counts)) for name, task in ground.tasks().items()}), "doublings")


METHOD = Method(relate, sees="size")
