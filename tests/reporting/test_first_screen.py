from dataclasses import replace

import pytest

from cotrain.grouping.plan import Plan, Serving
from cotrain.reporting.distrust import reasons
from cotrain.reporting.first_screen import PREDICTED, sentences
from cotrain.training.group import Group


def change(run, mask=None, **values):
    """Return the run with some columns of its comparison changed."""
    table = run.comparison.table.copy()
    chosen = table.index if mask is None else table[mask(table)].index
    for column, value in values.items():
        table.loc[chosen, column] = value
    return replace(run, comparison=replace(run.comparison, table=table))


def test_the_headline_says_who_stands_alone_who_shares_and_what_is_undecided(run):
    said = sentences(run).headline
    assert said == ("Keep alone cola, copa; share {causal_language, health_advice}, {boolq, rte} and {cb, sst2}; undecided negation.")


def test_a_task_served_beside_helpers_is_not_said_to_share(run):
    best = run.comparison.recommended
    helped = tuple(Serving(s.group, s.serves) if "rte" not in s.serves else Serving(s.group, ("rte",)) for s in best.servings)
    plan = replace(best, servings=(*helped, Serving(Group.of(["boolq"]), ("boolq",))))
    said = sentences(replace(run, comparison=replace(run.comparison, recommended=plan))).headline
    assert "train rte with boolq as helpers" in said and "{rte}" not in said


def test_models_worst_task_and_best_control_are_said_with_intervals(run):
    said = sentences(run).sentences
    test = run.comparison.table.query("plan == 'recommended' and split == 'test' and primary and verdict != 'alone'")
    worst = test.loc[test["difference"].idxmin()]
    assert said[0] == "9 → 6 models."
    assert said[1].startswith(f"Worst served task {worst['task']}: −") and said[1].endswith("δ = .02.")
    assert said[2] == "Best control `together` differs by −.021 [−.031, −.011]."


def test_every_claimed_gain_stands_beside_its_placebo_and_matched_updates(run):
    claim = next(s for s in sentences(run).sentences if s.startswith("Gain claimed"))
    assert "cb" in claim and "placebo +" in claim and "matched updates +" in claim


def test_before_training_a_banner_says_that_it_is_only_predicted(run):
    screen = sentences(replace(run, comparison=None))
    assert screen.banner == PREDICTED == "predicted only: no shared model trained yet"
    assert "share {" in screen.headline
    assert "difference" not in " ".join(screen.table.heads)


def test_the_table_has_the_columns_of_the_issue(run):
    heads = sentences(run).table.heads
    for column in ("task", "train n", "test n", "clusters", "rarest class", "alone", "shared", "difference [95 %]", "verdict",
                   "P(loss > δ), dev", "best control", "state"):  # fmt: skip
        assert column in heads


def test_the_table_counts_rows_clusters_and_the_rarest_class_of_test(run):
    table = sentences(run).table
    line = {head: cell.text for head, cell in zip(table.heads, next(r for r in table.rows if r[0].text == "cb"), strict=True)}
    rows = run.tasks_rows[(run.tasks_rows["task"] == "cb") & (run.tasks_rows["split"] == "test")]
    assert line["test n"] == str(len(rows)) == "56"
    assert line["clusters"] == str(rows["cluster"].nunique())
    assert line["rarest class"] == str(rows["label"].value_counts().min())


def nothing_decided(run, **notes):
    alone = Plan("recommended", "recommended", tuple(Serving(Group.of([t]), (t,)) for t in run.comparison.recommended.tasks))
    undecided = tuple(t for t in alone.tasks if t != "copa")
    return replace(run, comparison=replace(run.comparison, recommended=alone, notes={"undecided": undecided, **notes}))


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"needed_rows": 2400, "needed_seeds": 8},
         "cannot decide at δ = .02; about 2,400 dev rows at these seeds, or these rows at 8 seeds, would"),
        ({"needed_rows": {"cb": 2400, "rte": 900}, "needed_seeds": {"cb": 8}, "needed_rows_at_seeds": {"cb": 1300}},
         "cannot decide at δ = .02; about 2,400 dev rows at these seeds, or 1,300 rows at 8 seeds, would"),
        ({"needed_rows": {"cb": 900, "rte": None}, "needed_seeds": {"rte": 12}, "needed_rows_at_seeds": {"cb": 800, "rte": 700}},
         "cannot decide at δ = .02; about 800 dev rows at 12 seeds would"),
        ({"needed_rows": None, "needed_seeds": 12}, "cannot decide at δ = .02; 12 seeds would"),
        ({"needed_rows": 900, "needed_seeds": None}, "cannot decide at δ = .02; about 900 dev rows at these seeds would"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_decided_the_screen_says_what_would_decide(run, notes, words):
    assert sentences(nothing_decided(run, **notes)).banner == words


def test_a_plan_that_shares_has_no_banner(run):
    assert sentences(run).banner == ""


def test_overrides_are_named_beside_the_plan_without_them(run):
    (said,) = sentences(run).overrides
    assert said.startswith("pvi-5: boolq and rte together (plan.together). Without it: ")
    assert "{cola, rte}" in said


def test_each_reason_for_distrust_is_shown_only_if_true(run):
    """A run without faults has no reason; each fault adds its own."""
    clean = change(run, failed_seeds=0, difference=0.0, low95=-0.001, high95=0.001, verdict="equivalent")
    clean = change(clean, lambda t: t["plan"].isin(["together", "random-1", "different"]), difference=-0.2)
    rows = run.tasks_rows[run.tasks_rows["task"] != "cb"]
    clean = replace(clean, tasks_rows=rows)
    assert reasons(clean) == ()
    found = {
        "collapsed": change(clean, lambda t: t["served_by"] == "boolq+rte", collapsed_seeds=1),
        "failed": change(clean, lambda t: t["served_by"] == "boolq+rte", failed_seeds=2),
        "Within δ": change(clean, lambda t: t["plan"] == "together", difference=0.0),
        "not confirm": change(clean, lambda t: (t["served_by"] == "boolq+rte") & (t["task"] == "rte"), verdict="harm"),
        "Leakage": replace(clean, check={"shared": [{"a": "x", "b": "y", "texts": 9, "leaks": 4, "contexts": 0}]}),
        "looked at": replace(clean, looks_at_test=5),
        "clusters": replace(clean, tasks_rows=rows.assign(cluster=[f"c{i % 10}" for i in range(len(rows))])),
        "rarest class": replace(clean, tasks_rows=run.tasks_rows),
        "changes with the test": replace(clean, notes=("The plan changes with the test.",)),
    }
    for words, faulty in found.items():
        said = reasons(faulty)
        assert any(words in sentence for sentence in said), words
        assert len(said) == 1, said


def test_a_fit_that_collapses_for_several_tasks_is_told_for_each(run):
    found = change(run, lambda t: (t["served_by"] == "boolq+rte") & (t["task"] == "rte"), collapsed_seeds=3)
    found = change(found, lambda t: (t["served_by"] == "boolq+rte") & (t["task"] == "boolq"), collapsed_seeds=1)
    (said,) = (sentence for sentence in reasons(found) if "collapsed" in sentence)
    assert "boolq in {boolq, rte} (1 seed)" in said and "rte in {boolq, rte} (3 seeds)" in said


def test_the_table_says_at_which_epoch_test_is_shown(run):
    assert "at the epoch that dev chose" in sentences(run).table.note
    last = replace(run, comparison=replace(run.comparison, notes={**run.comparison.notes, "select": "last"}))
    assert "at the last epoch" in sentences(last).table.note


def test_a_gain_that_placebo_reaches_is_called_more_training(run):
    assert any("cb" in s and "more training, not transfer" in s for s in reasons(run))
