"""``gradients``: what training subsets of tasks would do, from gradients at one model (Grad-TAG 2024; EnsembleLoRA 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np

from cotrain.affinity.method import TRAINED, Found, Ground, Method, pairs
from cotrain.affinity.tag import joint
from cotrain.errors import InputError
from cotrain.training import ledger
from cotrain.training.group import Group
from cotrain.training.selection import null_bits

AT = ("joint", "base")
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties of which the one is taken whose single tasks lose least on dev, where none is given."""
_MOST, _ENOUGH = 50, 1e-8


class Rows(NamedTuple):
    """Rows of a split: (n,) margins in nats, and (n, d) projected gradients of them."""

    margins: np.ndarray
    gradients: np.ndarray


Projections = Mapping[tuple[str, str], Rows]
"""Task and split (train, dev) to its rows."""


def groups(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
    """Return the joint group, or none where the gradients are those at the published encoder.

    Raises:
        InputError: options that are none.
    """
    if options["at"] not in AT:
        raise InputError(f"methods.gradients.at should be {' or '.join(AT)}, found '{options['at']}'")
    if options["size"] < 2 or options["subsets"] < 1:
        raise InputError(
            f"methods.gradients: subsets should be 1 or more of 2 tasks or more, found {options['subsets']} of {options['size']}"
        )
    return joint(tasks, options) if options["at"] == "joint" else []


def relate(ground: Ground) -> Found:
    """Return of each pair the mean estimated gain of the target over subsets of tasks with both, as a share of NLL_null.

    The gain in a subset S is NLL of the target trained alone less that trained in S, both estimated on dev (``estimate``).
    """
    options, names = ground.options, ground.names
    value = {t: dict.fromkeys([o for o in names if o != t], 0.0) for t in names}
    nulls = {task: _null(ground, task) for task in names}
    every = _at_joint(ground) if groups(names, options) else [_at_base(ground)]
    passes = 0
    for found in every:
        scaled = _scaled(found)
        passes += sum(len(rows.margins) for rows in found.values())
        ridge = options["ridge"] or best_ridge(scaled, names)
        sets = drawn(names, options["size"], options["subsets"], options["draw"])
        losses = {s: estimate(scaled, s, ridge) for s in [*((t,) for t in names), *sets]}
        for target in names:
            for helper in value[target]:
                both = [losses[(target,)][target] - losses[s][target] for s in sets if target in s and helper in s]
                value[target][helper] += float(np.mean(both)) / nulls[target] / len(every)
    return Found(pairs(names, lambda t, h: value[t][h], directed=True), "gain, share of NLL_null, estimated", passes)


def estimate(projections: Projections, subset: Sequence[str], ridge: float) -> dict[str, float]:
    """Return the loss in bits on dev of each task of ``subset`` if the shared weights were trained on its training rows.

    To first order the margin of a row becomes h + g·z, where z is what training adds to the weights, seen through the projection:
    z minimises the mean over all training rows of log(1 + exp(−h − g·z)) plus ridge/2·|z|². Rows weigh alike, as in training that takes
    each once in an epoch.
    """
    margins = np.concatenate([projections[t, "train"].margins for t in subset])
    gradients = np.concatenate([projections[t, "train"].gradients for t in subset])
    z = solved(margins, gradients, ridge)
    return {t: float(np.logaddexp(0, -(d.margins + d.gradients @ z)).mean() / np.log(2)) for t in subset for d in [projections[t, "dev"]]}


def solved(margins: np.ndarray, gradients: np.ndarray, ridge: float) -> np.ndarray:
    """Return (d,) the minimum over z of the mean of log(1 + exp(−margins − gradients·z)) plus ridge/2·|z|², by Newton steps."""
    n, z = len(margins), np.zeros(gradients.shape[1])

    def loss(at: np.ndarray) -> float:
        return float(np.logaddexp(0, -(margins + gradients @ at)).mean() + ridge / 2 * at @ at)

    now = loss(z)
    for _ in range(_MOST):
        wrong = 1 / (1 + np.exp(np.clip(margins + gradients @ z, -500, 500)))  # 1 − p(gold label)
        slope = ridge * z - wrong @ gradients / n
        curve = (gradients.T * (wrong * (1 - wrong))) @ gradients / n + ridge * np.eye(len(z))
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (next_loss := loss(z - size * step)) > now and size > 1e-6:
            size /= 2
        if next_loss > now or now - next_loss <= _ENOUGH * max(now, 1e-300):
            return z if next_loss > now else z - size * step
        z, now = z - size * step, next_loss
    return z


def best_ridge(projections: Projections, names: Sequence[str]) -> float:
    """Return the penalty of ``RIDGES`` whose single tasks lose least on dev, mean over tasks."""
    return min(RIDGES, key=lambda ridge: float(np.mean([estimate(projections, (t,), ridge)[t] for t in names])))


def drawn(names: Sequence[str], size: int, number: int, seed: int) -> list[tuple[str, ...]]:
    """Return ``number`` different random subsets of ``size``, and those pairs that are in none; all where there are no more."""
    # of all tasks at once every helper would have the same value
    names, size = sorted(names), min(size, len(names) - 1)
    if comb(len(names), size) <= number:
        return list(combinations(names, size))
    random = np.random.default_rng(seed)
    found = set[tuple[str, ...]]()
    while len(found) < number:
        found.add(tuple(sorted(random.choice(names, size, replace=False).tolist())))
    seen = {pair for s in found for pair in combinations(s, 2)}
    return sorted(found) + sorted(set(combinations(names, 2)) - seen)


def _scaled(projections: Projections) -> dict[tuple[str, str], Rows]:
    """Return the projections with gradients of mean square 1 over training rows, so that a penalty means the same everywhere."""
    squares = [np.square(r.gradients, dtype=float).sum(axis=1).mean() for (_, split), r in projections.items() if split == "train"]
    scale = max(float(np.sqrt(np.mean(squares))), 1e-300)
    return {key: Rows(r.margins, r.gradients.astype(float) / scale) for key, r in projections.items()}


def _null(ground: Ground, task: str) -> float:
    """Return what label frequencies lose on dev, in bits.

    Raises:
        InputError: nothing, or without end: one label in training, or one of dev that training lacks.
    """
    found = ground.tasks()[task]
    with np.errstate(divide="ignore"):
        bits = null_bits(found.train_counts, found.gold("dev"))
    if not 0 < bits < np.inf:
        raise InputError(f"task {task}: gains are shares of what label frequencies lose; training needs two labels, and each of dev's")
    return bits


def _at_joint(ground: Ground) -> list[dict[tuple[str, str], Rows]]:
    """Return the projections that the joint fits left, of each seed."""
    from safetensors.numpy import load_file

    found = []
    for fit in ground.fits(joint(ground.names, {})):
        values = load_file(ledger.extra(fit, "projected"))
        found.append({
            (t, split): Rows(values[f"{t}/{split}/margins"], values[f"{t}/{split}/gradients"])
            for t in ground.names for split in ("train", "dev")
        })  # fmt: skip
    return found


def _at_base(ground: Ground) -> dict[tuple[str, str], Rows]:
    """Return the projections at the published encoder, with a logistic regression on its features as the head of each task."""
    from cotrain.affinity.at_base import projections

    return {key: Rows(*found) for key, found in projections(ground.tasks(), ground.settings()).items()}


METHOD = Method(
    relate, sees="content", groups=groups, least=3, directed=True,
    extras=lambda group, tasks, options: ("projected",),
    options={"at": "joint", "subsets": 400, "size": 3, "ridge": 0.0, "draw": 0, **TRAINED, "repeats": 1},
)  # fmt: skip
