"""The decision rule: its rates in simulation, and whom a group may serve by enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from cotrain.evaluation.arms import At, arms_of_task
from cotrain.evaluation.decision import Evidence
from cotrain.evaluation.intervals import Arm
from cotrain.evaluation.sheets import Sheet
from cotrain.training.group import Group

PAIR = Group.of(["a", "b"])


def fits(random, right, gold, seeds, sd):
    """(S, n, 2) log2 p: each fit turns a few rows, all in one direction, so that its accuracy moves by a normal step."""
    rows = np.empty((seeds, len(gold)), dtype=bool)
    for s, step in enumerate(random.normal(0, sd, seeds)):
        able = right if step < 0 else ~right
        rows[s] = right ^ (able & (random.random(len(gold)) < abs(step) / able.mean()))
    guess = np.where(rows, gold, 1 - gold)
    return np.log2(np.where(guess[..., None] == np.arange(2), 0.9, 0.1))


def pair(random, n, discordant, loss=0.0, seeds=5, sd=0.005, delta=0.02) -> Evidence:
    """Dev of two tasks that share: so many rows are predicted differently, and the first task truly loses ``loss``."""
    shared, alone = {}, {}
    for task, lost in (("a", loss), ("b", 0.0)):
        gold, right = random.integers(0, 2, n), random.random(n) < 0.85
        change = np.where(right, (discordant + lost) / 2 / 0.85, (discordant - lost) / 2 / 0.15)
        with_other = right ^ (random.random(n) < change)
        sheet = Sheet(task, "dev", gold, 2, n, (task,), np.arange(n), n)
        both = {PAIR: fits(random, with_other, gold, seeds, sd), Group.of([task]): fits(random, right, gold, seeds, sd)}
        made = arms_of_task(sheet, both, ("accuracy",), int(random.integers(2**31)), 200)
        shared[task], alone[task] = (made[At(group, task, "accuracy")] for group in both)
    return Evidence.of(PAIR, shared, alone, {"a": delta, "b": delta})


@pytest.mark.parametrize(("n", "discordant", "rate"), [(700, 0.03, 0.86), (700, 0.05, 0.68), (1500, 0.05, 0.92), (300, 0.05, 0.35)])
def test_a_harmless_pair_is_recommended_as_often_as_the_method_says(n, discordant, rate):
    """δ = .02, five seeds of sd .005. Those rates are themselves simulated and rounded: two points of grace."""
    random, runs = np.random.default_rng(n + int(1000 * discordant)), 200
    passed = sum(not pair(random, n, discordant).reason(("a", "b"), "fewer") for _ in range(runs))
    assert max(stats.binomtest(passed, runs, rate + grace).pvalue for grace in np.linspace(-0.02, 0.02, 9)) > 0.005


def test_a_pair_with_a_member_truly_three_points_worse_is_hardly_ever_recommended():
    """Under 1 % of runs: in 300 there are more than 8 with a probability of .4 %."""
    random = np.random.default_rng(9)
    passed = sum(not pair(random, 700, 0.04, loss=0.03).reason(("a", "b"), "fewer") for _ in range(300))
    assert passed <= 8


def test_no_gain_is_claimed_of_harmless_pairs_in_more_than_a_fortieth():
    """``better``: the lower end of a two-sided 95 % interval is above 0 in 2.5 % of runs where nothing is gained."""
    random, runs = np.random.default_rng(10), 200
    claimed = sum(pair(random, 700, 0.05).mean(("a", "b")).interval(0.95)[0] > 0 for _ in range(runs))
    assert stats.binomtest(claimed, runs, 0.025).pvalue > 0.005


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("goal", ["fewer", "better"])
def test_whom_a_group_may_serve_is_what_some_set_that_passes_serves(goal, seed, made_up):
    random = np.random.default_rng(100 + seed)
    (e,) = made_up(random, "abcd", [Group.of("abcd")], spread=0.015)
    sets = [tuple(t for t, yes in zip("abcd", chosen, strict=True) if yes) for chosen in product([0, 1], repeat=4)]
    passing = [s for s in sets if s and not e.reason(s, goal)]
    assert {t for t in "abcd" if e.may_serve(t, goal)} == {t for s in passing for t in s}
    assert len(e.largest(goal)) == max(map(len, passing), default=0)
    assert not e.largest(goal) or e.largest(goal) in passing


def test_the_reasons_say_which_condition_fails():
    random = np.random.default_rng(1)

    def of(*gaps, goal="fewer", se=0.001):
        values = {t: np.full(3, 0.8 + gap) for t, gap in zip("ab", gaps, strict=True)}
        shared = {t: Arm("a+b", t, v, v.mean() + random.normal(0, se, 400), 0.0, 900, 900, (t,)) for t, v in values.items()}
        alone = {t: Arm(t, t, np.full(3, 0.8), np.full(400, 0.8), 0.0, 900, 900, (t,)) for t in "ab"}
        return Evidence.of(PAIR, shared, alone, {"a": 0.02, "b": 0.02}).reason(("a", "b"), goal)

    assert of(0.0, 0.0) == ""
    assert of(-0.03, 0.02) == "P(loss > δ) of a is > .999"
    assert of(-0.0132, -0.0116) == "the mean difference is −.62 δ, not above −δ/2"
    assert of(0.0, 0.0, goal="better", se=0.01).startswith("the mean gain [−.01")
    assert of(0.01, 0.01, goal="better") == ""
