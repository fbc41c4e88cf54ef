"""Scores of methods against the truth: by hand, by SciPy, by enumeration, and where nothing is to be found."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cotrain import InputError
from cotrain.affinity import judge
from cotrain.affinity.judge import Losses


def cells(generator: np.random.Generator, n: int) -> np.ndarray:
    found = generator.normal(size=(n, n))
    np.fill_diagonal(found, np.nan)
    return found


def tables(losses: Losses) -> tuple[pd.DataFrame, pd.DataFrame]:
    alone = [(t, s, losses.alone[s, i]) for i, t in enumerate(losses.tasks) for s in range(len(losses.alone))]
    pairs = [
        (a, b, s, losses.pairs[s, i, j]) for s in range(len(losses.pairs)) for (i, a), (j, b) in permutations(enumerate(losses.tasks), 2)
    ]
    return pd.DataFrame(alone, columns=["task", "seed", "loss"]), pd.DataFrame(pairs, columns=["target", "helper", "seed", "loss"])


@pytest.fixture
def losses() -> Losses:
    generator = np.random.default_rng(3)
    return Losses(("a", "b", "c", "d"), generator.random((3, 4)), np.array([cells(generator, 4) for _ in range(2)]))


def least_squares(values: np.ndarray) -> np.ndarray:
    """Return the residual of μ + target_i + helper_j, by the design matrix."""
    n = len(values)
    at = list(permutations(range(n), 2))
    design = np.array([[1.0, *np.eye(n)[i], *np.eye(n)[j]] for i, j in at])
    seen = np.array([values[i, j] for i, j in at])
    rest = seen - design @ np.linalg.lstsq(design, seen, rcond=None)[0]
    found = np.full((n, n), np.nan)
    for (i, j), x in zip(at, rest, strict=True):
        found[i, j] = x
    return found


def test_gains_are_the_mean_alone_less_the_mean_in_the_pair_whatever_the_order_of_lines(losses: Losses) -> None:
    alone, pairs = tables(losses)
    found = Losses.of(alone.sample(frac=1, random_state=1), pairs.sample(frac=1, random_state=2))
    np.testing.assert_array_equal(found.pairs, losses.pairs)
    gains = found.gains()
    a, p = alone.set_index("task")["loss"], pairs.set_index(["target", "helper"])["loss"].sort_index()
    assert gains[1, 3] == pytest.approx(a["b"].mean() - p["b", "d"].mean())
    assert gains[3, 1] == pytest.approx(a["d"].mean() - p["d", "b"].mean()) and np.isnan(np.diag(gains)).all()
    assert found.gains([2], [1])[0, 2] == pytest.approx(losses.alone[2, 0] - losses.pairs[1, 0, 2])


def faults(alone: pd.DataFrame, pairs: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, str]]:
    yield alone.iloc[1:], pairs, "every task should have one finite loss at every seed, unlike"
    yield alone, pairs.iloc[:-1], "every ordered pair should have one finite loss at every seed, unlike"
    yield alone, pd.concat([pairs, pairs[:1]]), "every ordered pair should have one"
    yield alone, pairs.assign(loss=pairs["loss"].where(pairs.index != 5)), "every ordered pair should have one"
    yield alone[alone["task"] != "b"], pairs, r"every task should .* unlike .*b"
    few = ["a", "b"]
    yield alone[alone["task"].isin(few)], pairs[pairs["target"].isin(few) & pairs["helper"].isin(few)], "the losses have 2"


def test_losses_that_are_not_whole_are_refused(losses: Losses) -> None:
    for alone, pairs, words in faults(*tables(losses)):
        with pytest.raises(InputError, match=words):
            Losses.of(alone, pairs)


@pytest.mark.parametrize("n", [3, 4, 7])
def test_double_centring_is_the_least_squares_residual_over_the_cells_that_are_there(n: int) -> None:
    generator = np.random.default_rng(n)
    values = cells(generator, n)
    np.testing.assert_allclose(judge.double_centred(values), least_squares(values), atol=1e-12)
    fitted = judge.effects(values)
    assert fitted.target.sum() == pytest.approx(0) and fitted.helper.sum() == pytest.approx(0)
    additive = np.where(np.eye(n, dtype=bool), np.nan, 2.0 + np.arange(n)[:, None] + generator.random(n))
    np.testing.assert_allclose(judge.double_centred(additive)[~np.eye(n, dtype=bool)], 0, atol=1e-12)


def test_subtracting_means_of_rows_and_columns_would_not_do() -> None:
    values = np.where(np.eye(4, dtype=bool), np.nan, np.add.outer([0.0, 1, 2, 9], [5.0, 0, 0, 1]))
    simple = values - np.nanmean(values, axis=1)[:, None] - np.nanmean(values, axis=0) + np.nanmean(values)
    assert np.nanmax(np.abs(simple)) > 1 and np.nanmax(np.abs(judge.double_centred(values))) < 1e-12


def test_the_primary_score_is_spearman_of_both_interactions_and_within_targets_that_of_rows() -> None:
    generator = np.random.default_rng(0)
    gains, values = cells(generator, 6), cells(generator, 6)
    other = ~np.eye(6, dtype=bool)
    by_scipy = spearmanr(least_squares(gains)[other], least_squares(values)[other]).statistic
    assert judge.score(gains, values) == pytest.approx(by_scipy)
    rows = [spearmanr(gains[i, other[i]], values[i, other[i]]).statistic for i in range(6)]
    assert judge.within_target(gains, values) == pytest.approx(np.mean(rows))
    assert judge.score(gains, 3 * gains + 7) == pytest.approx(1) and judge.score(gains, -gains) == pytest.approx(-1)


def test_a_shift_of_targets_or_helpers_is_nothing_to_the_primary_score_and_only_helpers_count_within_targets() -> None:
    generator = np.random.default_rng(1)
    gains, values = cells(generator, 6), cells(generator, 6)
    targets, helpers = generator.normal(size=(6, 1)) * 5, generator.normal(size=6) * 5
    assert judge.score(gains, values + targets + helpers) == pytest.approx(judge.score(gains, values))
    assert judge.within_target(gains, values + targets) == pytest.approx(judge.within_target(gains, values))
    assert judge.within_target(gains + helpers, values + helpers) > 0.7


def test_a_method_that_says_nothing_of_pairs_has_no_primary_score() -> None:
    gains = cells(np.random.default_rng(2), 5)
    additive = np.where(np.eye(5, dtype=bool), np.nan, 0.1 * np.arange(5) + 0.3 * np.arange(5)[:, None])
    assert np.isnan(judge.score(gains, additive)) and np.isnan(judge.qap(gains, additive))
    same = np.where(np.eye(5, dtype=bool), np.nan, 1.0)
    assert np.isnan(judge.score(gains, same)) and np.isnan(judge.within_target(gains, same))


def test_the_helper_mean_leaves_out_the_target_itself() -> None:
    gains = cells(np.random.default_rng(4), 5)
    found = judge.helper_means(gains)
    assert found[1, 3] == pytest.approx(np.mean([gains[0, 3], gains[2, 3], gains[4, 3]])) and np.isnan(found[2, 2])
    assert judge.score(gains, found) == pytest.approx(-1), "so it is a baseline within targets alone"
    helpers = np.where(np.eye(5, dtype=bool), np.nan, np.arange(5.0) + 0.01 * gains)
    assert judge.within_target(helpers, judge.helper_means(helpers)) == pytest.approx(1)


def test_names_and_order_of_tasks_change_nothing() -> None:
    generator = np.random.default_rng(5)
    half = generator.integers(0, 3, (6, 6)) / 7  # many ties
    values = np.where(np.eye(6, dtype=bool), np.nan, half + half.T)
    gains, order = cells(generator, 6), np.array([3, 0, 5, 1, 4, 2])
    moved = [x[np.ix_(order, order)] for x in (gains, values)]
    assert judge.score(*moved) == pytest.approx(judge.score(gains, values), abs=1e-12)
    assert judge.within_target(*moved) == pytest.approx(judge.within_target(gains, values), abs=1e-12)
    assert judge.qap(*moved) == judge.qap(gains, values)
    assert judge.score_interval(*moved) == pytest.approx(judge.score_interval(gains, values), abs=1e-9)


def test_qap_counts_the_permutations_that_score_as_high() -> None:
    generator = np.random.default_rng(6)
    gains = cells(generator, 5)
    values = gains + 1.5 * cells(generator, 5)
    scores = [judge.score(gains, values[np.ix_(p, p)]) for p in map(list, permutations(range(5)))]
    expected = np.mean(np.array(scores) >= scores[0] - 1e-9)
    assert judge.qap(gains, values) == pytest.approx(expected)
    assert judge.qap(gains, gains) == 1 / 120, "nothing but the identity is as high"


def test_drawn_permutations_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    gains = cells(generator, 6)
    values = gains + 3 * cells(generator, 6)
    exact = judge.qap(gains, values)
    monkeypatch.setattr(judge, "EXACT", 3)
    assert judge.qap(gains, values) == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 10_000) + 1e-4)
    assert judge.qap(gains, values, drawn=99) >= 0.01, "never 0"


def test_qap_is_uniform_where_nothing_is_related_though_cells_share_tasks() -> None:
    """Values of a hidden number per task, as PVI's: pairs are far from independent, and the p of Spearman's test would be wrong."""
    generator = np.random.default_rng(8)
    found = []
    for _ in range(400):
        hidden, other = generator.normal(size=(2, 6))
        gains, values = (-np.abs(np.subtract.outer(x, x)) + 0.01 * generator.normal(size=(6, 6)) for x in (hidden, other))
        for x in (gains, values):
            np.fill_diagonal(x, np.nan)
        found.append(judge.qap(gains, values))
    p = np.array(found)
    assert abs(p.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 400)
    for alpha in (0.05, 0.1, 0.2, 0.5):
        assert abs((p <= alpha).mean() - alpha) < 3.5 * np.sqrt(alpha * (1 - alpha) / 400), alpha


def test_the_jackknife_leaves_out_one_task_at_a_time() -> None:
    generator = np.random.default_rng(9)
    gains = cells(generator, 6)
    values, others = gains + cells(generator, 6), cells(generator, 6)
    without = []
    for k in range(6):
        kept = [i for i in range(6) if i != k]
        part = np.ix_(kept, kept)
        without.append((judge.score(gains[part], values[part]), judge.score(gains[part], others[part])))
    mine = np.array(without)
    t = 2.570581835636314  # of 5 degrees of freedom
    found = judge.score_interval(gains, values)
    assert found.value - found.low == pytest.approx(t * np.sqrt(5 * mine[:, 0].var()))
    gap = judge.difference_interval(gains, values, others)
    assert gap.value == pytest.approx(judge.score(gains, values) - judge.score(gains, others))
    assert gap.high - gap.value == pytest.approx(t * np.sqrt(5 * (mine[:, 0] - mine[:, 1]).var()))
    assert judge.difference_interval(gains, values, values) == pytest.approx((0, 0, 0))
    assert np.isnan(judge.score_interval(gains[:4, :4], values[:4, :4]).low), "of four tasks there is none"


def test_the_interval_of_a_score_holds_that_of_many_tasks_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(10)
    noise = lambda n: 1.5 * cells(generator, n)  # noqa: E731
    large = cells(generator, 150)
    truth = judge.score(large, large + noise(150))
    inside = []
    for _ in range(200):
        gains = cells(generator, 8)
        found = judge.score_interval(gains, gains + noise(8))
        inside.append(found.low <= truth <= found.high)
    assert 0.9 < np.mean(inside) <= 1


def test_values_become_a_matrix_or_are_refused() -> None:
    values = {("a", "b"): 1.0, ("b", "a"): 2.0, ("a", "c"): 3.0, ("c", "a"): 4.0, ("b", "c"): 5.0, ("c", "b"): 6.0}
    found = judge.matrix(("a", "b", "c"), values)
    assert found[2, 0] == 4 and found[0, 2] == 3 and np.isnan(found[1, 1])
    with pytest.raises(InputError, match="one finite value of every target and helper"):
        judge.matrix(("a", "b", "c"), {**values, ("b", "c"): float("inf")})
