"""Fits on a SLURM cluster: a job array of workers that each make one fit after another, and are queued again when their time is up."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotrain.errors import InputError, MissingExtra
from cotrain.training import leases, ledger, worker
from cotrain.training.executors import away
from cotrain.training.worker import Job

if TYPE_CHECKING:
    from cotrain.training.train import Report, Setup

WORKERS = 8
"""Jobs at a time where nobody says how many."""
MINUTES = 60
"""Of a job; one that is not done by then is queued again, and goes on."""
TICK = 1.0
"""Seconds between looks into the folder of fits, where workers leave what they make."""
PARCEL = "parcel.pkl"


def run(jobs: Sequence[Job], setup: Setup, report: Report, cluster: str = "slurm") -> None:
    """Make the fits of ``jobs`` by a job array of ``setup.workers`` jobs; what ended jobs leave undone is submitted again.

    Partition, time limit, account and the like are those of the variables that ``sbatch`` reads (``SBATCH_PARTITION``, …).

    Args:
        cluster: ``slurm``, or ``local`` for submitit's processes on this machine.

    Raises:
        InputError: no SLURM here or it refuses the jobs, private tasks, workers that do not see the run folder, jobs that end
            without having made a fit.
        MissingExtra: submitit is not installed.
    """
    submitit = _submitit(cluster)
    with away.sent(setup, "slurm") as parcel:
        folder = parcel.setup.fits / parcel.sign
        (folder / PARCEL).write_bytes(pickle.dumps(parcel))
        left = list(jobs)
        while left:
            executor = submitit.AutoExecutor(folder, cluster=cluster, slurm_max_num_timeout=1000)
            workers = min(setup.workers or WORKERS, len(left))
            executor.update_parameters(
                name="cotrain", timeout_min=MINUTES, cpus_per_task=setup.settings.threads,
                gpus_per_node=int(setup.settings.device == "cuda"), slurm_array_parallelism=workers,
            )  # fmt: skip
            handles = _submitted(executor, _Worker(folder, tuple(left)), workers)
            try:
                undone = _watch(handles, left, setup.fits, report, cluster)
            finally:
                _end(handles, cluster)
            if len(undone) == len(left) and not any(leases.held(setup.fits, job.key) for job in undone):
                raise InputError(_why(undone, _failed(folder)))
            left = undone


@dataclass(frozen=True)
class _Worker:
    """What a job of the array does: the fits that nobody has, one after another.

    Attributes:
        folder: where the parcel lies.
        jobs: those that are not made yet.
    """

    folder: Path
    jobs: tuple[Job, ...]

    def __call__(self) -> tuple[str, ...]:
        """Make fits; return the faults of this machine, if it has any."""
        try:
            parcel: away.Parcel = pickle.loads((self.folder / PARCEL).read_bytes())
            away.unpack(parcel)
            left, before = list(self.jobs), 0
            while len(left) != before:  # what others have may be left behind meanwhile
                before = len(left)
                left = [job for job in left if worker.fit(job, parcel.setup.fits) == "busy"]
        except InputError as error:
            return error.faults
        return ()

    def checkpoint(self) -> Any:
        """Return what goes on when the time is up: the same, as finished fits are found."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _submitit(cluster: str) -> Any:
    """Return submitit.

    Raises:
        InputError: this machine has no SLURM.
        MissingExtra: submitit is not installed.
    """
    try:
        import submitit
    except ImportError:
        raise MissingExtra("slurm", "submitit") from None
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise InputError("executor slurm needs sbatch and srun, and they are not on this machine; start on one that submits jobs to SLURM")
    return submitit


def _failed(folder: Path) -> Path:
    """Return where the logs of jobs that failed are until others do."""
    (folder / PARCEL).unlink()
    kept = folder.with_name(".slurm-failed")
    shutil.rmtree(kept, ignore_errors=True)
    return folder.rename(kept)


def _submitted(executor: Any, worker: _Worker, workers: int) -> list[Any]:
    """Return the jobs of the array.

    Raises:
        InputError: SLURM cannot be reached, or refuses.
    """
    from submitit.core.utils import FailedJobError

    try:
        with executor.batch():
            handles = [executor.submit(worker) for _ in range(workers)]
    except (FailedJobError, subprocess.CalledProcessError, OSError) as error:
        said = str(error).strip().splitlines()
        raise InputError(
            f"SLURM did not take the jobs: {said[-1] if said else 'it said nothing'}; sinfo says whether it can be reached"
        ) from None
    return handles


def _watch(handles: Sequence[Any], jobs: Sequence[Job], fits: Path, report: Report, cluster: str) -> list[Job]:
    """Report fits as they come to be seen; return those that are not there when every job has ended.

    Raises:
        InputError: what is wrong with the machines of the workers.
    """
    left = list(jobs)
    while True:
        ended = _ended(handles, cluster)
        if ended:
            time.sleep(TICK)
        for job in list(left):
            if _there(fits, job):
                left.remove(job)
                report((job, "made"), ())
        if faults := dict.fromkeys(fault for handle in handles for fault in _faults(handle)):
            raise InputError(faults)
        if ended or not left:
            return left
        report(None, tuple(str(job) for job in left if (fits / f".{job.key}.lease").exists()))
        time.sleep(TICK)


def _there(fits: Path, job: Job) -> bool:
    """Whether a fit is there with all that it should leave."""
    folder = fits / job.key
    return (folder / ledger.CHECKSUMS).is_file() and not ledger.lacking(folder, job.extras)


def _faults(handle: Any) -> tuple[str, ...]:
    """Return what a job that ended said is wrong with its machine.

    Raises:
        FailedJobError: a defect, with its traceback.
    """
    from submitit.core.utils import UncompletedJobError

    if not handle.paths.result_pickle.exists():
        return ()
    try:
        return handle.result()
    except UncompletedJobError:
        return ()


def _ended(handles: Sequence[Any], cluster: str) -> bool:
    """Whether no job waits or runs any more; asked of ``squeue``, which also answers where SLURM keeps no accounts."""
    if cluster != "slurm":
        return all(handle.done() for handle in handles)
    asked = subprocess.run(["squeue", "--noheader", "--jobs", _array(handles)], capture_output=True, text=True, check=False)
    return not asked.stdout.strip() if not asked.returncode else "Invalid job id" in asked.stderr


def _end(handles: Sequence[Any], cluster: str) -> None:
    """End what still waits or runs at once: submitit passes over the signal with which SLURM ends jobs, and half a minute goes by."""
    if cluster == "slurm":
        for how in (["--signal=INT"], []):
            subprocess.run(["scancel", *how, _array(handles)], capture_output=True, check=False)
    else:
        for handle in handles:
            handle.cancel(check=False)


def _array(handles: Sequence[Any]) -> str:
    """Return the number of the job array."""
    return str(handles[0].job_id).partition("_")[0]


def _why(undone: Sequence[Job], folder: Path) -> str:
    """Return what to say of jobs that ended and made nothing."""
    names = f"{', '.join(map(str, undone[:3]))}{', …' if len(undone) > 3 else ''}"
    if not list(folder.glob("*_log.err")):
        return (
            f"the SLURM jobs ended and left no log in {folder.parent}, so the machines that they ran on do not see it; put the run folder "
            f"on storage that all machines share, at the same path (--out). Not made: {names}"
        )
    return (
        f"the SLURM jobs ended before all fits were made ({names}), most often for want of memory or of time; "
        f"their logs are in {folder}. What is finished is kept: start again, with SBATCH_MEM_PER_NODE or SBATCH_TIMELIMIT set"
    )
