"""Nothing of the solver stands on standard output, where a verb may print JSON."""

from __future__ import annotations

import ctypes
from itertools import product

import numpy as np
import pytest
from scipy.optimize import LinearConstraint

from cotrain.grouping import solver


def test_the_best_is_found_and_what_cannot_be_met_is_nothing() -> None:
    random = np.random.default_rng(1)
    cost, sums = random.normal(size=6), random.integers(0, 3, (2, 6))
    rules = LinearConstraint(sums, 2, 5)
    ways = [x for x in product((0, 1), repeat=6) if ((sums @ x >= 2) & (sums @ x <= 5)).all()]
    found = solver.minimise(cost, rules)
    assert found is not None and tuple(found.astype(int)) == min(ways, key=lambda x: cost @ x)
    assert solver.minimise(cost, LinearConstraint(np.ones((1, 6)), 7, 8)) is None


def test_what_it_prints_in_c_is_not_seen(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    c, milp = ctypes.CDLL(None), solver.milp

    def chatty(*args: object, **more: object) -> object:
        c.printf(b"HighsMipSolverData\n")
        return milp(*args, **more)

    monkeypatch.setattr(solver, "milp", chatty)
    solver.minimise(np.ones(2), LinearConstraint(np.ones((1, 2)), 1, 2))
    print("{}")
    c.printf(b"after\n")
    c.fflush(None)
    assert sorted(capfd.readouterr().out.split()) == ["after", "{}"]
