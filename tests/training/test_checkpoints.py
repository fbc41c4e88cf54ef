"""A long fit that was stopped goes on from the end of an epoch to the numbers that it would have had."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cotrain import Group
from cotrain.training import checkpoints, ledger
from cotrain.training.checkpoints import Checkpoints
from cotrain.training.evaluations import Evaluations
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train

Make = Callable[..., Any]


class Killed(BaseException):
    """Ends a fit as a kill does: nothing is tidied up after it."""


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Let a fit keep a checkpoint after every epoch, and end at its n-th evaluation."""

    def make(after: int) -> None:
        monkeypatch.setattr(checkpoints, "EVERY", 0.0)
        evaluate, times = Evaluations.evaluate, [0]

        def counted(self: Evaluations, epoch: int, updates: int) -> bool:
            times[0] += 1
            if times[0] == after + 1:
                raise Killed
            return evaluate(self, epoch, updates)

        monkeypatch.setattr(Evaluations, "evaluate", counted)

    return make


@pytest.mark.parametrize("changes", [
    {}, {"evaluate_every": 7}, {"patience": 2, "epochs": 12, "learning_rate": 1e-2}, {"tuning": "lora"}, {"sampling": "uniform"},
    {"accumulation": 2, "schedule": "constant"},
])  # fmt: skip
@pytest.mark.parametrize("after", [1, 3])
def test_a_fit_that_goes_on_has_the_numbers_of_one_that_was_never_stopped(
    task: Make, settings: Make, trained: Make, stopped: Make, tmp_path: Path, changes: dict[str, Any], after: int
) -> None:
    tasks = {"a": task("a", error=0.3), "b": task("b", train=24, error=0.3)}
    chosen = settings(**{"epochs": 6, **changes})
    group = Group.of(tasks)
    whole, _ = trained(group, tasks, chosen)
    stopped(after)
    kept = Checkpoints(tmp_path / "kept", {"versions": 1})
    with pytest.raises(Killed):
        trained(group, tasks, chosen, checkpoints=kept)
    assert kept.find() == tmp_path / "kept"
    seen: list[int] = []
    original = Evaluations.evaluate

    def counted(self: Evaluations, epoch: int, updates: int) -> bool:
        seen.append(epoch)
        return original(self, epoch, updates)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluations, "evaluate", counted)
        again, _ = trained(group, tasks, chosen, checkpoints=Checkpoints(tmp_path / "kept", {"versions": 1}))
    assert seen and seen[0] == whole.history[2 * after]["epoch"], "it should go on where it was, not begin again"
    for name in tasks:
        for split in ("dev", "test"):
            one, two = getattr(whole, split)[name], getattr(again, split)[name]
            assert one.keys() == two.keys()
            assert all(np.array_equal(one[epoch], two[epoch]) for epoch in one)
    timeless = [[{k: v for k, v in line.items() if k != "seconds"} for line in record.history] for record in (whole, again)]
    assert timeless[0] == timeless[1]
    for name in ("updates", "tokens", "parameters"):
        assert whole.cost[name] == again.cost[name]
    assert all(line["seconds"] > 0 for line in again.history)


def test_a_checkpoint_that_is_damaged_or_of_other_versions_is_not_used(
    task: Make, settings: Make, trained: Make, stopped: Make, tmp_path: Path
) -> None:
    tasks = {"a": task("a")}
    stopped(2)
    kept = Checkpoints(tmp_path / "kept", {"versions": 1})
    with pytest.raises(Killed):
        trained(Group.of("a"), tasks, settings(epochs=5), checkpoints=kept)
    assert kept.find()
    assert replace(kept, made_with={"versions": 2}).find() is None
    file = kept.folder / checkpoints.WEIGHTS
    file.write_bytes(file.read_bytes()[:-1])
    assert kept.find() is None
    kept.forget()
    assert not list(tmp_path.iterdir())


def test_what_a_kill_between_two_checkpoints_leaves_is_found(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "kept", {"versions": 1})
    written = tmp_path / "checkpoint-3"
    written.mkdir()
    (written / "x").write_text("one")
    kept.keep(written)
    kept.folder.rename(tmp_path / "kept-before")  # the moment before the new one is in its place
    assert kept.find() == tmp_path / "kept-before"


def test_a_killed_study_goes_on_inside_its_fit_and_leaves_no_checkpoint(task: Make, settings: Make, stopped: Make, tmp_path: Path) -> None:
    tasks, chosen, group = {"a": task("a", error=0.3)}, settings(epochs=5), Group.of("a")
    [expected] = train([group], tasks, chosen, [1], tmp_path / "never stopped", options=Options(workers=1))
    stopped(3)
    with pytest.raises(Killed):
        train([group], tasks, chosen, [1], tmp_path / "fits", options=Options(workers=1))
    assert len(list((tmp_path / "fits").glob(".*.checkpoint"))) == 1
    [found] = train([group], tasks, chosen, [1], tmp_path / "fits", options=Options(workers=1))
    assert [f.name for f in (tmp_path / "fits").iterdir()] == [found.key]
    for at, block in expected.blocks.items():
        np.testing.assert_array_equal(block.log2_p, found.blocks[at].log2_p)
    assert ledger.damage(tmp_path / "fits" / found.key) == ""


def test_out_of_memory_halves_the_rows_at_once_and_keeps_the_batch(
    task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cotrain.training.model import SharedClassifier

    tasks, group = {"a": task("a"), "b": task("b")}, Group.of("ab")
    chosen: Settings = settings(epochs=2)
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)  # its draws depend on the parts of a batch
    [expected] = train([group], tasks, chosen, [1], tmp_path / "room", options=Options(workers=1))
    logits = SharedClassifier.logits

    def little(self: SharedClassifier, task: str, **inputs: torch.Tensor) -> torch.Tensor:
        if self.training and len(inputs["input_ids"]) > 3:
            raise torch.OutOfMemoryError("no room")
        return logits(self, task, **inputs)

    monkeypatch.setattr(SharedClassifier, "logits", little)
    [found] = train([group], tasks, chosen, [1], tmp_path / "no room", options=Options(workers=1))
    assert not found.failed
    assert json.loads((tmp_path / "no room" / found.key / "manifest.json").read_text())["rows_at_once"] == 2
    assert found.key == expected.key
    assert found.updates == expected.updates
    for at, block in expected.blocks.items():
        np.testing.assert_allclose(block.log2_p, found.blocks[at].log2_p, atol=2e-3)
    np.testing.assert_allclose(expected.history["train_bits"], found.history["train_bits"], atol=1e-3)

    def none(self: SharedClassifier, task: str, **inputs: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(SharedClassifier, "logits", none)
    [failed] = train([group], tasks, chosen, [2], tmp_path / "none", options=Options(workers=1))
    assert failed.failed.startswith("out of memory, even a row at a time")


def test_few_long_fits_are_kept_while_they_train_and_short_ones_never(task: Make, settings: Make, trained: Make, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "kept", {})
    assert checkpoints.EVERY >= 60
    trained(Group.of("a"), {"a": task("a")}, settings(epochs=2), checkpoints=kept)
    assert not kept.folder.exists()
