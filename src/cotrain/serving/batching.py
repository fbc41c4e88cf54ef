"""Requests of many clients, predicted together by one thread."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock, Thread
from typing import NamedTuple

import numpy as np

from cotrain.training.models import SharedModel

Found = dict[str, np.ndarray]


class _Asked(NamedTuple):
    """Texts of one request for one model, and where the (n, K) probabilities of each task go."""

    model: SharedModel
    texts: Sequence[str]
    pairs: Sequence[str] | None
    tasks: Sequence[str]
    answer: Future[Found]


class Batcher:
    """One thread that predicts: what arrives while it is busy, or within ``seconds`` after the first, is done together.

    Args:
        seconds: how long the first text of a batch waits for others at most.
        rows: texts of a batch, after which nothing more is waited for.
    """

    def __init__(self, seconds: float = 0.003, rows: int = 256) -> None:
        self.seconds, self.rows = seconds, rows
        self.waiting = 0
        self._lock = Lock()
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._work, name="predict", daemon=True)
        self._thread.start()

    def ask(self, model: SharedModel, texts: Sequence[str], pairs: Sequence[str] | None, tasks: Sequence[str]) -> Future[Found]:
        """Return what will be the probabilities of each task for these texts."""
        asked = _Asked(model, texts, pairs, tasks, Future())
        self._count(len(texts))
        asked.answer.add_done_callback(lambda _: self._count(-len(texts)))
        self._asked.put(asked)
        return asked.answer

    def close(self) -> None:
        """Finish what was asked, and stop."""
        self._asked.put(None)
        self._thread.join()

    def _count(self, rows: int) -> None:
        """Keep how many texts are not answered yet."""
        with self._lock:
            self.waiting += rows

    def _work(self) -> None:
        """Predict batch after batch until closed."""
        going = True
        while going:
            batch, going = self._batch()
            together: dict[tuple[int, bool], list[_Asked]] = {}
            for asked in batch:
                if asked.answer.set_running_or_notify_cancel():  # a client that is gone waits for nothing
                    together.setdefault((id(asked.model), asked.pairs is None), []).append(asked)
            for alike in together.values():
                self._answer(alike)

    def _batch(self) -> tuple[list[_Asked], bool]:
        """Return what is asked next, and whether more can come."""
        found: list[_Asked] = []
        until, rows = float("inf"), 0
        while rows < self.rows:
            try:
                asked = self._asked.get(timeout=None if not found else max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if asked is None:
                return found, False
            if not found:
                until = time.monotonic() + self.seconds
            found.append(asked)
            rows += len(asked.texts)
        return found, True

    def _answer(self, alike: list[_Asked]) -> None:
        """Predict requests for one model together; where that fails each alone, so that one spoils no other."""
        texts = [text for asked in alike for text in asked.texts]
        pairs = None if alike[0].pairs is None else [pair for asked in alike for pair in asked.pairs or ()]
        tasks = list(dict.fromkeys(task for asked in alike for task in asked.tasks))
        try:
            found = alike[0].model.predict(texts, pairs, tasks=tasks)
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the one who asked
            if len(alike) == 1:
                alike[0].answer.set_exception(error)
                return
            for asked in alike:
                self._answer([asked])
            return
        start = 0
        for asked in alike:
            stop = start + len(asked.texts)
            asked.answer.set_result({task: found[task][start:stop] for task in asked.tasks})
            start = stop
