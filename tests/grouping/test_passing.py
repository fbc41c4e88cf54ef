"""Which sets pass: every rule against SciPy and statsmodels set by set, and laws that hold for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from cotrain.affinity import tests
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.tests import Sample
from cotrain.grouping import RULES
from cotrain.grouping.listing import LISTED, listing
from cotrain.grouping.options import Options
from cotrain.grouping.passing import eligible, passing

Make = Callable[..., Affinity]
MEAN = {"a": 0.30, "b": 0.34, "c": 0.45, "d": 0.60, "e": 0.62}
SD = {"a": 0.5, "b": 1.0, "c": 0.7, "d": 1.5, "e": 0.6}
N = {"a": 300, "b": 60, "c": 150, "d": 90, "e": 250}
PAIRS = list(combinations(MEAN, 2))


def p_of(*tasks: str, equal: bool = False) -> float:
    """Return SciPy's p of the samples of some tasks: rows with exactly the mean, sd and size."""
    rows = []
    for t in tasks:
        spread = stats.norm.ppf((np.arange(N[t]) + 0.5) / N[t])
        rows.append(MEAN[t] + SD[t] * (spread - spread.mean()) / spread.std(ddof=1))
    test = stats.ttest_ind if len(tasks) == 2 else stats.f_oneway
    return float(test(*rows, equal_var=equal).pvalue)


def tost_of(a: str, b: str, margin: float) -> float:
    """Return the p of equivalence from Welch's test, by SciPy's one-sided tests."""
    gap, one, other = MEAN[a] - MEAN[b], SD[a] ** 2 / N[a], SD[b] ** 2 / N[b]
    df = (one + other) ** 2 / (one**2 / (N[a] - 1) + other**2 / (N[b] - 1))
    se = (one + other) ** 0.5
    return float(max(stats.t.sf((gap + margin) / se, df), stats.t.cdf((gap - margin) / se, df)))


def names(found: list) -> set[tuple[str, ...]]:
    return {g.tasks for g in found}


def sets(largest: int = 4) -> list[tuple[str, ...]]:
    return [c for k in range(2, largest + 1) for c in combinations(sorted(MEAN), k)]


@pytest.mark.parametrize("alpha", [0.01, 0.2])
@pytest.mark.parametrize(("test", "group_test"), [("welch", "welch_anova"), ("student", "anova")])
def test_not_different_is_scipys_pair_or_group_test(affinity: Make, alpha: float, test: str, group_test: str) -> None:
    related = affinity(MEAN, SD, N, test=test, group_test=group_test)
    truth = {s: p_of(*s, equal=test == "student") for s in sets()}
    found = passing(related, Options(alpha=alpha))
    assert names(found) == {s for s, p in truth.items() if p > alpha}
    assert {g.tasks: g.p for g in found} == pytest.approx({s: p for s, p in truth.items() if p > alpha})
    assert 0 < len(found) < len(truth)


def test_a_clique_has_no_pair_that_differs(affinity: Make) -> None:
    found = passing(affinity(MEAN, SD, N), Options(rule="clique", alpha=0.1))
    alike = {pair for pair in PAIRS if p_of(*pair) > 0.1}
    assert names(found) == {s for s in sets() if set(combinations(s, 2)) <= alike}


def test_a_group_test_can_pass_where_a_pair_differs(affinity: Make) -> None:
    """ANOVA is not coherent with pairs: two tasks differ, and five others alike hide it."""
    mean = {"low": 0.0, "high": 0.32} | {f"mid{i}": 0.16 for i in range(3)}
    related = affinity(mean)
    whole = ("high", "low", "mid0", "mid1", "mid2")
    assert ("high", "low") not in names(passing(related, Options()))
    assert whole in names(passing(related, Options(largest=5)))
    assert whole not in names(passing(related, Options(largest=5, rule="clique")))


def test_equivalent_is_tost_adjusted_by_holm_over_all_pairs_searched(affinity: Make) -> None:
    """Between Bonferroni (which Holm beats for every pair but the first) and no adjustment at all."""
    options = Options(rule="equivalent", alpha=0.05, margin_bits=0.45)
    raw = [tost_of(*pair, 0.45) for pair in PAIRS]
    holm = {pair for pair, p in zip(PAIRS, multipletests(raw, method="holm")[1], strict=True) if p <= 0.05}
    bonferroni = {pair for pair, p in zip(PAIRS, raw, strict=True) if p * len(PAIRS) <= 0.05}
    unadjusted = {pair for pair, p in zip(PAIRS, raw, strict=True) if p <= 0.05}
    assert bonferroni < holm < unadjusted, "the example tells them apart"
    found = names(passing(affinity(MEAN, SD, N), options))
    assert found == {s for s in sets() if set(combinations(s, 2)) <= holm}


def test_pairs_of_tasks_that_may_not_be_grouped_are_not_searched(affinity: Make) -> None:
    options = Options(rule="equivalent", alpha=0.05, margin_bits=0.45)
    states = {"d": "not_learned"}
    kept = [pair for pair in PAIRS if "d" not in pair]
    holm = multipletests([tost_of(*pair, 0.45) for pair in kept], method="holm")[1]
    found = names(passing(affinity(MEAN, SD, N, states=states), options))
    assert {s for s in found if len(s) == 2} == {pair for pair, p in zip(kept, holm, strict=True) if p <= 0.05}


def test_a_set_named_in_advance_is_not_adjusted(affinity: Make) -> None:
    options = Options(rule="equivalent", alpha=0.05, margin_bits=0.45)
    related = affinity(MEAN, SD, N)
    for pair in PAIRS:
        named = names(passing(related, replace(options, together=(pair,))))
        assert (pair in named) == (tost_of(*pair, 0.45) <= 0.05)


def test_the_margin_is_a_share_of_the_smaller_null(affinity: Make) -> None:
    """.45 bit is .3 of 1.5; the task with the smaller NLL_null decides."""
    null = {"a": 1.5, "b": 1.5, "c": 1.5, "d": 0.1, "e": 1.5}
    found = names(passing(affinity(MEAN, SD, N, null_bits=null), Options(rule="equivalent", alpha=0.3, margin=0.3)))
    fixed = names(passing(affinity(MEAN, SD, N), Options(rule="equivalent", alpha=0.3, margin_bits=0.45)))
    assert found and all("d" not in s for s in found)
    assert found == {s for s in fixed if "d" not in s}


def test_sets_with_shared_rows_get_walds_test_from_the_joint_covariance(affinity: Make) -> None:
    shared = {("a", "b"): 0.0008, ("a", "c"): 0.0006}
    [found] = [g for g in passing(affinity(MEAN, SD, N, covariance=shared), Options(alpha=0)) if g.tasks == ("a", "b", "c")]
    joint = np.diag([SD[t] ** 2 / N[t] for t in "abc"])
    joint[0, 1] = joint[1, 0] = 0.0008
    joint[0, 2] = joint[2, 0] = 0.0006
    assert (found.statistic, found.p) == pytest.approx(tests.wald(np.array([MEAN[t] for t in "abc"]), joint, 59))
    alone = next(g for g in passing(affinity(MEAN, SD, N), Options(alpha=0)) if g.tasks == ("a", "b", "c"))
    assert found.p < alone.p, "differences of dependent means are surer"


def test_dispersion_is_the_spread_of_all_rows_about_their_groups_mean(affinity: Make) -> None:
    [found] = [g for g in passing(affinity(MEAN, SD, N), Options(alpha=0)) if g.tasks == ("a", "c", "d")]
    rows = np.repeat([MEAN[t] for t in "acd"], [N[t] for t in "acd"])
    assert found.dispersion == pytest.approx(((rows - rows.mean()) ** 2).sum())


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_joins_what_is_apart_or_not_learned_or_too_large(affinity: Make, rule: str) -> None:
    related = affinity(MEAN, SD, N, states={"e": "overfit"})
    options = Options(rule=rule, alpha=0.3, margin=2.0, apart=(("a", "c"), ("b", "d")), largest=3)
    found = names(passing(related, options))
    assert found
    for tasks in found:
        assert not {"a", "c"} <= set(tasks) and not {"b", "d"} <= set(tasks)
        assert "e" not in tasks and len(tasks) <= 3


@pytest.mark.parametrize("rule", RULES)
def test_the_paper_groups_what_is_not_learned(affinity: Make, rule: str) -> None:
    related = affinity({"a": 0.01, "b": 0.01}, n=5000, states={"a": "not_learned", "b": "not_learned"})
    assert passing(related, Options(rule=rule, alpha=0.05)) == []
    assert names(passing(related, Options(rule=rule, alpha=0.05, paper=True))) == {("a", "b")}
    assert eligible(related, Options(paper=True)) == ["a", "b"]


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_tasks_changes_nothing(affinity: Make, rule: str) -> None:
    related = affinity(MEAN, SD, N)
    turned = replace(related, tasks=related.tasks.iloc[::-1], pairs=related.pairs.sample(frac=1, random_state=1))
    options = Options(rule=rule, alpha=0.1, margin=0.5)
    assert passing(related, options) == passing(turned, options)


@pytest.mark.parametrize(("rule", "at_zero", "at_one"), [
    ("any", True, True), ("not_different", True, False), ("clique", True, False), ("equivalent", False, True),
])  # fmt: skip
def test_a_test_at_level_0_rejects_nothing_and_at_level_1_everything(affinity: Make, rule: str, at_zero: bool, at_one: bool) -> None:
    """Also where p is 0 because it is too small for a number: tasks without variance, 100 standard errors apart."""
    related = affinity({"a": 0.0, "b": 0.5, "c": 60.0, "d": 0.5}, sd={"a": 1.0, "b": 0.0, "c": 0.1, "d": 0.0})
    assert (related.pairs["p"] == 0).any()
    assert len(passing(related, Options(rule=rule, alpha=0))) == (11 if at_zero else 0)
    assert len(passing(related, Options(rule=rule, alpha=1))) == (11 if at_one else 0)


@pytest.mark.parametrize("rule", ["not_different", "clique", "equivalent"])
@pytest.mark.parametrize("alpha", [0, 0.01, 1])
def test_a_task_with_too_few_rows_passes_no_test(affinity: Make, rule: str, alpha: float) -> None:
    """Its p is 1 and means nothing; only the paper would let it be grouped at all."""
    related = affinity({"a": 0.3, "b": 0.3, "one": 0.3}, pair_states={("a", "one"): "too few", ("b", "one"): "too few"})
    nothing = related.pairs["state"] == "too few"
    related.pairs.loc[nothing, ["statistic", "se_bits", "df"]] = np.nan
    related.pairs.loc[nothing, "p"] = 1.0
    found = passing(related, Options(rule=rule, alpha=alpha, margin=0.5, paper=True))
    assert all("one" not in g.tasks for g in found)


def test_every_set_of_twelve_tasks_is_tested_as_one_by_one(affinity: Make) -> None:
    random = np.random.default_rng(0)
    mean = {f"t{i:02d}": float(v) for i, v in enumerate(random.normal(0.5, 0.1, 12))}
    found = {g.tasks: g.p for g in passing(affinity(mean), Options(rule="any", largest=12))}
    assert len(found) == 2**12 - 13
    for size in (3, 7, 12):
        tasks = tuple(sorted(mean))[:size]
        one = Sample(
            np.array([mean[t] for t in tasks]), np.full(size, 200**-0.5), np.full(size, 199.0), np.ones(size), np.full(size, 200.0)
        )
        assert found[tasks] == pytest.approx(tests.welch_anova(one)[1])


def test_the_listing_says_what_is_shown_of_each_set(affinity: Make) -> None:
    mean = {"a": 0.300, "b": 0.305, "c": 0.33, "small": 0.35}
    related = affinity(mean, sd=0.5, n={"a": 40_000, "b": 40_000, "c": 40_000, "small": 50})
    table = listing(related, Options(margin_bits=0.02)).sets.set_index("tasks")
    assert tuple(table.reset_index().columns) == LISTED
    assert table.loc[[("a", "b")], "outcome"].tolist() == ["equivalent"]
    assert table.loc[[("a", "small")], "outcome"].tolist() == ["undecided"]
    assert ("a", "c") not in table.index, "different"
    two = related.pairs.set_index(["target", "helper"]).loc[("a", "small")]
    gap = tests.detectable(two["se_bits"], two["df"], 0.01)
    assert table.loc[[("a", "small")], "detectable_bits"].tolist() == pytest.approx([gap])
    assert table.loc[[("a", "b", "small")], "detectable_bits"].tolist() == pytest.approx([gap], rel=0.01), "the least sure pair"
    wide = listing(related, Options(rule="equivalent", margin_bits=0.2, alpha=0.01)).sets.set_index("tasks")
    assert wide.loc[[("a", "c")], "outcome"].tolist() == ["both (negligible)"]
    assert wide.loc[[("a", "b", "c")], "outcome"].tolist() == ["both (negligible)"]


def test_nothing_is_listed_where_every_set_passes(affinity: Make) -> None:
    assert listing(affinity(MEAN), Options(rule="any")).sets.empty
    assert tuple(listing(affinity(MEAN), Options(rule="any")).sets.columns) == LISTED
