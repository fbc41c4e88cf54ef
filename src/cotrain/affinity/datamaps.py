"""``datamaps``: tasks are alike whose rows are learned alike surely and steadily (Swayamdipta et al. 2020). Difficulty only."""

from __future__ import annotations

import numpy as np

from cotrain.affinity import losses
from cotrain.affinity.method import TRAINED, Found, Ground, Method, pairs
from cotrain.training.fit import Fit


def relate(ground: Ground) -> Found:
    """Return −distance of two tasks' mean (confidence, variability), means over rows of dev and seeds."""
    places: dict[str, list[np.ndarray]] = {}
    for fit in ground.fits(losses.singles(ground.names)):
        places.setdefault(fit.group.tasks[0], []).append(place(fit))
    mean = {task: np.mean(found, axis=0) for task, found in places.items()}
    return Found(pairs(mean, lambda a, b: -float(np.linalg.norm(mean[a] - mean[b]))), "probability")


def place(fit: Fit) -> np.ndarray:
    """Return the means over dev rows of confidence and variability: mean and standard deviation over evaluations of p(true label)."""
    [task] = fit.group.tasks
    block = fit.blocks[task, "dev"]
    right = np.exp2(fit.unweighted(task, block.log2_p).astype(float))[:, np.arange(len(block.gold)), block.gold]
    return np.array([right.mean(), right.std(axis=0).mean()])


METHOD = Method(relate, sees="difficulty", groups=losses.singles, options=TRAINED)
