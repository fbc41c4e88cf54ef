"""``train``: the same numbers whatever happened before, nothing twice, failures kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import Fit, Group, Task
from cotrain.errors import InputError, MissingExtra
from cotrain.training.selection import SELECTIONS, chosen, select_epoch
from cotrain.training.settings import Settings
from cotrain.training.train import Options, Progress, effective, missing, train

Make = Callable[..., Any]
ONE = Options(workers=1)


def assert_equal(one: Fit, other: Fit) -> None:
    assert one.key == other.key
    assert one.blocks.keys() == other.blocks.keys()
    for at, block in one.blocks.items():
        np.testing.assert_array_equal(block.epochs, other.blocks[at].epochs)
        np.testing.assert_array_equal(block.log2_p, other.blocks[at].log2_p)
        np.testing.assert_array_equal(block.gold, other.blocks[at].gold)
        assert list(block.rows) == list(other.blocks[at].rows)


def test_predictions_are_bit_equal_whatever_ran_before_and_beside(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name, pair=name == "c") for name in "abc"}
    groups = [Group.of(["a"]), Group.of(["a", "b"]), Group.of(["b", "c"]), Group.parse("a[blank]"), Group.parse("a+b[permuted:1]@12")]
    first = train(groups, tasks, settings(), [1, 2], tmp_path / "one", ONE)
    turned = train(groups[::-1], dict(reversed(tasks.items())), settings(), [2, 1], tmp_path / "turned", ONE)
    beside = train(groups, tasks, settings(), [1, 2], tmp_path / "beside", Options(workers=2))
    for k, fit in enumerate(first):
        assert_equal(fit, turned[len(turned) - 1 - k])
        assert_equal(fit, beside[k])
    [lonely] = train([groups[2]], tasks, settings(), [2], tmp_path / "lonely", ONE)
    assert_equal(lonely, first[5])
    assert not np.array_equal(first[0].blocks["a", "dev"].log2_p, first[1].blocks["a", "dev"].log2_p), "seeds should differ"


def test_what_is_done_is_known_when_training_is_stopped(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name) for name in "ab"}
    arrived: list[Fit] = []

    def stop(state: Progress) -> None:
        if state.done == 1:
            raise KeyboardInterrupt

    groups = [Group.of(["a"]), Group.of(["b"])]
    with pytest.raises(KeyboardInterrupt):
        train(groups, tasks, settings(), [1], tmp_path, Options(workers=1, progress=stop, arrived=arrived.append))
    assert len(arrived) == 1
    found = train(groups, tasks, settings(), [1], tmp_path, Options(workers=1, arrived=arrived.append))
    assert {fit.key for fit in arrived} == {fit.key for fit in found} and len(arrived) == 3


def test_nothing_is_trained_twice_and_each_fit_is_told_once(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name) for name in "ab"}
    groups = [Group.of(["a"]), Group.of(["b"])]
    told: list[Progress] = []
    how = Options(workers=1, progress=told.append)
    assert len(missing(groups, tasks, settings(), [1, 2], tmp_path)) == 4
    first = train(groups, tasks, settings(), [1], tmp_path, how)
    assert [p.done for p in told if p.done][-1] == 2 and told[-1].reused == 0
    assert missing(groups, tasks, settings(), [1, 2], tmp_path) == [(groups[0], 2), (groups[1], 2)]
    stamps = {f.name: f.stat().st_mtime_ns for f in tmp_path.iterdir()}
    told.clear()
    # a repeated group, another seed, another task: what is there is read
    again = train([*groups, *groups, Group.of("ab")], tasks, settings(), [1, 2], tmp_path, how)
    assert {f.name: f.stat().st_mtime_ns for f in tmp_path.iterdir() if f.name in stamps} == stamps
    assert (told[-1].done, told[-1].total, told[-1].reused) == (6, 6, 2)
    assert all(p.seconds_left is None or p.seconds_left >= 0 for p in told)
    assert_equal(first[0], again[0])
    assert [(f.group.name, f.seed) for f in again] == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("a+b", 1), ("a+b", 2)]
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")], "nothing temporary should be left"


def test_each_group_can_have_its_own_seeds(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name) for name in "ab"}
    seeds = {Group.of("b"): [3], Group.of("a"): [1, 2]}
    fits = train(seeds, tasks, settings(epochs=1), seeds, tmp_path, ONE)
    assert [(f.group.name, f.seed) for f in fits] == [("b", 3), ("a", 1), ("a", 2)]


def test_every_selection_finds_its_test_predictions(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name, error=0.3, dev=24) for name in "ab"}
    for fit in train([Group.of(["a"]), Group.of("ab")], tasks, settings(epochs=12), [1, 2], tmp_path, ONE):
        for by in SELECTIONS:
            for name in fit.group.tasks:
                assert len(chosen(fit, name, "test", by).gold) == 20
                # each half of dev at the epoch that the other half chooses
                assert len(chosen(fit, name, "dev", by).gold) == 24
                assert len(chosen(fit, name, "test", by).log2_p) == 20
                assert select_epoch(fit, by, tasks=[name]) in fit.blocks[name, "test"].epochs


def test_a_budget_by_name_is_the_updates_of_that_group_at_that_seed(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name, error=0.2) for name in "ab"}
    stopping = settings(epochs=30, patience=1, schedule="constant")
    wanted = [Group.parse("a@a+b"), Group.parse("a+b[permuted:1]@a+b"), Group.of("ab")]
    fits = train(wanted, tasks, stopping, [1, 2], tmp_path, ONE)
    pairs = {f.seed: f.updates for f in fits if f.group.name == "a+b"}
    assert pairs[1] < 30 * 10, "this world should stop early"
    assert [(f.group.name, f.seed, f.updates) for f in fits[:4]] == [
        ("a@a+b", 1, pairs[1]), ("a@a+b", 2, pairs[2]), ("a+b[permuted:1]@a+b", 1, pairs[1]), ("a+b[permuted:1]@a+b", 2, pairs[2]),
    ]  # fmt: skip
    # the same number by number is the same fit, under the name that was asked for
    [plain] = train([Group((fits[0].group.members[0],), pairs[1])], tasks, stopping, [1], tmp_path, ONE)
    assert plain.key == fits[0].key and plain.group.name == f"a@{pairs[1]}"
    # the group that gives the budget may lie in the folder already
    [later] = train([Group.parse("b@a+b")], tasks, stopping, [2], tmp_path, ONE)
    assert later.updates == pairs[2]
    with pytest.raises(InputError, match=r"b@a.*train it first"):
        train([Group.parse("b@a")], tasks, stopping, [2], tmp_path, ONE)


def test_a_loss_that_is_no_number_fails_the_fit_and_only_that_one(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name) for name in "ab"}
    for scale, names in ((1e30, ["a"]), (1e-3, ["b"])):
        chosen_settings = settings(learning_rate=scale, max_grad_norm=1e30)
        [fit] = train([Group.of(names)], tasks, chosen_settings, [1], tmp_path, ONE)
        assert bool(fit.failed) == (names == ["a"])
    told: list[Progress] = []
    [again] = train([Group.of(["a"])], tasks, settings(learning_rate=1e30, max_grad_norm=1e30), [1], tmp_path, Options(1, told.append))
    assert "not" in again.failed and told[-1].reused == 1, "a failed fit is kept, never tried again"
    assert not again.blocks
    with pytest.raises(InputError, match="failed"):
        select_epoch(again, "last")


def test_strangers_are_named_at_once(task: Make, settings: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="b, c"):
        train([Group.of("ab"), Group.of("c")], {"a": task("a")}, settings(), [1], tmp_path, ONE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": "cuda"}, "found cuda"),
        ({"device": "tpu"}, "found tpu"),
        ({"precision": "fp16"}, "fp16 needs a GPU"),
    ],
)
def test_a_device_or_precision_that_is_not_here_is_refused(change: dict[str, str], sentence: str, settings: Make) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match=sentence):
        effective(settings(**change))


def test_effective_settings_are_written_out(settings: Make) -> None:
    found = effective(Settings("x"))
    assert "auto" not in (found.device, found.precision, found.attention)
    assert effective(found) == found


def test_without_torch_the_extra_is_named(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install \"cotrain\[train\]\""):
        effective(settings())


def test_reading_a_fit_loads_no_torch() -> None:
    code = (
        "import sys, cotrain.training.ledger, cotrain.training.selection; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_text_of_a_row_is_in_what_is_kept(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks: dict[str, Task] = {"a": task("a")}
    train([Group.of("a")], tasks, settings(), [1], tmp_path, ONE)
    text = tasks["a"].rows["text"].iloc[0].encode()
    assert len(text) > 8
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert text not in file.read_bytes()
            assert b"w03" not in file.read_bytes()


def test_numbers_do_not_change_in_silence(task: Make, settings: Make, tmp_path: Path) -> None:
    """Not a truth but an alarm: where this changes, every fit of every study does, and ``ledger.NUMERICS`` must be raised."""
    tasks = {"a": task("a"), "b": task("b", pair=True, labels=("x", "y", "z"))}
    [fit] = train([Group.of("ab")], tasks, settings(accumulation=2), [42], tmp_path, ONE)
    expected = [[0.3697, 0.3219, 0.3084], [0.4321, 0.2479, 0.3200], [0.3888, 0.2899, 0.3213]]
    np.testing.assert_allclose(np.exp2(fit.blocks["b", "test"].at(3)[:3]), expected, atol=2e-3)
