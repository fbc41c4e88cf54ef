"""What executors on other machines share: what a worker is given, and what is checked before its first fit."""

from __future__ import annotations

import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cotrain.errors import CotrainError, InputError
from cotrain.training import encoder, leases, ledger, worker

if TYPE_CHECKING:
    from cotrain.training.train import Setup

PATIENCE = 60.0
"""Seconds until a fit that another machine wrote is seen here: shared storage may remember for so long that it was not there."""
NEW = 5.0
"""The same for a file that nobody looked for before."""


@dataclass(frozen=True)
class Parcel:
    """What a worker elsewhere is given once: the setup, and how it knows that it is at the right place.

    Attributes:
        setup: with the rows.
        encoder: hash of the content of the encoder.
        version: of cotrain.
        sign: name of a folder in that of the fits, which has it alone.
    """

    setup: Setup
    encoder: str
    version: str
    sign: str


@contextmanager
def sent(setup: Setup, executor: str) -> Iterator[Parcel]:
    """Yield the parcel of a setup; its sign, a folder for its owner alone, lies in that of the fits until the block ends.

    Raises:
        InputError: private tasks.
    """
    if private := [name for name, task in setup.tasks.items() if task.private]:
        raise InputError(
            f"executor {executor} sends rows to its workers, and {', '.join(private)} {'is' if len(private) == 1 else 'are'} private: "
            "rows of private tasks leave no process. Use --executor local; to spread them over machines, start the same command on "
            "each machine that may read the data: they share the run folder, and no fit is made twice"
        )
    setup.fits.mkdir(parents=True, exist_ok=True)
    for left in setup.fits.glob(".away-*"):
        if left.is_dir() and not leases.held(setup.fits, left.name[1:]):
            shutil.rmtree(left, ignore_errors=True)  # of a start that was killed
    name = f"away-{secrets.token_hex(8)}"
    folder = setup.fits / f".{name}"
    with leases.lease(setup.fits, name):
        folder.mkdir(mode=0o700)
        try:
            # workers begin in folders of their own
            there = replace(setup, fits=setup.fits.absolute(), encoder=setup.encoder.absolute())
            yield Parcel(there, encoder.content_hash(setup.encoder), version("cotrain"), folder.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


_unpacked: list[str] = []
"""The sign of the parcel whose rows and encoder this process has."""


def ready(sign: str) -> bool:
    """Whether this process is ready for the fits of a parcel."""
    return _unpacked == [sign]


def unpack(parcel: Parcel) -> None:
    """Make this process ready for the fits of a parcel.

    Raises:
        InputError: this machine does not see the folder of fits, or has another encoder, device or cotrain: all of it.
    """
    if faults := list(_faults(parcel)):
        raise InputError(f"{socket.gethostname()}: {fault}" for fault in faults)
    worker.prepare(parcel.setup.tasks, parcel.setup.settings, parcel.setup.encoder)
    _unpacked[:] = [parcel.sign]


def _faults(parcel: Parcel) -> Iterator[str]:
    """Yield why this machine cannot make the fits of a parcel."""
    from cotrain.training.train import effective

    setup = parcel.setup
    if not _seen(setup.fits / parcel.sign, NEW):
        yield (
            f"this worker does not see the run folder: {setup.fits / parcel.sign}, made a moment ago by the machine that started the "
            "training, is not there. Put the run folder on storage that all machines share, at the same path (--out)"
        )
    if (mine := version("cotrain")) != parcel.version:
        yield f"this worker has cotrain {mine}; it should have {parcel.version}, as the machine that started the training"
    try:
        if encoder.content_hash(setup.encoder) != parcel.encoder:
            yield f"the encoder in {setup.encoder} is another one than on the machine that started the training; copy that one"
    except OSError:
        yield f"there is no encoder in {setup.encoder}; put it where all machines see it, at the same path"
    try:
        effective(setup.settings)
    except CotrainError as error:
        yield str(error)


def _seen(file: Path, seconds: float) -> bool:
    """Whether a file comes to be seen here."""
    until = time.monotonic() + seconds
    while not file.exists():
        if time.monotonic() >= until:
            return False
        time.sleep(0.1)
        with suppress(OSError):
            list(file.parent.iterdir())  # a network file system looks again
    return True


def await_fit(fits: Path, key: str) -> None:
    """Wait until a fit that another machine wrote is seen here.

    Raises:
        InputError: it is not.
    """
    if not _seen(fits / key / ledger.CHECKSUMS, PATIENCE):
        raise InputError(f"a worker wrote {fits / key}, and it is not seen here after {PATIENCE:.0f} seconds: is it on shared storage?")
