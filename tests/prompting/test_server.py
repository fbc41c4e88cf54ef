"""A server is asked until it answers or never will; what it writes about errors is not shown."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cotrain.errors import InputError
from cotrain.prompting import server as module
from cotrain.prompting.answers import Reply
from cotrain.prompting.meter import Meter
from cotrain.prompting.queries import Query
from cotrain.prompting.server import TRIES, Server, retry_after

QUERY = Query("cb", "r1", 1, ("no", "yes", "maybe"), "SENTENCE1: shot\n\nANSWER: 0\n\n", "SENTENCE1: secret words\n\nANSWER:")
Ask = Callable[..., Reply]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Return what asks one query of a server."""
    made: list[Server] = []

    def one(url: str, meter: Meter | None = None, **options: Any) -> Reply:
        made.append(Server("toy", url, **options))
        return made[-1].answer(QUERY, meter or Meter())

    yield one
    for server in made:
        server.close()


def in_turn(*answers: Any) -> Callable[[Any], Any]:
    """Return what gives one answer after the other, and the last again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_a_chat_is_one_message_without_sampling(serve: Any, ask: Ask) -> None:
    with serve.running(lambda _: serve.said("(1) yes", usage=(31, 4))) as toy:
        assert ask(toy.url) == Reply(1, None, 31, 4)
    [body] = toy.asked
    assert body["messages"] == [{"role": "user", "content": QUERY.prompt}]
    assert (body["model"], body["temperature"], body["max_tokens"], body["path"]) == ("toy", 0, 16, "/v1/chat/completions")


def test_a_completion_goes_on_with_the_prompt(serve: Any, ask: Ask) -> None:
    with serve.running(lambda _: serve.completed(" 1\n\nSENTENCE1:", {" 1": math.log(0.6), " 0": math.log(0.2)})) as toy:
        found = ask(toy.url, api="completion", answer_tokens=3)
    assert found.option == 1 and np.exp2(found.log2_p) == pytest.approx([0.2, 0.6, 0.2])
    assert (toy.asked[0]["prompt"], toy.asked[0]["max_tokens"], toy.asked[0]["path"]) == (QUERY.prompt, 3, "/v1/completions")


def test_log_probabilities_of_a_chat_are_used(serve: Any, ask: Ask) -> None:
    with serve.running(lambda _: serve.said("2", {"2": math.log(0.5), "0": math.log(0.25), "1": math.log(0.125), "x": -9.0})) as toy:
        found = ask(toy.url)
    assert found.option == 2 and np.exp2(found.log2_p) == pytest.approx(np.array([2, 1, 4]) / 7)


@pytest.mark.parametrize(
    ("api", "refused"), [("chat", ("logprobs",)), ("chat", ("logprobs", "temperature")), ("completion", ("logprobs",))]
)
def test_what_a_server_refuses_is_left_out_from_then_on(api: str, refused: tuple[str, ...], serve: Any) -> None:
    good = serve.said("1") if api == "chat" else serve.completed("1")
    wrong = serve.Answer({"error": {"message": "unsupported"}}, 400)
    with serve.running(lambda body: wrong if any(name in body for name in refused) else good) as toy:
        server = Server("toy", toy.url, api)
        assert [server.answer(QUERY, Meter()).option for _ in range(2)] == [1, 1]
        server.close()
    assert not any(name in body for body in toy.asked[-2:] for name in refused)


def test_a_key_is_sent_and_comes_from_the_variable_that_is_named(serve: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sesame")
    with serve.running(lambda _: serve.said("0")) as toy:
        ask(toy.url, key_from="MY_KEY")
    assert toy.headers[0]["authorization"] == "Bearer sesame"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_passing_faults_are_tried_again(status: int, serve: Any, ask: Ask) -> None:
    bad = serve.Answer({"error": {"message": QUERY.prompt}}, status)
    meter = Meter()
    with serve.running(in_turn(bad, bad, serve.said("1"))) as toy:
        assert ask(toy.url, meter).option == 1
    assert len(toy.asked) == meter.spent.requests == 3
    assert meter.spent[1:] == (10, 1)  # nothing was answered by the two that failed


def test_a_connection_that_is_cut_is_tried_again(serve: Any) -> None:
    whole = serve.said("1")
    with serve.running(in_turn(whole, whole._replace(cut=40), whole._replace(cut=0), whole)) as toy:
        server = Server("toy", toy.url)
        assert [server.answer(QUERY, Meter()).option for _ in range(2)] == [1, 1]
        server.close()
    assert len(toy.asked) == 4


def test_a_slow_answer_is_asked_for_again(serve: Any, ask: Ask) -> None:
    with serve.running(in_turn(serve.said("0")._replace(seconds=5), serve.said("1"))) as toy:
        assert ask(toy.url, timeout=0.3).option == 1


def test_the_wait_that_a_server_asks_for_is_waited(serve: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(Meter, "pause", lambda _, seconds: waits.append(seconds))
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    with serve.running(in_turn(*(serve.Answer({}, 429, {"retry-after": text}) for text in ("7", "2.5", date)), serve.said("1"))) as toy:
        ask(toy.url)
    assert waits[:2] == [7, 2.5] and waits[2] == pytest.approx(100, abs=5)


def test_waits_without_a_word_grow_and_have_an_end(serve: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_SECONDS", 0.5)
    waits: list[float] = []
    monkeypatch.setattr(Meter, "pause", lambda _, seconds: waits.append(seconds))
    with serve.running(lambda _: serve.Answer({}, 503)) as toy, pytest.raises(InputError, match=f"503; tried {TRIES} times"):
        ask(toy.url)
    assert len(waits) == TRIES
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, (min(60, 0.5 * 2**i) for i in range(TRIES)), strict=True))


def test_a_chat_that_never_worked_names_the_other_api(serve: Any, ask: Ask) -> None:
    with serve.running(lambda _: serve.Answer({}, 500)) as toy, pytest.raises(InputError, match="--api completion"):
        ask(toy.url)


def test_a_wait_that_is_too_long_ends_the_run(serve: Any, ask: Ask) -> None:
    with serve.running(lambda _: serve.Answer({}, 429, {"retry-after": "86400"})) as toy, pytest.raises(InputError, match="429"):
        ask(toy.url)
    assert len(toy.asked) == 1


@pytest.mark.parametrize("text", ["soon", "", "-3", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_wait_that_is_none_is_no_wait(text: str) -> None:
    assert retry_after({"retry-after": text}) == 0


def error(code: str | None) -> dict[str, Any]:
    """Return the body of an error that repeats the prompt."""
    return {"error": {"message": f"bad: {QUERY.prompt}", "code": code, "type": "x"}}


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(401, "invalid_api_key", "refuses the key of OPENAI_API_KEY"), (403, None, "refuses the key"),
     (404, "model_not_found", "unknown model 'tow'. Did you mean 'toy'"), (413, None, "more than fit its context"),
     (400, "context_length_exceeded", r"task cb has about \d+ tokens \(3 shots"), (429, "insufficient_quota", "no money left"),
     (422, None, "refuses a prompt of task cb"), (418, None, "is --base-url right"), (302, None, "is --base-url right")],
)  # fmt: skip
def test_faults_that_stay_are_told_at_once_without_the_words_of_the_server(status: int, code: str, words: str, serve: Any) -> None:
    with serve.running(lambda _: serve.Answer(error(code), status)) as toy:
        server = Server("tow", toy.url)
        with pytest.raises(InputError, match=words) as told:
            server.answer(QUERY, Meter())
        server.close()
    assert "secret" not in str(told.value) and "bad" not in str(told.value)
    assert told.value.__context__ is None
    assert len(toy.asked) <= 3


@pytest.mark.parametrize(
    "body",
    [b"<html>hello</html>", {"hello": 1}, {"choices": []}, {"choices": [{"message": {"content": [1]}}]}, {"choices": [{"text": "1"}]},
     [1], b"{"],
)  # fmt: skip
def test_an_answer_that_is_not_the_protocols_is_told(body: Any, serve: Any, ask: Ask) -> None:
    headers = {"content-type": "application/json"} if body == b"{" else {}
    with serve.running(lambda _: serve.Answer(body, 200, headers)) as toy, pytest.raises(InputError, match="not in the protocol"):
        ask(toy.url)


def test_an_answer_without_words_names_no_option(serve: Any, ask: Ask) -> None:
    empty = serve.said("")
    empty.body["choices"][0]["message"]["content"] = None
    del empty.body["usage"]
    with serve.running(lambda _: empty) as toy:
        assert ask(toy.url) == Reply(None, None, QUERY.tokens, 16)


def test_a_port_where_nobody_listens_is_told_at_once(serve: Any, ask: Ask) -> None:
    with serve.running(lambda _: serve.said("0")) as toy:
        pass
    meter = Meter()
    with pytest.raises(InputError, match="is the server running"):
        ask(toy.url, meter)
    assert meter.spent.requests == 1


def test_another_machine_needs_a_key(serve: Any) -> None:
    with pytest.raises(InputError, match="MY_KEY"):
        Server("toy", "https://192.0.2.1/v1", key_from="MY_KEY")


def test_an_unknown_api_is_told_with_the_known_ones(serve: Any) -> None:
    with pytest.raises(InputError, match="Did you mean 'chat'"):
        Server("toy", "http://127.0.0.1:1/v1", api="chta")
