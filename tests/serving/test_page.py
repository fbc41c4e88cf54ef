"""The page at / in a real browser: a person pastes a text, marks a span, and sees the label of each task."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


class Browser:
    """Chromium without a window, told what to do by its debugging protocol through two pipes."""

    def __init__(self, profile: Path) -> None:
        commands, self.write = os.pipe()
        self.read, answers = os.pipe()
        arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--window-size=900,900",
        ]
        self.process = subprocess.Popen(
            # the protocol is on the descriptors 3 and 4 of the browser
            ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "_", str(CHROMIUM), *arguments],
            pass_fds=(commands, answers), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self.number, self.session, self.left, self.events = 0, "", b"", []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(self, method: str, **parameters: Any) -> Any:
        self.number += 1
        asked = {"id": self.number, "method": method, "params": parameters, **({"sessionId": self.session} if self.session else {})}
        os.write(self.write, json.dumps(asked).encode() + b"\0")
        while True:
            while b"\0" not in self.left:
                self.left += os.read(self.read, 1 << 16)
            message, _, self.left = self.left.partition(b"\0")
            told = json.loads(message)
            if told.get("id") == self.number:
                assert "error" not in told, told
                return told["result"]
            self.events.append(told)

    def run(self, script: str) -> Any:
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        for _ in range(200):
            if self.run(condition):
                return
            time.sleep(0.05)
        raise AssertionError(f"never: {condition}; {self.run('document.body.innerText')}")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        os.close(self.write)
        os.close(self.read)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    found = Browser(tmp_path / "profile")
    yield found
    found.close()


@pytest.fixture
def address(bert: Any) -> Iterator[str]:
    """The service on a port of its own."""
    import uvicorn

    from cotrain import load
    from cotrain.serving.server import listening
    from cotrain.serving.service import service

    with listening("127.0.0.1", 0) as at:
        server = uvicorn.Server(uvicorn.Config(service([load(bert.folder, "cpu", "fp32")]), log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([at],))
        thread.start()
        yield f"http://127.0.0.1:{at.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


def test_a_person_marks_a_span_and_sees_the_label_of_each_task(bert: Any, browser: Browser, address: str) -> None:
    from cotrain import load

    browser.ask("Network.enable")
    browser.ask("Log.enable")
    browser.ask("Page.enable")
    browser.ask("Page.navigate", url=address)
    browser.until("document.getElementById('served')?.textContent.includes('neg')")
    # an emoji has two units in a browser and is one character here
    browser.run("text.value = 'w05 😀 w01 w07'; text.dispatchEvent(new Event('input')); text.setSelectionRange(7, 10); at('mark').click()")
    assert browser.run("document.querySelector('#marked mark').textContent") == "w01"
    browser.run("at('go').click()")
    browser.until("document.querySelectorAll('#found tr').length == 2")
    assert browser.run("document.querySelector('#found blockquote').textContent") == "w05 😀 <e>w01</e> w07"
    expected = load(bert.folder, "cpu", "fp32").predict(["w05 😀 <e>w01</e> w07"])
    for number, task in enumerate(("neg", "kind")):
        said = browser.run(f"document.querySelectorAll('#found tr')[{number}].querySelector('.best').innerText").split("\n")
        best = bert.tasks[task].labels[expected[task][0].argmax()]
        assert [part for part in said if part] == [best, f"{expected[task][0].max():.3f}"]
    if folder := os.environ.get("COTRAIN_SCREENSHOTS"):
        Path(folder, "page.png").write_bytes(base64.b64decode(browser.ask("Page.captureScreenshot")["data"]))
    browser.run("at('clear').click(); text.value = ''; at('go').click()")
    browser.until("at('wrong').textContent.includes('should not be empty')")
    asked = {event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"}
    assert asked and all(url.startswith(address) for url in asked), "nothing from elsewhere"
    entries = [event["params"]["entry"]["text"] for event in browser.events if event.get("method") == "Log.entryAdded"]
    assert all("422" in text or "favicon" in text or "404" in text for text in entries), entries
