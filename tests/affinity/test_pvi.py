"""``relate``: which test is right for which pair, and nothing that is not a number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from cotrain.affinity import GROUP_TESTS, TESTS
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.joint import Joint, joint
from cotrain.affinity.pairs import Values, table
from cotrain.affinity.pvi import relate
from cotrain.errors import InputError
from cotrain.pvi.scores import Scores
from cotrain.pvi.seeds import mean_with_seeds

Make = Callable[..., Scores]
RANDOM = np.random.default_rng(0)
X, Y, Z = RANDOM.normal(0.4, 1, (1, 60)), RANDOM.normal(0.6, 1.5, (1, 90)), RANDOM.normal(0.4, 1, (3, 40))


def pair(affinity: Affinity, a: str = "a", b: str = "b") -> pd.Series:
    found = affinity.pairs[(affinity.pairs["target"] == a) & (affinity.pairs["helper"] == b)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize(("test", "equal"), [("student", True), ("welch", False), ("paired", False)])
def test_independent_tasks_get_the_test_asked_for_and_paired_has_nothing_to_pair(scores: Make, test: str, equal: bool) -> None:
    line = pair(relate(scores({"a": X, "b": Y}), test))
    truth = stats.ttest_ind(X[0], Y[0], equal_var=equal)
    assert (line["statistic"], line["p"], line["df"]) == pytest.approx((truth.statistic, truth.pvalue, truth.df))
    low, high = truth.confidence_interval(0.95)
    assert (line["low_bits"], line["high_bits"]) == pytest.approx((low, high))
    assert line["test"] == ("student" if equal else "welch") and line["state"] == "" and line["shared_rows"] == 0
    assert line["difference_bits"] == pytest.approx(X.mean() - Y.mean())
    assert line["value"] == -abs(line["difference_bits"]) and line["unit"] == "bits"


@pytest.mark.parametrize("test", TESTS)
def test_tasks_on_the_same_rows_are_paired_whatever_test_is_asked_for(scores: Make, test: str) -> None:
    x, y = RANDOM.normal(size=(2, 1, 60)) + RANDOM.normal(size=60)
    line = pair(relate(scores({"a": x, "b": y}, sources={"a": "notes", "b": "notes"}), test))
    truth = stats.ttest_rel(x[0], y[0])
    assert line["test"] == "paired"
    assert (line["statistic"], line["p"], line["df"]) == pytest.approx((truth.statistic, truth.pvalue, truth.df))
    assert line["covariance_bits2"] == pytest.approx(np.cov(x[0], y[0])[0, 1] / 60, rel=0.1)
    assert line["shared_rows"] == 60


def test_equal_row_numbers_of_other_sources_are_other_rows(scores: Make) -> None:
    line = pair(relate(scores({"a": X, "b": Y[:, :60]})))
    assert (line["test"], line["shared_rows"], line["covariance_bits2"]) == ("welch", 0, 0)


def test_rows_of_one_source_that_only_some_tasks_have_are_compared_jointly(scores: Make) -> None:
    effect = RANDOM.normal(size=120)
    a, b = np.arange(80), np.arange(40, 120)
    x, y = effect[a] + 0.3 * RANDOM.normal(size=80), effect[b] + 0.3 * RANDOM.normal(size=80)
    rows = {"a": [f"train:{i}" for i in a], "b": [f"train:{i}" for i in b]}
    line = pair(relate(scores({"a": x[None], "b": y[None]}, rows=rows, sources={"a": "notes", "b": "notes"})))
    # sums over all rows of products of deviations: the covariance of the two means
    truth = sum((x[i] - x.mean()) * (y[i - 40] - y.mean()) for i in range(40, 80)) / 80 / 80
    assert (line["test"], line["shared_rows"]) == ("joint", 40)
    assert line["covariance_bits2"] == pytest.approx(truth, abs=0.05 * x.std() * y.std() / 80)
    assert line["se_bits"] == pytest.approx((x.var(ddof=1) / 80 + y.var(ddof=1) / 80 - 2 * truth) ** 0.5, rel=0.05)


def test_texts_that_two_sources_share_are_compared_jointly(scores: Make) -> None:
    """The cluster names are equal, the rows and sources are not."""
    effect = RANDOM.normal(size=100)
    x, y = effect[:60] + 0.1 * RANDOM.normal(size=60), effect[30:] + 0.1 * RANDOM.normal(size=70)
    texts = {"a": [f"text {i}" for i in range(60)], "b": [f"text {i}" for i in range(30, 100)]}
    line = pair(relate(scores({"a": x[None], "b": y[None]}, clusters=texts)))
    assert (line["test"], line["shared_rows"]) == ("joint", 30)
    assert line["se_bits"] < 0.9 * (x.var(ddof=1) / 60 + y.var(ddof=1) / 70) ** 0.5


@pytest.mark.parametrize("sign", [1, -1])
def test_the_joint_test_keeps_its_size_where_welch_does_not(sign: int) -> None:
    """Two thirds of the texts are shared; what a text does to one task it does to the other, or the opposite."""
    random = np.random.default_rng(5)
    a, b = (np.array([f"text {i}" for i in range(k, k + 60)], dtype=object) for k in (0, 20))
    jointly, welch = [], []
    for _ in range(200):
        effect = random.normal(size=80)
        x, y = (
            Values(name, v[None], v[None], c, c, np.arange(60), name, m := mean_with_seeds(v[None], np.arange(60)), m)
            for name, v, c in (("a", effect[:60], a), ("b", sign * effect[20:], b))
        )
        found = joint([x.bits[0], y.bits[0]], [a, b])
        for given, shown in ((found, jointly), (Joint(np.eye(2), np.zeros((2, 2), dtype=int)), welch)):
            shown.append(table([x, y], "welch", given, False)["p"][0] <= 0.1)
    assert np.mean(jointly) == pytest.approx(0.1, abs=0.04)
    assert np.mean(welch) < 0.02 if sign > 0 else np.mean(welch) > 0.15


def test_the_paper_tests_shared_rows_as_if_independent_and_marks_them(scores: Make) -> None:
    x, y = RANDOM.normal(size=(2, 1, 60)) + RANDOM.normal(size=60)
    related = relate(scores({"a": x, "b": y, "c": Y}, sources={"a": "notes", "b": "notes"}), "student", "anova", paper=True)
    line = pair(related)
    assert (line["test"], line["state"], line["covariance_bits2"]) == ("student", "shared rows", 0)
    assert line["p"] == pytest.approx(stats.ttest_ind(x[0], y[0]).pvalue)
    assert pair(related, "a", "c")["state"] == ""


def test_seeds_and_clusters_are_in_the_error_of_a_pair(scores: Make) -> None:
    clusters = {"a": [f"p{i // 4}" for i in range(40)]}
    related = relate(scores({"a": Z, "b": Y}, clusters=clusters))
    m, w = mean_with_seeds(Z, np.arange(40) // 4), mean_with_seeds(Y, np.arange(90))
    assert pair(related)["se_bits"] == pytest.approx((m.se**2 + w.se**2) ** 0.5)
    [line] = related.tasks[related.tasks["task"] == "a"].to_dict("records")
    assert (line["n"], line["clusters"], line["seeds"], line["seed_sd_bits"]) == (40, 10, 3, pytest.approx(m.seed_var**0.5))


def test_the_difference_of_same_rows_with_seeds_pairs_rows_not_means(scores: Make) -> None:
    x, y = RANDOM.normal(size=(2, 3, 50)) + 3 * RANDOM.normal(size=50)
    line = pair(relate(scores({"a": x, "b": y}, sources={"a": "s", "b": "s"})))
    d = mean_with_seeds(x - y, np.arange(50))
    assert (line["test"], line["se_bits"], line["df"]) == ("paired", pytest.approx(d.se), pytest.approx(d.df))


def test_same_rows_with_other_numbers_of_seeds_are_still_dependent(scores: Make) -> None:
    effect = 3 * RANDOM.normal(size=50)
    x, y = RANDOM.normal(size=(3, 50)) + effect, RANDOM.normal(size=(2, 50)) + effect
    line = pair(relate(scores({"a": x, "b": y}, sources={"a": "s", "b": "s"})))
    assert line["test"] == "joint" and line["se_bits"] < 0.5 * stats.sem(effect) * 2**0.5


def test_identical_tasks_are_said_to_be(scores: Make) -> None:
    line = pair(relate(scores({"a": X, "b": X}, sources={"a": "s", "b": "s"})))
    assert (line["state"], line["p"], line["statistic"], line["se_bits"]) == ("identical", 1, 0, 0)
    assert pair(relate(scores({"a": X, "b": X})))["state"] == "", "the same numbers of other rows are a coincidence"


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("few", ["row", "cluster"])
def test_one_row_or_one_cluster_is_too_few(scores: Make, few: str, paper: bool) -> None:
    x = X[:, :1] if few == "row" else X
    clusters = {"a": ["patient 1"] * x.shape[1]}
    related = relate(scores({"a": x, "b": Y, "c": Z}, clusters=clusters), "student" if paper else "welch", paper=paper)
    line = pair(related)
    assert (line["state"], line["p"]) == ("too few", 1) and np.isnan(line["statistic"])
    assert np.isfinite(related.pairs[["p", "p_holm", "p_bh"]].to_numpy(dtype=float)).all()


@pytest.mark.parametrize(("other", "p"), [(0.7, 0.0), (0.5, 1.0)])
@pytest.mark.parametrize("test", ["student", "welch"])
def test_tasks_without_variance_are_equal_or_different(scores: Make, test: str, other: float, p: float) -> None:
    line = pair(relate(scores({"a": np.full((2, 20), 0.5), "b": np.full((2, 30), other)}), test))
    assert (line["state"], line["p"]) == ("no variance", p)


def test_holm_and_benjamini_hochberg_are_over_all_pairs(scores: Make) -> None:
    related = relate(scores({"a": X, "b": Y, "c": Z, "d": X + 0.5}))
    p = related.pairs["p"].to_numpy()
    assert related.pairs["p_bh"].to_numpy() == pytest.approx(stats.false_discovery_control(p))
    assert related.pairs["p_holm"].to_numpy() == pytest.approx(multipletests(p, method="holm")[1])


def test_neither_the_order_of_tasks_nor_of_rows_changes_anything(scores: Make) -> None:
    texts = {"a": [f"t{i}" for i in range(60)], "b": [f"t{i + 30}" for i in range(90)]}
    bits = {"a": X, "b": Y, "c": Z}
    forward = scores(bits, clusters=texts)
    shuffled = forward.table.sample(frac=1, random_state=0)
    other = Scores(shuffled, forward.tasks.iloc[::-1], forward.by_epoch)
    pd.testing.assert_frame_equal(relate(forward).pairs, relate(other).pairs)
    pd.testing.assert_frame_equal(relate(forward).tasks, relate(other).tasks)


def test_normalised_information_is_one_minus_the_ratio_of_losses_and_withheld_for_small_nulls(scores: Make) -> None:
    table = relate(scores({"a": X, "b": Y}, null_bits=1.25)).tasks.set_index("task")
    loss = 1.25 - X.mean()
    assert table.loc["a", "v_normalised"] == pytest.approx(1 - loss / 1.25)
    assert table.loc["a", "nll_null_bits"] == 1.25
    assert relate(scores({"a": X, "b": Y}, null_bits=0.29)).tasks["v_normalised"].isna().all()


def test_normalised_differences_have_the_error_of_a_ratio(scores: Make) -> None:
    """Against a bootstrap of 1 − NLL/NLL_null itself; the null differs from row to row, as the prior of two classes does."""
    made = scores({"a": X, "b": Y})
    null = np.where(RANDOM.random(len(made.table)) < 0.3, 1.7, 0.5)
    table = made.table.assign(log2_p_null=-null, log2_p_x=made.table["pvi_bits"] - null)
    line = pair(relate(Scores(table, made.tasks, made.by_epoch)))
    parts = {t: part[["pvi_bits", "log2_p_null"]].to_numpy() for t, part in table.groupby("task")}
    drawn = {t: (b := part[RANDOM.integers(0, len(part), (4000, len(part)))].mean(axis=1))[:, 0] / -b[:, 1] for t, part in parts.items()}
    ratio = {t: part[:, 0].mean() / -part[:, 1].mean() for t, part in parts.items()}
    assert line["difference_normalised"] == pytest.approx(ratio["a"] - ratio["b"])
    half = (line["high_normalised"] - line["low_normalised"]) / 2
    assert half == pytest.approx(1.98 * np.std(drawn["a"] - drawn["b"]), rel=0.08)
    assert 0 < line["p_normalised"] < 1


def test_a_pair_says_what_it_compares(scores: Make) -> None:
    line = pair(relate(scores({"a": Z, "b": Y}, clusters={"a": [f"p{i // 4}" for i in range(40)]})))
    sizes = ("n_target", "n_helper", "clusters_target", "clusters_helper", "seeds_target", "seeds_helper")
    assert [line[c] for c in sizes] == [40, 90, 10, 90, 3, 1]
    assert line["sd_target_bits"] == pytest.approx(Z.mean(axis=0).std(ddof=1))
    assert line["mean_target_bits"] - line["mean_helper_bits"] == pytest.approx(line["difference_bits"])


def test_bad_input_is_refused(scores: Make) -> None:
    good = scores({"a": X, "b": Y})
    with pytest.raises(InputError, match="Did you mean 'welch'"):
        relate(good, "welsh")
    with pytest.raises(InputError, match="unknown group test"):
        relate(good, "welch", "kruskal")
    with pytest.raises(InputError, match="at least two tasks, found 1"):
        relate(scores({"a": X}))
    holed = good.table.copy()
    holed.loc[7, "pvi_bits"] = np.inf
    with pytest.raises(InputError, match=r"finite.*1 rows.*\[7\]"):
        relate(Scores(holed, good.tasks, good.by_epoch))
    seeds = scores({"a": Z, "b": Y})
    with pytest.raises(InputError, match="task a: every seed should score each row once"):
        relate(Scores(seeds.table.drop(index=3), seeds.tasks, seeds.by_epoch))


def test_every_listed_test_can_be_chosen(scores: Make) -> None:
    for test in TESTS:
        for group_test in GROUP_TESTS:
            related = relate(scores({"a": X, "b": Y, "c": Z}), test, group_test)
            assert (related.test, related.group_test, related.method) == (test, group_test, "pvi")
            assert related.cost["fits"] == 0
