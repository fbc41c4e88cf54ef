"""``logme``: tasks are alike whose labels the published encoder explains alike well (You et al. 2021). Difficulty only."""

from __future__ import annotations

import numpy as np

from cotrain.affinity.method import Found, Ground, Method, apart
from cotrain.errors import InputError
from cotrain.training.frozen import features

_MOST, _ENOUGH = 1000, 1e-9


def relate(ground: Ground) -> Found:
    """Return −|LogME_i − LogME_j| of the training labels given the features of the encoder as it was published.

    LogME of a task is the mean over its labels of the log evidence per row, in nats, of the label as 0 or 1.

    Raises:
        InputError: an encoder that cannot be used, a task with one label in its training rows.
    """
    tasks = ground.tasks()
    if flat := sorted(name for name, task in tasks.items() if sum(n > 0 for n in task.train_counts) < 2):
        raise InputError(f"LogME is not defined for one label, and the training rows of {', '.join(flat)} have no other")
    rows = features(tasks, ground.settings(), ("train",))
    found = {name: logme(rows[name, "train"].astype(float), task.gold("train")) for name, task in tasks.items()}
    return Found(apart(found), "nats per row")


def logme(x: np.ndarray, gold: np.ndarray) -> float:
    """Return LogME of (n,) gold labels given (n, d) features: the mean over labels that are there of the largest log evidence per row."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return float(np.mean([evidence(u, s, x.shape[1], (gold == k).astype(float)) for k in np.unique(gold)]))


def evidence(u: np.ndarray, s: np.ndarray, width: int, y: np.ndarray) -> float:
    """Return the largest log evidence per row of (n,) ``y`` ~ N(Xw, 1/β), w ~ N(0, 1/α), in nats, over α and β.

    The fixed point of MacKay, as in You et al. 2021, Algorithm 1, iterated until α/β stands still.

    Args:
        u, s: the thin singular value decomposition of X, (n, r) and (r,).
        width: columns of X.
    """
    n = len(y)
    along, squares = u.T @ y, s**2
    beyond = max(0.0, float(y @ y - along @ along))
    alpha = beta = 1.0
    for _ in range(_MOST):
        ratio = alpha / beta
        gamma = (squares / (squares + ratio)).sum()
        weights = (squares * along**2 / (squares + ratio) ** 2).sum()
        error = ((ratio / (squares + ratio) * along) ** 2).sum() + beyond
        alpha, beta = gamma / max(weights, 1e-300), (n - gamma) / max(error, 1e-300)
        if abs(alpha / beta - ratio) <= _ENOUGH * ratio:
            break
    ratio = alpha / beta
    weights = (squares * along**2 / (squares + ratio) ** 2).sum()
    error = ((ratio / (squares + ratio) * along) ** 2).sum() + beyond
    found = n * np.log(beta) + width * np.log(alpha) - n * np.log(2 * np.pi) - beta * error - alpha * weights
    determinant = np.log(alpha + beta * squares).sum() + (width - len(s)) * np.log(alpha)
    return float((found - determinant) / (2 * n))


METHOD = Method(relate, sees="difficulty")
