"""``train``: fits of groups over seeds, side by side, nothing twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from cotrain.errors import InputError
from cotrain.tasks.task import Task
from cotrain.training import encoder, ledger
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.settings import Settings


@dataclass(frozen=True)
class Progress:
    """The state of training: fits done of total, how many were there already, what runs, seconds left."""

    done: int
    total: int
    reused: int
    running: tuple[str, ...]
    seconds_left: float | None


@dataclass(frozen=True)
class Options:
    """How fits are run; none of it changes their numbers.

    Attributes:
        workers: processes side by side; 0: one per ``threads`` cores. 1 trains in this process.
        progress: is told the state after each fit.
    """

    workers: int = 0
    progress: Callable[[Progress], None] | None = None


@dataclass(frozen=True)
class Job:
    """One fit to be made: everything that its key is made of, and the key."""

    key: str
    group: Group
    seed: int
    updates: int | None


def effective(settings: Settings) -> Settings:
    """Return the settings with every ``auto`` resolved for this machine."""
    import torch

    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    precision = settings.precision
    if precision == "auto":
        fast = {"cpu": torch.cpu._is_avx512_bf16_supported, "cuda": torch.cuda.is_bf16_supported}.get(device, lambda: False)
        precision = "bf16" if fast() else "fp32"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is cuda, but there is no CUDA device here; set device: auto or cpu")
    return replace(settings, device=device, precision=precision)


def train(
    groups: Iterable[Group], tasks: Mapping[str, Task], settings: Settings, seeds: Sequence[int], fits: Path,
    options: Options = Options(),
) -> list[Fit]:  # fmt: skip
    """Return the fits of ``groups`` × ``seeds``, in that order; those in ``fits`` already are read, not trained.

    A group whose budget is the name of another group is trained after that group, which must be in ``groups`` or in
    ``fits``. A fit that fails is stored and returned with ``failed`` set.

    Raises:
        InputError: an unknown task, an encoder that cannot be used, a budget of a group that is not there.
    """
    wanted = list(dict.fromkeys(groups))
    if strangers := sorted({t for g in wanted for t in g.tasks} - set(tasks)):
        raise InputError(f"groups name tasks that the study does not have: {', '.join(strangers)}")
    settings = effective(settings)
    path = encoder.folder(settings.model)
    encoder.tokenizer(path, settings.max_length)
    content = encoder.content_hash(path)
    first = [g for g in wanted if not isinstance(g.updates, str)]
    later = [g for g in wanted if isinstance(g.updates, str)]
    done: dict[tuple[Group, int], Fit] = {}
    state = _State(total=len(wanted) * len(seeds), progress=options.progress)
    for wave in (first, later):
        jobs = [_job(g, seed, tasks, settings, content, done, fits) for g in wave for seed in seeds]
        done.update(_run(jobs, tasks, settings, path, fits, options, state))
    return [done[g, seed] for g in wanted for seed in seeds]


def _job(group: Group, seed: int, tasks: Mapping[str, Task], settings: Settings, content: str,
         done: Mapping[tuple[Group, int], Fit], fits: Path) -> Job:  # fmt: skip
    """Return the job of one fit, its budget resolved."""
    updates = group.updates
    if isinstance(updates, str):
        other = Group.parse(updates)
        there = done.get((other, seed))
        if there is None:
            key = ledger.fit_key(other, tasks, settings, content, seed, None)
            folder = ledger.find(fits, key)
            if folder is None:
                raise InputError(f"group {group.name} takes its budget from {updates}, which is not trained at seed {seed}; train it first")
            there = ledger.load(folder)
        updates = there.updates
    return Job(ledger.fit_key(group, tasks, settings, content, seed, updates), group, seed, updates)


class _State:
    """Counts fits and estimates the seconds left."""

    def __init__(self, total: int, progress: Callable[[Progress], None] | None) -> None:
        self.total, self.progress = total, progress
        self.done = self.reused = 0
        self.started = time.monotonic()

    def tell(self, reused: bool, running: tuple[str, ...] = ()) -> None:
        """Count one more fit."""
        self.done += 1
        self.reused += reused
        fresh = self.done - self.reused
        left = (time.monotonic() - self.started) / fresh * (self.total - self.done) if fresh else None
        if self.progress:
            self.progress(Progress(self.done, self.total, self.reused, running, left))


def _run(jobs: list[Job], tasks: Mapping[str, Task], settings: Settings, path: Path, fits: Path, options: Options,
         state: _State) -> dict[tuple[Group, int], Fit]:  # fmt: skip
    """Return the fits of the jobs, trained or found."""
    found: dict[tuple[Group, int], Fit] = {}
    todo: list[Job] = []
    for job in jobs:
        folder = ledger.find(fits, job.key)
        if folder is None:
            todo.append(job)
        else:
            found[job.group, job.seed] = ledger.load(folder)
            state.tell(reused=True)
    if not todo:
        return found
    names = {t for job in todo for t in job.group.tasks}
    needed = {name: tasks[name] for name in tasks if name in names}
    workers = min(options.workers or max(1, (os.cpu_count() or 1) // settings.threads), len(todo))
    # the longest first, so that the last ones are short
    todo.sort(key=lambda job: -sum(len(tasks[t].rows) for t in job.group.tasks))
    with _pool(workers, needed, settings, path) as pool:
        futures: dict[Future[None], Job] = {}
        if pool is None:
            from cotrain.training import worker

            worker.prepare(needed, settings, path)
            for job in todo:
                worker.fit(job, fits)
                _collect(job, fits, found, state, ())
        else:
            from cotrain.training import worker

            futures = {pool.submit(worker.fit, job, fits): job for job in todo}
            try:
                for future in as_completed(futures):
                    future.result()
                    running = tuple(f"{j.group.name} ({j.seed})" for f, j in futures.items() if f.running())
                    _collect(futures[future], fits, found, state, running[:workers])
            except BaseException:
                # an interrupt or a defect: what runs is stopped at once, what is finished is on disk
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(getattr(pool, "_processes", {}).values()):
                    process.kill()
                raise
    return found


def _collect(job: Job, fits: Path, found: dict[tuple[Group, int], Fit], state: _State, running: tuple[str, ...]) -> None:
    """Read a finished fit back and count it."""
    found[job.group, job.seed] = ledger.load(fits / job.key)
    state.tell(reused=False, running=running)


def _pool(workers: int, tasks: Mapping[str, Task], settings: Settings, path: Path) -> ProcessPoolExecutor | nullcontext[Executor | None]:
    """Return a pool of fresh processes that each read rows and encoder once, or nothing for one worker."""
    from cotrain.training import worker

    if workers == 1:
        return nullcontext()
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=worker.prepare, initargs=(tasks, settings, path))
