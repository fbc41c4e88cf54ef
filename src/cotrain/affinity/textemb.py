"""``textemb``: tasks are alike whose texts lie in one direction for the encoder as it was published (Vu et al. 2020)."""

from __future__ import annotations

import numpy as np

from cotrain.affinity.method import Found, Ground, Method, pairs
from cotrain.training.frozen import features


def relate(ground: Ground) -> Found:
    """Return the cosine of the means over training texts of the mask-mean of the last layer.

    Raises:
        InputError: an encoder that cannot be used.
    """
    rows = features(ground.tasks(), ground.settings(), ("train",))
    mean = {name: rows[name, "train"].mean(axis=0, dtype=float) for name in ground.names}
    return Found(pairs(mean, lambda a, b: cosine(mean[a], mean[b])), "cosine")


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Return the cosine of two vectors."""
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


METHOD = Method(relate, sees="content")
