"""``ask``: an answer to every query, from the journal where it is there already."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from cotrain.errors import InputError
from cotrain.prompting.answers import Reply
from cotrain.prompting.journal import Journal
from cotrain.prompting.meter import Capped, Halted, Meter, Spent
from cotrain.prompting.queries import Query


class Model(Protocol):
    """What answers: ``identity`` is what its answers depend on besides the prompt, ``at_once`` how many may be asked for."""

    identity: str
    at_once: int

    def answer(self, query: Query, meter: Meter) -> Reply:
        """Return the answer to a query."""


class State(NamedTuple):
    """How far it is: prompts answered, those there already among them, of all; and what was spent."""

    done: int
    there: int
    total: int
    spent: Spent


Show = Callable[[State], None]


def ask(queries: Sequence[Query], model: Model, journal: Journal, meter: Meter, show: Show | None = None) -> list[Reply]:
    """Return the answers to ``queries`` in their order; equal prompts are asked once, answers of the journal never again.

    Raises:
        InputError: no further answers come, or a limit is reached; every answer that came is in the journal.
    """
    keys = [query.key(model.identity) for query in queries]
    waiting = missing(queries, model.identity, journal)
    there = len(set(keys)) - len(waiting)
    total, done = there + len(waiting), there
    tell = show or (lambda _: None)
    tell(State(done, there, total, meter.spent))
    try:
        with journal:
            for key, reply in _answers(waiting, model, meter):
                journal.add(key, reply)
                done += 1
                tell(State(done, there, total, meter.spent))
    except Capped as cap:
        raise InputError(
            f"stopped at {cap}: {done:,} of {total:,} prompts are answered and kept; the same command with a higher limit goes on"
        ) from None
    except InputError as error:
        kept = f"{done:,} of {total:,} prompts are answered and kept; the same command goes on from there"
        raise InputError([*error.faults, kept] if done else error.faults) from None
    return [found for key in keys if (found := journal.find(key)) is not None]


def missing(queries: Sequence[Query], identity: str, journal: Journal) -> dict[str, Query]:
    """Return by key the queries that the journal has no answer to, equal ones once."""
    found = {query.key(identity): query for query in queries}
    return {key: query for key, query in found.items() if journal.find(key) is None}


def _answers(waiting: Mapping[str, Query], model: Model, meter: Meter) -> Iterator[tuple[str, Reply]]:
    """Yield keys and answers as they come; the first is waited for, it shows whether and how the model can be asked."""
    todo = iter(waiting.items())
    for key, query in itertools.islice(todo, None if model.at_once == 1 else 1):
        yield key, model.answer(query, meter)
    yield from _side_by_side(todo, model, meter)


def _side_by_side(todo: Iterator[tuple[str, Query]], model: Model, meter: Meter) -> Iterator[tuple[str, Reply]]:
    """Yield keys and answers from threads; after a failure those that were under way are still yielded."""
    came: queue.SimpleQueue[tuple[str, Reply] | Exception | None] = queue.SimpleQueue()
    lock = threading.Lock()

    def work() -> None:
        while not meter.halt.is_set():
            with lock:
                key, query = next(todo, ("", None))
            if query is None:
                break
            try:
                came.put((key, model.answer(query, meter)))
            except Halted:
                break
            except Exception as error:  # noqa: BLE001  raised again where it is waited for
                meter.halt.set()
                came.put(error)
        came.put(None)

    # not an executor: its threads would keep a stopped program alive until the slowest answer
    threads = [threading.Thread(target=work, daemon=True) for _ in range(model.at_once)]
    for thread in threads:
        thread.start()
    failed, ended = None, 0
    try:
        while ended < len(threads):
            found = came.get()
            if isinstance(found, Exception):
                failed = failed or found
            elif found is None:
                ended += 1
            else:
                yield found
    finally:
        meter.halt.set()
    if failed is not None:
        raise failed
