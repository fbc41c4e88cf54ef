"""``vocabulary``: tasks are alike whose texts use the same tokens as often."""

from __future__ import annotations

import numpy as np

from cotrain.affinity.method import Found, Ground, Method, pairs
from cotrain.tasks.task import Task
from cotrain.training import encoder

_WHOLE = 10**6


def relate(ground: Ground) -> Found:
    """Return −JSD of the token frequencies of the training texts, Jensen–Shannon divergence in bits (Lin 1991), 0 to 1.

    Tokens are those of the encoder, texts uncut and both texts of a pair, without the tokens that only mark their ends.

    Raises:
        InputError: an encoder that cannot be used.
    """
    settings = ground.settings()
    tokens = encoder.tokenizer(encoder.folder(settings.model), settings.max_length, settings.special_tokens)
    known = (getattr(tokens, f"{name}_token_id", None) for name in ("cls", "sep", "pad", "bos", "eos"))
    marks = {number for number in known if number is not None}
    found = {name: _frequencies(task, tokens, marks) for name, task in ground.tasks().items()}
    return Found(pairs(found, lambda a, b: -divergence(found[a], found[b])), "bits of divergence")


def _frequencies(task: Task, tokens: object, marks: set[int]) -> np.ndarray:
    """Return (V,) the share of each token among those of the training texts, V as far as they reach."""
    rows = encoder.encode(task.split("train"), task.has_pair, tokens, _WHOLE)
    every = np.concatenate([np.asarray(row["input_ids"], dtype=np.int64) for row in rows])
    counts = np.bincount(every[~np.isin(every, sorted(marks))])
    return np.asarray(counts / max(1, counts.sum()))


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Return the Jensen–Shannon divergence in bits of two distributions; the shorter one ends with zeros.

    >>> divergence(np.array([1.0]), np.array([0.0, 1.0])), divergence(np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    (1.0, 0.0)
    """
    p, q = (np.pad(x, (0, max(len(p), len(q)) - len(x))) for x in (p, q))
    return float(max(0.0, _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2))


def _entropy(p: np.ndarray) -> float:
    """Return the entropy in bits."""
    there = p[p > 0]
    return float(-(there * np.log2(there)).sum())


METHOD = Method(relate, sees="content")
