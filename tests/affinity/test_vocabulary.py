"""Jensen–Shannon divergence beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from cotrain.affinity.vocabulary import divergence


def test_the_divergence_is_the_square_of_scipys_distance() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        p, q = random.dirichlet(np.full(9, 0.3), 2)
        assert divergence(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-12)
    assert divergence(p, p) == 0
    assert divergence(np.array([0.5, 0.5]), np.array([0.5, 0.25, 0.25])) == divergence(np.array([0.5, 0.25, 0.25]), np.array([0.5, 0.5, 0]))
