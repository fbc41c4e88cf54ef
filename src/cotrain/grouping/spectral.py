"""``select: spectral``: clusters of the graph whose edges are values (Ng, Jordan and Weiss 2001), as Grad-TAG groups."""

from __future__ import annotations

import numpy as np

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.draft import Draft, serving_all
from cotrain.grouping.options import Options
from cotrain.grouping.passing import eligible
from cotrain.grouping.statistics import Statistics

_LEAST = 1e-3
"""What the smallest value weighs, so that the graph hangs together."""


def spectral(affinity: Affinity, options: Options, name: str) -> list[Draft]:
    """Return the tasks in as many groups as ``models`` leaves beside those that stand alone, or half as many as there are tasks.

    Values are averaged over both directions and mapped linearly to weights between .001 and 1. Clusters are read from the
    eigenvectors by a pivoted QR (Damle, Minden and Ying 2019), which draws nothing.

    Raises:
        InputError: too few models; constraints, of which a cut of a graph knows nothing.
    """
    from sklearn.cluster import SpectralClustering

    if idle := [key for key in ("together", "apart", "largest") if getattr(options, key)]:
        raise InputError(
            f"the selection spectral cuts a graph and cannot keep to {', '.join(idle)}; leave out, or choose select: partition"
        )
    statistics, learned = Statistics.of(affinity), eligible(affinity, options)
    rest = [(task,) for task in statistics.names if task not in learned]
    groups = -(-len(learned) // 2) if options.models is None else options.models - len(rest)
    if groups < 1 and learned:
        raise InputError(f"at most {options.models} models are asked for, and {len(rest) + 1} are needed: {len(rest)} tasks stand alone")
    where = statistics.positions(learned)
    clusters = np.arange(len(learned)) if groups >= len(learned) else np.zeros(len(learned), dtype=int)
    if 1 < groups < len(learned):
        weights = _weights(((statistics.value + statistics.value.T) / 2)[np.ix_(where, where)])
        clusters = SpectralClustering(groups, affinity="precomputed", assign_labels="cluster_qr", random_state=0).fit_predict(weights)
    found = [tuple(t for t, c in zip(learned, clusters, strict=True) if c == k) for k in sorted(set(clusters.tolist()))]
    why = f"Spectral clustering of {len(learned)} tasks into {len(found)} groups by the values of {affinity.method}."
    return [Draft(name, serving_all([*rest, *found]), (why,))]


def _weights(value: np.ndarray) -> np.ndarray:
    """Return (T, T) weights of edges from values, those of a task with itself 1."""
    low, high = np.nanmin(value), np.nanmax(value)
    weights = _LEAST + (1 - _LEAST) * (value - low) / (high - low if high > low else 1.0)
    np.fill_diagonal(weights, 1.0)
    return weights
