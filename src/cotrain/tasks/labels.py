"""From a label column to label names in model order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.placement import shown
from cotrain.tasks.rendering import is_unicode, listed, missing, written
from cotrain.tasks.source import Source


def label(source: Source, task: str, values: pd.Series, base: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...], int]:
    """Return the rows with a label of ``task``, the label names in order, and how many rows lacked a label.

    Args:
        values: the label column, one value per line of ``base``.
        base: of :func:`cotrain.tasks.rendering.render`.

    Raises:
        InputError: missing labels, lists, fractions, integers without names, names that are not known, one class only.
    """
    used = base["used"].to_numpy()
    gone = missing(values) & used
    faults = []
    if gone.any() and source.needs_labels:
        faults.append(f"{source.place}: a label is missing at {listed(base.loc[gone, 'where'])}; fill it, or set missing_label: skip")
    there = used & ~gone
    names: tuple[str, ...] = ()
    try:
        of_value, names = _names(source, f"{source.place}: {values.name}", values[there])
        if (classes := len(set(of_value.values()))) < 2:
            faults.append(f"{source.place}: {values.name} should have two classes or more, found {classes}")
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(faults)
    rows = base[there].copy()
    rows["label"] = pd.Series([of_value[v] for v in values[there]], index=rows.index, dtype=object)
    rows["task"] = task
    return rows, names, int(gone.sum())


def _names(source: Source, place: str, values: pd.Series) -> tuple[dict[Any, str], tuple[str, ...]]:
    """Return the label name of each distinct value, and the names in model order."""
    if any(isinstance(v, (list, tuple, dict, set, bytes, np.ndarray)) for v in values):
        raise InputError(f"{place}: labels should be one value per row, found lists or bytes; token-level labels are not supported")
    distinct = list(values.unique())
    if not all(is_unicode(v) for v in distinct if isinstance(v, str)):
        raise InputError(f"{place}: labels should be Unicode, found half a surrogate pair")
    given = tuple(map(str, source.names)) if source.names is not None else None
    literal = {v: str(v) for v in distinct}
    # 1.0 is what 1 becomes in a column with a missing value
    for said in (literal, {v: written(v) for v in distinct}):
        if given is not None and set(said.values()) <= set(given):
            return said, given
    kind = _kind(distinct)
    named = isinstance(values.dtype, pd.CategoricalDtype)  # the format knows the names, be they numbers
    if given is None and (named or all(isinstance(v, (bool, np.bool_)) for v in distinct)):
        kind = "name"
    if kind == "fraction":
        raise InputError(f"{place}: labels should be names or integers, found fractions; regression is not supported")
    if kind == "integer":
        numbers = {v: int(float(v)) for v in distinct}
        low, high = min(numbers.values()), max(numbers.values())
        if given is None:
            raise InputError(f"{place}: labels are integers, {low} to {high}; say what they mean, in order from 0, with names: [...]")
        if low < 0 or high >= len(given):
            raise InputError(f"{place}: labels are {low} to {high}, names: has {len(given)} entries, for 0 to {len(given) - 1}")
        return {v: given[number] for v, number in numbers.items()}, given
    if given is not None:
        strange = sorted(set(literal.values()) - set(given))
        found = f": {', '.join(map(shown, strange))}" if len(strange) <= 5 else ""
        raise InputError(f"{place}: found {len(strange)} labels that names: lacks{found}; names are {', '.join(given)}")
    if len(distinct) > max(2, len(values) / 2) or any(len(name) > 200 for name in literal.values()):
        raise InputError(f"{place}: {len(distinct)} different values in {len(values)} rows are no classes; is it the label column?")
    if named:
        return literal, tuple(str(c) for c in values.cat.categories)
    return literal, tuple(sorted(literal.values()))


def _kind(distinct: list[Any]) -> str:
    """Return whether values are all integers, all numbers (``fraction``), or names; true and false can be either."""
    try:
        numbers = [float(v) for v in distinct]
    except (TypeError, ValueError):
        return "name"
    if not all(map(math.isfinite, numbers)):
        return "name"
    return "integer" if all(number.is_integer() for number in numbers) else "fraction"
