"""Fits on a Ray cluster: each a task with a request for CPUs, or a GPU; workers keep rows and encoder between fits."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotrain.errors import InputError, MissingExtra
from cotrain.training import worker
from cotrain.training.executors import away
from cotrain.training.executors.side_by_side import side_by_side
from cotrain.training.worker import Job, Outcome

if TYPE_CHECKING:
    from cotrain.training.train import Report, Setup

TRIES = 3
"""How often a fit is begun whose worker or machine dies under it."""


def run(jobs: Sequence[Job], setup: Setup, report: Report) -> None:
    """Make the fits of ``jobs`` on the cluster of ``RAY_ADDRESS``, or on the one that this machine is part of.

    A fit whose worker dies is made again elsewhere.

    Raises:
        InputError: no cluster, one without room for a fit, private tasks, workers that do not see the run folder, a fit under
            which workers died again and again.
        MissingExtra: Ray is not installed.
    """
    with _joined() as ray, away.sent(setup, "ray") as parcel:
        needs = {"num_cpus": setup.settings.threads, "num_gpus": int(setup.settings.device == "cuda")}
        room = _room(ray, needs)
        workers = min(setup.workers or room, len(jobs))
        kept = [ray.put(parcel)]  # in a list Ray hands on where it is, not what it is
        make = ray.remote(max_retries=0, **needs)(_fit)
        refs: set[Any] = set()
        died: Counter[str] = Counter()

        def submit(job: Job) -> Future[Outcome]:
            ref = make.remote(parcel.sign, kept, job, parcel.setup.fits)
            refs.add(ref)
            future: Future[Outcome] = ref.future()
            future.add_done_callback(lambda _: refs.discard(ref))
            return future

        def lost(at: Sequence[Job], error: Exception) -> None:
            if isinstance(error, ray.exceptions.RayTaskError):
                cause: Exception = error.cause
                if isinstance(cause, ImportError) or "failed to import" in str(cause):
                    raise InputError(
                        "a machine of the Ray cluster lacks cotrain or a library of it; install the same on every one"
                    ) from None
                raise cause from None
            died[at[0].key] += 1
            if died[at[0].key] >= TRIES:
                raise InputError(
                    f"{TRIES} workers were killed from outside, most often for want of memory, while they trained {at[0]}; what is "
                    "finished is kept: start again, with a smaller batch_size, or where a fit has more memory"
                ) from None

        def seen(there: tuple[Job, Outcome] | None, running: tuple[str, ...]) -> None:
            if there is not None:
                away.await_fit(setup.fits, there[0].key)
            report(there, running)

        try:
            side_by_side(jobs, workers, submit, seen, ray.exceptions.RayError, lost)
        finally:
            for ref in list(refs):
                with suppress(ray.exceptions.RayError):
                    ray.cancel(ref, force=True)


def _fit(sign: str, parcel: Sequence[Any], job: Job, fits: Path) -> Outcome:
    """Make one fit, in a worker; the parcel is fetched for the first one."""
    import ray

    if not away.ready(sign):
        away.unpack(ray.get(parcel[0]))
    return worker.fit(job, fits)


def _room(ray: Any, needs: dict[str, int]) -> int:
    """Return how many fits the cluster has room for.

    Raises:
        InputError: it has none for a single one.
    """
    there = ray.cluster_resources()
    room = min(int(there.get(name, 0)) // needs[key] for name, key in (("CPU", "num_cpus"), ("GPU", "num_gpus")) if needs[key])
    if not room:
        raise InputError(
            f"the Ray cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs; a fit asks for {needs['num_cpus']} "
            f"(training.threads) and {needs['num_gpus']}: join a machine that has them, or change threads or device"
        )
    return room


@contextmanager
def _joined() -> Iterator[Any]:
    """Yield Ray, joined to a running cluster; one that this program joined itself stays joined.

    Raises:
        InputError: there is none.
        MissingExtra: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS", "auto")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _answers(address)
        ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, OSError, RuntimeError, ValueError):
        named = f"at RAY_ADDRESS={address}" if address != "auto" else "that this machine is part of"
        raise InputError(
            f"there is no Ray cluster {named} that can be reached. Start one with: ray start --head --disable-usage-stats, let other "
            "machines join with: ray start --address=HOST:6379, or name one in RAY_ADDRESS; on one machine alone use --executor local"
        ) from None
    for number, handler in handlers.items():
        signal.signal(number, handler)
    try:
        yield ray
    finally:
        ray.shutdown()


def _answers(address: str) -> None:
    """Look whether something listens at ``host:port``: Ray itself would wait long for it.

    Raises:
        OSError: nothing does.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "://" not in host:
        socket.create_connection((host, int(port)), timeout=5).close()
