"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cotrain.errors import InputError

_LONGEST = 80


@contextmanager
def appearing(to: Path, over: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``to`` that becomes ``to`` when the block ends; nothing is left when it fails.

    Args:
        over: replace a folder that is there.

    Raises:
        InputError: there is a file, or a folder that is not empty, and it may not be replaced; the disk is full.
    """
    if to.exists() and not over and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"{to} is there already and not empty; name another folder, or remove it first")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        work = to.parent / f".{to.name[:60]}-{secrets.token_hex(4)}"
        work.mkdir()
    except (NotADirectoryError, FileExistsError):
        raise InputError(f"{to.parent}: should be a folder, found a file there or on the way to it; name another one") from None
    except OSError as error:
        raise told(error, to.parent) from error
    old = work.with_name(work.name + "-old")
    try:
        yield work
        # some libraries write for their user alone: what the umask says holds for all files
        for file in filter(Path.is_file, work.rglob("*")):
            file.chmod(work.stat().st_mode & 0o666)
        if to.exists():
            to.rename(old)
        work.rename(to)
    except Exception as error:
        raise told(error, to.parent) from error
    finally:
        if old.exists() and not to.exists():
            old.rename(to)
        for left in (work, old):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def owners_alone(private: bool) -> Iterator[None]:
    """Let new files of the block be their owner's alone (0600, folders 0700) where they come of private rows."""
    before = os.umask(0o077) if private else None
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)


def told(error: Exception, where: Path) -> Exception:
    """Return what to raise: a sentence where the disk is full, else the error itself."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "No space left on device" in str(error) or "os error 28" in str(error):
        return InputError(f"the disk of {where} is full; what is finished is kept: free some space there and start again")
    return error


def folder_name(group: str) -> str:
    """Return the name of a group as the name of a folder: safe for file systems, short, and its own.

    >>> folder_name("cb+rte")
    'cb+rte'
    >>> folder_name("notes/a+b")
    'notes_a+b-ff622a64'
    """
    safe = re.sub(r"[^A-Za-z0-9+_.-]", "_", group)
    safe = re.sub(r"^[.-]", "_", safe)
    if safe == group and len(safe) <= _LONGEST:
        return safe
    return f"{safe[: _LONGEST - 9]}-{hashlib.sha256(group.encode()).hexdigest()[:8]}"
