"""Data sets of the Hugging Face Hub, and local folders in its layout (README.md with configs, plus parquet)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError, MissingExtra
from cotrain.tasks.readers.memory import table
from cotrain.tasks.source import Source


def read(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of every split; ClassLabel integers are their names, −1 (no public label) is missing.

    A local or private data set leaves no copy behind; any other is cached where ``datasets`` always does, so that it can
    be read with the network off.

    Raises:
        InputError: a data set, configuration or column that is not there.
        MissingExtra: ``datasets`` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("train", "datasets") from error
    throwaway = source.private or Path(str(source.hub)).is_dir()
    with tempfile.TemporaryDirectory() if throwaway else nullcontext() as cache, _quiet(datasets):
        download = datasets.DownloadConfig(cache_dir=cache, disable_tqdm=True)
        try:
            found = datasets.load_dataset(source.hub, source.config, cache_dir=cache, download_config=download)
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            # the library's own message may quote rows
            raise InputError(f"{source.place}: {_why(source, datasets, type(error).__name__)}") from None
        return table(source, found, columns)


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Show no progress bars of the library, and leave them as they were."""
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _why(source: Source, datasets: Any, error: str) -> str:
    """Return the reason why a data set cannot be loaded: its configurations, or that it is not there."""
    try:
        known = datasets.get_dataset_config_names(source.hub)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError):
        return f"there should be a data set on the Hub, in its cache, or a local folder in its layout; it cannot be loaded ({error})"
    if source.config is None and len(known) > 1:
        return f"say which configuration with config: one of {', '.join(known)}"
    if source.config is not None and source.config not in known:
        return unknown("config", source.config, known)
    return f"its files cannot be read ({error}); they may be damaged or differ from their README.md"
