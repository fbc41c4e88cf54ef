"""How many fits run side by side where nobody asks for a number."""

from __future__ import annotations

import os

import pytest

from cotrain.training import room
from cotrain.training.settings import Settings


def test_a_process_that_may_use_few_cores_counts_those() -> None:
    everything = os.sched_getaffinity(0)
    before = room.cores()
    os.sched_setaffinity(0, {min(everything)})
    try:
        assert room.cores() == 1
    finally:
        os.sched_setaffinity(0, everything)
    assert room.cores() == before <= len(everything)


@pytest.mark.parametrize(("threads", "fits"), [(1, 6), (2, 3), (4, 1), (8, 1)])
def test_a_fit_on_the_cpu_has_as_many_cores_as_threads(monkeypatch: pytest.MonkeyPatch, threads: int, fits: int) -> None:
    monkeypatch.setattr(room, "cores", lambda: 6)
    assert room.room(Settings("x", device="cpu", threads=threads)) == fits


@pytest.mark.parametrize(("named", "fits"), [("0", 1), ("3,5,6", 3)])
def test_a_gpu_makes_one_fit_at_a_time(monkeypatch: pytest.MonkeyPatch, named: str, fits: int) -> None:
    monkeypatch.setattr(room, "cores", lambda: 16)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert room.room(Settings("x", device="cuda")) == fits
