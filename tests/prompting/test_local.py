"""A local model gives the probabilities of the options as it would be computed directly, and as a server of it would."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cotrain.errors import InputError
from cotrain.prompting.form import Form
from cotrain.prompting.local import LocalModel, identity
from cotrain.prompting.meter import Capped, Limits, Meter
from cotrain.prompting.queries import Query, queries
from cotrain.prompting.server import Server
from cotrain.tasks.source import Source
from cotrain.tasks.task import Task


@pytest.fixture(scope="module")
def model(toy_lm: Path) -> LocalModel:
    return LocalModel(str(toy_lm))


@lru_cache
def loaded(folder: Path) -> tuple[Any, Any]:
    return AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)


def next_log_p(folder: Path, text: str) -> tuple[Any, Any]:
    """Return the tokenizer and (T, V) natural log-probabilities after each token of a text."""
    tokens, lm = loaded(folder)
    with torch.inference_mode():
        return tokens, torch.log_softmax(lm(input_ids=torch.tensor([tokens(text)["input_ids"]])).logits[0].double(), dim=-1)


def direct(folder: Path, prompt: str, continuations: list[str]) -> np.ndarray:
    """Return (K,) natural log-probabilities of texts after a prompt, one whole pass each."""
    found = []
    for continuation in continuations:
        tokens, log_p = next_log_p(folder, prompt + continuation)
        ids, before = tokens(prompt + continuation)["input_ids"], len(tokens(prompt)["input_ids"])
        found.append(sum(float(log_p[i - 1, ids[i]]) for i in range(before, len(ids))))
    return np.array(found)


@pytest.mark.parametrize(("k", "end"), [(3, ""), (12, "\n\n")])
def test_options_have_the_probabilities_of_whole_passes(k: int, end: str, model: LocalModel, toy_lm: Path) -> None:
    labels = tuple(f"label {i}" for i in range(k))
    for shots in ("SENTENCE1: one\n\nANSWER: 0\n\n" * 3, "SENTENCE1: two\n\nANSWER: 1\n\n", ""):
        for block in ("SENTENCE1: a\n\nANSWER:", "SENTENCE1: a longer one\n\nANSWER:", "SENTENCE1:\n\nANSWER:"):
            query = Query("cb", "r1", 1, labels, shots, block)
            log_p = direct(toy_lm, query.prompt, [f" {i}{end}" for i in range(k)])
            reply = model.answer(query, Meter())
            assert reply.log2_p == pytest.approx((log_p - np.logaddexp.reduce(log_p)) / math.log(2), abs=1e-4)
            assert reply.option == int(log_p.argmax())


def test_a_server_of_the_same_model_gives_the_same_probabilities(model: LocalModel, toy_lm: Path, task: Task, serve: Any) -> None:
    asked = queries(task, Form.of(Source("cb", text="sentence1", pair="sentence2"), task.labels), "dev", (1,))[:3]

    def reply(body: Any) -> Any:
        # the blank before the digit belongs to the prompt here: its tokens are bytes
        tokens, log_p = next_log_p(toy_lm, body["prompt"] + " ")
        best = torch.topk(log_p[-1], len(log_p[-1]))
        top = {tokens.decode([i]): p for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)}
        return serve.completed(next(iter(top)), {token: p for token, p in top.items() if token.strip() == token and token != "�"})

    with serve.running(reply) as toy:
        server = Server("toy", toy.url, "completion")
        for query in asked:
            there, here = server.answer(query, Meter()), model.answer(query, Meter())
            assert there.log2_p == pytest.approx(here.log2_p, abs=1e-4)
            assert there.option == here.option
        server.close()


def test_planted_weights_that_always_say_one_are_right_as_often_as_that_label_is(stubborn: Path, task: Task) -> None:
    model = LocalModel(str(stubborn))
    asked = queries(task, Form.of(Source("cb", text="sentence1", pair="sentence2"), task.labels), "test", (1, 2))
    found = [model.answer(query, Meter()) for query in asked]
    assert {reply.option for reply in found} == {1}
    gold = [*task.split("test")["label"]] * 2
    assert np.mean([task.labels[reply.option or 0] == label for reply, label in zip(found, gold, strict=True)]) == pytest.approx(1 / 3)
    assert len({reply.log2_p for reply in found}) == 1  # whatever the text


def test_prompts_that_do_not_fit_are_told_by_task_with_their_tokens(model: LocalModel) -> None:
    short, long = (Query("cb", "r", 1, ("a", "b"), "", "x" * n) for n in (10, 2000))
    model.refuse_long([short])
    with pytest.raises(InputError, match=r"task rte: 1 of 2 prompts do not fit: with 2 shots.*2,004 tokens.*reads 1,024"):
        model.refuse_long([short, replace(short, task="rte"), replace(long, task="rte")])


def test_limits_hold_for_a_local_model_too(model: LocalModel) -> None:
    meter = Meter(Limits(tokens=30))
    query = Query("cb", "r", 1, ("a", "b"), "", "x" * 18)
    model.answer(query, meter)
    with pytest.raises(Capped):
        model.answer(query, meter)


def test_a_model_is_known_by_its_weights_not_by_its_place(toy_lm: Path, stubborn: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(toy_lm, tmp_path / "moved")
    assert identity(str(moved)) == identity(str(toy_lm)) != identity(str(stubborn))


def test_a_folder_without_a_causal_model_is_refused(toy_lm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(toy_lm, tmp_path / "other")
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(InputError, match="causal language model"):
        LocalModel(str(folder))
    with pytest.raises(InputError, match=r"config\.json"):
        LocalModel(str(tmp_path / "nothing"))
