"""``probe``: PVI of a logistic regression on the frozen encoder: no fit, no seed, seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotrain.pvi.arrays import Predictions, scores_of
from cotrain.pvi.basis import Basis
from cotrain.pvi.folds import deal
from cotrain.pvi.scores import Scores
from cotrain.training.frozen import features

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of C, of which each task takes the one with the best log-loss on folds of its training rows.

One for all is worse: over 25 tasks and cuts of the public sets with 300 and 1,000 rows the best, .003, loses .02 to .04 bit.
"""
_FOLDS = 3
NOTE = (
    "Scores are of a probe, a logistic regression on the frozen encoder. It reads less than the fine-tuned encoder: a task that it "
    "does not learn may be learned by training."
)


def probe(basis: Basis) -> Scores:
    """Return the Scores of every task by a probe, against the prior null: one seed, 0, since nothing is drawn.

    Features are the means over tokens of the last layer of the encoder as it was published, in the precision of training,
    standardised on train; texts of one source are encoded once. The regression and its strength are fitted to the training
    rows alone.

    Raises:
        InputError: an encoder that cannot be used.
        MissingExtra: torch is not installed.
    """
    read, found = features(basis.tasks, basis.settings, ("train", basis.split)), dict[str, Predictions]()
    for name, task in basis.tasks.items():
        x, y, clusters = read[name, "train"], task.gold("train"), task.split("train")["cluster"].tolist()
        said = log2_p(x, y, read[name, basis.split], len(task.labels), strength(x, y, clusters))
        found[name] = Predictions.of(task, basis.split, said)
    return scores_of(found, basis.split, "probe", (NOTE,))


def strength(x: np.ndarray, y: np.ndarray, clusters: list[str]) -> float:
    """Return the C whose log-loss is best over folds of whole clusters of (n, d) ``x`` and (n,) ``y``.

    Rows of a class that the other folds lack are left out of it.
    """
    fold = deal(clusters, y.tolist(), _FOLDS)
    right = np.zeros(len(STRENGTHS))
    for k in range(_FOLDS):
        inside = fold != k
        held = np.flatnonzero(~inside & np.isin(y, y[inside]))
        if len(held) and len(set(y[inside])) > 1:
            right += [log2_p(x[inside], y[inside], x[held], int(y.max()) + 1, c)[np.arange(len(held)), y[held]].sum() for c in STRENGTHS]
    return STRENGTHS[int(right.argmax())]


def log2_p(x: np.ndarray, y: np.ndarray, held_out: np.ndarray, labels: int, strength: float) -> np.ndarray:
    """Return (m, K) log2 probabilities of (m, d) ``held_out`` features by a logistic regression on (n, d) ``x`` and (n,) ``y``.

    A label that ``y`` lacks has probability 0.
    """
    from scipy.special import log_softmax

    scaler, regression = fitted(x, y, strength)
    logits = regression.decision_function(scaler.transform(held_out.astype(float)))
    if logits.ndim == 1:  # of two classes the second alone
        logits = np.stack([np.zeros(len(logits)), logits], axis=1)
    found = np.full((len(held_out), labels), -np.inf)
    found[:, regression.classes_] = log_softmax(logits, axis=1) / np.log(2)
    return found


def fitted(x: np.ndarray, y: np.ndarray, strength: float) -> tuple[Any, Any]:
    """Return the scaler and the logistic regression that are fitted to (n, d) features ``x`` and (n,) labels ``y``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    return scaler, LogisticRegression(C=strength, max_iter=1000).fit(scaler.fit_transform(x.astype(float)), y)
