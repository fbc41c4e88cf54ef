"""Truth with a known answer: what PVI says of tasks whose V-information is known (METHOD, section 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cotrain import Scores
from cotrain.affinity.pvi import relate
from cotrain.grouping.group import group
from cotrain.grouping.passing import Options

MakeWorld = Callable[..., Any]
Score = Callable[..., Scores]


def by_seed(scores: Scores, task: str) -> np.ndarray:
    """Return (S,) V-information of a task in bits, by seed."""
    return scores.table[scores.table["task"] == task].groupby("seed")["pvi_bits"].mean().to_numpy(dtype=float)


def rows(scores: Scores, task: str) -> np.ndarray:
    """Return (S·n,) PVI of a task in bits, by seed and row."""
    return scores.table[scores.table["task"] == task]["pvi_bits"].to_numpy(dtype=float)


def state(scores: Scores, task: str) -> str:
    """Return the state of a task."""
    return str(scores.tasks.set_index("task").loc[task, "state"])


def seed_noise(first: np.ndarray, second: np.ndarray) -> float:
    """Return how far two means over seeds may be apart by chance (99 %), from the spread within each."""
    s = len(first)
    pooled = (first.var(ddof=1) + second.var(ddof=1)) / 2
    return float(stats.t.ppf(0.995, 2 * s - 2) * np.sqrt(2 * pooled / s))


def test_a_token_that_copies_a_label_with_error_gives_the_information_of_the_oracle(world: MakeWorld, scored: Score) -> None:
    copy = world("copy", error=0.1)
    assert copy.truth == pytest.approx(0.531, abs=0.05), "1 − H2(.1), but for the draw of the rows"
    scores = scored(copy)
    assert by_seed(scores, "copy").mean() == pytest.approx(copy.truth, abs=0.03)
    assert state(scores, "copy") == "ok"


def test_texts_that_say_nothing_give_no_information(world: MakeWorld, scored: Score) -> None:
    scores = scored(world("blind", blind=True))
    means = by_seed(scores, "blind")
    above_by_chance = stats.t.ppf(0.995, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    assert means.mean() <= above_by_chance
    assert state(scores, "blind") == "not_learned"


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c", "d")], ids=["two", "four"])
def test_balanced_classes_without_noise_give_log2_of_their_number(names: tuple[str, ...], world: MakeWorld, scored: Score) -> None:
    scores = scored(world("clean", names=names))
    assert by_seed(scores, "clean").mean() == pytest.approx(np.log2(len(names)), abs=0.03)


def test_renamed_labels_in_the_same_order_give_the_same_scores(world: MakeWorld, scored: Score) -> None:
    before, after = scored(world("copy", error=0.1)), scored(world("copy", error=0.1, names=("benign", "malign")))
    assert np.array_equal(rows(before, "copy"), rows(after, "copy"))


def test_renamed_labels_in_another_order_change_nothing_beyond_the_spread_of_seeds(world: MakeWorld, scored: Score) -> None:
    before = by_seed(scored(world("copy", error=0.1)), "copy")
    after = by_seed(scored(world("copy", error=0.1, names=("zero", "one"), order=("one", "zero"))), "copy")
    assert not np.array_equal(before, after), "another order is another start of the head"
    assert abs(before.mean() - after.mean()) <= seed_noise(before, after)


@pytest.mark.parametrize("shares", [(), (0.75, 0.25)], ids=["balanced", "skewed"])
def test_the_fine_tuned_null_agrees_with_the_label_frequencies(shares: tuple[float, ...], world: MakeWorld, scored: Score) -> None:
    copy = world("copy", error=0.1, shares=shares)
    prior, tuned = (by_seed(scored(copy, null=null), "copy").mean() for null in ("prior", "finetune"))
    assert tuned == pytest.approx(prior, abs=0.05)


def test_tasks_that_cannot_be_learned_are_alike_and_still_grouped_by_nothing(world: MakeWorld, scored: Score) -> None:
    learned = [world("copy", error=0.1), world("noisy", error=0.12, seed=1)]
    scores = scored(*learned, world("permuted", error=0.1, seed=2, permuted=True), world("blind", blind=True))
    assert [state(scores, name) for name in ("copy", "noisy", "permuted", "blind")] == ["ok", "ok", "not_learned", "not_learned"]
    affinity = relate(scores)
    for options in (
        Options(rule="any", select="nested"),
        Options(rule="any", select="partition"),
        Options(rule="not_different", select="partition"),
        Options(rule="not_different", select="min_gap"),
        Options(rule="not_different", select="max_abs_t"),
    ):
        plans = group(affinity, options)
        assert plans
        for plan in plans:
            for name in ("permuted", "blind"):
                assert [g.tasks for g in plan.groups if name in g.tasks] == [(name,)]
                assert any(name in why and "not learned" in why and "stands alone" in why for why in plan.why)
    [pair] = [g.tasks for g in group(affinity, Options(rule="any", select="nested"))[0].groups if len(g.tasks) > 1]
    assert pair == ("copy", "noisy")
    [paper] = group(affinity, replace(Options(rule="not_different", select="min_gap"), paper=True))
    assert ("blind", "permuted") in {g.tasks for g in paper.groups}, "of all pairs these two look most alike"
