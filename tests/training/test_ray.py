"""Fits on a real Ray cluster of two nodes, started here: the same numbers, also when a worker is killed in mid-fit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import Fit, Group
from cotrain.errors import InputError, MissingExtra
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


def holder(fits: Path, key: str = "*") -> tuple[str, int]:
    """The key and the process of a fit that is trained now."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for lease in fits.glob(f".{key}.lease"):
            try:
                return lease.name[1:-6], int(json.loads(lease.read_text())["pid"])
            except (OSError, ValueError):
                continue
        time.sleep(0.02)
    raise AssertionError("no fit was begun")


def test_fits_of_a_cluster_are_those_of_this_process(cluster: str, task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name, pair=name == "b") for name in "ab"}
    groups = [Group.of("a"), Group.of("ab"), Group.parse("a[blank]"), Group.parse("b@a+b")]
    told: list[Progress] = []
    away = train(groups, tasks, settings(), [1, 2], tmp_path / "away", Options(2, told.append, "ray"))
    here = train(groups, tasks, settings(), [1, 2], tmp_path / "here", Options(1))
    for one, other in zip(away, here, strict=True):
        assert_equal(one, other)
    assert any(len(p.running) == 2 for p in told) and told[-1].done == 8
    assert {f.name for f in (tmp_path / "away").iterdir()} == {fit.key for fit in here}, "nothing else is left in the folder"
    assert not ray.is_initialized()


def test_a_fit_whose_worker_is_killed_is_made_again(cluster: str, task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name) for name in "ab"}
    groups = [Group.of("a"), Group.of("b"), Group.of("ab")]
    killed: list[str] = []

    def kill_one(progress: Progress) -> None:
        if progress.done == 1 and progress.running and not killed:
            key, pid = holder(tmp_path / "fits")
            os.kill(pid, signal.SIGKILL)
            killed.append(key)

    away = train(groups, tasks, settings(epochs=40), [1], tmp_path / "fits", Options(2, kill_one, "ray"))
    assert killed[0] in {fit.key for fit in away}
    for one, other in zip(away, train(groups, tasks, settings(epochs=40), [1], tmp_path / "here", Options(1)), strict=True):
        assert_equal(one, other)
