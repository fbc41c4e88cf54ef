"""How many rows would settle a pair: against the formula of the method, and against the power of the test itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.tests import tost_p
from cotrain.grouping.options import Options
from cotrain.grouping.settle import settle

Make = Callable[..., Affinity]


def test_the_published_example(affinity: Make) -> None:
    """A margin of .1 bit at sd 1 needs 1,713 rows per task for 80 % power at alpha .05."""
    [line] = settle(affinity({"a": 0.5, "b": 0.5}, n=200), Options(alpha=0.05, margin_bits=0.1)).to_dict("records")
    assert line["rows"] == pytest.approx(1713, abs=1)
    assert (line["target"], line["helper"], line["n_target"], line["margin_bits"]) == ("a", "b", 200, 0.1)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_with_so_many_rows_equal_tasks_are_shown_equivalent_in_four_of_five_worlds(affinity: Make, alpha: float) -> None:
    [line] = settle(affinity({"a": 0.4, "b": 0.4}, sd={"a": 1.0, "b": 2.0}), Options(alpha=alpha, margin_bits=0.15)).to_dict("records")
    n, random = line["rows"], np.random.default_rng(0)
    se = (1 / n + 4 / n) ** 0.5
    gaps = random.normal(0, se, 20_000)
    assert np.mean(tost_p(gaps, se, 2 * n - 2, 0.15) <= alpha) == pytest.approx(0.8, abs=0.012)


def test_pairs_that_are_decided_need_nothing(affinity: Make) -> None:
    far = affinity({"a": 0.1, "b": 0.9})
    assert settle(far, Options(alpha=0.01, margin_bits=0.1)).empty
    same = affinity({"a": 0.5, "b": 0.5}, n=100_000)
    assert settle(same, Options(alpha=0.01, margin_bits=0.1)).empty


def test_fits_that_differ_too_much_need_seeds_not_rows(affinity: Make) -> None:
    related = affinity({"a": 0.5, "b": 0.5})
    tasks = related.tasks.assign(seed_sd_bits=0.2, seeds=3.0, se_bits=(1 / 200 + 0.04 / 3) ** 0.5)
    pairs = related.pairs.assign(se_bits=(2 / 200 + 0.08 / 3) ** 0.5, p=0.9)
    found = settle(replace(related, tasks=tasks, pairs=pairs), Options(alpha=0.05, margin_bits=0.1))
    assert found["rows"].tolist() == [np.inf]


def test_rows_that_tasks_share_count_for_less(affinity: Make) -> None:
    apart = settle(affinity({"a": 0.5, "b": 0.5}), Options(alpha=0.05, margin_bits=0.1))["rows"][0]
    shared = settle(affinity({"a": 0.5, "b": 0.5}, covariance={("a", "b"): 0.5 / 200}), Options(alpha=0.05, margin_bits=0.1))["rows"][0]
    assert shared == pytest.approx(apart / 2, rel=0.01)
