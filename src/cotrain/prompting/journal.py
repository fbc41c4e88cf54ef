"""A Journal: every answer on disk before the next one is shown, so that a killed run pays for none twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Self

from cotrain.prompting.answers import Reply

_FIELDS = ("option", "log2_p", "tokens_in", "tokens_out")


class Journal:
    """Answers by key in a file of JSON lines that only grows. It holds no text: neither of a prompt nor of an answer."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known: dict[str, Reply] = {}
        self._handle = -1
        if file.is_file():
            for line in file.read_bytes().splitlines():
                self._read(line)

    def _read(self, line: bytes) -> None:
        """Remember a line; one that was cut off is an answer that did not reach the disk."""
        try:
            found = json.loads(line)
            log2_p = found["log2_p"]
            self._known[found["key"]] = Reply(
                found["option"], tuple(log2_p) if log2_p else None, found["tokens_in"], found["tokens_out"]
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            return

    def __enter__(self) -> Self:
        """Return itself; the file is opened when there is an answer to keep."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> int:
        """Return the file open for writing, a line that was cut off closed."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        whole = not self.file.is_file() or self.file.read_bytes()[-1:] in (b"", b"\n")
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if not whole:
            os.write(handle, b"\n")
        return handle

    def find(self, key: str) -> Reply | None:
        """Return the answer of a key, or None where there is none yet."""
        return self._known.get(key)

    def add(self, key: str, reply: Reply) -> None:
        """Keep an answer; it is on disk when this returns."""
        if self._handle < 0:
            self._handle = self._open()
        line = json.dumps({"key": key, **dict(zip(_FIELDS, reply, strict=True))}) + "\n"
        os.write(self._handle, line.encode())
        os.fsync(self._handle)
        self._known[key] = reply
