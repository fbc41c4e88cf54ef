"""What a person gives on the command line: names and seeds joined by commas, and pairs such as TASK=DIR."""

from __future__ import annotations

from collections.abc import Iterable

from cotrain.errors import InputError


def names(given: str | None) -> list[str]:
    """Return the names of ``a, b``.

    >>> names("cb, rte,")
    ['cb', 'rte']
    """
    return [name.strip() for name in (given or "").split(",") if name.strip()]


def seeds(given: str | None) -> list[int]:
    """Return the seeds of ``11, 12``, each once.

    >>> seeds("11, 12")
    [11, 12]

    Raises:
        InputError: every one that is no seed.
    """
    written = names(given)
    if faults := [
        f"--seeds: a seed should be a whole number between 0 and {2**32 - 1}, found '{one}'"
        for one in written if not (one.isdecimal() and int(one) < 2**32)
    ]:  # fmt: skip
        raise InputError(dict.fromkeys(faults))
    return list(dict.fromkeys(map(int, written)))


def pairs(given: Iterable[str] | None, option: str, form: str, empty: bool = False) -> dict[str, str]:
    """Return the pairs of ``["cb=models/cb"]``.

    Args:
        form: what they should be, for a person.
        empty: whether what stands after ``=`` may be nothing.

    Raises:
        InputError: every text that is no pair, every name that is there twice.
    """
    found: dict[str, str] = {}
    faults = []
    for text in given or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not name or not equals or not (value or empty):
            faults.append(f"{option} {text}: should be {form}")
        elif name in found:
            faults.append(f"{option}: {name} is there twice; name it once")
        found[name] = value
    if faults:
        raise InputError(dict.fromkeys(faults))
    return found
