"""Who trains what now: leases with a heartbeat. They save work; that results are right rests on the rename alone."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BEAT = 10.0
"""Seconds between heartbeats."""
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


def _take(file: Path) -> bool:
    """Create the lease; one that was left behind is moved out of the way first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()})
    for _ in range(2):
        try:
            handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            if not _left_behind(file):
                return False
            # of two that see it left behind, one moves it: the other finds no file, or a fresh lease
            gone = file.with_suffix(f".gone-{os.getpid()}-{threading.get_ident()}")
            try:
                file.rename(gone)
            except FileNotFoundError:
                continue
            gone.unlink(missing_ok=True)
            continue
        with os.fdopen(handle, "w") as out:
            out.write(mine)
        return True
    return False


def _left_behind(file: Path) -> bool:
    """Whether the process of a lease is gone: dead on this host, or silent for too long."""
    try:
        if time.time() - file.stat().st_mtime > DEAD:
            return True
        holder = json.loads(file.read_text())
    except FileNotFoundError:
        return True
    except ValueError:
        return False  # being written just now, or left half-written: then silence tells
    return holder.get("host") == socket.gethostname() and not _alive(int(holder.get("pid", 0)))


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
