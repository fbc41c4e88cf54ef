"""Tasks on the same rows share one pass of the encoder, with the losses that they have alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from cotrain import Cut, Group, Source, Task
from cotrain.tasks.load import load
from cotrain.training import encoder, ledger, worker
from cotrain.training.evaluations import streams
from cotrain.training.group import Member
from cotrain.training.model import SharedClassifier, build
from cotrain.training.sampling import Batches
from cotrain.training.scoring import pad
from cotrain.training.together import inputs, together
from cotrain.training.train import effective
from cotrain.training.work import parts

Make = Callable[..., Any]


@pytest.fixture
def same(task: Make) -> Callable[..., dict[str, Task]]:
    """Make tasks whose labels are columns of one table, each without the labels of some rows; and one of another table."""

    def make(n: int = 3, kept: float = 0.8, train: int = 40) -> dict[str, Task]:
        found = {}
        for k in range(n):
            name = f"notes.{k}"
            base = replace(task("notes", train=train, labels=("x", "y")), name=name, source="notes")
            random = np.random.default_rng(k)
            rows = base.rows.assign(label=random.choice(["x", "y"], len(base.rows)))
            # each split keeps its first rows, so that no class is lost
            keep = (random.random(len(rows)) < kept) | (rows.groupby("split").cumcount() < 4).to_numpy()
            rows.loc[rows.groupby("split").cumcount() < 4, "label"] = ["x", "y", "x", "y"] * 3
            found[name] = replace(base, rows=rows[keep].reset_index(drop=True))
        return {**found, "other": replace(task("other", labels=("x", "y")), source="other")}

    return make


def test_tasks_of_one_source_are_together_where_they_share_rows(same: Make) -> None:
    tasks = same()
    [one] = together(Group.of(tasks), tasks)
    assert one.tasks == ("notes.0", "notes.1", "notes.2")
    for split, by_task in one.places.items():
        every = sorted({row for name in one.tasks for row in tasks[name].split(split)["row"]})
        ids = [None] * len(every)
        for name, places in by_task.items():
            rows = tasks[name].split(split)["row"].tolist()
            assert sorted(p for p in places if p >= 0) == list(range(len(rows)))
            for i, place in enumerate(places):
                if place >= 0:
                    assert ids[i] in (None, rows[place])
                    ids[i] = rows[place]
        assert sorted(ids) == every


def test_tasks_of_one_source_without_common_rows_and_blank_members_are_not_together(same: Make) -> None:
    tasks = same(2)
    rows = tasks["notes.1"].rows
    apart = {**tasks, "notes.1": replace(tasks["notes.1"], rows=rows.assign(row="again " + rows["row"]))}
    assert together(Group.of(apart), apart) == ()
    assert together(Group((Member("notes.0"), Member("notes.1", "blank"))), tasks) == ()
    assert together(Group.of(["notes.0", "other"]), tasks) == ()
    assert len(together(Group((Member("notes.0"), Member("notes.1", "permuted", 1))), tasks)) == 1


def test_texts_that_differ_in_case_or_marks_alone_are_two_inputs() -> None:
    ids = {"id": [f"r{i}" for i in range(40)], "label": ["x", "y"] * 20}
    frames = {"plain": pd.DataFrame({**ids, "text": [f"no pain {i}" for i in range(40)]})}
    frames |= {"marked": frames["plain"].assign(text=[f"No *pain* {i}" for i in range(40)]), "twin": frames["plain"]}
    tasks = load([Source(name, text="text", label="label", id="id") for name in frames], Cut(test=0.2, dev=0.2), frames=frames)
    group = Group.of(tasks)
    assert [one.tasks for one in together(group, tasks)] == [("plain", "twin")]
    assert inputs(group, tasks)["marked"]["text"].str.contains("*", regex=False).all()


def test_a_key_says_that_tasks_are_together_and_is_what_it_was_for_others(same: Make, settings: Make) -> None:
    tasks, chosen = same(2), settings()
    alone = {name: replace(one, source="") for name, one in tasks.items()}

    def key(names: list[str], of: Mapping[str, Task]) -> str:
        return ledger.fit_key(Group.of(names), of, chosen, "e" * 64, 1, None)

    assert key(["notes.0", "notes.1"], tasks) != key(["notes.0", "notes.1"], alone)
    assert key(["notes.0", "other"], tasks) == key(["notes.0", "other"], alone)


@pytest.mark.parametrize("changes", [{}, {"class_weights": "balanced"}, {"task_weights": {"notes.1": 3.0}}])
@pytest.mark.parametrize("rows", [0, 3])
def test_the_loss_is_the_mean_of_those_of_batches_of_one_task(
    same: Make, settings: Make, trained: Make, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], rows: int
) -> None:
    tasks, chosen = same(), settings(epochs=1, max_grad_norm=1e9, **changes)
    group = Group.of(["notes.0", "notes.1", "notes.2"])
    seen: list[tuple[float, dict[str, torch.Tensor]]] = []

    def step(self: Any, model: Any, given: dict[str, Any], *rest: Any) -> Any:
        loss = original(self, model, given, *rest)
        if not seen:  # the weights are those that the model began with; no dropout, so that parts draw nothing else
            seen.append((float(loss), {n: w.grad.clone() for n, w in model.named_parameters() if w.grad is not None}))
        return loss

    from cotrain.training import trainer

    original = trainer._SharedTrainer.training_step
    monkeypatch.setattr(trainer._SharedTrainer, "training_step", step)
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)
    record, _ = trained(group, tasks, chosen, seed=5, rows=rows)

    worker.prepare(tasks, effective(chosen), encoder.folder(chosen.model))
    try:
        data = {m.task: worker.data_of(m) for m in group.members}
        model = build(worker._here["base"], {t: tasks[t].labels for t in data}, 5)
        shared = together(group, tasks)
        [(name, stream)] = streams(data, shared, "train").items()
        batches = Batches({name: [len(r["input_ids"]) for r in stream.rows]}, chosen.batch_size, 5)
        positions = [i for _, i in next(iter(batches))]
        model.train()
        losses = []
        for t, places in stream.places.items():
            here = [int(places[i]) for i in positions if places[i] >= 0]
            logits = model.logits(t, **pad([data[t].train[i] for i in here], worker._here["tokens"]))
            weight = torch.tensor(data[t].class_weights) if data[t].class_weights else None
            loss = cross_entropy(logits, torch.from_numpy(data[t].train_labels[here]), weight)
            losses.append(loss * chosen.task_weights.get(t, 1.0))
        torch.stack(losses).mean().backward()
    finally:
        worker.release()
    loss, gradients = seen[0]
    assert loss == pytest.approx(float(torch.stack(losses).mean().detach()), abs=1e-6)
    expected = {n: w.grad for n, w in model.named_parameters() if w.grad is not None and "embeddings.word" not in n}
    assert len(expected) > 10
    for n, gradient in expected.items():
        torch.testing.assert_close(gradients[n], gradient, atol=1e-6, rtol=1e-4)
    assert record.cost["updates"] == -(-len(stream.rows) // chosen.batch_size)


def test_a_task_without_a_label_in_a_batch_gives_no_nan_and_dev_and_test_are_its_own_rows(
    same: Make, settings: Make, trained: Make
) -> None:
    tasks = same(3, kept=0.55, train=64)
    rare = tasks["notes.2"]
    keep = (rare.rows["split"] != "train") | (rare.rows.groupby("split").cumcount() < 4)
    few = {**tasks, "notes.2": replace(rare, rows=rare.rows[keep].reset_index(drop=True))}
    record, _ = trained(Group.of(few), few, settings(epochs=3))
    for name, one in few.items():
        for log2_p in record.dev[name].values():
            assert log2_p.shape == (len(one.split("dev")), 2)
            assert np.isfinite(log2_p).all()
    assert all(np.isfinite(line["train_bits"]) for line in record.history)


def test_predictions_of_tasks_together_are_those_of_each_of_them(same: Make, settings: Make, trained: Make) -> None:
    tasks = same()
    group = Group.of(tasks)
    tokens = encoder.tokenizer(encoder.folder(settings().model), 32)
    found: dict[str, np.ndarray] = {}

    @torch.no_grad()
    def alone(model: SharedClassifier, epoch: int) -> None:
        for name, one in tasks.items() if epoch == 2 else ():
            rows = encoder.encode(one.split("dev"), False, tokens, 32)
            found[name] = (torch.log_softmax(model.logits(name, **pad(rows, tokens)), dim=1) / np.log(2)).numpy()

    record, _ = trained(group, tasks, settings(epochs=2), at_epoch=alone)
    for name in tasks:
        np.testing.assert_allclose(record.dev[name][2], found[name], atol=1e-5)


def test_the_encoder_sees_each_text_once(same: Make, settings: Make, trained: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {name: one for name, one in same(8, kept=1.0).items() if name != "other"}
    alone, _ = trained(Group.of(["notes.0"]), tasks, settings(epochs=2))
    eight, _ = trained(Group.of(tasks), tasks, settings(epochs=2))
    assert eight.cost["tokens"] == alone.cost["tokens"]
    assert eight.cost["updates"] == alone.cost["updates"]
    [rows] = inputs(Group.of(tasks), tasks).values()
    assert len(rows) == 40
    whole = parts(Group.of(tasks), tasks, settings(), None), parts(Group.of(["notes.0"]), tasks, settings(), None)
    assert whole[0].trained == whole[1].trained


def test_several_logits_of_one_pass_have_the_gradients_of_several_passes(settings: Make) -> None:
    from cotrain.training.model import load_base

    base = load_base(encoder.folder(settings().model), "eager")
    labels = {"a": ("x", "y"), "b": ("x", "y", "z")}
    batch = {"input_ids": torch.tensor([[2, 7, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    one, two = build(base, labels, 1).eval(), build(base, labels, 1).eval()
    sum(v.square().sum() for v in one(["a", "b"], **batch).values()).backward()
    for name in labels:
        two.logits(name, **batch).square().sum().backward()
    for (name, left), (_, right) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        if right.grad is not None:
            torch.testing.assert_close(left.grad, right.grad, msg=name)
    assert isinstance(one, SharedClassifier)
