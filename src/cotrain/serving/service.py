"""The service: models over HTTP, requests of many clients predicted together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse

from cotrain import __version__
from cotrain.errors import InputError
from cotrain.serving.batching import Batcher
from cotrain.serving.guard import Guard
from cotrain.serving.requests import REFUSALS, Document, Health, Prediction, Predictions, ServedTask, Texts
from cotrain.serving.served import Served
from cotrain.serving.spans import rows
from cotrain.training.models import SharedModel

MOST_TOGETHER = 16_000_000
"""Characters of all rows of a request: many spans in a long document with a wide window make more of them than it has."""
MOST_WAITING = 16_384
"""Texts that may wait for an answer; who asks for more is told to come again."""
PAGE = Path(__file__).with_name("page.html")
Way = tuple[int | str | None, str | None]
"""How rows of spans are built: the window around a span, and the format of the notes that it is that of."""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def service(models: Sequence[SharedModel], seconds: float = 0.003, ready: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the service of the tasks that models serve.

    Args:
        seconds: how long a text waits at most for others that are predicted with it.
        ready: is called when requests are answered from now on.

    Raises:
        InputError: a task that two models serve.
    """
    served = Served.of(models)
    batcher = Batcher(seconds)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        ready()
        yield
        await asyncio.to_thread(batcher.close)

    app = FastAPI(title="cotrain", version=__version__, lifespan=living, docs_url=None, redoc_url=None)
    app.add_middleware(Guard)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(InputError)(_refused)

    async def ask(k: int, texts: Sequence[str], pairs: Sequence[str] | None, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        if batcher.waiting + len(texts) > MOST_WAITING:
            raise HTTPException(429, f"{batcher.waiting} texts wait for an answer; come again", {"Retry-After": "1"})
        return await asyncio.wrap_future(batcher.ask(served.models[k], texts, pairs, tasks))

    @app.post("/predict", response_model=Predictions, responses=REFUSALS)
    async def predict(asked: Texts) -> JSONResponse:
        """Predict tasks of texts, or of pairs of texts."""
        chosen = served.choose(asked.tasks, asked.pairs is not None)
        found = await asyncio.gather(*(ask(k, asked.texts, asked.pairs, tasks) for k, tasks in chosen.items()))
        return JSONResponse({"predictions": served.told(found, len(asked.texts))})

    @app.post("/process", response_model=list[dict[str, Prediction | str]], responses=REFUSALS)
    async def process(document: Document) -> JSONResponse:
        """Predict all tasks that read one text, of each span of a document: the request and the answer of cnlp-transformers."""
        by_way: dict[tuple[int, Way], list[str]] = {}
        for k, tasks in served.choose(None, pairs=False).items():
            for task in tasks:
                entry = served.models[k].entry(task)
                by_way.setdefault((k, (entry["window"], (entry["reader"] or {}).get("format"))), []).append(task)
        # apart, so that others are answered meanwhile
        texts = await asyncio.to_thread(_rows, document, dict.fromkeys(way for _, way in by_way))
        shown = next(iter(texts.values()))
        found = await asyncio.gather(*(ask(k, texts[way], None, tasks) for (k, way), tasks in by_way.items() if shown))
        told = served.told(found, len(shown))
        return JSONResponse([{"text": text, **of_task} for text, of_task in zip(shown, told, strict=True)])

    @app.get("/tasks", response_model=dict[str, ServedTask])
    async def tasks() -> dict[str, ServedTask]:
        """Say what is served."""
        return {
            task: ServedTask(
                labels=list(served.models[k].labels(task)),
                threshold=served.models[k].entry(task)["threshold"],
                has_pair=served.has_pair(task),
                group=served.models[k].about["group"],
            )
            for task, k in served.by.items()
        }

    @app.get("/health", response_model=Health)
    async def health() -> Health:
        """Say that the service answers."""
        return Health(status="ok", version=__version__, models=len(models), tasks=len(served.by), waiting_texts=batcher.waiting)

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        """Show the page for people."""
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": POLICY})

    return app


def _rows(document: Document, ways: Iterable[Way]) -> dict[Way, list[str]]:
    """Return by window and format the rows of the spans of a document; the document itself where it has none."""
    found: dict[Way, list[str]] = {}
    left = MOST_TOGETHER
    for way in ways:
        found[way] = []
        for text in [document.text] if document.entity_spans is None else rows(document.text, document.entity_spans, *way):
            found[way].append(text)
            left -= len(text)
            if left < 0:
                raise HTTPException(
                    413, f"the rows of all spans should have at most {MOST_TOGETHER:,} characters together; ask for fewer spans"
                )
    return found


async def _invalid(_: Any, error: Any) -> JSONResponse:
    """Return what is wrong with the form of a request, without its texts."""
    faults = [(list(map(_plain, fault["loc"])), fault["msg"].removeprefix("Value error, "), fault["type"]) for fault in error.errors()]
    return JSONResponse({"detail": [dict(zip(("loc", "msg", "type"), fault, strict=True)) for fault in faults]}, 422)


async def _refused(_: Any, error: Any) -> JSONResponse:
    """Return what is wrong with what was asked for."""
    return JSONResponse({"detail": [{"loc": ["body"], "msg": fault, "type": "value_error"} for fault in error.faults]}, 422)


def _plain(part: str | int) -> str | int:
    """Return a name in a request as an answer can hold it: half a surrogate pair cannot be written."""
    return part if isinstance(part, int) else part.encode("ascii", "backslashreplace").decode()
