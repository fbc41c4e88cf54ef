"""Fits side by side: a process that is killed is said, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotrain import Group
from cotrain.errors import InputError
from cotrain.training import room
from cotrain.training.executors import local
from cotrain.training.train import Options, Progress, train

Make = Callable[..., Any]


def workers() -> list[int]:
    """The training processes of this one."""
    children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()
    return [int(p) for p in children if "spawn_main" in Path(f"/proc/{p}/cmdline").read_text()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_a_killed_worker_is_said_and_the_rest_is_kept(task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name) for name in "ab"}
    groups = [Group.of("ab"), Group.of("a"), Group.of("b")]
    seen: list[Progress] = []

    def kill_one(progress: Progress) -> None:
        seen.append(progress)
        if progress.done == 1 and progress.running:
            os.kill(workers()[0], signal.SIGKILL)

    with pytest.raises(InputError, match=r"killed from outside.*what is finished is kept"):
        train(groups, tasks, settings(epochs=40), [1], tmp_path, Options(2, kill_one))
    until = time.monotonic() + 10
    while workers() and time.monotonic() < until:
        time.sleep(0.05)
    assert not workers()
    told: list[Progress] = []
    fits = train(groups, tasks, settings(epochs=40), [1], tmp_path, Options(1, told.append))
    assert told[-1].reused >= 1 and not any(fit.failed for fit in fits)
    assert {f.name for f in tmp_path.iterdir()} == {fit.key for fit in fits}


def test_an_unknown_executor_is_refused(task: Make, settings: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'locale'\. Did you mean 'local'"):
        train([Group.of("a")], {"a": task("a")}, settings(), [1], tmp_path, Options(1, executor="locale"))


def test_fits_can_be_made_elsewhere(task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor is any function of (jobs, setup, report) that leaves the fits in the folder."""
    (tmp_path / "my_cluster.py").write_text(
        "from cotrain.training.executors.local import run as local\n"
        "def run(jobs, setup, report):\n"
        "    for job in jobs:\n"
        "        local([job], setup, lambda there, running: report(there, ('far away',)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    told: list[Progress] = []
    fits = train([Group.of("a")], {"a": task("a")}, settings(), [1, 2], tmp_path / "fits", Options(1, told.append, "my_cluster:run"))
    assert len(fits) == 2 and any(p.running == ("far away",) for p in told)


def test_each_process_sees_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert room.gpus() == ["0", "1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    gpus, taken, seen = room.gpus(), multiprocessing.Value("i", 0), []
    for _ in range(3):
        local._see_one(gpus, taken)
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == ["4", "GPU-7", "4"]
