"""The guard: where an address leads, and that private rows go to no other machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from cotrain.errors import InputError


def host_of(base_url: str) -> str:
    """Return the host of an address.

    Raises:
        InputError: no scheme, no host, or a key inside it.

    >>> host_of("http://127.0.0.1:8000/v1")
    '127.0.0.1'
    """
    should = "--base-url should be an address such as http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError(f"{should}; this one cannot be read") from None
    if "@" in parts.netloc:
        raise InputError(f"{should}, without a name or key in it; keys are read from the environment")
    if parts.scheme not in ("http", "https"):
        raise InputError(f"{should}; it has no http:// or https:// before it")
    if not host:
        raise InputError(f"{should}; it names no machine")
    return host


def resolved(host: str) -> tuple[str, ...]:
    """Return the numeric addresses of a host, in the order of the system.

    Raises:
        InputError: nobody knows the host.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(f"{host}: no such machine is known here; check --base-url and the network") from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def here(host: str) -> tuple[str, ...]:
    """Return the numeric addresses of a host, all of which are this machine's own loopback.

    Raises:
        InputError: one of them is not.
    """
    found = resolved(host)
    if far := [address for address in found if not _loopback(address)]:
        raise InputError(f"{host} is {', '.join(far)}, which is not this machine (127.0.0.1, ::1)")
    return found


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        here(host)
    except InputError:
        return False
    return True


def _loopback(address: str) -> bool:
    """Whether a numeric address is loopback."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def refuse(base_url: str, private: Iterable[str]) -> None:
    """Refuse to send private tasks to another machine; no option turns this off.

    Raises:
        InputError: the tasks, and where the address leads.
    """
    host, names = host_of(base_url), list(private)
    if not names:
        return
    try:
        here(host)
    except InputError as error:
        raise InputError(
            f"{', '.join(names)}: private, so nothing of it may leave this machine, but {error.faults[0]}. Leave it out with --tasks, "
            "or run the model here; only the study file can say that a task is not private"
        ) from None
