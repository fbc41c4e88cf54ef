"""A Server: a model behind an address that speaks the protocol of OpenAI, asked until it answers or never will."""

from __future__ import annotations

import email.utils
import os
import random
import re
import time
from typing import Any, NamedTuple

from cotrain.choose import choose, unknown
from cotrain.errors import InputError, MissingExtra
from cotrain.prompting import APIS
from cotrain.prompting.answers import Reply, reply
from cotrain.prompting.guard import host_of, is_here
from cotrain.prompting.meter import Meter
from cotrain.prompting.protocol import PARAMETERS, Said
from cotrain.prompting.queries import Query

TRIES = 8
"""Requests for one answer before the run stops."""
PATIENCE_SECONDS = 600.0
"""A server that asks for a longer wait than this ends the run; it can be continued."""
_FIRST_SECONDS, _MOST_SECONDS = 0.5, 60.0
_TOO_LONG = ("context_length_exceeded", "string_above_max_length")
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached")
_WRONG_PARAMETERS = (400, 422)
_PASSING = (408, 409, 425, 429)


class _Failed(NamedTuple):
    """A request without an answer: what it means, and the seconds after which another one may have one, or None: never."""

    words: str
    wait: float | None


def identity(model: str, api: str, answer_tokens: int) -> str:
    """Return what the answers of a model depend on besides the prompt; not its address, which may move."""
    return f"{api} {model} {answer_tokens}"


class Server:
    """A language model behind an address.

    Attributes:
        identity: what the answers depend on besides the prompt.
        at_once: requests at the same time.
    """

    def __init__(
        self, model: str, base_url: str, api: str = "chat", key_from: str = "OPENAI_API_KEY", answer_tokens: int = 16,
        at_once: int = 8, timeout: float = 120.0, guarded: bool = False,
    ) -> None:  # fmt: skip
        """Raises InputError: an address that is none, an unknown API, no key; MissingExtra: openai is not installed.

        Args:
            guarded: connect to this machine only.
        """
        host = host_of(base_url)
        self._say = choose("api", api, APIS)
        self.model, self.base_url, self.at_once, self._key_from = model, base_url, at_once, key_from
        self.identity = identity(model, api, answer_tokens)
        self._answer_tokens = answer_tokens
        self._parameters = [
            {name: answer_tokens if value == 0 and name.startswith("max_") else value for name, value in each.items()}
            for each in PARAMETERS.get(api, ({},))
        ]
        self._chat, self._sure = api == "chat", False
        try:
            import openai
        except ImportError:
            raise MissingExtra("prompt", "openai") from None
        http = None
        if guarded:
            from cotrain.prompting.loopback import client

            http = client(timeout)
        self._openai = openai
        self._client = openai.OpenAI(
            api_key=_key(key_from, host), base_url=base_url, timeout=timeout, max_retries=0, http_client=http
        )  # fmt: skip

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def answer(self, query: Query, meter: Meter) -> Reply:
        """Return the answer to a query, asked again after a while where that may help.

        Raises:
            InputError: there will be no answer.
            Capped, Halted: it may not be asked for.
        """
        most, words = query.tokens + self._answer_tokens, ""
        for tried in range(TRIES):
            said = self._once(query, meter, most)
            if isinstance(said, Said):
                tokens_in = query.tokens if said.tokens_in is None else said.tokens_in
                tokens_out = self._answer_tokens if said.tokens_out is None else said.tokens_out
                meter.give(most, tokens_in, tokens_out)
                return reply(said.text, said.top, query.labels, tokens_in, tokens_out)
            meter.give(most)
            if said.wait is None or said.wait > PATIENCE_SECONDS:
                raise InputError(said.words)
            words = said.words
            meter.pause(said.wait or min(_MOST_SECONDS, _FIRST_SECONDS * 2**tried) * random.uniform(0.5, 1))
        raise InputError(f"{words}; tried {TRIES} times")

    def _once(self, query: Query, meter: Meter, most: int) -> Said | _Failed:
        """Return what one request brings; until one was answered, with fewer parameters where the server refuses some."""
        while True:
            meter.take(most)
            try:
                said = self._say(self._client, self.model, query.prompt, self._parameters[0])
            except self._openai.APIStatusError as error:
                if error.status_code in _WRONG_PARAMETERS and not self._sure and len(self._parameters) > 1 and error.code not in _TOO_LONG:
                    meter.give(most)
                    del self._parameters[0]
                    continue
                return self._refused(error, query)
            except self._openai.APIConnectionError as error:
                return self._cut(error)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError, self._openai.APIResponseValidationError):
                return _Failed(f"{self._who} answers, but not in the protocol of OpenAI; most such addresses end in /v1", None)
            self._sure = True
            return said

    @property
    def _who(self) -> str:
        """The model and its address, for messages."""
        return f"model {self.model} at {self.base_url}"

    def _cut(self, error: Exception) -> _Failed:
        """Return what a connection without an answer means; before the first answer nobody may be listening at all."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, InputError):  # of the guard
                return _Failed(cause.faults[0], None)
            cause = cause.__cause__
        if isinstance(error, self._openai.APITimeoutError):
            return _Failed(f"{self._who} does not answer in time", 0.0)
        words = f"{self._who} cannot be reached: no connection, or it was cut"
        return _Failed(words, 0.0) if self._sure else _Failed(f"{words}; is the server running, and the port right?", None)

    def _refused(self, error: Any, query: Query) -> _Failed:
        """Return what a status means. What the server writes is never shown: it may repeat the prompt."""
        status = int(error.status_code)
        code = str(error.code) if error.code and re.fullmatch(r"\w{1,40}", str(error.code)) else ""
        words = f"{self._who} answers {status}{f' ({code})' if code else ''}"
        if status in (401, 403):
            return _Failed(f"{words}: it refuses the key of {self._key_from}; put a right one into that variable of the environment", None)
        if status == 404:
            return _Failed(f"{words}: {self._strange()}", None)
        if code in _TOO_LONG or status == 413:
            return _Failed(
                f"{words}: a prompt of task {query.task} has about {query.tokens:,} tokens ({len(query.labels)} shots and the row), more "
                "than fit its context; leave the task out with --tasks, or choose a model with a longer context", None,
            )  # fmt: skip
        if code in _NO_MONEY:
            return _Failed(f"{words}: the account has no money left", None)
        if status in _WRONG_PARAMETERS:
            return _Failed(
                f"{words}: it refuses a prompt of task {query.task}; if about {query.tokens:,} tokens are more than fit its context, leave "
                "the task out with --tasks", None,
            )  # fmt: skip
        if status in _PASSING or status >= 500:
            words += "; a model that is made for no chat wants --api completion" if self._chat and not self._sure and status == 500 else ""
            return _Failed(words, retry_after(error.response.headers))
        where = "; a redirect is not followed with private tasks" if 300 <= status < 400 else ""
        return _Failed(f"{words}{where}; is --base-url right?", None)

    def _strange(self) -> str:
        """Return which models the address knows instead."""
        try:
            known = [one.id for one in self._client.models.list().data]
        except Exception:  # noqa: BLE001  a second question, whose failure says nothing new
            known = []
        return unknown("model", self.model, known) if known else "it knows no such model, or no such path; most addresses end in /v1"


def retry_after(headers: Any) -> float:
    """Return the seconds that a server asks to wait: a number or a date; 0 where it names none.

    >>> retry_after({"retry-after": "2"}), retry_after({})
    (2.0, 0.0)
    """
    text = headers.get("retry-after") or ""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _key(variable: str, host: str) -> str:
    """Return the key of the environment; a server on this machine needs none.

    Raises:
        InputError: there is none.
    """
    if found := os.environ.get(variable):
        return found
    if not is_here(host):
        raise InputError(f"{host} needs a key: put it into the variable {variable} of the environment, or name another with --key-from")
    return "none"
