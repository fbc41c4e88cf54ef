"""The service answers, or says with a 4xx what is wrong; nothing that is asked stands in its log."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import load
from cotrain.errors import InputError
from cotrain.training.models import SharedModel

pytest.importorskip("fastapi")
SENTENCE = "The patient has a sore knee and headache but denies nausea and has no anosmia."
ENTITIES = [(18, 27), (32, 40), (52, 58), (70, 77)]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def model(bert: Any) -> SharedModel:
    return load(bert.folder, "cpu", "fp32")


@pytest.fixture
def client(model: SharedModel) -> Iterator[Any]:
    from starlette.testclient import TestClient

    from cotrain.serving.service import service

    with TestClient(service([model])) as found:
        yield found


def test_predict_says_what_the_model_says(client: Any, model: SharedModel) -> None:
    texts = ["w01 w05", "w02", "w07 w01 w09"]
    answer = client.post("/predict", json={"texts": texts}).json()["predictions"]
    expected = model.predict(texts)
    for line, said in enumerate(answer):
        assert list(said) == ["neg", "kind"], "the tasks that read one text and are served"
        for task, told in said.items():
            p = expected[task][line]
            assert list(told["probs"]) == list(model.labels(task))
            np.testing.assert_allclose(list(told["probs"].values()), p, atol=1e-6)
            assert told["prediction"] == model.labels(task)[p.argmax()]
    [said] = client.post("/predict", json={"texts": ["w01"], "pairs": ["w02"]}).json()["predictions"]
    np.testing.assert_allclose(list(said["two"]["probs"].values()), model.predict(["w01"], ["w02"])["two"][0], atol=1e-6)
    [said] = client.post("/predict", json={"texts": ["w01"], "tasks": ["kind"]}).json()["predictions"]
    assert list(said) == ["kind"]


def test_the_documented_request_of_cnlp_transformers_gives_an_answer_of_the_documented_shape(client: Any) -> None:
    """README of cnlp-transformers 0.8.0: per span the marked text, and per task prediction and probs."""
    answer = client.post("/process", json={"text": SENTENCE, "entity_spans": ENTITIES})
    assert answer.status_code == 200
    assert [said.pop("text") for said in answer.json()] == [
        "The patient has a <e>sore knee</e> and headache but denies nausea and has no anosmia.",
        "The patient has a sore knee and <e>headache</e> but denies nausea and has no anosmia.",
        "The patient has a sore knee and headache but denies <e>nausea</e> and has no anosmia.",
        "The patient has a sore knee and headache but denies nausea and has no <e>anosmia</e>.",
    ]
    for said in answer.json():
        for task in ("neg", "kind"):
            assert said[task].keys() == {"prediction", "probs"}
            assert said[task]["prediction"] == max(said[task]["probs"], key=said[task]["probs"].get)
            assert sum(said[task]["probs"].values()) == pytest.approx(1, abs=1e-5)


def test_without_spans_the_document_is_predicted_and_parameters_of_cnlp_transformers_are_taken(client: Any, model: SharedModel) -> None:
    for body in ({"text": "w01 w02"}, {"text": "w01 w02", "entity_spans": None}):
        [said] = client.post("/process?max_seq_length=128", json=body).json()
        assert said["text"] == "w01 w02"
        np.testing.assert_allclose(list(said["neg"]["probs"].values()), model.predict(["w01 w02"])["neg"][0], atol=1e-6)
    assert client.post("/process", json={"text": "w01", "entity_spans": []}).json() == []


def test_a_long_document_shows_a_hundred_characters_on_either_side(client: Any) -> None:
    text = "a" * 500 + "w01" + "b" * 500
    [said] = client.post("/process", json={"text": text, "entity_spans": [[500, 503]]}).json()
    assert said["text"] == "a" * 100 + "<e>w01</e>" + "b" * 100


def test_tasks_of_annotated_notes_read_their_own_window(model: SharedModel) -> None:
    from starlette.testclient import TestClient

    from cotrain.serving.service import service

    model.about["tasks"]["kind"]["window"] = "2 tokens"
    with TestClient(service([model])) as client:
        [said] = client.post("/process", json={"text": "w03 w04\n w05 w01 w06", "entity_spans": [[13, 16]]}).json()
    np.testing.assert_allclose(list(said["kind"]["probs"].values()), model.predict(["w04 w05 <e> w01 </e> w06"])["kind"][0], atol=1e-6)
    np.testing.assert_allclose(list(said["neg"]["probs"].values()), model.predict(["w03 w04\n w05 <e>w01</e> w06"])["neg"][0], atol=1e-6)


def test_rows_of_anafora_notes_are_those_that_the_reader_makes(model: SharedModel, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from cotrain.serving.service import service
    from cotrain.tasks.readers.anafora import read
    from cotrain.tasks.source import Source

    note = '[meta rev_date="01/02/2003"]\n[start section id="20103"]\nw03 w01 w04.\n[end section id="20103"]\nw05 w06\n'
    begin, name = note.index("w01"), "ID001_clinic_001"
    folder = tmp_path / "Train" / name
    folder.mkdir(parents=True)
    (folder / name).write_text(note)
    (folder / f"{name}.Temporal-Relation.gold.completed.xml").write_text(
        f"<data><annotations><entity><id>1@e@{name}@gold</id><span>{begin},{begin + 3}</span><type>EVENT</type><properties>"
        "<Polarity>NEG</Polarity></properties></entity></annotations></data>"
    )
    [row] = read(Source("t", format="anafora", path=str(tmp_path), label="negation", window=60), ["text"])["text"]
    model.about["tasks"]["kind"] |= {"window": 60, "reader": {"format": "anafora"}}
    model.about["tasks"]["neg"]["window"] = 60
    with TestClient(service([model])) as client:
        [said] = client.post("/process", json={"text": note, "entity_spans": [[begin, begin + 3]]}).json()
    np.testing.assert_allclose(list(said["kind"]["probs"].values()), model.predict([row])["kind"][0], atol=1e-6)
    assert row == "w03 <e> w01 </e> w04."


def test_rows_of_many_spans_are_built_quickly_or_refused_early() -> None:
    from fastapi import HTTPException

    from cotrain.serving.requests import Document
    from cotrain.serving.service import MOST_TOGETHER, _rows

    text = "w01 " * 250_000
    spans = [(4 * i, 4 * i + 3) for i in range(248_000, 249_024)]
    began = time.perf_counter()
    with pytest.raises(HTTPException, match="ask for fewer spans"):
        _rows(Document(text=text, entity_spans=spans), [("sentence", None)])  # a note of one sentence
    ended = "w01 w02. " * 110_000
    spans = [(9 * i, 9 * i + 3) for i in range(108_000, 109_024)]
    [rows] = _rows(Document(text=ended, entity_spans=spans), [("sentence", None)]).values()
    assert set(rows) == {"<e> w01 </e> w02."} and time.perf_counter() - began < 5 and 17 * len(text) > MOST_TOGETHER


STRANGE = {
    "nothing": ("", 422, "should not be empty or blank"),
    "blanks": (" \n\t", 422, "should not be empty or blank"),
    "one character": ("w", 200, ""),
    "a million characters": ("w01 " * 250_000, 200, ""),
    "a million characters without a blank": ("w" * 1_000_000, 200, ""),
    "more": ("w" * 1_000_001, 422, "at most 1000000 characters"),
    "emoji": ("😀👩‍👩‍👧‍👦🇫🇷" * 5, 200, ""),
    "NUL": ("w01\0w02\0", 200, ""),
    "NUL alone": ("\0", 200, ""),
    "half a surrogate pair": ("w01 \ud83d w02", 422, "unicode string"),
    "markers": ("<e></e></e><e>", 200, ""),
    "control characters": ("\x01\x7f\u202e\ufeff\uffff", 200, ""),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_texts_get_an_answer_or_are_refused_and_are_not_logged(name: str, client: Any, caplog: pytest.LogCaptureFixture) -> None:
    text, status, sentence = STRANGE[name]
    with caplog.at_level(logging.DEBUG):
        for path, body in (("/predict", {"texts": [text]}), ("/process", {"text": text})):
            answer = client.post(path, content=json.dumps(body), headers=JSON)
            assert answer.status_code == status, answer.text[:300]
            assert sentence in answer.text
            if status == 422:
                assert len(answer.content) < 500, "what is wrong, not the text"
    said = "".join(record.getMessage() for record in caplog.records if record.name.startswith(("cotrain", "uvicorn", "fastapi")))
    assert "POST /predict" in said and not (len(text.strip()) > 1 and text in said)


SPANS = {
    "overlapping": ([[0, 7], [4, 11], [0, 11], [0, 7]], 200),
    "the whole text": ([[0, 11]], 200),
    "beyond the end": ([[4, 12]], 422),
    "far beyond": ([[10**30, 10**31]], 422),
    "before the beginning": ([[-3, 2]], 422),
    "empty": ([[3, 3]], 422),
    "backwards": ([[5, 2]], 422),
    "a blank": ([[3, 4]], 422),
    "three numbers": ([[1, 2, 3]], 422),
    "words": ([["a", "b"]], 422),
    "halves": ([[0.5, 2]], 422),
    "too many": ([[0, 3]] * 1025, 422),
    "no list": (7, 422),
}


@pytest.mark.parametrize("name", SPANS)
def test_strange_spans_get_an_answer_or_are_refused(name: str, client: Any) -> None:
    spans, status = SPANS[name]
    answer = client.post("/process", json={"text": "w01 w02 w03", "entity_spans": spans})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert len(answer.json()) == len(spans)


def test_a_span_that_is_wrong_is_named(client: Any) -> None:
    [fault] = client.post("/process", json={"text": "w01 w02", "entity_spans": [[0, 3], [4, 9]]}).json()["detail"]
    assert fault["msg"] == "span 1: should be [begin, end] with 0 <= begin < end <= 7 around more than blanks, found [4, 9]"


def test_what_cannot_be_served_names_what_can(client: Any) -> None:
    def refused(**body: Any) -> str:
        answer = client.post("/predict", json=body)
        assert answer.status_code == 422
        return " ".join(fault["msg"] for fault in answer.json()["detail"])

    assert "'negs'. Did you mean 'neg'? Known: kind, neg, two" in refused(texts=["w01"], tasks=["negs"])
    assert "'helper'" in refused(texts=["w01"], tasks=["helper"]), "it only helped"
    assert "task two reads a pair of texts" in refused(texts=["w01"], tasks=["two"])
    assert "task neg reads one text" in refused(texts=["w01"], pairs=["w02"], tasks=["neg"])
    assert "each of the 1 texts, found 2" in refused(texts=["w01"], pairs=["w02", "w03"])
    assert "at least 1 item" in refused(texts=[])
    assert "at most 1024 items" in refused(texts=["w01"] * 1025)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", JSON, 422), (b"[]", JSON, 422), (b"", JSON, 422), (b"\xff\xfe", JSON, 422), (b'{"texts": ["\xff"]}', JSON, 400),
        (b"[" * 100_000, JSON, 400), (b'{"texts": [' + b"9" * 5000 + b"]}", JSON, 400), (b"x" * (17 * 2**20), JSON, 413),
        (b'{"texts": ["w01"]}', {"Content-Type": "text/plain"}, 422),
        (b'{"texts": ["w01"], "tasks": ["\\ud800"]}', JSON, 422),
    ],
)  # fmt: skip
def test_bodies_that_are_no_request_are_refused(content: bytes, headers: dict[str, str], status: int, client: Any) -> None:
    answer = client.post("/predict", content=content, headers=headers)
    assert answer.status_code == status


def test_many_spans_with_wide_windows_are_refused(model: SharedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    from cotrain.serving.service import service

    monkeypatch.setattr("cotrain.serving.service.MOST_TOGETHER", 10_000)
    model.about["tasks"]["neg"]["window"] = "document"
    with TestClient(service([model])) as client:
        assert client.post("/process", json={"text": "w01 " * 1000, "entity_spans": [[0, 3]] * 2}).status_code == 200
        answer = client.post("/process", json={"text": "w01 " * 1000, "entity_spans": [[0, 3]] * 3})
    assert answer.status_code == 413 and "10,000 characters" in answer.json()["detail"]


def test_who_asks_for_more_than_can_wait_is_told_to_come_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotrain.serving.service.MOST_WAITING", 3)
    answer = client.post("/predict", json={"texts": ["w01"] * 4})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert client.post("/predict", json={"texts": ["w01"] * 3}).status_code == 200


def test_an_error_of_the_model_is_told_by_its_kind_and_place_alone(
    client: Any, model: SharedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Any, texts: list[str], *_: Any, **__: Any) -> None:
        raise RuntimeError(f"cannot read {texts}")

    monkeypatch.setattr(SharedModel, "predict", broken)
    with caplog.at_level(logging.DEBUG):
        answer = client.post("/predict", json={"texts": ["secret"]})
    assert answer.status_code == 500 and "secret" not in answer.text
    assert "RuntimeError in" in caplog.text and "test_service.py" in caplog.text and "secret" not in caplog.text


def test_a_path_that_is_none_is_not_logged(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cotrain.serve"):
        assert client.get("/no-fever?text=secret").status_code == 404
        assert client.get("/predict?text=secret").status_code == 405
        client.get("/health?text=secret")
    ours = " ".join(record.getMessage() for record in caplog.records if record.name == "cotrain.serve")
    assert "secret" not in ours and "no-fever" not in ours and "GET /health 200" in ours


def test_a_threshold_decides_what_is_said_and_not_what_is_probable(model: SharedModel) -> None:
    from starlette.testclient import TestClient

    from cotrain.serving.service import service

    p = float(model.predict(["w01 w07"], tasks=["neg"])["neg"][0, 1])
    asked = {"texts": ["w01 w07"], "tasks": ["neg"]}
    for at, said in ((p - 0.01, "yes"), (p + 0.01, "no")):
        model.about["tasks"]["neg"]["threshold"] = at
        with TestClient(service([model])) as client:
            [answer] = client.post("/predict", json=asked).json()["predictions"]
            assert client.get("/tasks").json()["neg"]["threshold"] == at
        assert answer["neg"]["prediction"] == said and answer["neg"]["probs"]["yes"] == pytest.approx(p, abs=1e-5)


def test_tasks_health_and_the_page(client: Any) -> None:
    assert client.get("/tasks").json()["kind"] == {
        "labels": ["fair", "not so", "off"], "threshold": None, "has_pair": False, "group": "helper+kind+neg+two",
    }  # fmt: skip
    assert client.get("/health").json() | {"version": ""} == {"status": "ok", "version": "", "models": 1, "tasks": 3, "waiting_texts": 0}
    page = client.get("/")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "http" not in page.text.replace("http-equiv", ""), "nothing from elsewhere"


def test_no_answer_is_mixed_up_between_clients(client: Any, model: SharedModel) -> None:
    texts = [f"w{i % 40:02d} w{(3 * i) % 40:02d} w{i % 7:02d}" for i in range(300)]
    expected = model.predict(texts, tasks=["kind"])["kind"]

    def one(number: int) -> bool:
        said = client.post("/predict", json={"texts": [texts[number]], "tasks": ["kind"]}).json()["predictions"][0]["kind"]
        return np.allclose(list(said["probs"].values()), expected[number], atol=2e-6)

    with ThreadPoolExecutor(16) as clients:
        assert all(clients.map(one, range(300)))


def test_several_models_are_one_service_and_a_task_has_one_model(kept: Callable[..., Any], model: SharedModel) -> None:
    from starlette.testclient import TestClient

    from cotrain.serving.service import service

    other = load(kept("roberta").folder, "cpu", "fp32")
    with pytest.raises(InputError, match=r"task neg is served by the models helper\+kind\+neg\+two and helper\+kind\+neg\+two; give one"):
        service([model, other])
    model.about["serves"], other.about["serves"] = ["neg", "two"], ["kind"]  # type: ignore[index]
    with TestClient(service([model, other])) as client:
        [said] = client.post("/predict", json={"texts": ["w01 w02"]}).json()["predictions"]
    assert list(said) == ["neg", "kind"]
    np.testing.assert_allclose(list(said["neg"]["probs"].values()), model.predict(["w01 w02"])["neg"][0], atol=1e-6)
    np.testing.assert_allclose(list(said["kind"]["probs"].values()), other.predict(["w01 w02"])["kind"][0], atol=1e-6)
