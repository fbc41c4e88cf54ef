"""Plans of resamples: what is sure is chosen in all of them, what is a toss-up is not, and the plan says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.pvi import relate
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.stability import pairs_pass
from cotrain.pvi.scores import COLUMNS, Scores

RANDOM = np.random.default_rng(3)
Related = Callable[..., Affinity]


@pytest.fixture
def related() -> Related:
    """Relate tasks of given PVI, with resamples."""

    def make(bits: dict[str, np.ndarray], resamples: int = 300, states: dict[str, str] | None = None) -> Affinity:
        parts = [
            pd.DataFrame({"task": t, "row": [f"{t}{i}" for i in range(len(v))], "split": "dev", "seed": 0, "estimator": "finetune",
                          "null": "prior", "epoch": 1, "log2_p_x": v - 1, "log2_p_null": -1.0, "pvi_bits": v, "gold": "y", "guess": "y",
                          "cluster": [f"{t}{i}" for i in range(len(v))], "source": t}, columns=list(COLUMNS))
            for t, v in bits.items()
        ]  # fmt: skip
        facts = pd.DataFrame([{"task": t, "labels": 2, "n_train": 9, "entropy_bits": 1.0, "state": (states or {}).get(t, "ok"),
                               "state_reason": "", "collapsed_seeds": "", "failed_seeds": "", "null_gap_bits": np.nan}
                              for t in bits])  # fmt: skip
        return relate(Scores(pd.concat(parts, ignore_index=True), facts, pd.DataFrame()), bootstrap=resamples)

    return make


def around(mean: float, n: int = 150, sd: float = 1.0) -> np.ndarray:
    values = RANDOM.normal(0, sd, n)
    return np.asarray(values - values.mean() + mean)


WORLD = {"a": around(0.1), "b": around(0.1), "c": around(3.0), "d": around(3.0)}


def test_the_share_of_resamples_in_which_a_pair_passes_is_that_of_its_p(related: Related) -> None:
    found = related({"a": around(0.1), "b": around(0.42), "c": around(3)})
    assert found.resamples is not None
    table = pairs_pass(found, Options(rule="clique", alpha=0.01)).set_index(["target", "helper"])["passes"]
    p = found.resamples.pairs.groupby(["target", "helper"])["p"]
    assert table["a", "b"] == (p.get_group(("a", "b")) > 0.01).mean() and 0.1 < table["a", "b"] < 0.9
    assert table["a", "c"] == table["b", "c"] == 0


def test_equivalence_is_tested_in_every_resample(related: Related) -> None:
    close = related({"a": around(0.1, 4000), "b": around(0.1, 4000)}, 50)
    options = Options(rule="equivalent", alpha=0.05, margin_bits=0.2)
    assert pairs_pass(close, options)["passes"].tolist() == [1.0]
    assert pairs_pass(related({"a": around(0.1, 20), "b": around(0.1, 20)}, 50), options)["passes"].tolist() == [0.0]


def test_a_task_that_is_not_learned_passes_in_none(related: Related) -> None:
    found = related(WORLD, 20, states={"b": "not_learned"})
    shares = pairs_pass(found, Options(rule="clique", alpha=0.001)).set_index(["target", "helper"])["passes"]
    assert shares["a", "b"] == 0 and shares["c", "d"] > 0.5


def test_groups_far_apart_are_chosen_in_every_resample_and_the_plan_says_so(related: Related) -> None:
    [plan, *_] = group(related(WORLD), Options(rule="any", select="nested"))
    assert plan.stability == {"a+b": 1.0, "c+d": 1.0}
    assert "{a, b} is chosen in 100 % of resamples." in plan.why


def test_a_toss_up_is_said_to_be_one(related: Related) -> None:
    """b lies where it disturbs a as much as c and d."""
    [plan, *_] = group(
        related({"a": around(0.0), "b": around(0.535), "c": around(1.0), "d": around(1.0)}), Options(rule="any", select="nested")
    )
    together = {name: share for name, share in plan.stability.items() if "b" in name.split("+")}
    assert len(together) == 1 and 0.2 < next(iter(together.values())) < 0.8


def test_a_pair_that_passes_now_and_then_is_named(related: Related) -> None:
    options = Options(rule="not_different", alpha=0.05, select="partition")
    [plan] = group(related({"a": around(0.1), "b": around(0.3), "c": around(5)}), options)
    assert any("a–b passes in" in why and "these samples cannot tell" in why for why in plan.why)


def test_without_resamples_nothing_is_said(related: Related) -> None:
    [plan, *_] = group(related(WORLD, 0), Options(rule="any", select="nested"))
    assert plan.stability == {} and not any("resample" in why for why in plan.why)
