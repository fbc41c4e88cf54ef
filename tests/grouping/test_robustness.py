"""A plan that changes with the test is a reason for distrust."""

from __future__ import annotations

import numpy as np
import pytest

from cotrain.grouping.options import Options
from cotrain.grouping.robustness import sentences
from cotrain.pvi.arrays import Predictions, scores_of
from cotrain.pvi.scores import Scores


def task(mean: float, sd: float, n: int) -> Predictions:
    """Return predictions whose PVI has exactly this mean and sd, against balanced labels."""
    bits = np.random.default_rng(n).normal(size=n)
    bits = mean + sd * (bits - bits.mean()) / bits.std(ddof=1)
    p = 2 ** (bits - 1)
    return Predictions(np.log2(np.stack([p, 1 - p], axis=1)), np.zeros(n, dtype=int), [1, 1])


@pytest.fixture
def uneven() -> Scores:
    """The small task varies much: Student, who pools, is sure of the difference where Welch is not."""
    return scores_of({"large": task(0.3, 0.05, 2000), "small": task(0.42, 0.25, 30)})


def test_a_plan_that_student_would_not_make_is_told(uneven: Scores) -> None:
    [found] = sentences(uneven, Options())
    assert found == (
        "The nominated plan changes with the test (student and anova for welch and welch_anova): large; small instead of large+small."
    )


def test_the_paper_is_compared_with_the_default(uneven: Scores) -> None:
    [found] = sentences(uneven, Options(paper=True))
    assert "(welch and welch_anova for student and anova): large+small instead of large; small." in found
    assert sentences(uneven, Options(), "student", "anova") == (found,)


def test_a_plan_that_the_other_rule_would_not_make_is_told() -> None:
    """Two of five tasks differ; the group test does not see it, the clique does."""
    mean = {"a": 0.160, "b": 0.176, "c": 0.176, "d": 0.176, "e": 0.192}
    scores = scores_of({t: task(m, 0.1, 200) for t, m in mean.items()})
    [found] = sentences(scores, Options(largest=5))
    assert found.startswith("The nominated plan changes with the rule (clique for not_different): ") and "instead of a+b+c+d+e" in found


def test_nothing_is_said_where_nothing_changes(uneven: Scores) -> None:
    alike = scores_of({"a": task(0.3, 0.1, 300), "b": task(0.3, 0.1, 310)})
    assert sentences(alike, Options()) == ()
    assert sentences(uneven, Options(rule="any", objective="budget", models=1)) == ()
    assert sentences(uneven, Options(select="nested")) == (), "no p-value is involved"


def test_a_budget_that_cannot_be_met_with_the_other_test_is_told(uneven: Scores) -> None:
    [found] = sentences(uneven, Options(objective="budget", models=1))
    assert "nothing within the budget instead of large+small" in found
