"""The solver of integer programs, without what it says."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp


def minimise(cost: np.ndarray, rules: LinearConstraint | list[LinearConstraint]) -> np.ndarray | None:
    """Return (n,) zeros and ones of least ``cost`` under linear ``rules``, exactly the best; None where the rules cannot be met."""
    with _silent():
        found: Any = milp(cost, constraints=rules, integrality=1, bounds=Bounds(0, 1), options={"mip_rel_gap": 0})
    return None if found.x is None else np.round(found.x)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what HiGHS leaves in from debugging off standard output, where a verb may print JSON.

    It is written in C, past ``sys.stdout``: ``HighsMipSolverData::transformNewIntegerFeasibleSolution …`` in SciPy 1.16 to 1.18.
    """
    sys.stdout.flush()
    try:
        before = os.dup(1)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        with suppress(OSError, TypeError, AttributeError):  # C keeps it in a buffer of its own
            ctypes.CDLL(None).fflush(None)
        os.dup2(before, 1)
        os.close(before)
        os.close(nowhere)
