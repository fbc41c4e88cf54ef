"""End to end with a real server: ``transformers serve`` of a model whose answers are known."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from transformers.utils.import_utils import is_serve_available

from cotrain.prompting.ask import ask
from cotrain.prompting.form import Form
from cotrain.prompting.journal import Journal
from cotrain.prompting.meter import Meter
from cotrain.prompting.queries import queries
from cotrain.prompting.server import Server
from cotrain.tasks.source import Source
from cotrain.tasks.task import Task


@pytest.fixture(scope="module")
def address(stubborn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the model that always says 1."""
    if not is_serve_available():
        pytest.skip('needs pip install "cotrain[serve]"')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(stubborn), "--port", str(port), "--device", "cpu"]
    log = (tmp_path_factory.mktemp("serve") / "log").open("w+")
    with log, subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1"}) as server:
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                    break
                except OSError:
                    assert server.poll() is None, Path(log.name).read_text()
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


@pytest.mark.parametrize("api", ["chat", "completion"])
def test_a_model_that_always_says_one_is_right_as_often_as_that_label_is(
    api: str, address: str, stubborn: Path, task: Task, tmp_path: Path
) -> None:
    asked = queries(task, Form.of(Source("cb", text="sentence1", pair="sentence2"), task.labels), "test", (1,))
    server, meter = Server(str(stubborn), address, api, answer_tokens=2, at_once=2, guarded=True), Meter()
    found = ask(asked, server, Journal(tmp_path / "journal"), meter)
    server.close()
    assert [reply.option for reply in found] == [1] * 24
    gold = task.split("test")["label"]
    right = [reply.option is not None and task.labels[reply.option] == label for reply, label in zip(found, gold, strict=True)]
    assert np.mean(right) == pytest.approx(1 / 3)
    assert all(reply.log2_p is None for reply in found)  # it serves none
    # its tokens are bytes, and it counts them as we would
    assert [reply.tokens_in for reply in found] == [len(query.prompt.encode()) for query in asked]
    assert meter.spent.requests == 24
