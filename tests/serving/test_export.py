"""An exported task is what Transformers saves and loads; nothing that saw private rows is pushed."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cotrain.errors import InputError
from cotrain.serving.export import export, push, refuse_private


class Hub(ThreadingHTTPServer):
    """As much of the Hub's protocol as an upload of small files takes; keeps what it was given."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: bytes) -> Any:
        if path == "/api/repos/create":
            self.made = json.loads(body)
            return {"url": f"{self.address}/me/mine", "id": "me/mine"}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            return {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        assert "/commit/" in path, path
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.address}/me/mine/commit/{'0' * 40}", "hookOutput": ""}


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.answer(self.path.partition("?")[0], body) if self.server.status == 200 else {"error": "no"}
        self.reply(self.server.status, answer)

    def do_GET(self) -> None:
        self.reply(200, {"id": "me/mine", "sha": "0" * 40, "siblings": []})

    def reply(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on this machine."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_export_is_what_transformers_saves_and_loads(bert: Any, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    plain = export(bert.folder, "kind", tmp_path / "new" / "plain")
    config, labels = AutoConfig.from_pretrained(plain), bert.tasks["kind"].labels
    assert config.id2label == dict(enumerate(labels)) and config.label2id == {name: i for i, name in enumerate(labels)}
    _, report = AutoModelForSequenceClassification.from_pretrained(plain, output_loading_info=True)
    assert not any(report.values())
    assert AutoTokenizer.from_pretrained(plain).model_max_length == 32
    assert [f.name for f in plain.parent.iterdir()] == ["plain"], "nothing temporary should be left"
    for folder in (plain, bert.folder):
        assert len({f.stat().st_mode for f in folder.iterdir()}) == 1, "who may read one file may read all"


def test_an_export_never_overwrites(bert: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    with pytest.raises(InputError, match="not empty"):
        export(bert.folder, "kind", tmp_path / "mine")
    (tmp_path / "file").write_text("important")
    with pytest.raises(InputError, match="there already"):
        export(bert.folder, "kind", tmp_path / "file")
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "void").mkdir()
    assert (export(bert.folder, "kind", tmp_path / "void") / "model.safetensors").is_file()


def test_unknown_tasks_and_formats_leave_nothing(bert: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'kinds'. Did you mean 'kind'\? Known: helper, kind, neg, two"):
        export(bert.folder, "kinds", tmp_path / "plain")
    with pytest.raises(InputError, match=r"format 'onxx'. Did you mean 'onnx'\?"):
        export(bert.folder, "kind", tmp_path / "plain", "onxx")
    assert not list(tmp_path.iterdir())


def test_a_push_uploads_the_folder_to_a_private_repository(bert: Any, tmp_path: Path, hub: Hub) -> None:
    refuse_private(bert.folder)
    plain = export(bert.folder, "kind", tmp_path / "plain")
    assert push(plain, "me/mine") == f"{hub.address}/me/mine"
    assert hub.made.get("visibility") == "private" or hub.made.get("private") is True, hub.made
    assert hub.files == {file.name: file.read_bytes() for file in plain.iterdir()}


def test_the_card_is_one_that_the_hub_reads(bert: Any, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    for file in (export(bert.folder, "kind", tmp_path / "plain") / "README.md", bert.folder / "README.md"):
        card = ModelCard.load(file)
        assert (card.data.license, card.data.pipeline_tag, card.data.library_name) == ("unknown", "text-classification", "transformers")
        assert "cotrain" in (card.data.tags or [])


def test_what_the_hub_refuses_is_one_sentence_and_the_export_stays(bert: Any, tmp_path: Path, hub: Hub) -> None:
    plain = export(bert.folder, "kind", tmp_path / "plain")
    hub.status = 401
    with pytest.raises(InputError, match=r"status 401.*log in with.*The export is in .*plain") as refused:
        push(plain, "me/mine")
    assert "hf_of_nobody" not in str(refused.value)
    with pytest.raises(InputError, match="HFValidationError"):
        push(plain, "no/such/name")
    assert plain.is_dir()


def test_a_model_that_saw_private_rows_is_not_pushed_whichever_task_is_exported(kept: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"private rows of helper.*not pushed"):
        refuse_private(kept("bert", private=True).folder)


def test_the_card_of_an_export_says_that_it_has_no_threshold(bert: Any, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(bert.folder, tmp_path / "model"))
    about = json.loads((folder / "cotrain.json").read_text())
    about["tasks"]["neg"]["threshold"] = about["tasks"]["two"]["threshold"] = 0.37
    (folder / "cotrain.json").write_text(json.dumps(about))
    cards = {task: (export(folder, task, tmp_path / task) / "README.md").read_text() for task in ("neg", "kind")}
    assert "say yes for neg where its probability is above 0.37" in cards["neg"] and "what other programs say" in cards["neg"]
    assert "for two" not in cards["neg"] and "0.37" not in cards["kind"]


def test_a_model_that_does_not_say_whether_it_is_private_is_not_pushed(bert: Any, tmp_path: Path) -> None:
    import shutil

    old = Path(shutil.copytree(bert.folder, tmp_path / "old"))
    about = json.loads((old / "cotrain.json").read_text())
    for entry in about["tasks"].values():
        del entry["private"]
    (old / "cotrain.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="private rows of helper, kind, neg, two"):
        refuse_private(old)
