"""A lease is held by one living process at a time."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cotrain.training import leases
from cotrain.training.leases import lease


def test_only_one_holds_a_lease(tmp_path: Path) -> None:
    with lease(tmp_path, "k") as mine:
        assert mine
        with lease(tmp_path, "k") as yours:
            assert not yours
        with lease(tmp_path, "other") as another:
            assert another
        # who did not get it does not end it
        with lease(tmp_path, "k") as yours:
            assert not yours
    assert not list(tmp_path.iterdir())
    with lease(tmp_path, "k") as again:
        assert again


def test_a_lease_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lease(tmp_path, "k") as mine:
        assert mine
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def left(folder: Path, text: str, silent: float = 0.0) -> Path:
    file = folder / ".k.lease"
    file.write_text(text)
    os.utime(file, (time.time() - silent,) * 2)
    return file


def test_a_lease_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    left(tmp_path, json.dumps({"host": socket.gethostname(), "pid": int(gone.stdout)}))
    with lease(tmp_path, "k") as mine:
        assert mine
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [json.dumps({"host": "elsewhere", "pid": 1}), "", "{"])
def test_a_lease_of_another_machine_or_one_half_written_is_dead_only_when_silent(tmp_path: Path, text: str) -> None:
    left(tmp_path, text)
    with lease(tmp_path, "k") as mine:
        assert not mine
    left(tmp_path, text, silent=leases.DEAD + 1)
    with lease(tmp_path, "k") as mine:
        assert mine


def test_a_held_lease_shows_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.02)
    with lease(tmp_path, "k"):
        file = tmp_path / ".k.lease"
        os.utime(file, (0, 0))
        until = time.monotonic() + 10
        while file.stat().st_mtime < 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert file.stat().st_mtime > 1


def test_of_many_that_find_a_lease_left_behind_one_takes_it(tmp_path: Path) -> None:
    import threading

    left(tmp_path, json.dumps({"host": "elsewhere", "pid": 1}), silent=leases.DEAD + 1)
    gate, end = threading.Barrier(8), threading.Event()
    taken: list[bool] = []

    def take() -> None:
        gate.wait()
        with lease(tmp_path, "k") as mine:
            taken.append(mine)
            end.wait(10)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while len(taken) < 8 and time.monotonic() < until:
        time.sleep(0.01)
    end.set()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 7 + [True]


def test_who_comes_late_to_a_lease_left_behind_gives_the_fresh_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = left(tmp_path, json.dumps({"host": "elsewhere", "pid": 1}), silent=leases.DEAD + 1)
    seen = leases._left_behind(file)
    with lease(tmp_path, "k") as mine:
        assert mine
        fresh = file.read_text()
        monkeypatch.setattr(leases, "_left_behind", lambda _: seen)
        with lease(tmp_path, "k") as yours:
            assert not yours
        assert file.read_text() == fresh
    assert not list(tmp_path.iterdir())
