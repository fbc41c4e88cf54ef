"""Numbers as people print them in a paper: true minus signs, no leading zero, few digits, and units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

MISSING = "–"


def known(value: Any) -> bool:
    """Return whether ``value`` is a finite number."""
    return value is not None and not isinstance(value, str) and math.isfinite(float(value))


def number(value: Any, digits: int = 3, sign: bool = False) -> str:
    """Return a number without its leading zero.

    >>> number(-0.0041), number(0.02, 2), number(1.5, 2, sign=True)
    ('−.004', '.02', '+1.50')
    """
    if not known(value):
        return MISSING
    text = f"{abs(float(value)):.{digits}f}"
    if not text.strip("0."):
        return "0" if not sign else text.removeprefix("0")
    mark = "−" if float(value) < 0 else "+" if sign else ""
    return mark + (text[1:] if text.startswith("0.") else text)


def interval(low: Any, high: Any, digits: int = 3) -> str:
    """Return ``[−.009, .001]``."""
    return f"[{number(low, digits)}, {number(high, digits)}]" if known(low) and known(high) else ""


def estimate(value: Any, low: Any, high: Any, digits: int = 3, sign: bool = False) -> str:
    """Return ``−.004 [−.009, .001]``."""
    return f"{number(value, digits, sign)} {interval(low, high, digits)}".strip()


def probability(value: Any) -> str:
    """Return a p-value or probability: ``.034``, ``< .001``, ``> .999``."""
    if not known(value):
        return MISSING
    if float(value) < 0.001:
        return "< .001"
    return "> .999" if float(value) > 0.999 else number(value)


def share(value: Any) -> str:
    """Return a share in percent, ``71 %``."""
    from cotrain.grouping.stability import percent  # here, for the terminal needs words before anything heavy

    return percent(float(value)) if known(value) else MISSING


def count(value: Any) -> str:
    """Return a whole number with thousands: ``12,345``."""
    return f"{round(float(value)):,}" if known(value) else MISSING


def rows_needed(rows: Any) -> str:
    """Return the rows that would settle a pair: ``5,480``, ``more seeds``, nothing where it is decided.

    >>> rows_needed(5480.0), rows_needed(float("inf")), rows_needed(None)
    ('5,480', 'more seeds', '–')
    """
    return "more seeds" if rows is not None and math.isinf(float(rows)) else count(rows)


def large(value: Any) -> str:
    """Return a large number in short: ``22.7 M``."""
    if not known(value):
        return MISSING
    size = float(value)
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f}"


def duration(seconds: Any) -> str:
    """Return ``45 s``, ``4 min 10 s``, ``12 min``, ``3 h 20 min``."""
    if not known(seconds):
        return MISSING
    total = round(float(seconds))
    if total < 90:
        return f"{total} s"
    if total < 600:
        return f"{total // 60} min {total % 60} s" if total % 60 else f"{total // 60} min"
    minutes = round(total / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def listing(items: Iterable[str], last: str = "and") -> str:
    """Return ``a, b and c``."""
    names = list(items)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}" if names else ""


def braces(tasks: Iterable[str]) -> str:
    """Return ``{cb, rte}``."""
    return "{" + ", ".join(tasks) + "}"


def model(group: str) -> str:
    """Return the name of a group for a sentence: ``{cb, rte}``, or how many tasks where they are many.

    >>> model("cb+rte"), model("cb"), model("a+b+c+d+e+f")
    ('{cb, rte}', 'cb', '{a, b, c and 3 more}')
    """
    names = group.split("+")
    if len(names) == 1:
        return group
    return braces(names) if len(names) < 6 else "{" + f"{', '.join(names[:3])} and {len(names) - 3} more" + "}"


def plural(n: int, one: str, many: str = "") -> str:
    """Return ``1 fit``, ``3 fits``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
