"""Fits by SLURM: a real one of one node, started here where it is installed; and submitit's processes, which are always there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
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
submitit = pytest.importorskip("submitit", reason="submitit is not installed")
DAEMONS = ("munged", "slurmctld", "slurmd")
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of a SLURM that runs on this machine alone until the tests end."""
    if missing := [name for name in (*DAEMONS, "sbatch") if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]:
        pytest.skip(f"SLURM is not installed: no {', '.join(missing)} (apt-get install slurm-wlm munge)")
    if os.geteuid():
        pytest.skip("starting SLURM needs to be root")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in (one, two)]
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(folder=folder, host=socket.gethostname().partition(".")[0], ports=ports))
    paths = [f"--{name}={folder}/munge.{end}" for name, end in
             (("socket", "sock"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"), ("key-file", "key"))]  # fmt: skip
    try:
        for command in (["munged", "--force", *paths], ["slurmctld", "-c", "-f", conf], ["slurmd", "-c", "-f", conf]):
            program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
            started = subprocess.run([str(program), *map(str, command[1:])], capture_output=True, text=True, check=False)
            if started.returncode:
                pytest.skip(f"SLURM does not start here: {started.stderr.strip()}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(conf))
            until = time.monotonic() + 20
            while "idle" not in subprocess.run(["sinfo"], capture_output=True, text=True, check=False).stdout:
                if time.monotonic() > until:
                    pytest.skip("SLURM does not start here: its node does not become idle")
                time.sleep(0.1)
            yield conf
    finally:
        for file in ("slurmd.pid", "slurmctld.pid", "munge.pid"):
            if (folder / file).is_file():
                end(int((folder / file).read_text()))


def end(daemon: int) -> None:
    """End a daemon; one that waits for something is killed."""
    os.kill(daemon, signal.SIGTERM)
    until = time.monotonic() + 5
    while Path(f"/proc/{daemon}").exists():
        time.sleep(0.05)
        if time.monotonic() > until:
            os.kill(daemon, signal.SIGKILL)
            return


@pytest.fixture
def real(conf: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The real SLURM."""
    monkeypatch.setenv("SLURM_CONF", str(conf))
    return "slurm"


@pytest.fixture(params=["slurm", "local"])
def executor(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The real one, or submitit's processes on this machine, which another machine with SLURM would not know from it."""
    if request.param == "slurm":
        return str(request.getfixturevalue("real"))
    (tmp_path / "submitit_processes.py").write_text(
        "from cotrain.training.executors import slurm\ndef run(jobs, setup, report):\n    slurm.run(jobs, setup, report, cluster='local')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "submitit_processes:run"


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


def test_a_worker_that_is_killed_changes_nothing(executor: str, task: Make, settings: Make, tmp_path: Path) -> None:
    tasks = {name: task(name, pair=name == "b") for name in "ab"}
    groups = [Group.of("a"), Group.of("b"), Group.of("ab")]
    fits = tmp_path / "fits"
    killed: list[str] = []

    def kill_one(progress: Progress) -> None:
        if progress.running and not killed:
            key, pid = holder(fits)
            os.kill(pid, signal.SIGKILL)
            killed.append(key)

    away = train(groups, tasks, settings(epochs=20), [1], fits, Options(2, kill_one, executor))
    assert killed[0] in {fit.key for fit in away}
    for one, other in zip(away, train(groups, tasks, settings(epochs=20), [1], tmp_path / "here", Options(1)), strict=True):
        assert_equal(one, other)
    assert {f.name for f in fits.iterdir()} == {fit.key for fit in away}, "rows and logs are gone"


def test_a_job_whose_time_is_up_is_queued_again_and_goes_on(real: str, task: Make, settings: Make, tmp_path: Path) -> None:
    fits = tmp_path / "fits"
    signalled: list[str] = []

    def time_is_up(progress: Progress) -> None:
        if progress.done == 1 and progress.running and not signalled:
            [job] = subprocess.run(["squeue", "--noheader", "--format=%A"], capture_output=True, text=True, check=True).stdout.split()
            subprocess.run(["scancel", "--signal=USR2", job], check=True)  # as SLURM does before the limit
            signalled.append(job)
        if signalled and len(signalled) == 1:
            shown = subprocess.run(["scontrol", "show", "job", signalled[0]], capture_output=True, text=True, check=True).stdout
            if "Restarts=1" in shown and "JobState=PENDING" in shown:
                subprocess.run(["scontrol", "update", f"jobid={signalled[0]}", "StartTime=now"], check=True)  # not in two minutes
                signalled.append(shown)

    how = Options(1, time_is_up, real)
    away = train([Group.of("a")], {"a": task("a")}, settings(epochs=60), [1, 2, 3], fits, how)
    assert len(away) == 3
    assert len(signalled) == 2, "it should have been queued again"
    assert {f.name for f in fits.iterdir()} == {fit.key for fit in away}


def test_jobs_that_slurm_refuses_are_said(real: str, task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    with pytest.raises(InputError, match=r"SLURM did not take the jobs: .*[Ii]nvalid partition"):
        train([Group.of("a")], {"a": task("a")}, settings(), [1], tmp_path, Options(1, executor=real))
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_training_ends_its_jobs(real: str, task: Make, settings: Make, tmp_path: Path) -> None:
    fits = tmp_path / "fits"
    running: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.running:
            running.append(holder(fits)[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([Group.of("a")], {"a": task("a")}, settings(epochs=10_000), [1], fits, Options(1, stop, real))
    until = time.monotonic() + 20
    while Path(f"/proc/{running[0]}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{running[0]}").exists()


def test_a_machine_without_slurm_is_said(task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="sbatch and srun, and they are not on this machine"):
        train([Group.of("a")], {"a": task("a")}, settings(), [1], tmp_path, Options(1, executor="slurm"))
    assert list(tmp_path.iterdir()) == []


def test_jobs_that_make_nothing_are_said(
    executor: str, task: Make, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif 'submitit.core._submit' in ' '.join(sys.orig_argv): os._exit(9)\n")
    with pytest.raises(InputError, match=r"jobs ended before all fits were made \(a \(1\)\).*\.slurm-failed"):
        train([Group.of("a")], {"a": task("a")}, settings(), [1], tmp_path / "fits", Options(1, executor=executor))
    assert not list(tmp_path.glob("fits/.slurm-failed/parcel.pkl"))
