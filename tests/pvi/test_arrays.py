"""Scores from arrays: PVI of models that were scored elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cotrain.affinity.pvi import relate
from cotrain.errors import InputError
from cotrain.grouping.group import group
from cotrain.grouping.passing import Options
from cotrain.pvi.arrays import Predictions, scores_of
from cotrain.pvi.pvi import prior, pvi

GOLD = np.tile([0, 1], 150)


def predictions(p: float, seed: int = 0, **more: Any) -> Predictions:
    """Return what three seeds of a model say that gives the true label about ``p``."""
    random = np.random.default_rng(seed)
    right = 1 / (1 + np.exp(-np.log(p / (1 - p)) - random.normal(0, 0.7, 300) - random.normal(0, 0.2, (3, 300))))
    log2_p = np.log2(np.where(GOLD[:, None] == np.arange(2), right[..., None], 1 - right[..., None]))
    return Predictions(**({"log2_p": log2_p, "gold": GOLD, "train_counts": [30, 70]} | more))


def test_pvi_of_arrays_is_algorithm_1_row_for_row_and_seed_for_seed() -> None:
    given = predictions(0.8)
    table = scores_of({"rte": given}).table
    for seed in range(3):
        mine = table.loc[table["seed"] == seed, "pvi_bits"].to_numpy()
        assert mine == pytest.approx(pvi(given.log2_p[seed], GOLD, prior([30, 70])))


def test_one_model_is_one_seed() -> None:
    table = scores_of({"rte": predictions(0.8, log2_p=predictions(0.8).log2_p[0])}).table
    assert len(table) == 300 and set(table["seed"]) == {0}


def test_names_of_rows_clusters_labels_and_seeds_are_kept() -> None:
    given = predictions(0.8, rows=[f"r{i}" for i in range(300)], clusters=[f"p{i // 3}" for i in range(300)], labels=["no", "yes"],
                        seeds=[7, 8, 9], source="corpus")  # fmt: skip
    table = scores_of({"rte": given}, split="test").table
    assert table["row"].iloc[[0, 299, 300]].tolist() == ["r0", "r299", "r0"]
    assert table["cluster"].nunique() == 100 and set(table["gold"]) == {"no", "yes"} and set(table["seed"]) == {7, 8, 9}
    assert set(table["source"]) == {"corpus"} and set(table["split"]) == {"test"}


def test_arrays_can_be_related_and_grouped() -> None:
    tasks = {"a": predictions(0.80, 1), "b": predictions(0.81, 2), "c": predictions(0.95, 3), "noise": predictions(0.5, 4)}
    scores = scores_of(tasks)
    assert dict(zip(scores.tasks["task"], scores.tasks["state"], strict=True)) == {"a": "ok", "b": "ok", "c": "ok", "noise": "not_learned"}
    [plan] = group(relate(scores), Options())
    assert [s.group.tasks for s in plan.servings] == [("a", "b"), ("c",), ("noise",)]


BAD = np.log2([[0.5, 0.5], [0.9, 0.1]])


@pytest.mark.parametrize(("more", "words"), [
    ({"log2_p": np.zeros(4)}, r"\(n, K\) or \(S, n, K\)"),
    ({"log2_p": BAD * np.log(2)}, "do not sum to 1, first at row 0"),
    ({"log2_p": BAD + np.nan}, "do not sum to 1"),
    ({"gold": [0, 2]}, "from 0 to 1"),
    ({"gold": [0.0, 1.0]}, "integers"),
    ({"gold": [0]}, "gold should have 2 entries"),
    ({"train_counts": [1, 2, 3]}, "train_counts should have 2 entries"),
    ({"train_counts": [5, 0]}, "labels without training rows: 1"),
    ({"log2_p": [[0.0, -np.inf], [0.0, -np.inf]]}, "probability 0 in 1 rows, first at row 1"),
    ({"rows": ["a", "a"]}, "rows should be unique"),
    ({"labels": ["a"]}, "labels should have 2 entries"),
    ({"seeds": [1, 2]}, "seeds should have 1 entries"),
])  # fmt: skip
def test_bad_arrays_are_refused_with_the_task_and_the_row(more: dict[str, Any], words: str) -> None:
    good = {"log2_p": BAD, "gold": np.array([0, 1]), "train_counts": [1, 1]}
    scores_of({"cb": Predictions(**good)})
    with pytest.raises(InputError, match=rf"task cb: .*{words}"):
        scores_of({"cb": Predictions(**(good | more))})


def test_the_faults_of_all_tasks_are_told_at_once() -> None:
    bad = Predictions(BAD, np.array([0, 1]), [1, 0])
    with pytest.raises(InputError) as caught:
        scores_of({"a": bad, "b": bad})
    assert [f[:6] for f in caught.value.faults] == ["task a", "task b"]
    with pytest.raises(InputError, match="no predictions"):
        scores_of({})
