"""Every prompt is asked once: in one run, over runs, and when a run is killed at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cotrain.errors import InputError
from cotrain.prompting.answers import Reply
from cotrain.prompting.ask import State, ask
from cotrain.prompting.journal import Journal
from cotrain.prompting.meter import Limits, Meter
from cotrain.prompting.queries import Query
from cotrain.prompting.server import Server, identity

LABELS = ("zero", "one", "two")


def queries(n: int) -> list[Query]:
    return [Query("cb", f"r{i}", 1, LABELS, "SENTENCE1: shot\n\nANSWER: 0\n\n", f"SENTENCE1: {i}\n\nANSWER:") for i in range(n)]


class Counting:
    """A model that answers by the number in a prompt, and fails at some."""

    identity = "counting"

    def __init__(self, at_once: int = 4, fails: tuple[int, ...] = (), seconds: float = 0.0) -> None:
        self.at_once, self.fails, self.seconds = at_once, fails, seconds
        self.asked: list[int] = []
        self.most = self.now = 0
        self.lock = threading.Lock()

    def answer(self, query: Query, meter: Meter) -> Reply:
        meter.take(1)
        i = int(query.row[1:])
        with self.lock:
            self.asked.append(i)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        if i in self.fails:
            raise InputError("it will not")
        meter.give(1, 1, 0)
        return Reply(i % 3)


@pytest.mark.parametrize("at_once", [1, 4])
def test_answers_come_in_the_order_of_the_queries(at_once: int, tmp_path: Path) -> None:
    found = ask(queries(30), Counting(at_once), Journal(tmp_path / "j"), Meter())
    assert [reply.option for reply in found] == [i % 3 for i in range(30)]


def test_no_more_are_asked_at_once_than_is_said(tmp_path: Path) -> None:
    model = Counting(3, seconds=0.005)
    ask(queries(30), model, Journal(tmp_path / "j"), Meter())
    assert model.most == 3


def test_equal_prompts_are_asked_once_and_answers_that_are_there_never(tmp_path: Path) -> None:
    model = Counting()
    assert len(ask(queries(10) * 3, model, Journal(tmp_path / "j"), Meter())) == 30
    ask(queries(14), model, Journal(tmp_path / "j"), Meter())
    assert sorted(model.asked) == list(range(14))


def test_another_model_is_asked_anew(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    second.identity = "another"
    ask(queries(5), first, Journal(tmp_path / "j"), Meter())
    ask(queries(5), second, Journal(tmp_path / "j"), Meter())
    assert len(second.asked) == 5


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_failure_loses_no_answer_that_came(at_once: int, tmp_path: Path) -> None:
    model = Counting(at_once, fails=(20,), seconds=0.002)
    with pytest.raises(InputError, match="it will not") as failed:
        ask(queries(60), model, Journal(tmp_path / "j"), Meter())
    answered = set(model.asked) - {20}
    journal = Journal(tmp_path / "j")
    assert {i for i, q in enumerate(queries(60)) if journal.find(q.key("counting"))} == answered
    assert f"{len(answered)} of 60 prompts are answered and kept" in failed.value.faults[-1]
    assert 20 <= len(answered) < 30


@pytest.mark.parametrize(("limits", "n"), [(Limits(requests=7), 7), (Limits(tokens=9), 9)])
def test_a_limit_stops_the_run_and_a_higher_one_goes_on(limits: Limits, n: int, tmp_path: Path) -> None:
    model = Counting()
    with pytest.raises(InputError, match=rf"stopped at --max-\w+ {n}: {n} of 20 prompts"):
        ask(queries(20), model, Journal(tmp_path / "j"), Meter(limits))
    assert len(model.asked) == n
    ask(queries(20), model, Journal(tmp_path / "j"), Meter(Limits(requests=20 - n)))
    assert sorted(model.asked) == list(range(20))


def test_progress_counts_what_is_there_and_what_it_took(tmp_path: Path) -> None:
    states: list[State] = []
    ask(queries(4), Counting(2), Journal(tmp_path / "j"), Meter(), states.append)
    ask(queries(6), Counting(2), Journal(tmp_path / "j"), Meter(), states.append)
    assert [(s.done, s.there, s.total) for s in states] == [(i, 0, 4) for i in range(5)] + [(i, 4, 6) for i in range(4, 7)]
    assert states[-1].spent.requests == 2


def test_a_rule_of_the_model_gives_its_accuracy(serve: Any, tmp_path: Path) -> None:
    # right but for every fifth row, where it says nothing
    rule = lambda body: serve.said("Hm." if int(serve.text_of(body)) % 5 == 0 else f"({int(serve.text_of(body)) % 3})")  # noqa: E731
    with serve.running(rule) as toy:
        server = Server("toy", toy.url)
        found = ask(queries(50), server, Journal(tmp_path / "j"), Meter())
        server.close()
    assert sum(reply.option == i % 3 for i, reply in enumerate(found)) == 40
    assert [i for i, reply in enumerate(found) if reply.option is None] == list(range(0, 50, 5))


def test_passing_faults_side_by_side_lose_and_repeat_nothing(serve: Any, tmp_path: Path) -> None:
    lock, random_ = threading.Lock(), random.Random(3)
    answered: list[str] = []
    failed: list[str] = []

    def reply(body: Any) -> Any:
        good = serve.said(str(int(serve.text_of(body)) % 3))
        with lock:
            row = serve.text_of(body)
            kind = random_.choice(["good", "429", "500", "cut"]) if failed.count(row) < 3 else "good"
            (answered if kind == "good" else failed).append(row)
        return {"429": serve.Answer({}, 429, {"retry-after": "0.01"}), "500": serve.Answer({}, 500), "cut": good._replace(cut=30)}.get(
            kind, good
        )

    with serve.running(reply) as toy:
        server = Server("toy", toy.url)
        server._sure = True
        found = ask(queries(60), server, Journal(tmp_path / "j"), Meter())
        server.close()
    assert [r.option for r in found] == [i % 3 for i in range(60)]
    assert sorted(map(int, answered)) == list(range(60))


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from cotrain.prompting.ask import ask
from cotrain.prompting.journal import Journal
from cotrain.prompting.meter import Meter
from cotrain.prompting.queries import Query
from cotrain.prompting.server import Server
import openai
url, file, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
shots, labels = "SENTENCE1: shot\\n\\nANSWER: 0\\n\\n", ("zero", "one", "two")
queries = [Query("cb", f"r{i}", 1, labels, shots, f"SENTENCE1: {i}\\n\\nANSWER:") for i in range(n)]
Server("toy", url).close()  # imports what it needs
chance = random.Random(11)
for run in range(10):
    child = os.fork()
    if child == 0:
        ask(queries, Server("toy", f"{url}/{run}", at_once=4), Journal(file), Meter())
        os._exit(0)
    size = file.stat().st_size if file.is_file() else 0
    while not file.is_file() or file.stat().st_size == size:
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    file.with_name(f"{run}").write_bytes(file.read_bytes() if file.is_file() else b"")
ask(queries, Server("toy", f"{url}/10", at_once=4), Journal(file), Meter())
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_run_that_is_killed_at_ten_moments_sends_no_answered_prompt_again(serve: Any, tmp_path: Path) -> None:
    n, file = 400, tmp_path / "journal"
    with serve.running(lambda body: serve.said(str(int(serve.text_of(body)) % 3))._replace(seconds=0.005)) as toy:
        subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, toy.url, file, str(n)], check=True)
    keys = {query.key(identity("toy", "chat", 16)): i for i, query in enumerate(queries(n))}
    asked = [[int(serve.text_of(body)) for body in toy.asked if f"/{run}/" in body["path"]] for run in range(11)]
    killed = 0
    for run in range(1, 11):
        before = Journal(tmp_path / f"{run - 1}")
        on_disk = {i for key, i in keys.items() if before.find(key)}
        assert not on_disk & set(asked[run])
        killed += 0 < len(on_disk) < n
    assert killed == 10
    # lost with each kill at most: four under way, and as many that were answered and were not written yet
    assert len(toy.asked) <= n + 10 * 8
    done = Journal(file)
    assert all((reply := done.find(key)) and reply.option == i % 3 for key, i in keys.items())
