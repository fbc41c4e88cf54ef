"""The service as a process: which models it finds, a port that is in use, its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cotrain.errors import InputError, MissingExtra
from cotrain.serving import server

pytest.importorskip("uvicorn")


def test_models_are_those_named_or_those_of_a_folder_of_each_group_the_best(bert: Any, tmp_path: Path) -> None:
    for name in ("a+b", "c", "c@52"):
        shutil.copytree(bert.folder, tmp_path / "models" / name)
    (tmp_path / "models" / ".making-x").mkdir()
    assert server.find([tmp_path / "models"]) == [tmp_path / "models" / "a+b", tmp_path / "models" / "c"]
    assert server.find([tmp_path / "models" / "c@52"]) == [tmp_path / "models" / "c@52"], "another seed is served when it is named"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither") as error:
        server.find([tmp_path / "empty", tmp_path / "nowhere"])
    assert len(error.value.faults) == 2


def test_a_port_that_is_in_use_is_refused_before_a_model_is_read(tmp_path: Path, bert: Any, cotrain: Any) -> None:
    with server.listening("127.0.0.1", 0) as at:
        port = at.getsockname()[1]
        with (
            pytest.raises(InputError, match=f"port {port} of 127.0.0.1 cannot be listened on.*--port"),
            server.listening("127.0.0.1", port),
        ):
            pass
        said = cotrain("serve", bert.folder, "--port", port)
    assert said.code == 2 and f"port {port}" in said.err and "loading" not in said.err
    with pytest.raises(InputError, match=r"host no-such-host\.invalid"), server.listening("no-such-host.invalid", 0):
        pass


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, cotrain: Any) -> None:
    said = cotrain("serve", tmp_path, "--port", 0)
    assert said.code == 2 and "should be a model of cotrain" in said.err


def test_without_the_libraries_the_error_is_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "cotrain\[serve\]"'):
        server.needed()


def waiting(port: int) -> int:
    """Return how many texts of a service wait for an answer."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/health")
        return int(json.loads(connection.getresponse().read())["waiting_texts"])


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_stopped_service_answers_what_had_come_and_leaves_with_0(bert: Any, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("w") as said:
        # texts wait for others long enough that the signal comes between
        command = [sys.executable, "-m", "cotrain", "serve", str(bert.folder), "--port", str(port), "--wait", "1000", "--device", "cpu"]
        process = subprocess.Popen(command, stderr=said, stdout=said)
    try:
        for _ in range(600):
            if "until Ctrl-C" in log.read_text():
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        answers: list[Any] = []

        def client() -> None:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request("POST", "/predict", json.dumps({"texts": ["w01 secret"]}), {"Content-Type": "application/json"})
                answers.append(json.loads(connection.getresponse().read()))

        threads = [threading.Thread(target=client) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            if waiting(port) == 3:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(20) == 0
    finally:
        process.kill()
    assert len(answers) == 3 and all("neg" in answer["predictions"][0] for answer in answers)
    assert "every request that had come was answered" in log.read_text()
    assert "secret" not in log.read_text() and "POST /predict 200" in log.read_text()
