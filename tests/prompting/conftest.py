"""A server of the protocol on this machine, a toy causal model, and a task."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from cotrain.tasks.task import Task

LABELS = ("entailment", "contradiction", "neutral")


class Answer(NamedTuple):
    """What the server sends: a body, a status, headers, seconds before it; ``cut`` bytes of the body at most."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = {}
    seconds: float = 0.0
    cut: int = -1


def said(text: str, top: Mapping[str, float] | None = None, usage: tuple[int, int] = (10, 1)) -> Answer:
    """Return a chat answer, with log-probabilities of its first token."""
    content = [{"token": text[:1], "logprob": 0.0, "top_logprobs": [{"token": t, "logprob": p} for t, p in (top or {}).items()]}]
    return Answer({
        "id": "1", "object": "chat.completion", "created": 0, "model": "toy",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text},
                     "logprobs": {"content": content} if top else None}],
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)},
    })  # fmt: skip


def completed(text: str, top: Mapping[str, float] | None = None) -> Answer:
    """Return a completion, with log-probabilities of its first token."""
    return Answer({
        "id": "1", "object": "text_completion", "created": 0, "model": "toy",
        "choices": [{"index": 0, "finish_reason": "stop", "text": text, "logprobs": {"top_logprobs": [dict(top)]} if top else None}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
    })  # fmt: skip


Reply = Callable[[Mapping[str, Any]], Answer]


class Toy:
    """A running server.

    Attributes:
        url: its address.
        asked: the bodies of the requests for an answer, in order; ``path`` among them.
        headers: of these requests.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def running(reply: Reply, host: str = "127.0.0.1") -> Iterator[Toy]:
    """Serve until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                toy.asked.append({**body, "path": self.path})
                toy.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send(reply(body))

        def do_GET(self) -> None:
            self.send(Answer({"object": "list", "data": [{"id": "toy", "object": "model", "created": 0, "owned_by": "me"}]}))

        def send(self, answer: Answer) -> None:
            if answer.seconds:
                stopped.wait(answer.seconds)
            content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            try:
                self.send_response(answer.status)
                kind = "text/html" if isinstance(answer.body, bytes) else "application/json"
                for name, value in {"content-type": kind, "content-length": str(len(content)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content if answer.cut < 0 else content[: answer.cut])
            except OSError:
                return  # nobody waits any more
            if answer.cut >= 0:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    stopped = threading.Event()
    server = ThreadingHTTPServer((host, 0), Handler)
    toy = Toy(f"http://{host}:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield toy
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def prompt_of(body: Mapping[str, Any]) -> str:
    """Return the prompt of a request."""
    return str(body["messages"][0]["content"] if "messages" in body else body["prompt"])


def text_of(body: Mapping[str, Any]) -> str:
    """Return the text of the row that a prompt asks about."""
    return prompt_of(body).rpartition("SENTENCE1:")[2].partition("\n")[0].strip()


class Serve:
    """What a test needs to be a server."""

    running = staticmethod(running)
    said = staticmethod(said)
    completed = staticmethod(completed)
    prompt_of = staticmethod(prompt_of)
    text_of = staticmethod(text_of)
    Answer = Answer


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Return a server's parts, where no key, proxy or wait of the environment gets in the way."""
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("cotrain.prompting.server._FIRST_SECONDS", 0.001)
    return Serve()


@pytest.fixture
def task() -> Task:
    """Return a task of three classes: the text of a row names its label, ``premise 7 neutral``."""
    labels = [LABELS[i % 3] for i in range(60)]
    rows = pd.DataFrame({
        "row": [f"r{i}" for i in range(60)], "split": ["train"] * 24 + ["dev"] * 12 + ["test"] * 24,
        "text": [f"premise {i} {label}" for i, label in enumerate(labels)], "pair": [f"hypothesis {i}" for i in range(60)],
        "label": labels, "cluster": [f"c{i}" for i in range(60)],
    })  # fmt: skip
    return Task("cb", LABELS, rows, has_pair=True, source="toy")


@pytest.fixture
def study(task: Task, toy_lm: Path, tmp_path: Path) -> Path:
    """Return a study file of a task ``cb`` that may be sent, ``notes`` that is private, and ``long`` with a long text."""
    for name, before in (("cb", ""), ("notes", "noted: "), ("long", "word " * 300)):
        rows = pd.concat([task.split(split) for split in ("train", "dev", "test")])
        table = pd.DataFrame({"sentence1": before + rows["text"], "sentence2": rows["pair"], "label": rows["label"], "part": rows["split"]})
        table["sentence1"] += f" of {name}"
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    common = f"text: sentence1, pair: sentence2, label: label, names: [{', '.join(LABELS)}], split_column: part"
    file = tmp_path / "study.yaml"
    file.write_text(
        f"model: {toy_lm}\nseeds: [1, 2]\nsplits: {{test: test, dev: validation}}\ntasks:\n  cb: {{path: cb.csv, {common}}}\n"
        f"  notes: {{path: notes.csv, private: true, {common}}}\n  long: {{path: long.csv, {common}}}\n"
    )
    return file


@pytest.fixture(scope="session")
def toy_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a causal model with random weights, whose tokens are the bytes of a text."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("toy-lm")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    tokens.pre_tokenizer, tokens.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token=letters[0]).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(letters), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=1024, initializer_range=0.3,
        )  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def stubborn(toy_lm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of that model whose layers add nothing and whose head says 1 after a colon or a blank, then ends the line."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(shutil.copytree(toy_lm, tmp_path_factory.mktemp("stubborn") / "lm"))
    tokens, lm = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    colon, blank, one, end = (tokens(letter)["input_ids"][0] for letter in (":", " ", "1", "\n"))
    with torch.no_grad():
        for layer in lm.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        known = lm.model.embed_tokens.weight
        lm.lm_head.weight.zero_()
        lm.lm_head.weight[one] = known[colon] + known[blank]
        lm.lm_head.weight[end] = known[one]
    lm.save_pretrained(folder)
    tokens.chat_template = "{{ messages[0].content }}"
    tokens.save_pretrained(folder)
    return folder
