"""Named choices: literal dicts of ``"module:function"`` strings, resolved in one place."""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cotrain.errors import InputError


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses an unknown name and suggests the nearest known one.

    >>> unknown("rule", "clicque", ["any", "clique"])
    "unknown rule 'clicque'. Did you mean 'clique'? Known: any, clique"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{name}'.{hint} Known: {', '.join(names)}"


def choose(kind: str, name: str, known: Mapping[str, str]) -> Callable[..., Any]:
    """Return the function that ``name`` stands for in ``known``, or that ``my_module:my_function`` names.

    Nothing is imported before it is chosen, so that listing choices stays free.

    Raises:
        InputError: an unknown name (with a suggestion), or an outside function that cannot be imported.
    """
    outside = ":" in name
    if not outside and name not in known:
        raise InputError(unknown(kind, name, known))
    module, _, function = (name if outside else known[name]).partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except Exception as error:
        if not outside:
            raise
        raise InputError(not_imported(kind, name, error)) from error


def not_imported(kind: str, name: str, error: Exception) -> str:
    """Return the sentence that tells why what is named from outside cannot be imported: whatever its own code raises."""
    what = str(error) if isinstance(error, (ImportError, AttributeError)) else f"{type(error).__name__}: {error}"
    return f"{kind} '{name}' cannot be imported: {what}. It should be my_module:name, in a folder that PYTHONPATH names"


def raised(kind: str, name: str, error: Exception, doing: str, private: bool) -> InputError:
    """Return what tells that ``my_module:name`` raised an error, and where in its file.

    Args:
        doing: for what it was called, as ``for cb (1)``.
        private: whether the words of the error may quote a row that nobody may read; they are left out then.
    """
    file = str(getattr(sys.modules.get(name.partition(":")[0]), "__file__", ""))
    line = next((f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == file), None)
    words = f"{kind} {name} raised {type(error).__name__} {doing}" + (f", line {line} of {Path(file).name}" if line else "")
    return InputError(words if private or not str(error) else f"{words}: {error}")
