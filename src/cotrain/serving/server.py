"""The service as a process: which models, which port, and its end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from cotrain.errors import InputError, MissingExtra
from cotrain.training.models import ABOUT, SharedModel, load

_GRACE = 30
"""Seconds that requests have to end when the service is stopped."""


def find(paths: Sequence[Path]) -> list[Path]:
    """Return the model folders that are named, or that lie in a folder that is named; of a group its best seed.

    Raises:
        InputError: a folder that is no model and has none.
    """
    found: dict[Path, None] = {}
    faults = []
    for path in paths:
        inside = [folder for folder in sorted(path.glob("*/")) if (folder / ABOUT).is_file() and "@" not in folder.name]
        if (path / ABOUT).is_file():
            found[path] = None
        elif inside:
            found.update(dict.fromkeys(inside))
        else:
            faults.append(f"{path}: should be a model of cotrain, or a folder of models as runs/STUDY/models; it is neither")
    if faults:
        raise InputError(faults)
    return list(found)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that holds the address, so that another service on it is told before models are loaded.

    Raises:
        InputError: the port is in use or not allowed, the host is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a machine"
        raise InputError(f"host {host}: should be a name or an address of this machine ({why})") from None
    with made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
            made.listen(1024)
        except OSError as error:
            raise InputError(f"port {port} of {host} cannot be listened on ({error.strerror}); name another one with --port") from None
        yield made


def loaded(paths: Sequence[Path], device: str, precision: str) -> list[SharedModel]:
    """Return the models of folders, the first request of each behind them.

    Raises:
        InputError: as ``find`` and ``load``.
    """
    models = [load(path, device, precision) for path in find(paths)]
    for model in models:
        for pairs in (None, ["a"]):
            if tasks := model.reading(pairs is not None):
                model.predict(["a"], pairs, tasks=tasks)
    return models


def serve(models: Sequence[SharedModel], at: socket.socket, seconds: float, ready: Callable[[], None]) -> None:
    """Answer until a signal stops it: new requests are refused then, and those that came before are answered.

    Args:
        seconds, ready: as in ``service``.

    Raises:
        InputError: a task that two models serve.
    """
    import uvicorn

    from cotrain.serving.service import service

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("cotrain.serve").setLevel(logging.INFO)
    config = uvicorn.Config(service(models, seconds, ready), log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE)
    uvicorn.Server(config).run(sockets=[at])


def needed() -> None:
    """Raise MissingExtra where a library of the service is not installed."""
    if missing := next((name for name in ("fastapi", "uvicorn") if find_spec(name) is None), None):
        raise MissingExtra("serve", missing)
