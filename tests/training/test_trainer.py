"""The training loop against a loop written by hand, and what it evaluates, keeps and stops at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from cotrain import Group, Task
from cotrain.training import encoder, worker
from cotrain.training.budget import budget
from cotrain.training.evaluations import Snapshots
from cotrain.training.group import Member
from cotrain.training.model import SharedClassifier
from cotrain.training.sampling import Batches, derived_seed
from cotrain.training.scoring import pad
from cotrain.training.settings import Settings
from cotrain.training.train import effective


@pytest.mark.parametrize("architecture", ["tiny_bert", "tiny_roberta"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_group_of_one_is_the_plain_classifier_trained_by_hand(
    architecture: str, accumulation: int, request: pytest.FixtureRequest, task: Callable[..., Task], settings: Callable[..., Settings],
    trained: Callable[..., Any],
) -> None:  # fmt: skip
    folder = request.getfixturevalue(architecture)
    chosen = settings(model=str(folder), epochs=2, accumulation=accumulation, schedule="linear", warmup=0.25, learning_rate=1e-3)
    rows = task("a", train=37, pair=True)
    record, _ = trained(Group.of(["a"]), {"a": rows}, chosen, seed=3)

    tokens = encoder.tokenizer(folder, chosen.max_length)
    torch.manual_seed(derived_seed(3, "head", "a"))
    plain = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, attn_implementation="eager")
    kept = {"decay": [], "free": []}
    for name, weight in plain.named_parameters():
        kept["free" if name.endswith("bias") or "LayerNorm" in name else "decay"].append(weight)
    optimiser = torch.optim.AdamW([{"params": kept["decay"], "weight_decay": 0.01}, {"params": kept["free"], "weight_decay": 0.0}], lr=1e-3)
    encoded = encoder.encode(rows.split("train"), True, tokens, chosen.max_length)
    gold = torch.tensor([rows.labels.index(label) for label in rows.split("train")["label"]])
    batches = Batches({"a": [len(x["input_ids"]) for x in encoded]}, chosen.batch_size, seed=3)
    total = 2 * math.ceil(len(batches) / accumulation)
    warm = math.ceil(0.25 * total)
    torch.manual_seed(derived_seed(3, "dropout", "a"))
    done = 0
    for epoch in range(2):
        plain.train()
        batches.set_epoch(epoch)
        listed = list(batches)
        for start in range(0, len(listed), accumulation):
            part = listed[start : start + accumulation]
            for batch in part:
                positions = [i for _, i in batch]
                logits = plain(**pad([encoded[i] for i in positions], tokens)).logits
                (torch.nn.functional.cross_entropy(logits, gold[positions]) / len(part)).backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            rate = done / warm if done < warm else (total - done) / (total - warm)
            for entry in optimiser.param_groups:
                entry["lr"] = 1e-3 * rate
            optimiser.step()
            optimiser.zero_grad()
            done += 1
        plain.eval()
        rows_of_dev = encoder.encode(rows.split("dev"), True, tokens, chosen.max_length)
        with torch.no_grad():
            expected = torch.log_softmax(plain(**pad(rows_of_dev, tokens)).logits, dim=1) / math.log(2)
        np.testing.assert_allclose(record.dev["a"][epoch + 1], expected, atol=2e-4)
    assert record.cost["updates"] == total
    assert record.cost["tokens"] == 2 * sum(len(x["input_ids"]) for x in encoded)
    assert record.cost["parameters"] == sum(w.numel() for w in plain.parameters())


@pytest.mark.parametrize(
    ("rows", "updates", "evaluated"),
    [
        (40, 20, [5, 10, 15, 20]),  # epochs of 5 updates
        (8, 20, [5, 10, 15, 20]),  # epochs of 1 update: five epochs are one evaluation
        (12, 7, [6, 7]),  # epochs of 2 updates: evaluated after three of them, and in mid-epoch at the end
        (80, 25, [10, 20, 25]),  # epochs of 10 updates are longer than the gap
    ],
)
def test_dev_is_scored_once_per_longer_of_epoch_and_gap_and_at_the_end(
    rows: int, updates: int, evaluated: list[int], task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any]
) -> None:
    chosen = settings(evaluate_every=5)
    plan = budget(effective(chosen), {"a": rows}, updates)
    record, _ = trained(Group.of(["a"]), {"a": task("a", train=rows)}, chosen, plan=plan)
    assert [line["updates"] for line in record.history] == evaluated
    assert record.cost["updates"] == updates
    per_epoch = math.ceil(rows / chosen.batch_size)
    assert [line["epoch"] for line in record.history] == [math.ceil(u / per_epoch) for u in evaluated]
    assert list(record.dev["a"]) == [math.ceil(u / per_epoch) for u in evaluated]


def test_a_fit_stops_after_as_many_evaluations_without_improvement_as_its_patience(
    task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any]
) -> None:
    # labels of train are copied without error, those of dev are nearly turned round: dev gets worse while train is learned
    tasks = {"a": task("a", error=0.0)}
    rows = tasks["a"].rows.copy()
    turned = rows["split"] == "dev"
    rows.loc[turned, "label"] = rows.loc[turned, "label"].map({"no": "yes", "yes": "no"})
    tasks["b"] = Task("b", ("no", "yes"), rows)
    chosen = settings(epochs=30, patience=3, schedule="constant", learning_rate=5e-3)
    for names in (["a"], ["b"], ["a", "b"]):
        record, _ = trained(Group.of(names), tasks, chosen)
        # the mean over members of NLL / NLL_null, from the stored predictions
        means = []
        for epoch in record.dev[names[0]]:
            ratios = []
            for name in names:
                gold = [tasks[name].labels.index(y) for y in tasks[name].split("dev")["label"]]
                bits = -record.dev[name][epoch][np.arange(len(gold)), gold].mean()
                ratios.append(bits / 1.0)  # balanced labels: NLL_null is one bit
            means.append(np.mean(ratios))
        best = int(np.argmin(means))
        if names == ["b"]:
            assert record.cost["updates"] < 30 * 5
        if len(means) < 30:
            assert len(means) == best + 1 + 3
        else:
            assert best > 30 - 1 - 3


def test_without_patience_a_fit_trains_to_its_end(
    task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any]
) -> None:
    record, _ = trained(Group.of(["a"]), {"a": task("a", error=0.5)}, settings(epochs=12, learning_rate=1e-2))
    assert record.cost["updates"] == 12 * 5


def test_test_is_scored_at_every_epoch_that_a_selection_can_pick(
    task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any]
) -> None:
    from sklearn.metrics import f1_score

    tasks = {name: task(name, error=0.3, dev=13, labels=("x", "y", "z")) for name in "ab"}
    record, _ = trained(Group.of("ab"), tasks, settings(epochs=14, learning_rate=3e-3))
    gold = {name: np.array([t.labels.index(y) for y in t.split("dev")["label"]]) for name, t in tasks.items()}
    values: dict[str, np.ndarray] = {}
    for name in "ab":
        guesses = {e: p.argmax(axis=1) for e, p in record.dev[name].items()}
        values[f"{name} accuracy"] = np.array([(g == gold[name]).mean() for g in guesses.values()])
        values[f"{name} macro"] = np.array([f1_score(gold[name], g, average="macro") for g in guesses.values()])
        counts = np.bincount([tasks[name].labels.index(y) for y in tasks[name].split("train")["label"]])
        null = -np.log2((counts / counts.sum())[gold[name]]).mean()
        values[f"{name} loss"] = np.array([p[np.arange(len(p)), gold[name]].mean() / null for p in record.dev[name].values()])
    picked = {
        "a": {int(values[f"a {by}"].argmax()) + 1 for by in ("accuracy", "macro", "loss")},
        "b": {int(values[f"b {by}"].argmax()) + 1 for by in ("accuracy", "macro", "loss")},
    }
    group = {int((values[f"a {by}"] + values[f"b {by}"]).argmax()) + 1 for by in ("accuracy", "macro", "loss")} | {14}
    assert len(group | picked["a"] | picked["b"]) > 3, "this world should have several best epochs"
    assert set(record.test["a"]) == picked["a"] | group
    assert set(record.test["b"]) == picked["b"] | group


def test_test_predictions_are_those_of_the_model_at_that_epoch(
    task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any]
) -> None:
    """Test rows that repeat dev rows must get the predictions that dev got at that epoch."""
    rows = task("a", error=0.4).rows
    dev = rows[rows["split"] == "dev"]
    again = dev.assign(split="test", row="again " + dev["row"])
    twin = Task("a", ("no", "yes"), pd.concat([rows[rows["split"] != "test"], again], ignore_index=True))
    record, _ = trained(Group.of(["a"]), {"a": twin}, settings(epochs=9))
    assert len(record.test["a"]) > 1
    for epoch, log2_p in record.test["a"].items():
        np.testing.assert_array_equal(log2_p, record.dev["a"][epoch])


def test_snapshots_bring_every_weight_back_and_are_forgotten(
    task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any], tmp_path: Path
) -> None:
    _, model = trained(Group.of(["a"]), {"a": task("a")}, settings(epochs=1))
    model.bfloat16()
    model.register_buffer("nothing", torch.empty(0)), model.register_buffer("number", torch.tensor(7))
    (tmp_path / "scratch").mkdir()
    snapshots = Snapshots(model, tmp_path / "scratch")
    before = {name: w.detach().clone() for name, w in model.weights().items()}
    for epoch in (1, 2, 3):
        snapshots.keep(epoch)
        with torch.no_grad():
            for weight in model.weights().values():
                weight.add_(1)
    snapshots.only({1, 3})
    assert sorted(f.name for f in (tmp_path / "scratch").iterdir()) == ["1", "3"]
    for epoch, added in ((3, 2), (1, 0)):
        snapshots.restore(epoch)
        for name, weight in model.weights().items():
            expected = before[name]
            for _ in range(added):
                expected = expected + 1
            assert torch.equal(weight, expected) and weight.dtype == expected.dtype
    snapshots.restore(2)
    assert all(torch.equal(weight, before[name]) for name, weight in model.weights().items())


def test_a_blank_member_costs_its_special_tokens_and_one_forward(
    task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    logits = SharedClassifier.logits

    def counted(self: SharedClassifier, task: str, **inputs: torch.Tensor) -> torch.Tensor:
        if not self.training:
            seen.append(tuple(inputs["input_ids"].shape))
        return logits(self, task, **inputs)

    monkeypatch.setattr(SharedClassifier, "logits", counted)
    for pair, width in ((False, 2), (True, 3)):
        seen.clear()
        group = Group((Member("a", "blank"),))
        record, _ = trained(group, {"a": task("a", train=40, pair=pair)}, settings(epochs=2))
        assert record.cost["tokens"] == 2 * 40 * width
        assert set(seen) == {(1, width)}
        for log2_p in (*record.dev["a"].values(), *record.test["a"].values()):
            assert len(log2_p) == 20
            assert (log2_p == log2_p[0]).all()


def test_a_placebo_has_the_labels_in_another_order_and_everything_else_as_it_is(
    task: Callable[..., Task], settings: Callable[..., Settings]
) -> None:
    tasks = {"a": task("a", labels=("x", "y", "z"))}
    chosen = effective(settings())
    worker.prepare(tasks, chosen, encoder.folder(chosen.model))
    try:
        real = worker.data_of(Member("a"))
        one, other = (worker.data_of(Member("a", "permuted", seed)) for seed in (1, 2))
    finally:
        worker.release()
    for placebo in (one, other):
        assert placebo.train == real.train
        assert (placebo.train_labels != real.train_labels).any()
        assert sorted(placebo.train_labels) == sorted(real.train_labels)
        assert sorted(placebo.stop_labels) == sorted(real.dev_labels)
        np.testing.assert_array_equal(placebo.dev_labels, real.dev_labels)
        assert placebo.counts == real.counts
    assert (one.train_labels != other.train_labels).any()


def test_training_leaves_the_random_states_of_the_process_as_they_were(
    task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any]
) -> None:
    import random

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), float(torch.rand(1))
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    trained(Group.of(["a"]), {"a": task("a", train=8)}, replace(settings(), epochs=1))
    assert (random.random(), np.random.rand(), float(torch.rand(1))) == expected
