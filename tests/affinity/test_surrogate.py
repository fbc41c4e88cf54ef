"""Surrogates: planted coefficients are found again, groups cover every pair, and what they cannot tell is refused."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from cotrain.affinity.surrogate import METHOD, groups, helpers
from cotrain.errors import InputError

TASKS = [f"t{i:02}" for i in range(12)]


def options(**given: Any) -> dict[str, Any]:
    return METHOD.chosen("surrogate", given)


def drawn(**given: Any) -> list[tuple[str, ...]]:
    return [g.tasks for g in groups(TASKS, options(**given)) if len(g.tasks) > 1]


def inside(target: str, size: int = 3) -> np.ndarray:
    others = [t for t in TASKS if t != target]
    return np.array([[t in g for t in others] for g in drawn(subsets=60, size=size) if target in g], dtype=float)


def test_planted_coefficients_are_found_again_and_add_up_to_the_gain_of_a_group() -> None:
    planted = np.random.default_rng(0).normal(size=11)
    x = inside("t03", 5)
    assert helpers(x, x @ planted, "linear") == pytest.approx(4 * planted)
    assert [helpers(x, x @ planted, "linear")[row > 0].mean() for row in x] == pytest.approx(x @ planted)
    order = np.argsort(helpers(np.repeat(x, 50, axis=0), np.repeat(x @ planted, 50), "ridge"))
    assert order.tolist() == np.argsort(planted).tolist(), "with much evidence the ridge says nothing else"


def test_a_surrogate_of_losses_is_the_same_as_one_of_gains() -> None:
    """The authors fit the loss, f(S) ≈ Σ θ; of groups of one size the gain f(alone) − f(S) has the coefficients f(alone)/(s − 1) − θ."""
    random, x = np.random.default_rng(1), inside("t05")
    loss, alone = random.normal(1.0, 0.1, len(x)), 0.9
    theta = np.linalg.lstsq(x, loss, rcond=None)[0]
    assert np.linalg.matrix_rank(x) == 11
    assert helpers(x, alone - loss, "linear") / 2 == pytest.approx(alone / 2 - theta)


def test_the_ridge_shrinks_to_no_gain_and_the_mean_is_the_mean() -> None:
    x, gain = np.array([[1.0, 1, 0], [1, 0, 1]]), np.array([0.2, 0.4])
    assert helpers(x, gain, "mean").tolist() == pytest.approx([0.3, 0.2, 0.4])
    assert (np.abs(helpers(x, 0 * gain, "ridge")) == 0).all() and (helpers(x, gain, "ridge") > 0).all()
    with pytest.raises(InputError, match="do not tell the helpers apart"):
        helpers(x, gain, "linear")


@pytest.mark.parametrize("pool", ["shared", "target"])
def test_groups_have_their_size_cover_every_pair_and_follow_the_seed(pool: str) -> None:
    found = drawn(pool=pool, subsets=30)
    assert {len(g) for g in found} == {3} and len(set(found)) == len(found)
    assert {pair for g in found for pair in combinations(g, 2)} == set(combinations(TASKS, 2))
    assert len(found) == 30 if pool == "shared" else min(sum(t in g for g in found) for t in TASKS) >= 30
    assert found == drawn(pool=pool, subsets=30) != drawn(pool=pool, subsets=30, draw=1)
    assert len(drawn(pool=pool, subsets=1000, size=2)) == 66, "all there are"


def test_options_that_are_none_are_refused_together() -> None:
    with pytest.raises(InputError) as refused:
        drawn(fit="lasso", pool="all", size=1)
    assert len(refused.value.faults) == 3
    with pytest.raises(InputError, match=r"5 groups of 3 leave .* pairs of tasks that are in none; raise subsets"):
        drawn(subsets=5)
