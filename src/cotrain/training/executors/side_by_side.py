"""The fits of futures: so many at a time, what others are at looked for again, what was killed made again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING

from cotrain.training.worker import Job, Outcome

if TYPE_CHECKING:
    from cotrain.training.train import Report

TICK = 5.0
"""Seconds between looks at fits of other processes, and between signs of life."""


def side_by_side(
    jobs: Sequence[Job], workers: int, submit: Callable[[Job], Future[Outcome]], report: Report,
    deadly: type[Exception], lost: Callable[[Sequence[Job], Exception], None],
) -> None:  # fmt: skip
    """Make the fits of ``jobs``, ``workers`` at a time.

    Args:
        submit: starts a fit.
        report: is told each fit that is there, and what runs.
        deadly: the error of a fit whose process died under it.
        lost: is told such a fit, and after it those that run; where it does not raise, the fit is started again.
    """
    waiting, running = deque(jobs), dict[Future[Outcome], Job]()
    later: deque[tuple[float, Job]] = deque()
    while waiting or running or later:
        while later and later[0][0] <= time.monotonic():
            waiting.append(later.popleft()[1])
        while waiting and len(running) < workers:
            job = waiting.popleft()
            try:
                running[submit(job)] = job
            except deadly as error:
                lost((job, *running.values()), error)
                waiting.append(job)
        report(None, tuple(map(str, running.values())))
        if not running:
            time.sleep(max(0.0, later[0][0] - time.monotonic()))
            continue
        done, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
        for future in done:
            job = running.pop(future)
            try:
                outcome = future.result()
            except deadly as error:
                lost((job, *running.values()), error)
                waiting.append(job)
                continue
            if outcome == "busy":
                later.append((time.monotonic() + TICK, job))
            else:
                report((job, outcome), ())
