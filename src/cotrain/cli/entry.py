"""The entry of the command: every fault that a person can cause is told without a traceback, with its exit code."""

from __future__ import annotations

import errno
import io
import os
import shlex
import signal
import sys
from collections.abc import Iterable
from typing import NoReturn

from rich.markup import escape

from cotrain.cli.app import app
from cotrain.cli.progress import Stopped, console, say
from cotrain.errors import CotrainError, FitsFailed, InputError

_DISK = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_PLACE = {
    errno.ENAMETOOLONG: "the name is too long for a file", errno.ENOTDIR: "there is a file where a folder should be",
    errno.EISDIR: "there is a folder where a file should be", errno.ELOOP: "a link that leads back to itself",
}  # fmt: skip
_ACCESS = {errno.EACCES: "no permission", errno.EPERM: "no permission", errno.EROFS: "a read-only file system"}


def main() -> None:
    """Run the command line. Exit codes: 0, 1 some fits failed, 2 a fault of what was given, 130 and 143 stopped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters shows ? instead of a traceback
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app(prog_name="cotrain")
    except FitsFailed as error:
        _leave(str(error).splitlines(), 1, "Everything else is done. Failed fits are counted in every table, and are not tried again.")
    except InputError as error:
        _leave(error.faults, 2)
    except CotrainError as error:
        _leave([str(error)], 2)
    except Stopped as stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second one would be told as a traceback while it leaves
        again = shlex.join(["cotrain", *sys.argv[1:]])
        _leave((), stop.code, f"stopped: {stop.done or 'what is finished is kept'}. Continue with: {again}")
    except OSError as error:
        where = error.filename or "while writing"
        if error.errno in _DISK:
            _leave([f"{_DISK[error.errno]} ({where}). Nothing is half-written: free space and run the same command again"], 2)
        if error.errno in _ACCESS:
            _leave([f"{where}: {_ACCESS[error.errno]}; give access to it, or name another place"], 2)
        if error.errno in _PLACE and error.filename:
            name = os.fsdecode(error.filename)
            _leave([f"{name if len(name) < 200 else name[:60] + '…'}: {_PLACE[error.errno]}; name another place"], 2)
        raise
    finally:
        _flush()


def _stop(number: int, frame: object) -> NoReturn:
    """Stop by a signal."""
    raise Stopped(number)


def _leave(faults: Iterable[str], code: int, last: str = "") -> NoReturn:
    """Print the faults and a last line, and leave with ``code``."""
    for fault in faults:
        console.print(f"[bold red]error:[/] {escape(fault)}", soft_wrap=True)
    if last:
        say(last)
    sys.exit(code)


def _flush() -> None:
    """Write out what was printed; a reader that is gone already is no fault."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
