"""Fits side by side in processes of this machine, or one after another in this one."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cotrain.errors import InputError
from cotrain.training import worker
from cotrain.training.executors.side_by_side import TICK, side_by_side
from cotrain.training.room import gpus, room
from cotrain.training.worker import Job, Outcome

if TYPE_CHECKING:
    from cotrain.training.train import Report, Setup


def run(jobs: Sequence[Job], setup: Setup, report: Report) -> None:
    """Make the fits of ``jobs`` in ``setup.fits``; ``report`` is told each one that is there, and what runs.

    A fit that another process is at is left to it, and looked for until it is there or that process is gone.

    Raises:
        InputError: a process was killed from outside, most often for want of memory.
    """
    seen = gpus() if setup.settings.device == "cuda" else []
    workers = min(setup.workers or room(setup.settings), len(jobs))
    if workers == 1 and len(seen) < 2:
        _here(jobs, setup, report)
    else:
        _pool(jobs, setup, report, workers, seen)


def _here(jobs: Sequence[Job], setup: Setup, report: Report) -> None:
    """Make the fits one after another in this process."""
    worker.prepare(setup.tasks, setup.settings, setup.encoder)
    try:
        waiting, busy = deque(jobs), 0
        while waiting:
            job = waiting.popleft()
            report(None, (str(job),))
            outcome = worker.fit(job, setup.fits)
            if outcome != "busy":
                busy = 0
                report((job, outcome), ())
                continue
            waiting.append(job)
            busy += 1
            if busy >= len(waiting):  # all that is left is with others
                time.sleep(TICK)
                busy = 0
    finally:
        worker.release()


def _pool(jobs: Sequence[Job], setup: Setup, report: Report, workers: int, gpus: Sequence[str] = ()) -> None:
    """Make the fits in fresh processes that each read rows and encoder once, and see one of the GPUs."""
    context = get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(setup, gpus, context.Value("i", 0)))

    def submit(job: Job) -> Future[Outcome]:
        with _without_main():
            return pool.submit(worker.fit, job, setup.fits)

    def lost(at: Sequence[Job], error: Exception) -> None:
        raise InputError(
            f"a training process was killed from outside, most often for want of memory, while {', '.join(map(str, at))} were trained; "
            "what is finished is kept: start again, with fewer workers if memory is short"
        ) from None

    try:
        side_by_side(jobs, workers, submit, report, BrokenProcessPool, lost)
    finally:
        _end(pool)


@contextmanager
def _without_main() -> Iterator[None]:
    """Let processes start without the caller's main module, of which they need nothing.

    They would run it again: a script without a guard would train within its training, and one that was piped in cannot be
    found again, at which starting a process waits for ever.
    """
    there = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = there


def _end(pool: ProcessPoolExecutor) -> None:
    """Stop the processes at once: between fits there is nothing to lose, and what runs starts over."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
    for process in processes:
        process.join()


def _see_one(named: Sequence[str], taken: Any) -> None:
    """Let this process see one of the GPUs, each process the next one: over several a fit would be another fit."""
    if named:
        with taken.get_lock():
            os.environ["CUDA_VISIBLE_DEVICES"] = named[taken.value % len(named)]
            taken.value += 1


def _begin(setup: Setup, gpus: Sequence[str], taken: Any) -> None:
    """Prepare a process: it ends with its parent, leaves an interrupt to it, and reads rows and encoder."""
    _see_one(gpus, taken)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker.prepare(setup.tasks, setup.settings, setup.encoder)


def _end_with_parent() -> None:
    """Wait until the parent is gone, then end at once: a killed study leaves no process behind."""
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)
