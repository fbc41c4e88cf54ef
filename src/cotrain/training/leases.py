"""Who trains what now: leases with a heartbeat. They save work; that results are right rests on the rename alone."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BEAT = 10.0
"""Seconds between heartbeats."""
TICK = 1.0
"""Seconds between looks at whose turn it is."""
DEAD = 90.0
"""Seconds without a heartbeat after which a lease of another machine counts as left behind."""


@contextmanager
def lease(fits: Path, key: str) -> Iterator[bool]:
    """Yield whether this process may train ``key`` now; False while another living process does."""
    file = fits / f".{key}.lease"
    if not _take(file):
        yield False
        return
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(file, done), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        done.set()
        beat.join()
        file.unlink(missing_ok=True)


@contextmanager
def turn(folder: Path, name: str) -> Iterator[None]:
    """Wait until this process alone may do what is called ``name``, and hold it until the block ends."""
    while True:
        with lease(folder, name) as mine:
            if mine:
                yield
                return
        time.sleep(TICK)


def held(fits: Path, key: str) -> bool:
    """Whether a living process trains ``key`` now."""
    file = fits / f".{key}.lease"
    return file.exists() and _left_behind(file) is None


def _take(file: Path) -> bool:
    """Create the lease; one that was left behind is removed first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()})
    for _ in range(2):
        try:
            handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            if (stale := _left_behind(file)) is None or not _removed(file, stale):
                return False
            continue
        with os.fdopen(handle, "w") as out:
            out.write(mine)
        return True
    return False


def _removed(file: Path, stale: tuple[int, int]) -> bool:
    """Remove a lease that was left behind; whether the way is free now.

    Who creates the guard of just this lease removes it: who only looked at the old one cannot remove the fresh one.
    """
    guard = file.with_suffix(f".taking-{stale[0]}-{stale[1]}")
    try:
        os.close(os.open(guard, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        with suppress(FileNotFoundError):
            if time.time() - guard.stat().st_mtime > DEAD:
                guard.unlink()  # its maker was killed; who comes next may try
        return False
    try:
        if _identity(file) != stale:
            return False
        file.unlink()
    except FileNotFoundError:
        return True
    finally:
        guard.unlink(missing_ok=True)
    return True


def _identity(file: Path) -> tuple[int, int]:
    """Return what tells one lease from a later one of the same name."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


def _left_behind(file: Path) -> tuple[int, int] | None:
    """Return the identity of a lease whose process is gone: dead on this host, or silent for too long; else None."""
    try:
        identity = _identity(file)
        if time.time() - identity[1] / 1e9 > DEAD:
            return identity
        holder = json.loads(file.read_text())
    except FileNotFoundError:
        return 0, 0  # gone by itself
    except ValueError:
        return None  # being written just now, or left half-written: then silence tells
    dead = holder.get("host") == socket.gethostname() and not _alive(int(holder.get("pid", 0)))
    return identity if dead else None


def _alive(pid: int) -> bool:
    """Whether a process of this host lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _beat(file: Path, done: threading.Event) -> None:
    """Touch the lease until done."""
    while not done.wait(BEAT):
        try:
            os.utime(file)
        except OSError:
            return  # taken over or its folder is gone: the rename decides
