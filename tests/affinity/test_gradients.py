"""Gradient estimates: their logistic regression, what training everything or nothing would do, and a world with known helpers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from cotrain.affinity.gradients import METHOD, Rows, best_ridge, drawn, estimate, groups, solved
from cotrain.errors import InputError

NAMES = ("a", "b", "c")


def world(random: np.random.Generator, directions: dict[str, np.ndarray], n: int = 200) -> dict[tuple[str, str], Rows]:
    """Return rows whose margin can only be raised along the direction of their task."""
    found = {}
    for task, direction in directions.items():
        for split in ("train", "dev"):
            gradients = np.abs(random.normal(1.0, 0.3, (n, 1))) * direction + random.normal(0.0, 0.2, (n, len(direction)))
            found[task, split] = Rows(random.normal(0.2, 0.5, n), gradients)
    return found


def test_the_regression_is_the_minimum_that_a_general_optimiser_finds() -> None:
    random = np.random.default_rng(0)
    margins, gradients = random.normal(size=80), random.normal(size=(80, 6))

    def loss(z: np.ndarray) -> float:
        return float(np.log1p(np.exp(-(margins + gradients @ z))).mean() + 0.05 * z @ z)

    assert solved(margins, gradients, 0.1) == pytest.approx(minimize(loss, np.zeros(6), tol=1e-12).x, abs=1e-4)


def test_rows_that_can_be_told_apart_perfectly_still_have_a_minimum() -> None:
    z = solved(np.full(20, -3.0), np.eye(20), 1e-4)
    assert np.isfinite(z).all() and (z > 3).all()


def test_the_estimate_of_the_full_set_reproduces_the_joint_model() -> None:
    """A joint logistic model of tasks of unequal sizes, trained by another program: nothing is added to it, its losses are estimated."""
    random = np.random.default_rng(1)
    sizes = dict(zip(NAMES, (100, 300, 40), strict=True))
    made = {(t, s): Rows(random.normal(0.5, 1.0, sizes[t]), random.normal(size=(sizes[t], 8))) for t in NAMES for s in ("train", "dev")}
    margins, gradients = (np.concatenate([getattr(made[t, "train"], part) for t in NAMES]) for part in ("margins", "gradients"))
    z = minimize(lambda at: float(np.log1p(np.exp(-(margins + gradients @ at))).mean()), np.zeros(8), tol=1e-12).x
    joint = {key: Rows(r.margins + r.gradients @ z, r.gradients) for key, r in made.items()}
    assert np.abs(z).max() > 0.05
    for t, bits in estimate(joint, NAMES, 1e-9).items():
        assert bits == pytest.approx(np.log2(1 + np.exp(-joint[t, "dev"].margins)).mean(), abs=1e-5)
    # and with an endless penalty nothing is added whatever the gradients are
    for t, bits in estimate(made, NAMES, 1e12).items():
        assert bits == pytest.approx(np.log2(1 + np.exp(-made[t, "dev"].margins)).mean(), abs=1e-6)


def test_a_helper_along_the_same_direction_is_estimated_to_help_more_than_one_against_it() -> None:
    along = np.zeros(8)
    along[0] = 1.0
    made = world(np.random.default_rng(2), {"a": along, "b": along, "c": -along})
    gain = {h: estimate(made, ("a",), 0.05)["a"] - estimate(made, ("a", h), 0.05)["a"] for h in ("b", "c")}
    assert gain["b"] > gain["c"] + 0.05 and gain["c"] < -0.05


def test_the_penalty_is_the_one_whose_single_tasks_lose_least_on_dev() -> None:
    random = np.random.default_rng(3)
    noise = {(t, s): Rows(np.zeros(30), random.normal(size=(30, 40))) for t in NAMES for s in ("train", "dev")}
    along = np.eye(8)[0]
    assert best_ridge(noise, NAMES) > best_ridge(world(random, dict.fromkeys(NAMES, along)), NAMES)


def test_subsets_have_every_pair_and_are_all_there_are_where_these_are_few() -> None:
    assert drawn(NAMES, 2, 400, 0) == list(combinations(NAMES, 2))
    many = [f"t{i}" for i in range(12)]
    found = drawn(many, 4, 10, 0)
    assert len({s for s in found if len(s) == 4}) == 10 and drawn(many, 4, 10, 0) == found != drawn(many, 4, 10, 1)
    assert {pair for s in found for pair in combinations(s, 2)} == set(combinations(sorted(many), 2))
    assert drawn(NAMES, 3, 400, 0) == list(combinations(NAMES, 2)), "of all tasks at once every helper has the same value"


@pytest.mark.parametrize(
    ("given", "words"), [({"at": "start"}, "at should be joint or base, found 'start'"), ({"size": 1}, "found 400 of 1")]
)
def test_options_that_are_none_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        groups(NAMES, METHOD.chosen("gradients", given))


def test_at_the_base_nothing_is_trained() -> None:
    assert groups(NAMES, METHOD.chosen("gradients", {"at": "base"})) == []
    assert [g.name for g in groups(NAMES, dict(METHOD.options))] == ["a+b+c"]
