"""``taskemb``: cosine of Fisher embeddings of the tasks alone, fused over the layers of the encoder (Vu et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cotrain.affinity import losses
from cotrain.affinity.method import TRAINED, Found, Ground, Method, pairs
from cotrain.errors import InputError
from cotrain.training import ledger
from cotrain.training.group import Group

FISHER = {"per_example": "fisher", "as_released": "fisher_of_batches"}
"""How Fisher information is estimated, and the extra of a fit that has it."""
_FLAT = 60
"""Of reciprocal rank fusion (Cormack et al. 2009): how much less the first ranks differ than 1/rank."""


def extras(group: Group, tasks: Sequence[str], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the extra that has the Fisher information.

    Raises:
        InputError: an option that is none.
    """
    if options["fisher"] not in FISHER:
        raise InputError(f"methods.taskemb.fisher should be {' or '.join(FISHER)}, found '{options['fisher']}'")
    return (FISHER[options["fisher"]],)


def relate(ground: Ground) -> Found:
    """Return of each helper Σ over layers 1/(60 + rank) of its cosine with the target, among all helpers.

    The embedding of a task in a layer is the diagonal of the empirical Fisher information of its weights and bias, of the task alone at
    its best epoch, mean over seeds.
    """
    from safetensors.numpy import load_file

    [extra] = extras(Group.of(ground.names[:1]), ground.names, ground.options)
    sums: dict[str, dict[str, np.ndarray]] = {task: {} for task in ground.names}
    passes = 0
    for fit in ground.fits(losses.singles(ground.names)):
        [task] = fit.group.tasks
        passes += sum(fit.train_counts[task])
        for layer, values in _by_layer(load_file(ledger.extra(fit, extra))).items():
            sums[task][layer] = sums[task].get(layer, 0.0) + values
    layers = set.intersection(*(set(found) for found in sums.values()))
    value = fused({layer: {task: found[layer] for task, found in sums.items()} for layer in sorted(layers)})
    return Found(pairs(ground.names, lambda target, helper: value[target][helper], directed=True), "reciprocal ranks", passes)


def fused(embeddings: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, float]]:
    """Return target to helper to Σ over layers of 1/(60 + rank), from layer to task to its embedding; the nearest helper has rank 1."""
    names = sorted(next(iter(embeddings.values())))
    found = {target: dict.fromkeys([t for t in names if t != target], 0.0) for target in names}
    for by_task in embeddings.values():
        unit = {task: values / max(float(np.linalg.norm(values)), 1e-300) for task, values in by_task.items()}
        for target, helpers in found.items():
            near = {helper: float(unit[target] @ unit[helper]) for helper in helpers}
            for helper in helpers:
                # equal ones have the mean of their ranks, so that no name comes before another
                rank = 0.5 + sum((v > near[helper]) + 0.5 * (v == near[helper]) for v in near.values())
                helpers[helper] += 1 / (_FLAT + rank)
    return found


def _by_layer(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return layer to the flat values of its weight and bias, from TASK/LAYER.weight and TASK/LAYER.bias."""
    layers: dict[str, list[np.ndarray]] = {}
    for name in sorted(values):
        layers.setdefault(name.partition("/")[2].rpartition(".")[0], []).append(values[name].ravel().astype(float))
    return {layer: np.concatenate(parts) for layer, parts in layers.items()}


METHOD = Method(
    relate, sees="content", groups=losses.singles, extras=extras, least=3, directed=True, options={"fisher": "per_example", **TRAINED},
)  # fmt: skip
