"""Standard errors over rows, clusters and seeds, against statsmodels and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formula
from scipy import stats

from cotrain.affinity.tests import Sample, welch
from cotrain.pvi.seeds import cluster_variance, error, mean_with_seeds, seed_terms, seed_variance

RANDOM = np.random.default_rng(0)


def test_one_seed_without_clusters_is_the_textbook_standard_error() -> None:
    values = RANDOM.normal(size=(1, 40))
    m = mean_with_seeds(values, np.arange(40))
    assert (m.mean, m.se, m.df) == pytest.approx((values.mean(), stats.sem(values[0]), 39))
    assert (m.n, m.clusters, m.seeds, m.seed_var) == (40, 40, 1, 0)


def test_rows_are_averaged_over_seeds_and_never_stacked() -> None:
    rows = RANDOM.normal(size=50)
    m = mean_with_seeds(np.stack([rows] * 5), np.arange(50))
    assert m.se == pytest.approx(stats.sem(rows))


def test_the_cluster_variance_is_that_of_statsmodels() -> None:
    clusters = np.repeat(np.arange(12), 5)
    values = RANDOM.normal(size=60) + RANDOM.normal(size=12)[clusters]
    ols = formula.ols("v ~ 1", pd.DataFrame({"v": values})).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    variance, groups = cluster_variance(values, np.array([f"patient {c}" for c in clusters], dtype=object))
    assert (variance, groups) == pytest.approx((float(ols.bse.iloc[0]) ** 2, 12))


def test_the_interaction_is_the_residual_mean_square_of_a_two_way_anova() -> None:
    values = RANDOM.normal(size=(4, 15)) + RANDOM.normal(size=15) + RANDOM.normal(size=(4, 1))
    table = pd.DataFrame({"v": values.ravel(), "seed": np.repeat(range(4), 15), "row": np.tile(range(15), 4)})
    residual = formula.ols("v ~ C(seed) + C(row)", table).fit().mse_resid
    between, interaction = seed_terms(values)
    assert (between, interaction) == pytest.approx((values.mean(axis=1).var(ddof=1), residual / 15))
    assert seed_variance(values) == pytest.approx(max(0, between - interaction))


def test_interaction_that_clusters_share_is_not_taken_for_variance_between_seeds() -> None:
    """Patients, not seeds, differ here: the mean of seeds varies by its patients alone."""
    random, clusters = np.random.default_rng(2), np.repeat(np.arange(40), 10)
    plain, robust = [], []
    for _ in range(200):
        values = random.normal(size=(5, 40))[:, clusters]
        plain.append(np.subtract(*seed_terms(values)))
        robust.append(np.subtract(*seed_terms(values, clusters)))
    truth = 1 / 40
    assert np.mean(plain) > 0.8 * truth
    assert abs(np.mean(robust)) < 0.1 * truth


def test_one_row_or_one_cluster_leaves_the_error_unknown() -> None:
    for values, clusters in ((np.ones((3, 1)), ["a"]), (RANDOM.normal(size=(3, 9)), ["a"] * 9)):
        m = mean_with_seeds(values, np.array(clusters, dtype=object))
        assert np.isnan(m.se) and np.isnan(m.df) and m.clusters == 1


def test_rows_without_variance_have_no_error_and_still_a_df() -> None:
    m = mean_with_seeds(np.ones((2, 5)), np.arange(5))
    assert (m.se, m.df, m.sd) == (0, 4, 0)


@pytest.mark.parametrize(
    ("seeds", "without", "interaction_sd"), [(1, 0.30, 0), (3, 0.12, 0.1), (3, 0.12, 0.8), (5, 0.07, 0.1), (5, 0.07, 0.8)]
)
def test_the_seed_term_keeps_the_size_of_a_test(seeds: int, without: float, interaction_sd: float) -> None:
    """n = 3,270 rows of sd .75 and seeds of sd .03: equal tasks differ at alpha .01 in 30, 12, 7 % of studies without it."""
    n, sd, seed_sd, studies, alpha = 3270, 0.75, 0.03, 100_000, 0.01
    random = np.random.default_rng(seeds)

    def task() -> tuple[Sample, Sample]:
        # the sufficient statistics of (S, n) scores: a row effect, an effect of the seed, and an interaction
        noise = interaction_sd**2
        rows_var = sd**2 * random.chisquare(n - 1, studies) / (n - 1) / n
        of_seeds = random.normal(0, np.sqrt(seed_sd**2 + noise / n), (studies, seeds))
        mean = random.normal(0, np.sqrt((sd**2 - noise / seeds) / n), studies) + of_seeds.mean(axis=1)
        between, interaction = np.zeros(studies), np.zeros(studies)
        if seeds > 1:
            freedom = (n - 1) * (seeds - 1)
            between, interaction = of_seeds.var(axis=1, ddof=1), noise * random.chisquare(freedom, studies) / freedom / n
        with_term = error(rows_var, n, between, interaction, seeds)
        return Sample(mean, with_term.se, with_term.df, 0, n), Sample(mean, np.sqrt(rows_var), n - 1, 0, n)

    (x, x_without), (y, y_without) = task(), task()
    assert (welch(x_without, y_without).p <= alpha).mean() == pytest.approx(without, abs=0.01)
    if seeds > 1:
        assert (welch(x, y).p <= alpha).mean() == pytest.approx(alpha, abs=0.005)


def test_the_error_of_arrays_is_that_of_the_scores_they_come_from() -> None:
    values = RANDOM.normal(size=(3, 30)) + RANDOM.normal(size=(3, 1))
    m = mean_with_seeds(values, np.arange(30))
    between, interaction = (np.array([v]) for v in seed_terms(values))
    found = error(np.array([m.rows_var]), 30, between, interaction, 3)
    assert [found.se[0], found.df[0]] == pytest.approx([m.se, m.df])
    assert m.se**2 == pytest.approx(values.mean(axis=0).var(ddof=1) / 30 + m.seed_var / 3)
