"""Fits on disk: what a key depends on, and that nothing is lost, torn, or believed when it is damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain import Fit, Group, Settings, Task
from cotrain.errors import InputError
from cotrain.training import encoder, ledger
from cotrain.training.fit import Block
from cotrain.training.group import Member
from cotrain.training.train import Options, Progress, effective, missing, train

Make = Callable[..., Any]
ONE = Options(workers=1)
SETTINGS = Settings("x", precision="fp32", attention="eager", device="cpu")


def key(group: Group, tasks: dict[str, Task], settings: Settings = SETTINGS, seed: int = 1, updates: int | None = None) -> str:
    return ledger.fit_key(group, tasks, settings, "e" * 64, seed, updates)


def changed(task: Task, **columns: str) -> Task:
    """The task with one row changed."""
    rows = task.rows.copy()
    for column, value in columns.items():
        rows.loc[3, column] = value
    return replace(task, rows=rows)


def test_a_key_depends_on_all_that_determines_the_numbers(task: Make) -> None:
    a, b = task("a"), task("b")
    pair = Group.of("ab")
    keys = {
        "as it is": key(pair, {"a": a, "b": b}),
        "a text": key(pair, {"a": changed(a, text="w01"), "b": b}),
        "a second text": key(pair, {"a": changed(a, pair="w01"), "b": b}),
        "a label": key(pair, {"a": changed(a, label={"no": "yes", "yes": "no"}[a.rows["label"][3]]), "b": b}),
        "a row id": key(pair, {"a": changed(a, row="other"), "b": b}),
        "a row in another split": key(pair, {"a": changed(a, split="dev"), "b": b}),
        "the order of rows": key(pair, {"a": replace(a, rows=a.rows.iloc[::-1].reset_index(drop=True)), "b": b}),
        "the order of labels": key(pair, {"a": replace(a, labels=a.labels[::-1]), "b": b}),
        "whether there are pairs": key(pair, {"a": replace(a, has_pair=True), "b": b}),
        "the name of a task": key(Group.of("cb"), {"c": a, "b": b}),
        "fewer members": key(Group.of("a"), {"a": a, "b": b}),
        "a blank member": key(Group((Member("a", "blank"), Member("b"))), {"a": a, "b": b}),
        "a permuted member": key(Group((Member("a", "permuted"), Member("b"))), {"a": a, "b": b}),
        "another permutation": key(Group((Member("a", "permuted", 1), Member("b"))), {"a": a, "b": b}),
        "the seed": key(pair, {"a": a, "b": b}, seed=2),
        "the budget": key(pair, {"a": a, "b": b}, updates=100),
        "the encoder": ledger.fit_key(pair, {"a": a, "b": b}, SETTINGS, "f" * 64, 1, None),
    }
    other: dict[str, Any] = {
        "schedule": "constant", "precision": "bf16", "attention": "sdpa", "sampling": "uniform", "shares": {"a": 2.0},
        "special_tokens": ("<e>", "</e>"), "pooling": "entity", "task_weights": {"a": 2.0}, "class_weights": "balanced", "tuning": "lora",
        "long_texts": "windows", "trainer": "words:fit@9f86d081",
    }  # fmt: skip
    for field in fields(Settings):
        if field.name not in ("model", "device", "gradient_checkpointing", "report_to"):
            now = getattr(SETTINGS, field.name)
            value = other[field.name] if isinstance(now, str | dict | tuple) else now / 2 if isinstance(now, float) else now + 1
            keys[field.name] = key(pair, {"a": a, "b": b}, replace(SETTINGS, **{field.name: value}))
    assert len(set(keys.values())) == len(keys)


def test_keys_do_not_change_in_silence(task: Make) -> None:
    """An alarm: where this changes, no study finds the fits that it has."""
    assert key(Group.of("ab"), {"a": task("a"), "b": task("b", pair=True)}, updates=9) == "caf6d5a97106f8149be2102b4851676a"


def test_a_key_does_not_depend_on_anything_else(task: Make) -> None:
    a, b = task("a"), task("b")
    pair = Group.of("ab")
    expected = key(pair, {"a": a, "b": b})
    elsewhere = replace(a, metric="accuracy", delta=0.5, private=True, source="s", facts={"leaked": 3}, rows=a.rows.assign(cluster="one"))
    assert key(pair, {"c": task("c"), "b": b, "a": elsewhere}) == expected
    assert key(pair, {"a": a, "b": b}, replace(SETTINGS, model="elsewhere", device="cuda")) == expected
    # where train, dev and test lie in the table of rows
    mixed = a.rows.sort_values("split", kind="stable").reset_index(drop=True)
    assert key(pair, {"a": replace(a, rows=mixed), "b": b}) == expected
    # a budget by name is a number when it is trained
    assert key(Group(pair.members, "c"), {"a": a, "b": b}, updates=9) == key(Group(pair.members, 9), {"a": a, "b": b}, updates=9)


def test_the_content_of_an_encoder_counts_not_its_folder_nor_what_else_lies_there(tiny_bert: Path, tmp_path: Path) -> None:
    expected = encoder.content_hash(tiny_bert)
    copy = Path(shutil.copytree(tiny_bert, tmp_path / "copy"))
    (copy / "README.md").write_text("about it")
    (copy / "training_log.json").write_text("{}")
    assert encoder.content_hash(copy) == expected
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        before = (copy / name).read_bytes()
        (copy / name).write_bytes(before + b" ")
        assert encoder.content_hash(copy) != expected, name
        (copy / name).write_bytes(before)
        assert encoder.content_hash(copy) == expected


@pytest.fixture(scope="module")
def made(task: Make, settings: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Task], Settings, Fit]:
    folder = tmp_path_factory.mktemp("fits")
    tasks = {name: task(name, labels=("x", "y z", "é"), dev=11) for name in "ab"}
    chosen = settings(epochs=4)
    [fit] = train([Group.of("ab")], tasks, chosen, [1], folder, ONE)
    return folder, tasks, chosen, fit


@pytest.fixture
def fits(made: tuple[Path, dict[str, Task], Settings, Fit], tmp_path: Path) -> Path:
    """A folder with one fit that may be spoilt."""
    return Path(shutil.copytree(made[0], tmp_path / "fits"))


def assert_equal(one: Fit, other: Fit) -> None:
    assert (one.key, one.group, one.seed, one.labels, one.train_counts) == (
        other.key,
        other.group,
        other.seed,
        other.labels,
        other.train_counts,
    )
    assert one.blocks.keys() == other.blocks.keys()
    for at, block in one.blocks.items():
        for mine, theirs in zip(block, other.blocks[at], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    pd.testing.assert_frame_equal(one.history.drop(columns="seconds"), other.history.drop(columns="seconds"))


def test_a_fit_is_read_as_it_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    group, labels = Group.parse("a+b[permuted:3]"), {"a": ("x", "y"), "b": ("y", "é", "none")}
    blocks: dict[Any, Block] = {}
    for name, names in labels.items():
        for split, n, epochs in (("dev", 5, [2, 4, 5]), ("test", 7, [4])):
            log2_p = np.log2(random.dirichlet(np.ones(len(names)), (len(epochs), n))).astype(np.float32)
            ids = np.array([f"{split}:{i}" for i in range(n)], dtype=object)
            blocks[name, split] = Block(ids, ids, random.integers(0, len(names), n), np.array(epochs), log2_p)  # type: ignore[index]
    history = pd.DataFrame([{"epoch": 2, "updates": 10, "seconds": 0.5, "task": "a", "train_bits": 0.7}])
    counts = {"a": (3, 4), "b": (1, 2, 3)}
    fit = Fit("k" * 32, group, 7, labels, counts, blocks, history, {"seconds": 1.5, "updates": 10.0}, {"host": "here"})
    with ledger.being_written(tmp_path, fit.key) as folder:
        ledger.write(fit, folder)
    found = ledger.load(tmp_path / fit.key, {"a": {"dev:0": "patient 1", "dev:1": "patient 1"}})
    assert found.path == tmp_path / fit.key and found.cost == fit.cost and found.manifest == {"host": "here"}
    assert found.blocks["a", "dev"].clusters.tolist() == ["patient 1", "patient 1", "dev:2", "dev:3", "dev:4"]
    same_clusters = {at: block._replace(clusters=block.rows) for at, block in found.blocks.items()}
    assert_equal(replace(found, blocks=same_clusters), fit)
    table = pd.read_parquet(tmp_path / fit.key / "predictions.parquet")
    assert list(table.columns) == ["task", "row", "split", "seed", "epoch", "gold", "guess", "log2_p"]
    first = table[(table["task"] == "b") & (table["split"] == "test")].iloc[0]
    assert first["guess"] == labels["b"][int(np.argmax(first["log2_p"]))]
    assert first["gold"] == labels["b"][int(blocks["b", "test"].gold[0])]


def test_a_failed_fit_is_read_as_it_was_written(tmp_path: Path) -> None:
    fit = Fit("k" * 32, Group.of("a"), 7, {"a": ("x", "y")}, {"a": (3, 4)}, {}, pd.DataFrame(), {"updates": 1.0}, failed="no number")
    with ledger.being_written(tmp_path, fit.key) as folder:
        ledger.write(fit, folder)
    found = ledger.load(tmp_path / fit.key)
    assert found.failed == "no number" and not found.blocks


SPOIL: dict[str, Callable[[Path], object]] = {
    "predictions cut short": lambda f: (f / "predictions.parquet").write_bytes((f / "predictions.parquet").read_bytes()[:100]),
    "one bit of predictions": lambda f: (f / "predictions.parquet").write_bytes(flipped((f / "predictions.parquet").read_bytes())),
    "no predictions": lambda f: (f / "predictions.parquet").unlink(),
    "manifest altered": lambda f: (f / "manifest.json").write_text((f / "manifest.json").read_text().replace('"seed": 1', '"seed": 2')),
    "no manifest": lambda f: (f / "manifest.json").unlink(),
    "no checksums": lambda f: (f / "checksums.json").unlink(),
    "checksums cut short": lambda f: (f / "checksums.json").write_text("{"),
    "checksums that are a list": lambda f: (f / "checksums.json").write_text("[]"),
    "checksums of nothing": lambda f: (f / "checksums.json").write_text("{}"),
    "no history": lambda f: (f / "history.parquet").write_bytes(b""),
}


def flipped(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


@pytest.mark.parametrize("how", SPOIL)
def test_a_damaged_fit_is_said_set_aside_and_trained_again(how: str, made: Any, fits: Path) -> None:
    _, tasks, chosen, fit = made
    SPOIL[how](fits / fit.key)
    told: list[Progress] = []
    [again] = train([fit.group], tasks, chosen, [1], fits, Options(1, told.append))
    assert_equal(again, fit)
    [said] = [p.message for p in told if p.message]
    assert fit.key in said and "trained again" in said and f"{fit.key}.damaged-0" in said
    assert (fits / f"{fit.key}.damaged-0").is_dir(), "nothing is thrown away"
    assert told[-1].reused == 0


def test_a_foreign_fit_is_not_believed(made: Any, fits: Path) -> None:
    _, tasks, chosen, fit = made
    [other] = missing([fit.group], tasks, chosen, [2], fits)
    key_of_other = train([other[0]], tasks, chosen, [2], fits, ONE)[0].key
    shutil.rmtree(fits / key_of_other)
    shutil.copytree(fits / fit.key, fits / key_of_other)
    assert ledger.damage(fits / key_of_other) == "it is another fit"
    assert ledger.find(fits, key_of_other) is None and ledger.find(fits, fit.key) is not None


def test_damaged_fits_are_set_aside_beside_each_other(made: Any, fits: Path) -> None:
    fit = made[3]
    for n in range(3):
        shutil.copytree(made[0] / fit.key, fits / fit.key, dirs_exist_ok=True)
        SPOIL["no manifest"](fits / fit.key)
        assert ledger.find(fits, fit.key) is None
        assert (fits / f"{fit.key}.damaged-{n}").is_dir()


def test_a_fit_of_a_newer_format_is_refused(made: Any, fits: Path) -> None:
    file = fits / made[3].key / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": ledger.FORMAT + 1}))
    with pytest.raises(InputError, match="update cotrain"):
        ledger.load(file.parent)


def test_a_missing_extra_makes_the_same_fit_again_and_must_reproduce_it(made: Any, fits: Path) -> None:
    from safetensors.numpy import load_file

    _, tasks, chosen, fit = made
    told: list[Progress] = []
    with_weights = Options(1, told.append, extras=("weights",))
    [again] = train([fit.group], tasks, chosen, [1], fits, with_weights)
    assert_equal(again, fit)
    assert told[-1].reused == 0 and ledger.extras_of(fits / fit.key) == ("weights",)
    group_epochs = sorted(int(f.stem) for f in (fits / fit.key / "extras" / "weights").iterdir())
    assert set(group_epochs) <= set(fit.blocks["a", "test"].epochs.tolist()) and group_epochs[-1] == 4
    assert all(np.isfinite(w).all() for w in load_file(fits / fit.key / "extras" / "weights" / "4.safetensors").values())
    # now it is there, for those who want it and for those who do not
    told.clear()
    train([fit.group], tasks, chosen, [1], fits, with_weights)
    train([fit.group], tasks, chosen, [1], fits, ONE)
    assert told[-1].reused == 1 and ledger.extras_of(fits / fit.key) == ("weights",)
    assert {f.name for f in fits.iterdir()} == {fit.key}


def test_a_fit_that_cannot_be_reproduced_stays_as_it_is(made: Any, fits: Path) -> None:
    _, tasks, chosen, fit = made
    moved = {at: block._replace(log2_p=block.log2_p + 0.01) for at, block in fit.blocks.items()}
    shutil.rmtree(fits / fit.key)
    with ledger.being_written(fits, fit.key) as folder:
        ledger.write(replace(fit, blocks=moved), folder)
    with pytest.raises(InputError, match="made again does not give the predictions"):
        train([fit.group], tasks, chosen, [1], fits, Options(1, extras=("weights",)))
    assert ledger.extras_of(fits / fit.key) == () and ledger.find(fits, fit.key)
    assert {f.name for f in fits.iterdir()} == {fit.key}


def test_an_unknown_extra_is_refused_with_those_that_are_known(made: Any, fits: Path) -> None:
    _, tasks, chosen, fit = made
    with pytest.raises(InputError, match=r"'weight'\. Did you mean 'weights'"):
        train([fit.group], tasks, chosen, [1], fits, Options(1, extras=("weight",)))
    assert ledger.find(fits, fit.key) and {f.name for f in fits.iterdir()} == {fit.key}


SCRIPT = """
import sys, pickle
from pathlib import Path
from cotrain import Group
from cotrain.training.executors import local
from cotrain.training.train import train, Options
local.TICK = 0.2
if __name__ == "__main__":
    tasks, settings, groups, seeds, fits, workers = pickle.loads(Path(sys.argv[1]).read_bytes())
    def show(progress):
        print(progress.done, progress.reused, *progress.running, flush=True)
    train(groups, tasks, settings, seeds, fits, Options(workers, show))
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start training in another process; it is gone when the test ends."""
    import pickle

    started: list[subprocess.Popen[str]] = []

    def start(*what: Any) -> subprocess.Popen[str]:
        (tmp_path / "script.py").write_text(SCRIPT)
        job = tmp_path / f"job{len(started)}"
        job.write_bytes(pickle.dumps(what))
        process = subprocess.Popen([sys.executable, str(tmp_path / "script.py"), str(job)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_a_killed_training_leaves_the_folder_usable_and_no_process_behind(
    task: Make, settings: Make, tmp_path: Path, elsewhere: Make
) -> None:
    tasks = {name: task(name) for name in "ab"}
    chosen = settings(epochs=40)
    groups = [Group.of("a"), Group.of("b"), Group.of("ab")]
    fits = tmp_path / "fits"
    process = elsewhere(tasks, chosen, groups, [1], fits, 2)
    for line in process.stdout:
        if line.startswith("1 "):
            break
    left = children(process.pid)
    assert left, "two workers should be at it"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 20
    while any(alive(pid) for pid in left) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in left)
    done = [f.name for f in fits.iterdir() if not f.name.startswith(".")]
    assert len(done) < 3, "it should be killed in the middle"
    told: list[Progress] = []
    again = train(groups, tasks, chosen, [1], fits, Options(1, told.append))
    assert told[-1].reused == len(done) >= 1
    # a lease of a fit that was complete may stay: nobody asks for it again
    left_over = {f.name for f in fits.iterdir() if f.suffix != ".lease"}
    assert left_over == {fit.key for fit in again}, "what the killed process left is swept away"
    for fit, other in zip(again, train(groups, tasks, chosen, [1], tmp_path / "undisturbed", ONE), strict=True):
        assert_equal(fit, other)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_processes_on_one_folder_do_nothing_twice(
    task: Make, settings: Make, tmp_path: Path, elsewhere: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cotrain.training.executors.local.TICK", 0.2)
    tasks = {name: task(name) for name in "ab"}
    chosen = settings(epochs=12)
    groups = [Group.of("a"), Group.of("b"), Group.of("ab")]
    fits = tmp_path / "fits"
    process = elsewhere(tasks, chosen, groups, [1, 2], fits, 1)
    for line in process.stdout:
        if line.split()[2:]:
            break
    told: list[Progress] = []
    mine = train(groups, tasks, chosen, [1, 2], fits, Options(1, told.append))
    rest = process.stdout.read().splitlines()
    assert process.wait() == 0
    reused_there = int(rest[-1].split()[1]) if rest else 0
    assert (told[-1].done, told[-1].total) == (6, 6)
    assert told[-1].reused + reused_there == 6, "each fit is made by one of the two and found by the other"
    assert {f.name for f in fits.iterdir()} == {fit.key for fit in mine}


@pytest.fixture(params=["a small disk", "a write that fails"])
def full(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Callable[[], object]]]:
    """A folder on a full disk, and what makes space there."""
    fits = tmp_path / "disk"
    fits.mkdir()
    if request.param == "a write that fails":
        import pyarrow.parquet as pq

        def no_space(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pq, "write_table", no_space)
        yield fits, monkeypatch.undo
        return
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(fits)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small tmpfs needs the right to mount")
    filler = fits / "filler"
    filler.write_bytes(b"0" * 250_000)
    try:
        yield fits, filler.unlink
    finally:
        subprocess.run(["umount", "-l", str(fits)], check=True)


def test_a_full_disk_is_said_and_leaves_the_folder_usable(full: tuple[Path, Callable[[], object]], task: Make, settings: Make) -> None:
    fits, make_space = full
    tasks, chosen = {"a": task("a", dev=200, test=200)}, settings()
    with pytest.raises(InputError, match=r"is full.*free some space"):
        train([Group.of("a")], tasks, chosen, [1], fits, ONE)
    assert [f.name for f in fits.iterdir() if f.name != "filler"] == []
    make_space()
    [fit] = train([Group.of("a")], tasks, chosen, [1], fits, ONE)
    assert not fit.failed and ledger.find(fits, fit.key)


def test_effective_settings_are_in_the_manifest_without_the_folder_of_the_encoder(made: Any) -> None:
    _, _, chosen, fit = made
    assert fit.manifest["settings"]["device"] == effective(chosen).device
    assert fit.manifest["settings"]["model"] == Path(chosen.model).name
    assert str(Path(chosen.model).parent) not in (fit.path / "manifest.json").read_text()
