"""Tables that are already in memory: DataFrames, ``datasets.Dataset`` and ``DatasetDict``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cotrain.errors import InputError
from cotrain.tasks.readers.tabular import lacking
from cotrain.tasks.source import SPLIT_NAMES, Source


def table(source: Source, data: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of a DataFrame or Dataset, or of a mapping of splits to them.

    Raises:
        InputError: a missing column, a table without rows, something that is not a table.
    """
    if not isinstance(data, Mapping):
        return _one(source, data, columns, None)
    parts = [_one(source, part, columns, str(split)) for split, part in data.items()]
    if not parts:
        raise InputError(f"{source.place}: there should be splits, found none")
    return pd.concat(parts, ignore_index=True)


def _one(source: Source, data: Any, columns: Sequence[str], split: str | None) -> pd.DataFrame:
    """Return one table with ``_split`` and ``_where``."""
    place = source.place if split is None else f"{source.place}, split {split}"
    if isinstance(data, pd.DataFrame):
        lacking(place, columns, data.columns)
        frame = data[list(columns)].reset_index(drop=True)
    elif hasattr(data, "column_names") and hasattr(data, "features"):
        lacking(place, columns, data.column_names)
        frame = pd.DataFrame({column: _named(data.features[column], data[column]) for column in columns})
    else:
        raise InputError(f"{place}: there should be a DataFrame or a datasets.Dataset, found {type(data).__name__}")
    if frame.empty:
        raise InputError(f"{place}: there should be rows, found none")
    kept = {c: frame[c] if isinstance(frame[c].dtype, pd.CategoricalDtype) else frame[c].astype(object) for c in columns}
    where = [f"{split or 'row'}:{number}" for number in range(1, len(frame) + 1)]
    published = None if split is None else SPLIT_NAMES.get(split.lower(), split)
    return pd.DataFrame({**kept, "_split": published, "_where": pd.Series(where, dtype=object)})


def _named(feature: Any, items: Any) -> pd.Series:
    """Return a column; where the Hub knows label names, as a categorical in their order."""
    values = list(items)
    if not hasattr(feature, "int2str"):
        return pd.Series(values, dtype=object)
    codes = [-1 if value is None or value < 0 else int(value) for value in values]
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(list(feature.names), dtype=object)))
