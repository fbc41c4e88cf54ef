"""``max_abs_t`` and ``min_gap``: each task has the pair of its own choice; the paper's published pairs."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.errors import InputError
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.passing import passing
from cotrain.grouping.plan import Plan

Make = Callable[..., Affinity]
Names = Callable[[Plan], list[str]]

# Table 1 of arXiv 2410.12774: all pairs with p > .01, by suite; every other pair of a suite has p ≤ .01
GENERAL = {
    ("causal_language", "health_advice"): (1.398, 0.162), ("cb", "causal_language"): (2.411, 0.016), ("boolq", "rte"): (1.775, 0.076),
    ("cb", "copa"): (1.328, 0.185), ("cb", "cola"): (1.237, 0.216), ("cb", "sst2"): (-1.660, 0.097), ("copa", "wic"): (-2.358, 0.019),
    ("cola", "copa"): (-0.072, 0.943),
}  # fmt: skip
CLINICAL = {
    ("thymeneg", "seedneg"): (1.680, 0.093), ("thymemod", "seedneg"): (-1.740, 0.082), ("thymemod", "stratneg"): (0.585, 0.559),
    ("seedneg", "stratneg"): (2.546, 0.011), ("seeduncert", "stratuncert"): (0.380, 0.704),
}  # fmt: skip
# the pairs that its Tables 3 and 4 train
TRAINED = {
    "general": {"boolq+rte", "causal_language+cb", "copa+wic", "cola+copa", "cb+sst2", "causal_language+health_advice"},
    "clinical": {"seedneg+thymemod", "seedneg+thymeneg", "seeduncert+stratuncert", "seedneg+stratneg"},
}


def published(passing: dict[tuple[str, str], tuple[float, float]]) -> Affinity:
    """Return the affinity that the paper prints: T and p of pairs; means are not published."""
    tasks = sorted({t for pair in passing for t in pair})
    lines = []
    for i, a in enumerate(tasks):
        for b in tasks[i + 1 :]:
            t, p = passing.get((a, b), passing.get((b, a), (9.0, 0.001)))
            line = dict.fromkeys(PAIR_COLUMNS, 0.0) | {"target": a, "helper": b, "statistic": t, "p": p, "state": "", "unit": "bits"}
            lines.append(line)
    table = pd.DataFrame([dict.fromkeys(TASK_COLUMNS, 1.0) | {"task": t, "state": "ok", "state_reason": ""} for t in tasks])
    return Affinity("pvi", "student", "anova", table[list(TASK_COLUMNS)], pd.DataFrame(lines, columns=list(PAIR_COLUMNS)))


def test_the_largest_t_reproduces_nine_of_the_ten_pairs_that_the_paper_trains(groups: Names) -> None:
    """The tenth is COPA with CoLA: CoLA's partner of the largest |T| is CB (1.237 against .072)."""
    options = Options(select="max_abs_t", largest=2, paper=True)
    found = {suite: set(groups(group(published(p), options)[0])) for suite, p in (("general", GENERAL), ("clinical", CLINICAL))}
    assert found["clinical"] == TRAINED["clinical"]
    assert found["general"] & TRAINED["general"] == TRAINED["general"] - {"cola+copa"}
    assert found["general"] - TRAINED["general"] == {"cb+cola"}


def test_each_task_is_served_by_its_own_pair_and_the_helper_by_another(affinity: Make) -> None:
    """b is nearest to a, c to b; a task without a passing pair is alone."""
    related = affinity({"a": 0.30, "b": 0.33, "c": 0.38, "far": 3.0})
    [near] = group(related, Options(select="min_gap"))
    assert {t: near.serving(t).group.name for t in near.tasks} == {"a": "a+b", "b": "a+b", "c": "b+c", "far": "far"}
    assert [s.serves for s in near.servings if s.group.name == "b+c"] == [("c",)]
    [least] = group(related, Options(select="max_abs_t"))
    assert {t: least.serving(t).group.name for t in least.tasks} == {"a": "a+c", "b": "b+c", "c": "a+c", "far": "far"}


def test_larger_sets_that_pass_are_trained_as_in_the_paper_and_serve_nobody(affinity: Make) -> None:
    related = affinity({"a": 0.30, "b": 0.33, "c": 0.38, "d": 0.40, "far": 3.0})
    [plan] = group(related, Options(select="max_abs_t"))
    assert sorted(g.name for g in plan.candidates) == ["a+b+c", "a+b+c+d", "a+b+d", "a+c+d", "b+c+d"]
    assert all(len(s.group.tasks) < 3 for s in plan.servings)
    assert "Of sets of 3 to 4 tasks 5 pass too; candidates that serve nobody in this plan: all." in plan.why
    [none] = group(related, Options(select="max_abs_t", largest=2))
    assert none.candidates == ()


@pytest.mark.parametrize("select", ["max_abs_t", "min_gap"])
def test_how_many_larger_sets_are_trained_can_be_limited(affinity: Make, select: str) -> None:
    related = affinity({"a": 0.30, "b": 0.33, "c": 0.38, "d": 0.40, "far": 3.0})
    [two] = group(related, Options(select=select, candidates=2))
    best = sorted((g for g in passing(related, Options()) if len(g.tasks) > 2), key=lambda g: -g.p)[:2]
    assert {g.tasks for g in two.candidates} == {g.tasks for g in best}
    assert any("in this plan: the 2 with the highest p." in why for why in two.why)
    [none] = group(related, Options(select=select, candidates=0))
    assert none.candidates == () and any("in this plan: none." in why for why in none.why)


def test_the_closest_partner_comes_without_larger_sets_unless_they_are_asked_for(affinity: Make) -> None:
    [plan] = group(affinity(dict.fromkeys("abcd", 0.3)), Options(select="min_gap"))
    assert plan.candidates == ()


def test_ties_go_to_the_first_name(affinity: Make) -> None:
    [plan] = group(affinity({"c": 0.25, "a": 0.5, "b": 0.75}), Options(select="min_gap"))
    assert {t: plan.serving(t).group.name for t in "abc"} == {"a": "a+b", "b": "a+b", "c": "a+c"}


def test_forced_sets_serve_their_members_and_others_choose_among_the_rest(affinity: Make) -> None:
    related = affinity({"a": 0.30, "b": 0.33, "c": 0.34, "d": 0.41})
    [plan] = group(related, Options(select="min_gap", together=(("a", "b"),)))
    assert {t: plan.serving(t).group.name for t in "abcd"} == {"a": "a+b", "b": "a+b", "c": "c+d", "d": "c+d"}


def test_each_target_has_its_best_helper_by_value_where_it_gains_by_it(valued: Make) -> None:
    """Directed: a helps b, b harms a; c gains nothing from anybody."""
    gains = {("a", "b"): -0.1, ("b", "a"): 0.3, ("a", "c"): 0.2, ("c", "a"): -0.2, ("b", "c"): 0.1, ("c", "b"): 0.0}
    [plan] = group(valued(gains), Options(rule="any", select="top1_per_target", largest=2))
    assert {t: plan.serving(t).group.name for t in "abc"} == {"a": "a+c", "b": "a+b", "c": "c"}
    assert "gains above 0 alone" in plan.why[0] and plan.candidates == ()
    [alike] = group(valued(gains, unit="cosine"), Options(rule="any", select="top1_per_target"))
    assert alike.serving("c").group.name == "b+c", "what is no gain has no zero"


def test_of_pvi_the_best_helper_is_the_nearest_that_passes(affinity: Make) -> None:
    related = affinity({"a": 0.30, "b": 0.33, "c": 0.38, "far": 3.0, "noise": 0.3}, states={"noise": "not_learned"})
    [near], [best] = (group(related, Options(select=select, apart=(("a", "b"),))) for select in ("min_gap", "top1_per_target"))
    assert best.servings == near.servings and best.serving("a").group.name == "a+c"


@pytest.mark.parametrize(("select", "lacks"), [("max_abs_t", "tests of pairs"), ("min_gap", "means of tasks")])
def test_what_reads_tests_or_means_needs_them(valued: Make, select: str, lacks: str) -> None:
    with pytest.raises(InputError, match=f"{select} needs {lacks}, and 'measured' has none"):
        group(valued({("a", "b"): 0.1}), Options(rule="any", select=select))


def test_among_very_many_tasks_larger_sets_are_not_searched(affinity: Make) -> None:
    related = affinity({f"t{i:02d}": i / 8 for i in range(75)})
    [plan] = group(related, Options(select="min_gap"))
    assert plan.candidates == () and "Larger sets are too many to be tested; no candidates." in plan.why
    assert len(plan.tasks) == 75
