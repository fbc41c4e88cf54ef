"""Around every request: a limit of its size, a line in the log without a text, and an answer whatever goes wrong."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse

log = logging.getLogger("cotrain.serve")
MOST_BYTES = 16 * 2**20

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Guard:
    """The outermost layer of the service (ASGI)."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, size = time.perf_counter(), 0, 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BYTES:
                raise HTTPException(413, f"a request should have at most {MOST_BYTES:,} bytes; send fewer texts at once")
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, limited, noted)
        except Exception as error:  # noqa: BLE001  what an error says can quote a text, so its kind and place are told alone
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error("%s in %s, line %s", type(error).__name__, place.filename, place.lineno)
            if not status:
                await JSONResponse({"detail": "an error of the service; its log says where"}, 500)(scope, receive, noted)
        # the path that was asked for can hold a text as well: the one that answered is told
        path = getattr(scope.get("route"), "path", "-")
        log.info("%s %s %s %.0f ms", scope["method"], path, status, 1000 * (time.perf_counter() - began))
