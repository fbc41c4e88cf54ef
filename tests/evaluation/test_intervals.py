"""Standard errors against closed forms, degrees of freedom, and the coverage of the interval."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy import stats

from cotrain.evaluation import estimate, intervals, metrics
from cotrain.evaluation.arms import At, arms_of_task
from cotrain.evaluation.intervals import Arm, Difference, Joint, difference, seed_interval
from cotrain.evaluation.sheets import Sheet
from cotrain.training.group import Group

SHARED, ALONE = Group.of(["a", "b"]), Group.of(["a"])


def predict(gold: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(S, n, 2) log2 p with these (S, n) rows right."""
    guess = np.where(right, gold, 1 - gold)
    return np.log2(np.where(guess[..., None] == np.arange(2), 0.9, 0.1))


def two(gold, shared, alone, metric="accuracy", clusters=None, resamples=4000, seed=0) -> list[Arm]:
    """The two arms of (S, n) right rows."""
    n = len(gold)
    index = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    groups = int(index.max()) + 1
    sheet = Sheet("a", "test", gold, 2, groups, ("a",), index, groups)
    made = arms_of_task(sheet, {SHARED: predict(gold, shared), ALONE: predict(gold, alone)}, (metric,), seed, resamples)
    return [made[At(group, "a", metric)] for group in (SHARED, ALONE)]


def test_five_seeds_use_2_776():
    x = [0.71, 0.69, 0.74, 0.70, 0.73]
    assert seed_interval(x).high - np.mean(x) == pytest.approx(2.776 * np.std(x, ddof=1) / math.sqrt(5), rel=2e-4)


def test_one_seed_has_a_value_and_no_interval():
    found = seed_interval([0.8])
    assert found.value == 0.8 and math.isnan(found.low) and str(found) == ".800"


def test_the_se_of_an_accuracy_difference_is_that_of_discordant_pairs():
    """SE² = (share of discordant rows − difference²)/(n − 1), within the noise of 4,000 resamples (1.1 %, four times)."""
    random = np.random.default_rng(3)
    n = 600
    gold, alone = random.integers(0, 2, n), random.random(n) < 0.8
    shared = alone ^ (random.random(n) < 0.07)
    found = difference(*two(gold, shared[None], alone[None]))
    gap = shared.mean() - alone.mean()
    assert found.value == pytest.approx(gap)
    assert found.se == pytest.approx(math.sqrt(((shared != alone).mean() - gap**2) / (n - 1)), rel=0.045)
    assert found.df == n - 1 and found.se_training == 0


def test_clusters_are_the_unit_of_the_se():
    """Against G/(G − 1) Σ (cluster sums of deviations)²/n², the sandwich variance of a mean."""
    random = np.random.default_rng(4)
    clusters = np.repeat(np.arange(60), random.integers(1, 20, 60))
    n = len(clusters)
    gold, alone = random.integers(0, 2, n), random.random(n) < 0.8
    shared = alone ^ (random.random(60) < 0.1)[clusters]  # whole clusters change
    found = difference(*two(gold, shared[None], alone[None], clusters=clusters))
    gap = shared.astype(float) - alone
    sums = np.bincount(clusters, weights=gap - gap.mean())
    assert found.se == pytest.approx(math.sqrt(60 / 59 * (sums**2).sum()) / n, rel=0.06)
    assert found.df == pytest.approx(59)
    plain = difference(*two(gold, shared[None], alone[None]))
    assert found.se > 2 * plain.se


def test_the_seed_term_is_what_all_rows_share():
    """Arms whose accuracy moves with sd .02 between fits: s²_seed is that, and not what single rows add."""
    random = np.random.default_rng(5)
    n, seeds, runs, found = 400, 8, 60, []
    for run in range(runs):
        gold = random.integers(0, 2, n)
        level = 0.8 + random.normal(0, 0.02, (seeds, 1))
        right = random.random((seeds, n)) < level
        found.append([two(gold, right, right, m, resamples=100, seed=run)[0].seed_variance for m in ("accuracy", "macro_f1")])
    # Monte-Carlo error of a mean of estimates, and a little for the floor at 0
    for mean, spread in zip(np.mean(found, axis=0), np.std(found, axis=0), strict=True):
        assert mean == pytest.approx(0.02**2, abs=4 * spread / math.sqrt(runs) + 2e-5)


def test_a_difference_adds_rows_and_both_arms_and_has_satterthwaites_df():
    def arm(group, values, rows, seed_variance):
        drawn = np.mean(values) + np.sqrt(rows) * np.array([1.0, -1.0] * 500) * math.sqrt(999 / 1000)
        return Arm(group, "a", np.array(values), drawn, seed_variance, 201, 201, ("a",))

    one, two_ = arm("a+b", [0.80, 0.82, 0.84], 4e-4, 3e-4), arm("a", [0.79, 0.80, 0.81, 0.80], 0.0, 5e-5)
    found = difference(one, two_)
    rows, shared, alone = 4e-4 * 202 / 200, 3e-4 / 3, 5e-5 / 4
    assert found.value == pytest.approx(0.82 - 0.80)
    assert found.se == pytest.approx(math.sqrt(rows + shared + alone))
    assert found.se_training == pytest.approx(math.sqrt(shared + alone))
    # each seed term was estimated from the variance of its values over seeds
    below = rows**2 / 200 + (4e-4 / 3) ** 2 / 2 + (np.var([0.79, 0.80, 0.81, 0.80], ddof=1) / 4) ** 2 / 3
    assert found.df == pytest.approx((rows + shared + alone) ** 2 / below)


def test_tasks_of_one_fit_share_its_seed_noise_and_tasks_of_two_fits_do_not():
    """Two tasks whose values move together over seeds: their mean is as unsure as either; apart it is less by half."""
    values, flat = np.array([0.80, 0.83, 0.77, 0.82, 0.78]), np.linspace(-1, 1, 100) * 1e-9
    variance = float(values.var(ddof=1))

    def joint(groups):
        return Joint([Arm(g, t, values, flat, variance, 500, 500, (t,)) for g, t in zip(groups, "ab", strict=True)])

    assert joint(["a+b", "a+b"]).difference([0.5, 0.5]).se ** 2 == pytest.approx(variance / 5, rel=1e-6)
    assert joint(["a+c", "b+c"]).difference([0.5, 0.5]).se ** 2 == pytest.approx(variance / 10, rel=1e-6)


def test_tasks_on_the_same_rows_are_resampled_together():
    """The same predictions of the same rows under two names: their difference has no error; on other rows it has."""
    random = np.random.default_rng(6)
    gold, right = random.integers(0, 2, 300), random.random((1, 300)) < 0.8
    index = np.arange(300)

    def arm(task, tie):
        sheet = Sheet(task, "dev", gold, 2, 300, tie, index, 300)
        return arms_of_task(sheet, {SHARED: predict(gold, right)}, ("macro_f1",), 0, 500)[At(SHARED, task, "macro_f1")]

    together = Joint([arm("a", ("a", "b")), arm("b", ("a", "b"))]).difference([1, -1])
    apart = Joint([arm("a", ("a",)), arm("b", ("b",))]).difference([1, -1])
    assert together.se == 0
    assert apart.se == pytest.approx(math.sqrt(2 * 0.8 * 0.2 / 300), rel=0.25)


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_covers_the_truth_in_95_percent(seeds):
    """Fits with a common seed effect of sd .02 on few rows: a percentile bootstrap over seeds covers .74 or .85."""
    random = np.random.default_rng(seeds)
    n, runs, inside = 250, 400, 0
    for run in range(runs):
        gold, hard = random.integers(0, 2, n), random.random(n)
        arms = [hard + random.normal(0, 0.1, (seeds, n)) < 0.8 + random.normal(0, 0.02, (seeds, 1)) for _ in range(2)]
        low, high = difference(*two(gold, *arms, resamples=100, seed=run)).interval(0.95)
        inside += low <= 0 <= high
    assert stats.binomtest(inside, runs, 0.95).pvalue > 0.002


def test_equal_predictions_are_a_difference_of_exactly_nothing():
    gold = np.arange(40) % 2
    right = np.ones((5, 40), dtype=bool)
    right[:, :7] = False
    found = difference(*two(gold, right, right, "macro_f1"))
    assert (found.value, found.se, found.p()) == (0, 0, 1)


def test_rows_that_all_agree_show_as_much_as_there_are_of_them():
    for rows in (20, 114, 700):
        gold, right = np.arange(rows) % 2, np.ones((3, rows), dtype=bool)
        found = difference(*two(gold, right, right))
        # where a share of .02 gets worse, none of so many does in one sample of ten
        assert found.p_loss(0.02) == pytest.approx(stats.binom(rows, 0.02).pmf(0)) and found.p_loss(1.5) == 0
        assert found.interval(0.95) == pytest.approx((-1, 1) * np.array(1 - 0.025 ** (1 / rows)))
    assert difference(*two(np.arange(114) % 2, *[np.ones((3, 114), dtype=bool)] * 2)).p_loss(0.02) < 0.1


@pytest.mark.parametrize(("metric", "worth"), [("accuracy", 300), ("macro_f1", 4 * 12), ("positive_f1", 2 * 12), ("mcc", 4 * 12)])
def test_few_rows_of_a_class_that_all_agree_show_little_of_a_metric_that_weighs_classes(metric, worth):
    """12 of 300 rows are of a class. Where a share 4δ of them gets worse, macro-F1 loses δ, and no row shows it with (1 − 4δ)^12."""
    gold, right = (np.arange(300) % 25 == 0).astype(int), np.ones((3, 300), dtype=bool)
    found = difference(*two(gold, right, right, metric))
    assert found.p_loss(0.02) == pytest.approx(0.98**worth)
    if metric == "macro_f1":
        assert found.p_loss(0.02) == pytest.approx((1 - 4 * 0.02) ** 12, rel=0.05)
        harmed = metrics.value("macro_f1", np.repeat([0, 1], [288 * 25, 12 * 25]), _answers(288 * 25, 12 * 25, wrong=round(4 * 0.02 * 300)))
        assert 1 - harmed >= 0.019


def test_a_class_that_is_not_there_shows_nothing():
    gold, right = np.zeros(50, dtype=int), np.ones((3, 50), dtype=bool)
    found = difference(*two(gold, right, right, "positive_f1"))
    assert found.p_loss(0.02) == pytest.approx(0.98) and found.interval(0.95)[0] < -0.9


def _answers(zeros, ones, wrong):
    """log2 probabilities of right answers, but for so many of the ones."""
    guess = np.r_[np.zeros(zeros + wrong, dtype=int), np.ones(ones - wrong, dtype=int)]
    return np.where(np.arange(2) == guess[:, None], 0.0, -50.0)


def test_a_mean_of_no_differences_is_exactly_nothing():
    """1/3 of each of three equal arms, six times, is 5e-17 and no gain."""
    random = np.random.default_rng(0)
    for _ in range(50):
        arms = []
        for task in "abc":
            values, drawn = random.uniform(0.5, 1, 3), random.uniform(0.5, 1, 200)
            arms += [Arm(group, task, values, drawn, 0.0, 40, 40, (task,)) for group in (task, "a+b+c")]
        found = Joint(arms).difference([-1 / 3, 1 / 3] * 3)
        assert (found.value, found.se, found.p()) == (0, 0, 1)


def test_a_task_of_few_clusters_leaves_the_others_of_its_tie_alone():
    random = np.random.default_rng(3)
    arms = [Arm(group, task, random.normal(0.8, 0.01, 3), random.normal(0.8, 0.02, 500), 1e-4, clusters, clusters, ("a", "b"))
            for task, clusters in (("a", 400), ("b", 1)) for group in ("a+b", task)]  # fmt: skip
    both, own = Joint(arms).difference([1, -1, 0, 0]), Joint(arms[:2]).difference([1, -1])
    assert both == pytest.approx(own) and Joint(arms).difference([0, 0, 1, -1]).se > 1


def test_predictions_from_outside_may_have_as_many_seeds_per_task_as_they_like():
    random = np.random.default_rng(4)

    def arm(group, task, seeds):
        return Arm(group, task, random.normal(0.8, 0.05, seeds), random.normal(0.8, 0.001, 500), 0.05**2, 400, 400, (task,))

    arms = [arm("outside", "a", 1), arm("a", "a", 3), arm("outside", "b", 3), arm("b", "b", 3)]
    found = Joint(arms).difference([0.5, -0.5, 0.5, -0.5])
    assert found.se == pytest.approx(0.5 * np.sqrt(3 * 0.05**2 / 3), rel=0.1)


def test_a_constant_difference_is_certain_and_one_cluster_knows_nothing():
    gold = np.arange(40) % 2
    right, wrong = np.ones((3, 40), dtype=bool), np.zeros((3, 40), dtype=bool)
    sure = difference(*two(gold, right, wrong))
    assert (sure.value, sure.p(), sure.p_loss(0.02)) == (1, 0, 0)
    nothing = difference(*two(gold, right, right, clusters=np.zeros(40)))
    assert nothing.p() == 1 and 0.1 < nothing.p_loss(0.02) < 0.9
    assert nothing.interval(0.95)[0] < -1 and nothing.interval(0.95)[1] > 1


def test_probabilities_and_intervals_are_those_of_scipys_t():
    found = Difference(0.01, 0.02, 11.5, 0.0)
    t = stats.t(11.5, 0.01, 0.02)
    assert found.interval(0.9) == pytest.approx(t.interval(0.9))
    assert found.p_loss(0.02) == pytest.approx(t.cdf(-0.02))
    assert found.p() == pytest.approx(2 * stats.t(11.5).sf(0.5))


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(intervals).failed == 0 and doctest.testmod(estimate).failed == 0
