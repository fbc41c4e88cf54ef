"""``compare`` from fits to the first screen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from cotrain.errors import InputError
from cotrain.evaluation import metrics
from cotrain.evaluation.compare import compare
from cotrain.evaluation.comparison import CANDIDATE_COLUMNS, COLUMNS
from cotrain.training.group import Group

ROWS = {"a": (400, 300), "b": (350, 250), "c": (300, 200)}
PLACEBO, MATCHED = "a+b[permuted:1]@a+b", "a@a+b"
SEEDS = (42, 52, 62)


def judge(fits, plans, **options):
    tasks = sorted({t for f in fits for t in f.group.real})
    by = dict.fromkeys(tasks, "accuracy") | options.pop("metrics", {})
    return compare(fits, plans, by, dict.fromkeys(tasks, 0.02), **options)


def lines(comparison, plan, split="test", metric=None):
    table = comparison.table
    found = table[(table["plan"] == plan) & (table["split"] == split)]
    return found[found["primary"] if metric is None else found["metric"] == metric].set_index("task")


@pytest.fixture(scope="module")
def study(world, plan):
    """Three tasks: a and b share without harm, c loses .1 with a; the controls; alone."""
    w = world(ROWS, discordant=0.02, gain={("a+c", "c"): -0.1, ("a+b+c", "c"): -0.1}, seeds=SEEDS, draw=4)
    plans = [
        plan("pvi", "nominated", "a+b", "c"),
        plan("alone", "control", "a", "b", "c"),
        plan("together", "control", "a+b+c"),
        plan("random", "control", "a+c", "b"),
        plan("placebo", "control", f"{PLACEBO}>a"),
        plan("matched_updates", "control", MATCHED),
    ]
    return w.fits("a+b", "a+c", "a+b+c", PLACEBO, MATCHED), plans


@pytest.fixture(scope="module")
def compared(study):
    return judge(*study)


def test_the_tables_have_their_columns_and_every_line_that_is_due(compared):
    assert tuple(compared.table.columns) == COLUMNS and tuple(compared.candidates.columns) == CANDIDATE_COLUMNS
    counts = compared.table.groupby("plan").size()
    whole = ("pvi", "alone", "together", "random", "recommended")
    assert counts.to_dict() == {**dict.fromkeys(whole, 18), "placebo": 6, "matched_updates": 6}
    assert set(compared.table["metric"]) == set(metrics.ALWAYS)
    numbers = compared.table[compared.table["primary"]].select_dtypes("number")
    assert np.isfinite(numbers.to_numpy(dtype=float)).all()


def test_values_are_those_of_the_predictions(study, compared):
    fits, _ = study

    def of(fit, metric):
        block = fit.blocks["b", "test"]
        return metrics.value(metric, block.gold, block.log2_p[0].astype(float))

    for metric in metrics.ALWAYS:
        line = lines(compared, "pvi", metric=metric).loc["b"]
        shared, alone = ([of(f, metric) for f in fits if f.group.name == g] for g in ("a+b", "b"))
        assert line["value"] == pytest.approx(np.mean(shared)) and line["alone"] == pytest.approx(np.mean(alone))
        sign = -1 if metric == "log_loss" else 1
        assert line["difference"] == pytest.approx(sign * (np.mean(shared) - np.mean(alone)))
        assert line["value_low"] < line["value"] < line["value_high"]
        assert (line["seeds"], line["n"], line["clusters"]) == (3, 250, 250)
    assert lines(compared, "pvi").loc["b", "rarest_class"] == np.bincount(fits[3].blocks["b", "test"].gold).min()


def test_the_harmless_pair_is_recommended_and_the_loser_stands_alone(compared):
    assert {s.group.name: s.serves for s in compared.recommended.servings} == {"a+b": ("a", "b"), "c": ("c",)}
    assert compared.recommended.name == compared.recommended.kind == "recommended"
    why = " ".join(compared.recommended.why)
    assert "{a, b}: mean difference" in why and "c stands alone" in why and "Mean difference over all 3 tasks" in why
    assert compared.recommended.runner_up.endswith("on dev")
    fails = compared.candidates[~compared.candidates["passes"]].set_index("group")
    assert fails.loc["a+c", "reason"].startswith("P(loss > δ) of c is") and fails.loc["a+c", "worst_task"] == "c"


def test_the_large_group_may_serve_those_whom_it_does_not_harm(compared):
    passing = compared.candidates[compared.candidates["passes"]]
    assert ("a+b+c", ("a", "b")) in set(zip(passing["group"], passing["serves"], strict=True))


def test_verdicts_are_holm_over_the_tasks_of_a_plan_that_share(compared):
    together = lines(compared, "together")
    assert together.loc["c", "verdict"] == "harm"
    assert together.loc["c", "p_adjusted"] == pytest.approx(min(1, 3 * together.loc["c", "p"]))
    assert lines(compared, "random").loc["c", "p_adjusted"] == pytest.approx(min(1, 2 * lines(compared, "random").loc["c", "p"]))
    alone = lines(compared, "alone")
    assert (alone["verdict"] == "alone").all() and (alone[["difference", "se", "p_loss"]] == 0).all(axis=None)
    assert lines(compared, "pvi").loc["c", "verdict"] == "alone"


def test_only_the_primary_metric_has_a_verdict(compared):
    other = compared.table[~compared.table["primary"] & (compared.table["verdict"] != "alone")]
    assert (other["verdict"] == "").all() and other["delta"].isna().all() and other["p"].notna().all()


def test_placebo_and_matched_updates_are_compared_and_never_recommended(compared):
    assert set(lines(compared, "placebo")["served_by"]) == {PLACEBO} and set(lines(compared, "matched_updates")["served_by"]) == {MATCHED}
    assert lines(compared, "matched_updates").loc["a", "verdict"] not in ("alone", "")
    assert not compared.candidates["group"].str.contains("@").any()


def test_the_best_control_is_named_on_dev_and_shown_on_test(compared):
    """random (a with c, b alone) against together: whose mean difference on dev is larger, and test minus recommended."""
    dev = {name: lines(compared, name, "dev")["difference"].mean() for name in ("together", "random")}
    best = max(dev, key=lambda name: dev[name])
    assert compared.notes["best_control"] == best
    value, low, high = compared.notes["best_control_difference"]
    gap = lines(compared, best)["difference"].mean() - lines(compared, "recommended")["difference"].mean()
    assert value == pytest.approx(gap) and low < value < high


def test_the_mean_of_the_plan_is_the_mean_over_all_tasks(compared):
    for split in ("dev", "test"):
        value, low, high = compared.notes["mean_difference"][split]
        mine = lines(compared, "recommended", split)
        assert value == pytest.approx(mine["difference"].mean())
        # a and b are one fit: its seed noise may add up, no more
        rows = (mine["se"] ** 2).sum() ** 0.5 / 3
        assert low < value < high and (high - low) / 2 / 2 < rows * 2**0.5 * 1.3


def test_notes_and_plan_are_plain_values(compared):
    again = json.loads(json.dumps(dict(compared.notes), allow_nan=False))
    assert again["best_control"] == compared.notes["best_control"]
    json.dumps(compared.recommended.to_dict(), allow_nan=False)


def test_neither_the_order_of_fits_nor_that_of_plans_changes_anything(study, compared):
    fits, plans = study
    again = judge(fits[::-1], plans[::-1])
    key = ["plan", "task", "split", "metric"]
    assert_frame_equal(
        *(c.table.sort_values(key, ignore_index=True).convert_dtypes() for c in (compared, again)), check_exact=False, rtol=1e-4, atol=1e-6
    )
    assert_frame_equal(compared.candidates, again.candidates, check_exact=False, rtol=1e-4, atol=1e-6)
    assert compared.recommended == again.recommended
    assert compared.notes["best_control"] == again.notes["best_control"] and compared.notes["claims"] == again.notes["claims"]


def test_an_earlier_recommendation_among_the_plans_is_replaced(study, compared):
    fits, plans = study
    again = judge(fits, [*plans, compared.recommended])
    assert len(again.table) == len(compared.table)


def test_a_gain_is_claimed_where_dev_shows_it(world, plan):
    w = world(ROWS, gain={("a+b", "a"): 0.06}, discordant=0.08, seeds=SEEDS)
    found = judge(w.fits("a+b"), [plan("pvi", "nominated", "a+b", "c")])
    assert found.notes["claims"] == ("a",)
    better = judge(w.fits("a+b"), [plan("pvi", "nominated", "a+b", "c")], goal="better")
    assert {s.group.name for s in better.recommended.servings} == {"a+b", "b", "c"} or better.recommended.serving("b").group.name == "a+b"
    assert better.recommended.serving("a").group.name == "a+b"


def test_better_recommends_nothing_that_only_does_no_harm(study):
    found = judge(*study, goal="better")
    assert found.recommended.models == 3 and all(len(s.group.tasks) == 1 for s in found.recommended.servings)
    assert not found.candidates["passes"].any()


def test_one_seed_is_conditional_on_one_fit(world, plan):
    w = world(ROWS, seeds=(42,))
    found = judge(w.fits("a+b"), [plan("pvi", "nominated", "a+b", "c")])
    line = lines(found, "pvi").loc["a"]
    assert line["seeds"] == 1 and np.isnan(line["value_low"]) and line["se_training"] == 0 and line["se"] > 0
    assert found.recommended.tasks == ("a", "b", "c")


def test_a_failed_fit_is_left_out_of_the_mean_and_counted(study, compared):
    fits, plans = study
    broken = [replace(f, failed="the loss is not a number", blocks={}) if (f.group.name, f.seed) == ("a+b", 52) else f for f in fits]
    line = lines(judge(broken, plans), "pvi").loc["a"]
    assert (line["seeds"], line["failed_seeds"]) == (2, 1)
    kept = lines(judge([f for f in fits if (f.group.name, f.seed) != ("a+b", 52)], plans), "pvi").loc["a"]
    assert line["difference"] == kept["difference"] and kept["failed_seeds"] == 0


def test_a_group_left_with_one_seed_is_not_recommended(study):
    fits, plans = study
    broken = [replace(f, failed="out of memory", blocks={}) if f.group.name == "a+b" and f.seed != 42 else f for f in fits]
    found = judge(broken, plans)
    reason = found.candidates.set_index("group").loc["a+b", "reason"]
    assert reason == "2 of its 3 fits failed; one does not show how much fits vary"
    assert all(s.group.name != "a+b" for s in found.recommended.servings)


def test_a_task_alone_that_is_left_with_one_seed_is_compared_with_nothing(world, plan):
    fits = world({"a": (2000, 300), "b": (2000, 300)}, discordant=0.01, seeds=(13, 42, 52)).fits("a+b")
    assert judge(fits, [plan("pvi", "nominated", "a+b")]).recommended.models == 1
    broken = [replace(f, failed="out of memory", blocks={}) if f.group.name == "a" and f.seed != 42 else f for f in fits]
    found = judge(broken, [plan("pvi", "nominated", "a+b")])
    reason = "2 of the 3 fits of a alone failed; one does not show how much fits vary"
    assert found.recommended.models == 2 and set(found.candidates["reason"]) == {reason}


def test_a_group_whose_every_fit_failed_is_named_and_the_rest_is_compared(study):
    fits, plans = study
    broken = [replace(f, failed="out of memory", blocks={}) if f.group.name == "a+b+c" else f for f in fits]
    found = judge(broken, plans)
    assert "together" not in set(found.table["plan"]) and found.notes["best_control"] == "random"
    assert "Every fit of {a, b, c} failed (out of memory), so it is not compared (plan together)." in found.notes["distrust"]
    assert found.recommended.serving("a").group.name == "a+b"


def test_a_collapsed_fit_stays_in_the_table_and_is_shown_without(study, changed):
    """One seed of a+b gives constant output for a; the rest of the world is as it was."""
    fits, plans = study

    def flat(log2_p):
        return np.broadcast_to(np.log2([0.7, 0.3]), log2_p.shape)

    bad = [changed(f, flat, "a") if (f.group.name, f.seed) == ("a+b", 52) else f for f in fits]
    found = judge(bad, plans)
    line = lines(found, "pvi").loc["a"]
    assert (line["seeds"], line["collapsed_seeds"], line["failed_seeds"]) == (3, 1, 0)
    assert lines(found, "pvi").loc["b", "collapsed_seeds"] == 0
    notes = {(n["served_by"], n["task"], n["split"]): n for n in found.notes["without_collapsed"]}
    assert set(notes) == {("a+b", "a", "dev"), ("a+b", "a", "test")}
    kept = lines(judge([f for f in fits if (f.group.name, f.seed) != ("a+b", 52)], plans), "pvi").loc["a"]
    note = notes["a+b", "a", "test"]
    assert note["collapsed"] == [52] and note["collapsed_alone"] == []
    assert note["difference"] == pytest.approx(kept["difference"]) and note["difference"] > line["difference"] + 0.05
    assert note["low95"] == pytest.approx(kept["low95"], abs=1e-6)


def test_a_collapsed_single_task_fit_is_shown_without_in_every_plan(study, changed):
    fits, plans = study
    bad = [changed(f, lambda p: np.broadcast_to(np.log2([0.7, 0.3]), p.shape)) if (f.group.name, f.seed) == ("b", 42) else f for f in fits]
    found = judge(bad, plans)
    assert {(n["served_by"], n["task"]) for n in found.notes["without_collapsed"]} == {("a+b", "b"), ("a+b+c", "b")}
    assert all(n["collapsed_alone"] == [42] for n in found.notes["without_collapsed"])
    assert lines(found, "alone").loc["b", "collapsed_seeds"] == 1


def test_equal_predictions_of_both_arms_are_equivalent(world, plan, changed):
    """A shared model that predicts what the task alone predicts: difference 0, no error, nothing undefined."""
    w = world(ROWS, seed_sd=0.0, seeds=SEEDS)
    singles = {(f.group.name, f.seed): f for f in w.fits()}
    pairs = [f for f in w.fits("a+b") if f.group.name == "a+b"]
    same = [replace(f, blocks={at: singles[at[0], f.seed].blocks[at] for at in f.blocks}) for f in pairs]
    found = judge([*singles.values(), *same], [plan("pvi", "nominated", "a+b", "c")], metrics={"a": "macro_f1", "b": "mcc"})
    for split in ("dev", "test"):
        mine = lines(found, "pvi", split).loc[["a", "b"]]
        assert (mine["difference"].abs() < 1e-12).all() and (mine["p"] == 1).all() and (mine["verdict"] == "equivalent").all()
    assert found.recommended.models == 2


def test_constant_predictions_everywhere_have_no_error_and_no_nan(world, plan, changed):
    w = world(ROWS, seeds=SEEDS)
    flat = [changed(f, lambda p: np.broadcast_to(np.log2([0.7, 0.3]), p.shape)) for f in w.fits("a+b")]
    found = judge(flat, [plan("pvi", "nominated", "a+b", "c")], metrics=dict.fromkeys("abc", "mcc"))
    mine = lines(found, "pvi").loc[["a", "b"]]
    assert (mine[["value", "difference"]] == 0).all(axis=None) and (mine["verdict"] == "equivalent").all()
    assert (mine["collapsed_seeds"] == 0).all()  # where no seed learns, none collapsed


def test_log_loss_is_better_when_it_is_lower(world, plan, changed):
    """The shared model is more sure of the same guesses, most of them right: its loss is lower, its difference above 0."""
    w = world(ROWS, right=0.99, discordant=0.0, seed_sd=0.0, seeds=SEEDS)

    def surer(log2_p):
        p = np.exp2(log2_p) ** 1.3
        return np.log2(p / p.sum(axis=2, keepdims=True))

    fits = [changed(f, surer) if f.group.name == "a+b" else f for f in w.fits("a+b")]
    found = judge(fits, [plan("pvi", "nominated", "a+b", "c")], metrics=dict.fromkeys("abc", "log_loss"))
    line = lines(found, "pvi").loc["a"]
    assert (
        line["metric"] == "log_loss"
        and line["value"] < line["alone"]
        and line["difference"] == pytest.approx(line["alone"] - line["value"])
    )
    assert line["verdict"] == "gain" and "a" in found.notes["claims"]


def test_arms_may_have_different_numbers_of_seeds(world, plan):
    w = world(ROWS, seeds=SEEDS)
    fits = [f for f in w.fits("a+b") if f.group.name != "a+b" or f.seed != 62]
    line = lines(judge(fits, [plan("pvi", "nominated", "a+b", "c")]), "pvi").loc["a"]
    assert line["seeds"] == 2 and line["se_training"] >= 0


def test_every_fault_is_told_at_once(study, plan):
    fits, plans = study
    strange = plan("mine", "nominated", "x+y")
    with pytest.raises(InputError) as caught:
        compare(fits, [*plans, strange], {"a": "macro_f2", "b": "accuracy", "c": "accuracy"}, {"a": 0.02, "b": 0.0}, goal="fewest")
    text = str(caught.value)
    assert len(caught.value.faults) == 5
    for words in ("Did you mean 'fewer'", "Did you mean 'macro_f1'", "task b: delta", "task c: delta", "plan mine has tasks"):
        assert words in text


def test_what_is_not_trained_or_failed_wholly_is_named_with_what_to_do(study, plan):
    fits, _ = study
    lame = [replace(f, failed="out of memory", blocks={}) if f.group.name == "c" else f for f in fits]
    with pytest.raises(InputError) as caught:
        judge([*lame, replace(fits[0], key="other")], [plan("mine", "nominated", "b+c", "a")])
    text = str(caught.value)
    assert "not trained yet: b+c; train them first" in text
    assert "task c: every single-task fit failed (out of memory)" in text
    assert "group a has two different fits of seed 42" in text


def test_the_table_can_be_kept_as_parquet(compared, tmp_path):
    for name in ("table", "candidates"):
        getattr(compared, name).to_parquet(tmp_path / name)
    again = pd.read_parquet(tmp_path / "table")
    assert again["difference"].tolist() == compared.table["difference"].tolist()


def test_groups_that_are_no_candidates_are_ignored(study, world, compared):
    """Null models and groups of tasks that the study no longer has."""
    fits, plans = study
    w = world({**ROWS, "z": (20, 20)}, seeds=SEEDS)
    more = [w.fit(Group.parse(name), 42) for name in ("a[blank]", "a+z")]
    again = compare([*fits, *more], plans, dict.fromkeys("abc", "accuracy"), dict.fromkeys("abc", 0.02))
    assert_frame_equal(again.table, compared.table)
