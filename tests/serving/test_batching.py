"""Requests are predicted together and answered apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from cotrain.serving.batching import Batcher


class Model:
    """A model whose probability is the number that the text is; it can be held, and fails at a text that is none."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go = threading.Event()
        self.go.set()

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None, *, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        self.go.wait(10)
        self.batches.append(len(texts))
        sign = 1 if pairs is None else -1
        return {task: np.array([[sign * float(text), len(task)] for text in texts]) for task in tasks}


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(seconds=0.05, rows=64)
    yield made
    made.close()


def test_what_arrives_while_it_is_busy_is_one_batch(batcher: Batcher) -> None:
    model: Any = Model()
    model.go.clear()
    first = batcher.ask(model, ["0"], None, ["a"])
    time.sleep(0.1)
    later = [batcher.ask(model, [str(i), str(i + 0.5)], None, ["a"]) for i in range(20)]
    assert batcher.waiting == 41
    model.go.set()
    for i, answer in enumerate(later):
        np.testing.assert_array_equal(answer.result(5)["a"][:, 0], [i, i + 0.5])
    assert first.result(5)["a"][0, 0] == 0 and model.batches == [1, 40]
    assert batcher.waiting == 0


def test_each_gets_its_own_tasks_of_its_own_texts(batcher: Batcher) -> None:
    one, two = Model(), Model()

    def client(number: int) -> bool:
        model: Any = (one, two)[number % 2]
        pairs = ["x"] * 3 if number % 3 == 0 else None
        tasks = ["a", "bb"][: 1 + number % 2]
        texts = [str(1000 * number + i) for i in range(3)]
        found = batcher.ask(model, texts, pairs, tasks).result(20)
        sign = 1 if pairs is None else -1
        return list(found) == tasks and all(
            np.array_equal(p, [[sign * float(text), len(task)] for text in texts]) for task, p in found.items()
        )

    with ThreadPoolExecutor(16) as clients:
        assert all(clients.map(client, range(1, 501)))
    assert sum(one.batches) + sum(two.batches) == 1500 and len(one.batches) + len(two.batches) < 500


def test_a_request_that_fails_spoils_no_other(batcher: Batcher) -> None:
    model: Any = Model()
    model.go.clear()
    held = batcher.ask(model, ["0"], None, ["a"])
    time.sleep(0.1)
    good, bad = batcher.ask(model, ["1"], None, ["a"]), batcher.ask(model, ["no number"], None, ["a"])
    model.go.set()
    assert good.result(5)["a"][0, 0] == 1 and held.result(5)
    with pytest.raises(ValueError, match="could not convert"):
        bad.result(5)


def test_a_client_that_is_gone_is_not_predicted(batcher: Batcher) -> None:
    model: Any = Model()
    model.go.clear()
    batcher.ask(model, ["0"], None, ["a"])
    time.sleep(0.1)
    gone, other = batcher.ask(model, ["1"], None, ["a"]), batcher.ask(model, ["2"], None, ["a"])
    assert gone.cancel()
    model.go.set()
    assert other.result(5)["a"][0, 0] == 2 and model.batches == [1, 1]


def test_what_was_asked_before_it_closes_is_answered() -> None:
    batcher, model = Batcher(), Model()
    answers = [batcher.ask(model, [str(i)], None, ["a"]) for i in range(500)]  # type: ignore[arg-type]
    batcher.close()
    assert [answer.result(0)["a"][0, 0] for answer in answers] == list(range(500))
