"""Nothing private leaves this machine: not by name, number, redirect or proxy."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

import pytest

from cotrain.errors import InputError
from cotrain.prompting import guard
from cotrain.prompting.meter import Meter
from cotrain.prompting.queries import Query
from cotrain.prompting.server import Server

SECRET = Query("notes", "n1", 1, ("no", "yes"), "", "the patient is called nobody")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "https://localhost/v1", "http://[::1]:1/v1", "http://127.8.9.1", "http://[::ffff:127.0.0.1]/"]
)
def test_this_machine_is_let_pass(url: str) -> None:
    guard.refuse(url, ["notes"])


@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.7:8000/v1", "https://10.0.0.1/v1", "http://0.0.0.0:8000/v1", "http://[2001:db8::1]/v1", "http://[::ffff:10.0.0.1]/v1",
     "http://169.254.169.254/", "http://127.0.0.1.invalid/v1", "http://3221225985/v1"],
)  # fmt: skip
def test_any_other_address_is_refused_with_the_tasks(url: str) -> None:
    with pytest.raises(InputError, match=r"^notes, letters: private") as refused:
        guard.refuse(url, ["notes", "letters"])
    assert "--tasks" in str(refused.value) and "study file" in str(refused.value)


def test_an_address_that_is_this_machine_only_in_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", (address, 0)) for address in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(InputError, match=r"192\.0\.2\.1"):
        guard.refuse("http://both.example/v1", ["notes"])


def test_tasks_that_are_not_private_may_go_anywhere() -> None:
    guard.refuse("http://192.0.2.7/v1", [])


@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "localhost/v1", "ftp://127.0.0.1", "http://", "http://x:y/v1", "http://[::1/v1", ""])
def test_addresses_that_are_none_are_refused_with_an_example(url: str) -> None:
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:8000/v1"):
        guard.host_of(url)


def test_a_key_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(InputError, match="environment") as refused:
        guard.host_of("https://me:sesame@example.org/v1")
    assert "sesame" not in str(refused.value)


def test_a_name_that_means_another_machine_by_now_is_not_connected_to(monkeypatch: pytest.MonkeyPatch, serve: Any) -> None:
    answers = iter(["127.0.0.1", "127.0.0.1", "192.0.2.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (next(answers), 0))])
    connected: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda to, *_, **__: connected.append(to))
    server = Server("toy", "http://rebound.example:9/v1", guarded=True)  # asked once for the key
    guard.refuse("http://rebound.example:9/v1", ["notes"])  # and once here
    with pytest.raises(InputError, match="not this machine"):
        server.answer(SECRET, Meter())
    assert connected == []
    server.close()


def test_a_redirect_is_not_followed(serve: Any) -> None:
    with serve.running(lambda _: serve.said("0")) as other:
        for host in (other.url, other.url.replace("127.0.0.1", "192.0.2.1")):
            moved = serve.Answer({}, 307, {"location": f"{host}/chat/completions"})
            with serve.running(lambda _, moved=moved: moved) as here:
                server = Server("toy", here.url, guarded=True)
                with pytest.raises(InputError, match="redirect"):
                    server.answer(SECRET, Meter())
                server.close()
        assert other.asked == []


def test_proxies_of_the_environment_are_not_used(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve.running(lambda _: serve.said("0")) as proxy, serve.running(lambda _: serve.said("1")) as here:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        server = Server("toy", here.url, guarded=True)
        assert server.answer(SECRET, Meter()).option == 1
        server.close()
        assert (len(here.asked), len(proxy.asked)) == (1, 0)


NAMESPACE = """
import socket, subprocess, threading
for words in ("link set lo up", "addr add 192.0.2.9/32 dev lo"):
    subprocess.run(["ip", *words.split()], check=True)
listening = socket.create_server(("192.0.2.9", 0))
listening.settimeout(1)
port = listening.getsockname()[1]
with socket.create_connection(("192.0.2.9", port)) as probe:  # it can be reached
    listening.accept()[0].close()
from cotrain.errors import InputError
from cotrain.prompting import guard
from cotrain.prompting.meter import Meter
from cotrain.prompting.queries import Query
from cotrain.prompting.server import Server
url = f"http://192.0.2.9:{port}/v1"
for send in (lambda: guard.refuse(url, ["notes"]),
             lambda: Server("toy", url, guarded=True).answer(Query("notes", "n1", 1, ("no", "yes"), "", "text"), Meter())):
    try:
        send()
        raise SystemExit("sent")
    except InputError:
        pass
try:
    listening.accept()
    raise SystemExit("connected")
except TimeoutError:
    print("nothing came")
"""


def test_a_socket_of_another_address_in_a_namespace_of_its_own_receives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux" or subprocess.run(["unshare", "-rn", "ip", "link"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace may be made here")
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    done = subprocess.run(["unshare", "-rn", sys.executable, "-c", NAMESPACE], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("nothing came", 0), done.stderr
