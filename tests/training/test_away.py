"""What executors on other machines check before the first fit, whichever they are."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotrain import Group
from cotrain.errors import InputError, MissingExtra
from cotrain.training import encoder, worker
from cotrain.training.executors import EXECUTORS, away
from cotrain.training.train import Options, Setup, effective, train

Make = Callable[..., Any]


@pytest.fixture
def setup(task: Make, settings: Make, tmp_path: Path) -> Setup:
    chosen = effective(settings())
    return Setup({"a": task("a")}, chosen, encoder.folder(chosen.model), tmp_path / "fits", 1)


def test_a_worker_that_is_at_the_right_place_is_ready(setup: Setup) -> None:
    with away.sent(setup, "ray") as parcel:
        assert not away.ready(parcel.sign)
        away.unpack(parcel)
        assert away.ready(parcel.sign) and not away.ready("another")
    worker.release()
    assert list(setup.fits.iterdir()) == []


def test_a_worker_says_all_that_is_wrong_with_its_machine(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away, "NEW", 0.1)
    with away.sent(setup, "ray") as parcel:
        other = replace(setup, fits=tmp_path / "elsewhere", encoder=tmp_path, settings=replace(setup.settings, device="tpu"))
        with pytest.raises(InputError) as wrong:
            away.unpack(replace(parcel, setup=other, version="9.9"))
    folder, version, weights, device = wrong.value.faults
    assert all(fault.startswith(f"{socket.gethostname()}: ") for fault in wrong.value.faults)
    assert "does not see the run folder" in folder and str(tmp_path / "elsewhere" / parcel.sign) in folder and "--out" in folder
    assert "should have 9.9" in version
    assert "encoder" in weights
    assert "found tpu" in device


def test_a_fit_that_does_not_come_to_be_seen_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away, "PATIENCE", 0.1)
    with pytest.raises(InputError, match="shared storage"):
        away.await_fit(tmp_path, "k")


@pytest.mark.parametrize("executor", sorted(set(EXECUTORS) - {"local"}))
def test_rows_of_private_tasks_are_not_sent(
    executor: str, task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = {"ray": "ray", "slurm": "submitit"}[executor]
    pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.setattr("cotrain.training.executors.ray._joined", lambda: away.suppress())
    monkeypatch.setattr("shutil.which", lambda name: name)
    tasks = {"a": task("a"), "b": replace(task("b"), private=True)}
    with pytest.raises(InputError, match=rf"executor {executor} sends rows.* b is private.*--executor local"):
        train([Group.of("ab")], tasks, settings(), [1], tmp_path, Options(1, executor=executor))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("executor", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_without_its_library_the_extra_is_named(
    executor: str, library: str, task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"pip install \"cotrain\[{executor}\]\""):
        train([Group.of("a")], {"a": task("a")}, settings(), [1], tmp_path, Options(1, executor=executor))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_start_left_is_swept_and_that_of_a_living_one_is_not(setup: Setup) -> None:
    gone = setup.fits / ".away-gone"
    gone.mkdir(parents=True)
    (gone / "parcel.pkl").write_text("rows")
    (setup.fits / ".away-gone.lease").write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1}))
    living = setup.fits / ".away-living"
    living.mkdir()
    (setup.fits / ".away-living.lease").write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
    with away.sent(setup, "ray"):
        pass
    assert living.is_dir() and not gone.exists()
