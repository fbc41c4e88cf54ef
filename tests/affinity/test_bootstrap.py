"""Resamples: their spread is the standard error that the statistics claim, whatever rows, clusters and seeds do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.pvi import relate
from cotrain.errors import InputError
from cotrain.pvi.scores import Scores

Make = Callable[..., Scores]
RANDOM = np.random.default_rng(2)
ROWS = RANDOM.normal(0.4, 1, (1, 300))


def spread(affinity: Affinity, column: str = "mean_bits") -> pd.Series:
    """The standard deviation of a statistic over resamples, by task."""
    assert affinity.resamples is not None
    return affinity.resamples.tasks.groupby("task")[column].std()


def test_means_of_resamples_vary_as_the_standard_error_says(scores: Make) -> None:
    clusters = {"b": [f"p{i // 10}" for i in range(300)]}
    patient = np.repeat(RANDOM.normal(size=30), 10)
    related = relate(scores({"a": ROWS, "b": ROWS + patient}, clusters=clusters), bootstrap=2000)
    claimed = related.tasks.set_index("task")["se_bits"]
    for task in ("a", "b"):
        assert spread(related)[task] == pytest.approx(claimed[task], rel=0.06)
    centre = related.resamples.tasks.groupby("task")["mean_bits"].mean()  # type: ignore[union-attr]
    assert (centre - related.tasks.set_index("task")["mean_bits"]).abs().max() < 0.02


def test_errors_within_resamples_are_those_of_the_drawn_rows(scores: Make) -> None:
    """Brute force: the rows of a resample are written out, and their mean, sd and error taken."""
    x = RANDOM.normal(size=(1, 12))
    related = relate(scores({"a": x, "b": ROWS}), bootstrap=50)
    assert related.resamples is not None
    lines = related.resamples.tasks[related.resamples.tasks["task"] == "a"]
    for mean, sd, se in lines[["mean_bits", "sd_bits", "se_bits"]].to_numpy():
        assert se == pytest.approx(sd / 12**0.5), "one row is one cluster"
        assert x.min() <= mean <= x.max()
    assert lines["sd_bits"].mean() == pytest.approx(x.std(), rel=0.1)


def test_seeds_are_drawn_too(scores: Make) -> None:
    """Rows that hardly vary, fits that do: what remains is the spread of a mean of three drawn seeds."""
    x = 0.001 * RANDOM.normal(size=(3, 200)) + np.array([[0.0], [0.3], [0.6]])
    related = relate(scores({"a": x, "b": ROWS}), bootstrap=3000)
    assert spread(related)["a"] == pytest.approx(np.std([0.0, 0.3, 0.6]) / 3**0.5, rel=0.06)
    assert related.resamples is not None
    assert related.resamples.tasks.groupby("task")["se_bits"].mean()["a"] == pytest.approx(related.tasks["se_bits"][0], rel=0.01)


def test_tasks_on_the_same_rows_draw_the_same_rows(scores: Make) -> None:
    x = ROWS + 0.01 * RANDOM.normal(size=ROWS.shape)
    related = relate(scores({"a": ROWS, "b": x}, sources={"a": "s", "b": "s"}), bootstrap=500)
    assert related.resamples is not None
    pairs = related.resamples.pairs
    assert pairs["difference_bits"].std() == pytest.approx(related.pairs["se_bits"][0], rel=0.15)
    assert pairs["difference_bits"].std() < 0.05 * spread(related)["a"]


def test_a_clear_difference_stays_and_a_doubtful_one_changes_sides(scores: Make) -> None:
    doubtful = ROWS - ROWS.mean() + 0.21
    related = relate(scores({"a": ROWS - ROWS.mean(), "b": doubtful, "c": ROWS + 2}), bootstrap=400)
    assert related.resamples is not None
    passes = (related.resamples.pairs["p"] > 0.01).groupby([related.resamples.pairs["target"], related.resamples.pairs["helper"]]).mean()
    assert passes["a", "c"] == passes["b", "c"] == 0
    assert 0.2 < passes["a", "b"] < 0.8


def test_one_resample_as_an_affinity_has_its_numbers_and_the_old_states(scores: Make) -> None:
    related = relate(scores({"a": ROWS, "b": ROWS[:, :50], "c": ROWS[:, :80] + 1}, states={"b": "not_learned"}), bootstrap=3)
    assert related.resamples is not None and len(related.resamples) == 3
    second = related.resampled(1)
    mine = related.resamples.pairs[related.resamples.pairs["resample"] == 1]
    assert second.pairs["p"].tolist() == mine["p"].tolist() and second.pairs["helper"].tolist() == mine["helper"].tolist()
    assert second.tasks["state"].tolist() == related.tasks["state"].tolist() and second.resamples is None
    assert second.pairs["difference_bits"].tolist() == pytest.approx(
        [second.tasks.set_index("task")["mean_bits"][a] - second.tasks.set_index("task")["mean_bits"][b]
         for a, b in zip(second.pairs["target"], second.pairs["helper"], strict=True)]
    )  # fmt: skip


def test_too_few_stays_too_few_and_nothing_is_drawn_unasked(scores: Make) -> None:
    assert relate(scores({"a": ROWS, "b": ROWS[:, :1]})).resamples is None
    related = relate(scores({"a": ROWS, "b": ROWS[:, :1]}), bootstrap=5)
    assert related.resamples is not None and (related.resamples.pairs["p"] == 1).all()


def test_it_is_repeatable(scores: Make) -> None:
    table = scores({"a": ROWS, "b": ROWS[:, :50]})
    one, two, other = (relate(table, bootstrap=20, seed=s).resamples for s in (0, 0, 1))
    assert one is not None and two is not None and other is not None
    pd.testing.assert_frame_equal(one.pairs, two.pairs)
    assert not np.allclose(one.pairs["p"], other.pairs["p"])


def test_numbers_that_are_none_are_refused(scores: Make) -> None:
    with pytest.raises(InputError, match="1 resample or more"):
        relate(scores({"a": ROWS, "b": ROWS}), bootstrap=-1)
