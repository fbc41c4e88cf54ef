"""Fits on a real Ray cluster of two nodes, started here: the same numbers, also when a worker is killed in mid-fit."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import Fit, Group
from cotrain.errors import InputError
from cotrain.training.train import Options, Progress, train

Make = Callable[..., Any]
HERE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""As on a Mac: everything listens on 127.0.0.1 alone. And nothing is told to anybody."""
with pytest.MonkeyPatch.context() as patch:
    for name, value in HERE.items():
        patch.setenv(name, value)
    ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes with a CPU each, on this machine alone."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80_000_000}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in HERE.items():
            patch.setenv(name, value)
        cluster = Cluster(initialize_head=True, head_node_args=node, shutdown_at_exit=False)
        try:
            cluster.add_node(**node)
            patch.setenv("RAY_ADDRESS", cluster.address)
            yield cluster.address
        finally:
            cluster.shutdown()


def assert_equal(one: Fit, other: Fit) -> None:
    assert one.key == other.key
    for at, block in one.blocks.items():
        np.testing.assert_array_equal(block.log2_p, other.blocks[at].log2_p)


def holder(fits: Path) -> tuple[str, int]:
    """The key and the process of a fit that is trained now."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for lease in set(fits.glob(".*.lease")) - set(fits.glob(".away-*")):
            try:
                return lease.name[1:-6], int(json.loads(lease.read_text())["pid"])
            except (OSError, ValueError):
                continue
        time.sleep(0.02)
    raise AssertionError("no fit was begun")


def test_fits_of_a_cluster_are_those_of_this_process_also_when_a_worker_is_killed(
    cluster: str, task: Make, settings: Make, tmp_path: Path
) -> None:
    tasks = {name: task(name, pair=name == "b") for name in "ab"}
    groups = [Group.of("a"), Group.parse("a[blank]"), Group.of("ab"), Group.parse("b@a+b")]
    told: list[Progress] = []
    killed: list[str] = []

    def kill_one(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 1 and progress.running and not killed:
            key, pid = holder(tmp_path / "away")
            os.kill(pid, signal.SIGKILL)
            killed.append(key)

    away = train(groups, tasks, settings(epochs=20), [1], tmp_path / "away", Options(2, kill_one, "ray"))
    here = train(groups, tasks, settings(epochs=20), [1], tmp_path / "here", Options(1))
    for one, other in zip(away, here, strict=True):
        assert_equal(one, other)
    assert killed[0] in {fit.key for fit in away}
    assert any(len(p.running) == 2 for p in told) and told[-1].done == 4
    assert {f.name for f in (tmp_path / "away").iterdir()} == {fit.key for fit in here}, "nothing else is left in the folder"
    assert not ray.is_initialized()


def test_a_stopped_training_ends_its_fits(cluster: str, task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name) for name in "ab"}
    running: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.running:
            running.append(holder(tmp_path)[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([Group.of("a"), Group.of("b")], tasks, settings(epochs=10_000), [1], tmp_path, Options(2, stop, "ray"))
    until = time.monotonic() + 10
    while alive(running[0]) and time.monotonic() < until:
        time.sleep(0.1)
    assert not alive(running[0])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_run_folder_that_workers_do_not_see_is_said(
    cluster: str, task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fits = Path("/proc/self/cwd/fits")  # in each process another folder
    with pytest.raises(InputError, match=r"does not see the run folder: /proc/self/cwd/fits/.away-\w+, made a moment ago"):
        train([Group.of("a")], {"a": task("a")}, settings(), [1], fits, Options(1, executor="ray"))
    assert list(fits.iterdir()) == []


def test_a_fit_for_which_no_machine_has_room_is_said(cluster: str, task: Make, settings: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has 2 CPUs and 0 GPUs; a fit asks for 3 \(training.threads\)"):
        train([Group.of("a")], {"a": task("a")}, settings(threads=3), [1], tmp_path, Options(1, executor="ray"))


@pytest.mark.parametrize("address", [None, "127.0.0.1:9"])
def test_a_cluster_that_cannot_be_reached_is_said(
    address: str | None, task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
    else:
        monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("Could not find any running Ray instance.")))
    with pytest.raises(InputError, match=r"no Ray cluster .* can be reached. Start one with: ray start --head"):
        train([Group.of("a")], {"a": task("a")}, settings(), [1], tmp_path, Options(1, executor="ray"))
    assert list(tmp_path.iterdir()) == []
