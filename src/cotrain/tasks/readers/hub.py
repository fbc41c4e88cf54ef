"""Data sets of the Hugging Face Hub, and local folders in its layout (README.md with configs, plus parquet)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain.errors import InputError, MissingExtra
from cotrain.tasks.readers.tabular import SPLIT_NAMES
from cotrain.tasks.source import Source


def read(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of every split, ClassLabel integers as their names.

    Raises:
        InputError: a data set or column that is not there. MissingExtra: ``datasets`` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("train", "datasets") from error
    # a private or local data set leaves no copy behind; what comes from the Hub is cached where `datasets` always does
    throwaway = source.private or Path(str(source.hub)).is_dir()
    with tempfile.TemporaryDirectory() if throwaway else nullcontext() as cache:
        try:
            found = datasets.load_dataset(str(source.hub), source.config, cache_dir=cache)
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise InputError(
                f"task {source.name}: the data set {source.hub} (config {source.config}) cannot be loaded: {type(error).__name__}"
            ) from None
        parts = [_frame(source, split, dataset, columns) for split, dataset in found.items() if split in SPLIT_NAMES]
    if not parts:
        raise InputError(f"task {source.name}: {source.hub} has no split named train, validation or test")
    return pd.concat(parts, ignore_index=True)


def _frame(source: Source, split: str, dataset: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Return one split as a table with label names."""
    from cotrain.choose import unknown

    if missing := [c for c in columns if c not in dataset.column_names]:
        raise InputError(f"task {source.name}: {unknown('column', c, dataset.column_names)}" for c in missing)
    values = {}
    for column in columns:
        feature, items = dataset.features[column], list(dataset[column])
        # -1 is how the Hub marks rows without a published label
        named = hasattr(feature, "int2str")
        values[column] = [feature.int2str(i) if i is not None and i >= 0 else None for i in items] if named else items
    frame = pd.DataFrame({name: pd.Series(items, dtype=object) for name, items in values.items()})
    return frame.assign(_split=SPLIT_NAMES[split], _where=[f"{split}:{n}" for n in range(1, len(frame) + 1)])
