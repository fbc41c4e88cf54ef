"""Results for machines: one line of JSON, whatever NumPy, pandas or a noun put into them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def emit(value: Any) -> None:
    """Print a result as one line of valid JSON; what is not a finite number becomes null."""
    print(json.dumps(plain(value), allow_nan=False, ensure_ascii=ascii_only()))


def ascii_only() -> bool:
    """Whether stdout may lack letters: it would show ? in their place, and a name would be another one."""
    return not (sys.stdout.encoding or "").lower().startswith("utf")


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: NumPy scalars and arrays, tuples, sets, paths, tables (as records) made plain.

    >>> plain({"a": (1, float("nan")), "b": Path("x")})
    {'a': [1, None], 'b': 'x'}
    """
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return plain(value.to_dict("records"))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return plain(sorted(value))
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return str(value) if isinstance(value, Path) else plain(value.to_dict()) if hasattr(value, "to_dict") else str(value)
