"""``score``: from single-task fits to PVI per row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cotrain.errors import InputError
from cotrain.pvi.finetune import score
from cotrain.pvi.seeds import mean_with_seeds
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.selection import half_of

GOLD = np.tile([0, 1], 100)
Make = Callable[..., Fit]
Log2p = Callable[..., np.ndarray]


def test_pvi_is_the_log_probability_of_the_label_over_its_training_frequency(fit: Make, confident: Log2p) -> None:
    log2_p = confident(GOLD, 0.8, 1.0)
    scores = score([fit(log2_p[None], GOLD, counts=(75, 25))])
    table = scores.table
    assert table["pvi_bits"].to_numpy() == pytest.approx(log2_p[range(200), GOLD] - np.log2([0.75, 0.25])[GOLD], abs=1e-5)
    assert (table["log2_p_x"] - table["log2_p_null"]).to_numpy() == pytest.approx(table["pvi_bits"].to_numpy())
    assert table["gold"].tolist() == np.array(["no", "yes"])[GOLD].tolist()
    assert table["guess"].tolist() == np.array(["no", "yes"])[log2_p.argmax(axis=1)].tolist()
    [line] = scores.tasks.to_dict("records")
    assert (line["labels"], line["n_train"], line["state"]) == (2, 100, "ok")
    assert line["entropy_bits"] == pytest.approx(stats.entropy([75, 25], base=2))
    assert line["v_bits"] == pytest.approx(table["pvi_bits"].mean()) == line["v_bits_without_collapsed"]


def test_each_half_of_dev_is_scored_at_the_epoch_that_the_other_half_chose(fit: Make, confident: Log2p) -> None:
    """Epoch 1 is best on half 0 and epoch 2 on half 1: so half 0 is scored at 2 and half 1 at 1, neither at its own best."""
    rows = [f"r{i}" for i in range(200)]
    half = half_of(np.array(rows, dtype=object))
    good, bad = confident(GOLD, 0.9), confident(GOLD, 0.6)
    log2_p = np.stack([np.where(half[:, None] == k, good, bad) for k in (0, 1)])
    table = score([fit(log2_p, GOLD, rows=rows)]).table
    assert table["epoch"].tolist() == (2 - half).tolist()
    assert table["pvi_bits"].to_numpy() == pytest.approx(1 + np.log2(0.6), abs=1e-5)


def test_the_last_epoch_is_scored_where_the_paper_is_followed(fit: Make, confident: Log2p) -> None:
    log2_p = np.stack([confident(GOLD, 0.9, 0.5), confident(GOLD, 0.4, 0.5)])
    scores = score([fit(log2_p, GOLD)], by="last", split="test")
    assert set(scores.table["epoch"]) == {2} and set(scores.table["split"]) == {"test"}
    assert scores.tasks["state"].tolist() == ["overfit"], "learned at its best epoch, surely below 0 at the last"
    assert scores.by_epoch["v_information_bits"].tolist() == pytest.approx(
        [1 + log2_p[k][range(200), GOLD].mean() for k in (0, 1)], abs=1e-5
    )


def test_labels_without_relation_to_the_text_are_not_learned(fit: Make) -> None:
    random = np.random.default_rng(0)
    p = np.clip(random.normal(0.5, 0.05, (1, 200)), 0.05, 0.95)
    scores = score([fit(np.log2(np.stack([p, 1 - p], axis=2)), GOLD)])
    assert scores.tasks["state"].tolist() == ["not_learned"]
    assert "not above 0" in scores.tasks["state_reason"][0]


def test_failed_seeds_are_left_out_and_named_collapsed_ones_kept_and_named(fit: Make, confident: Log2p) -> None:
    fits = [
        fit(confident(GOLD, 0.8, 0.5)[None], GOLD, seed=42, train_bits=[0.4]),
        fit(confident(GOLD, 0.5, 0.1)[None], GOLD, seed=52, train_bits=[1.0]),
        fit(confident(GOLD, 0.8)[None], GOLD, seed=62, failed="the loss is not a number"),
    ]
    scores = score(fits)
    [line] = scores.tasks.to_dict("records")
    assert (line["failed_seeds"], line["collapsed_seeds"]) == ("62", "52")
    assert sorted(set(scores.table["seed"])) == [42, 52]
    by_seed = scores.table.groupby("seed")["pvi_bits"].mean()
    assert line["v_bits"] == pytest.approx(by_seed.mean())
    assert line["v_bits_without_collapsed"] == pytest.approx(by_seed[42])


def test_the_state_counts_clusters_and_seeds(fit: Make, confident: Log2p) -> None:
    """A gap that 200 rows would show is not shown by the 4 patients that they come from."""
    patient = np.repeat(range(4), 50)
    p = np.array([0.75, 0.75, 0.75, 0.3])[patient]
    log2_p = np.log2(np.where(GOLD[:, None] == np.arange(2), p[:, None], 1 - p[:, None]))[None]
    assert score([fit(log2_p, GOLD)]).tasks["state"].tolist() == ["ok"]
    names = [f"patient {k}" for k in patient]
    assert score([fit(log2_p, GOLD, clusters=names)], by="last").tasks["state"].tolist() == ["not_learned"]


def test_a_fine_tuned_null_replaces_the_frequencies_row_for_row_and_its_gap_is_told(fit: Make, confident: Log2p) -> None:
    """Its inputs are all alike, so its output is one constant; it is under-trained here by .3 bit and more."""
    real = [fit(np.stack([confident(GOLD, 0.8)] * 2), GOLD, seed=s) for s in (1, 2)]
    constant = np.log2(np.tile([[0.3, 0.7]], (200, 1)))
    nulls = [fit(np.stack([np.log2(np.tile([[0.1, 0.9]], (200, 1))), constant]), GOLD, seed=s, variant="blank") for s in (1, 2)]
    scores = score(real, null="finetune", null_fits=nulls, by="last")
    null = np.log2([0.3, 0.7])[GOLD]
    assert scores.table["log2_p_null"].to_numpy() == pytest.approx(np.tile(null, 2), abs=1e-5)
    assert set(scores.table["null"]) == {"finetune"}
    assert scores.tasks["null_gap_bits"][0] == pytest.approx(-null.mean() - 1, abs=1e-5)
    best = score(real, null="finetune", null_fits=nulls, by="macro_f1")
    assert best.table["log2_p_null"].to_numpy() == pytest.approx(np.tile(null, 2), abs=1e-5), (
        "never the epoch of a constant's first macro-F1"
    )
    assert np.isnan(score(real).tasks["null_gap_bits"][0])


def test_every_fault_is_told_at_once(fit: Make, confident: Log2p) -> None:
    log2_p = confident(GOLD, 0.8)[None]
    other = [f"other {i}" for i in range(200)]
    fits = [
        fit(log2_p, GOLD, task="a", failed="out of memory"),
        fit(log2_p, GOLD, task="b", seed=1), fit(log2_p, GOLD, task="b", seed=2, rows=other),
        fit(log2_p, GOLD, task="c", seed=1), fit(log2_p, GOLD, task="c", seed=1),
        fit(log2_p, GOLD, task="d", seed=5),
    ]  # fmt: skip
    with pytest.raises(InputError) as caught:
        score(fits, null="finetune", null_fits=[fit(log2_p, GOLD, task="b", seed=s, variant="blank") for s in (1, 2)])
    a, b, c, d = caught.value.faults
    assert "task a: every fit failed (out of memory)" in a
    assert "task b: its seeds predict different rows" in b
    assert "task c" in c and "several of seed 1" in c
    assert "task d: the fine-tuned null models of seed 5" in d


def test_fits_of_groups_and_of_blanks_are_no_single_task_fits(fit: Make, confident: Log2p) -> None:
    log2_p = confident(GOLD, 0.8)[None]
    pair = replace(fit(log2_p, GOLD), group=Group.of(["rte", "cb"]))
    with pytest.raises(InputError, match=r"cb\+rte, rte\[blank\]"):
        score([pair, fit(log2_p, GOLD, variant="blank")])
    with pytest.raises(InputError, match="Did you mean 'prior'"):
        score([fit(log2_p, GOLD)], null="priors")
    with pytest.raises(InputError, match="no fits"):
        score([])


def test_equal_sources_are_written_beside_the_rows(fit: Make, confident: Log2p) -> None:
    fits = [fit(confident(GOLD, 0.8)[None], GOLD, task=t) for t in ("notes.a", "notes.b")]
    assert score(fits).table.groupby("task")["source"].first().to_dict() == {"notes.a": "notes.a", "notes.b": "notes.b"}
    named = score(fits, sources={"notes.a": "file", "notes.b": "file"})
    assert set(named.table["source"]) == {"file"}


def test_the_mean_of_the_table_has_the_error_of_rows_and_seeds(fit: Make, confident: Log2p) -> None:
    fits = [fit(confident(GOLD, 0.7, 0.5, seed=s)[None], GOLD, seed=s) for s in range(3)]
    wide = score(fits).table.pivot(index="row", columns="seed", values="pvi_bits").to_numpy().T
    m = mean_with_seeds(wide, np.arange(200))
    assert m.seeds == 3 and m.se == pytest.approx(np.sqrt(wide.mean(axis=0).var(ddof=1) / 200 + m.seed_var / 3))
