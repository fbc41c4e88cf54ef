"""Predictions from outside: read strictly, joined by row, compared like any arm, and deciding nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef

from cotrain.errors import InputError
from cotrain.evaluation import metrics
from cotrain.evaluation.compare import compare
from cotrain.evaluation.outside import Outside, read_arm
from cotrain.training.fit import Fit

ROWS = {"a": (120, 90), "b": (80, 70)}
SEEDS = (42, 52, 62)
NUMBERS = ["value", "value_low", "value_high", "alone", "alone_low", "alone_high", "n", "clusters", "rarest_class", "seeds"]
Read = Callable[..., Outside]


@pytest.fixture(scope="module")
def study(world, plan):
    """Two tasks, b with three labels, alone and sharing."""
    w = world(ROWS, labels={"b": 3}, seeds=SEEDS, epochs=2)
    return w.fits("a+b"), [plan("pvi", "nominated", "a+b"), plan("alone", "control", "a", "b")]


def predictions(fits: list[Fit], *splits: str, groups: Sequence[str] = ("a", "b"), epoch: int = 1) -> pd.DataFrame:
    """What fits predict at one epoch, those alone unless others are named, as the columns of a file."""
    lines = []
    for fit in (fit for fit in fits if fit.group.name in groups):
        for (task, split), block in fit.blocks.items():
            if split in splits:
                for row, log2_p in zip(block.rows, block.at(epoch), strict=True):
                    lines.append({"task": task, "row": row, "seed": fit.seed, "log2_p": log2_p, "guess": fit.labels[task][log2_p.argmax()]})
    return pd.DataFrame(lines)


def probabilities(table: pd.DataFrame) -> pd.DataFrame:
    """The same with a column per label, blank for labels that a task lacks."""
    p = pd.DataFrame([{f"p:y{k}": float(np.exp2(x)) for k, x in enumerate(line)} for line in table["log2_p"]], index=table.index)
    return pd.concat([table.drop(columns=["log2_p", "guess"]), p], axis=1)


@pytest.fixture
def read(study, tmp_path: Path) -> Read:
    """Write a table to a file and read it as an arm."""
    fits, _ = study
    singles = {fit.group.name: fit for fit in fits if fit.group.name in "ab"}
    rows = {(task, split): fit.blocks[task, split].rows.tolist() for task, fit in singles.items() for split in ("dev", "test")}
    labels = {task: fit.labels[task] for task, fit in singles.items()}

    def go(table: pd.DataFrame, kind: str = "parquet", **more: Any) -> Outside:
        file = tmp_path / f"mine.{kind}"
        if kind == "parquet":
            table.to_parquet(file)
        elif kind == "jsonl":
            table.to_json(file, orient="records", lines=True)
        else:
            table.to_csv(file, index=False, sep="," if kind == "csv" else "\t")
        return read_arm("mine", file, rows, labels, **more)

    return go


def judge(fits, plans, metric: str = "accuracy", **more: Any):
    return compare(fits, plans, {"a": metric, "b": metric}, {"a": 0.02, "b": 0.02}, by="last", **more)


def lines(comparison, plan: str, split: str = "test") -> pd.DataFrame:
    table = comparison.table
    return table[(table["plan"] == plan) & (table["split"] == split)].set_index(["task", "metric"])


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss", "auprc", "calibration_error"])
def test_the_predictions_of_the_fits_alone_give_the_numbers_of_alone(study, read: Read, metric: str) -> None:
    fits, plans = study
    arm = read(predictions(fits, "dev", "test", epoch=2))
    found = judge(fits, plans, metric, outside=[arm])
    for split in ("dev", "test"):
        mine, alone = lines(found, "mine", split), lines(found, "alone", split)
        assert_frame_equal(mine.loc[alone.index, NUMBERS], alone[NUMBERS], check_exact=True)
        assert (mine["kind"] == "outside").all() and (mine["served_by"] == "mine").all()
        assert (mine["difference"] == 0).all() and (mine["p"] == 1).all()
        assert (mine.xs(metric, level="metric")["verdict"] != "").all()


def test_the_predictions_of_the_shared_model_give_the_numbers_of_the_plan(study, read: Read) -> None:
    fits, plans = study
    table = predictions(fits, "test", groups=("a+b",), epoch=2)
    found = judge(fits, plans, outside=[read(table)])
    columns = [*NUMBERS, "difference", "delta", "verdict"]
    mine, plan = lines(found, "mine"), lines(found, "pvi")
    assert_frame_equal(mine.loc[plan.index, columns], plan[columns], check_exact=True)
    for column in ("se", "df", "low95", "high95", "p", "p_loss", "se_training"):
        np.testing.assert_allclose(mine.loc[plan.index, column], plan[column], rtol=1e-4)


def test_an_arm_changes_no_other_number_and_no_decision(study, read: Read) -> None:
    fits, plans = study
    before, after = judge(fits, plans), judge(fits, plans, outside=[read(predictions(fits, "dev", "test"))])
    assert_frame_equal(after.table[after.table["kind"] != "outside"].reset_index(drop=True), before.table, check_exact=True)
    assert_frame_equal(after.candidates, before.candidates, check_exact=True)
    assert after.recommended == before.recommended
    assert {**after.notes, "arms": {}} == dict(before.notes)
    assert after.notes["best_control"] != "mine"


def test_labels_alone_have_the_metrics_of_scikit_learn_and_no_others(study, read: Read) -> None:
    fits, plans = study
    table = predictions(fits, "test").query("seed == 42").drop(columns=["log2_p", "seed"])
    random = np.random.default_rng(0)
    wrong = random.random(len(table)) < 0.2
    table.loc[wrong, "guess"] = "y0"
    found = judge(fits, plans, "mcc", outside=[read(table, "csv")])
    mine = lines(found, "mine")
    assert set(mine.index.get_level_values("metric")) == {"mcc", "accuracy", "macro_f1"}
    for task in ROWS:
        fit = next(f for f in fits if f.group.name == task)
        gold = [fit.labels[task][k] for k in fit.blocks[task, "test"].gold]
        guess = table.set_index(["task", "row"]).loc[[(task, row) for row in fit.blocks[task, "test"].rows], "guess"].tolist()
        for metric, truth in (
            ("accuracy", accuracy_score(gold, guess)), ("macro_f1", f1_score(gold, guess, average="macro")),
            ("mcc", matthews_corrcoef(gold, guess)),
        ):  # fmt: skip
            assert mine.loc[(task, metric), "value"] == pytest.approx(truth, abs=1e-12)
    assert mine["seeds"].eq(1).all() and mine["value_low"].isna().all() and (mine["se"] > 0).all()
    assert found.notes["arms"]["mine"]["labels_only"] == ["a", "b"] and not len(lines(found, "mine", "dev"))


def test_probabilities_by_label_have_the_log_loss_of_scikit_learn(study, read: Read) -> None:
    fits, plans = study
    table = probabilities(predictions(fits, "test").query("seed == 52"))
    for kind in ("csv", "tsv", "jsonl", "parquet"):
        mine = lines(judge(fits, plans, outside=[read(table, kind)]), "mine")
        for task, k in (("a", 2), ("b", 3)):
            block = next(f for f in fits if f.group.name == task).blocks[task, "test"]
            p = table[table["task"] == task].set_index("row").loc[block.rows, [f"p:y{i}" for i in range(k)]].to_numpy()
            truth = log_loss(block.gold, p / p.sum(axis=1, keepdims=True), labels=range(k)) / np.log(2)
            assert mine.loc[(task, "log_loss"), "value"] == pytest.approx(truth, abs=1e-6)


def test_a_blank_guess_is_wrong_and_counts_as_no_label(study, read: Read) -> None:
    """As scikit-learn has it with a label of its own for them, over the labels of the task."""
    fits, plans = study
    table = predictions(fits, "test", groups=["b"]).query("seed == 42").drop(columns=["log2_p"])
    table["guess"] = table["guess"].where(np.arange(len(table)) % 4 > 0, "")
    found = judge(fits, plans, "mcc", outside=[read(table, "csv")])
    block = next(f for f in fits if f.group.name == "b").blocks["b", "test"]
    gold = [f"y{k}" for k in block.gold]
    guess = table.set_index("row").loc[block.rows, "guess"].tolist()
    mine = lines(found, "mine")
    assert mine.loc[("b", "accuracy"), "value"] == pytest.approx(accuracy_score(gold, guess))
    assert mine.loc[("b", "macro_f1"), "value"] == pytest.approx(f1_score(gold, guess, average="macro", labels=["y0", "y1", "y2"]))
    assert mine.loc[("b", "mcc"), "value"] == pytest.approx(matthews_corrcoef(gold, guess))
    assert found.notes["arms"]["mine"]["unanswered"] == {"b": sum(not g for g in guess)}


def test_a_guess_stands_above_the_most_probable_label(study, read: Read) -> None:
    fits, plans = study
    table = predictions(fits, "test")
    blocks = [block for fit in fits for block in fit.blocks.values()]
    truth = {row: f"y{k}" for block in blocks for row, k in zip(block.rows, block.gold, strict=True)}
    mine, plain = (lines(judge(fits, plans, outside=[read(t)]), "mine") for t in (table.assign(guess=table["row"].map(truth)), table))
    assert mine.xs("accuracy", level="metric")["value"].eq(1).all()
    loss = (found.xs("log_loss", level="metric")["value"] for found in (mine, plain))
    np.testing.assert_array_equal(*loss)


def test_a_probability_of_0_is_the_smallest_double_and_ties_stay_ties(study, read: Read) -> None:
    fits, plans = study
    table = predictions(fits, "test", groups=["a"]).query("seed == 42")
    hard = table.assign(log2_p=[np.where(x == x.max(), 0.0, -np.inf) for x in table["log2_p"]], guess=None)
    found = lines(judge(fits, plans, "auprc", outside=[read(hard)]), "mine")
    block = next(f for f in fits if f.group.name == "a" and f.seed == 42).blocks["a", "test"]
    positive, said = block.gold == 1, block.at(1).argmax(axis=1) == 1
    precision, recall = positive[said].mean(), said[positive].mean()
    assert found.loc[("a", "auprc"), "value"] == pytest.approx(recall * precision + (1 - recall) * positive.mean())
    assert found.loc[("a", "log_loss"), "value"] == pytest.approx(-metrics.LEAST_BITS * (positive != said).mean())


def test_what_is_kept_of_a_file_reads_as_the_file_does(study, read: Read, tmp_path: Path) -> None:
    fits, _ = study
    table = predictions(fits, "dev", "test")
    table.loc[table["task"] == "b", "log2_p"] = None
    table.loc[(table["task"] == "b") & (table.index % 5 == 0), "guess"] = None
    table.loc[table["task"] == "a", "guess"] = None
    arm = read(table.sample(frac=1, random_state=0))
    singles = {f.group.name: f for f in fits if f.group.name in "ab"}
    rows = {(t, s): f.blocks[t, s].rows.tolist() for t, f in singles.items() for s in ("dev", "test")}
    labels = {t: f.labels[t] for t, f in singles.items()}
    arm.table(rows, labels).to_parquet(tmp_path / "kept.parquet")
    again = read_arm("mine", tmp_path / "kept.parquet", rows, labels)
    assert again.seeds == arm.seeds and again.labels_only == arm.labels_only == ("b",) and again.unanswered == arm.unanswered
    for key in ("guesses", "log2_p"):
        one, two = getattr(arm, key), getattr(again, key)
        assert one.keys() == two.keys()
        for at in one:
            np.testing.assert_array_equal(one[at], two[at])


def test_rows_that_the_study_does_not_hold_out_are_counted_and_not_used(study, read: Read) -> None:
    fits, _ = study
    table = predictions(fits, "test", groups=["a"]).query("seed == 42")
    more = pd.concat([table, table.head(3).assign(row=["t1", "t2", "c1"])])
    arm = read(more, elsewhere={"a": {"t1": "train", "t2": "train", "c1": "capped_test"}})
    assert arm.unused == {"train": 2, "capped_test": 1} and arm.guesses["a", "test"].shape == (1, 90, 2)


def faults(read: Read, table: pd.DataFrame, kind: str = "parquet") -> str:
    with pytest.raises(InputError) as caught:
        read(table, kind)
    return "\n".join(caught.value.faults)


def test_rows_that_do_not_match_are_counted_on_their_side(study, read: Read) -> None:
    fits, _ = study
    table = predictions(fits, "dev", "test").query("seed == 42")
    a_test = table.index[(table["task"] == "a") & table["row"].str.contains("test")]
    b_dev = table.index[(table["task"] == "b") & table["row"].str.contains("dev")]
    text = faults(read, table.drop([*a_test[:7], *b_dev[:2]]))
    assert "task a: 7 of the 90 rows of test have no prediction in the file" in text
    assert "task b: 2 of the 80 rows of dev have no prediction in the file; dev may be left out, but not in part" in text
    strange = table.copy()
    strange.loc[a_test[:4], "row"] = ["w", "x", "y", "z"]
    text = faults(read, strange)
    assert "task a: 4 lines have rows that the study does not have, first at mine:" in text and "4 of the 90 rows of test" in text
    assert "each row should be there once per seed, is there again at mine:" in faults(read, pd.concat([table, table.head(2)]))
    both = predictions(fits, "test").query("seed != 62")
    lame = both.drop(both.index[(both["seed"] == 52) & (both["task"] == "a")][:3])
    assert "3 of the 90 rows of test have no prediction in the file at each of the 2 seeds" in faults(read, lame)


def test_names_that_are_not_known_are_suggested_and_texts_are_not_shown(study, read: Read) -> None:
    fits, _ = study
    table = predictions(fits, "test").query("seed == 42").drop(columns="log2_p").reset_index(drop=True)
    assert "unknown task 'aa'. Did you mean 'a'? Known: a, b; at mine:1" in faults(read, table.assign(task=["aa", *table["task"][1:]]))
    secret = "the patient denies any fever since the day before yesterday"
    text = faults(read, table.assign(guess=["y00", secret, *table["guess"][2:]]), "csv")
    assert "unknown label 'y00'. Did you mean 'y0'? Known: y0, y1; at mine:1" in text and secret not in text
    assert f"unknown label (a name of {len(secret)} characters)" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns=["guess", "log2_p"]), "columns of probabilities such as p:y0, p:y1, or log2_p; found none"),
        (lambda t: t.drop(columns="row"), "unknown column 'row'"),
        (lambda t: t.assign(row=["", *t["row"][1:]]), "row is empty at mine:1"),
        (lambda t: t.assign(seed=[0.5, *t["seed"][1:]]), "seed should be whole numbers, is something else at mine:1"),
        (lambda t: t.assign(split="dev"), "the split should be that of the study, is another at mine:1, mine:2"),
        (lambda t: t.assign(log2_p=[[-1.0], *t["log2_p"][1:]]), "log2_p should be a list of 2, for y0, y1; is not at mine:1"),
        (lambda t: t.assign(log2_p=[x * np.log(2) for x in t["log2_p"]]), "should be numbers that sum to 1, do not at mine:1, mine:2"),
        (lambda t: t.assign(log2_p=[np.array([0, np.nan], dtype=np.float32), *t["log2_p"][1:]]), "numbers that sum to 1, do not at mine:1"),
        (lambda t: t.assign(log2_p=[None, *t["log2_p"][1:]]), "every line or none should have probabilities, some have none at mine:1"),
        (lambda t: probabilities(t).drop(columns="p:y1"), "found none for p:y1"),
        (lambda t: probabilities(t).assign(**{"p:y2": 0.5}), "labels that the task does not have should be blank"),
        (lambda t: t.drop(columns="log2_p").assign(guess=""), "there should be a guess or probabilities, found neither"),
    ],
)  # fmt: skip
def test_faults_of_a_file_say_where(study, read: Read, change, words: str) -> None:
    fits, _ = study
    table = predictions(fits, "test", groups=["a"]).query("seed == 42").reset_index(drop=True)
    assert words in faults(read, change(table))


def test_a_language_model_that_never_names_an_option_is_always_wrong(study, read: Read) -> None:
    fits, plans = study
    table = predictions(fits, "test", groups=["a"]).drop(columns="log2_p").assign(guess=None)
    arm = read(table, silent=True)
    assert arm.unanswered == {"a": len(table)}
    found = judge(fits, plans, "accuracy", outside=[arm]).table.query("plan == 'mine'")
    assert len(found) and set(found["value"]) == {0}


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"arm mine: .*gone.csv: there should be a file of predictions; found none"):
        read_arm("mine", tmp_path / "gone.csv", {}, {})


def test_a_metric_of_probabilities_refuses_labels_alone_and_a_taken_name_is_refused(study, read: Read) -> None:
    fits, plans = study
    arm = read(predictions(fits, "test").drop(columns="log2_p"), "csv")
    with pytest.raises(InputError) as caught:
        judge(fits, plans, "auprc", outside=[arm])
    assert len(caught.value.faults) == 2 and "task a: its metric auprc needs probabilities, found labels only" in str(caught.value)
    for name in ("pvi", "a", "recommended"):
        taken = Outside(name, arm.seeds, arm.guesses, arm.log2_p)
        with pytest.raises(InputError, match=f"arm {name}: its name is that of a task or plan"):
            judge(fits, plans, outside=[taken])
