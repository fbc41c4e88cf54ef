"""From a corpus in the format of any reader to what the tasks of a model read; labels that it has are not looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from cotrain.choose import choose, unknown
from cotrain.errors import InputError
from cotrain.serving.inputs import Corpus, Inputs, Way, columns, made
from cotrain.tasks.readers import READERS
from cotrain.tasks.source import ANNOTATED, CLINICAL, Source
from cotrain.training.models import SharedModel

KEYS = ("entities", "annotator", "suffix", "texts", "skip_sections", "on_error", "config")
"""Keys of a task in a study file that say how a corpus is read."""
_LISTS = ("entities", "skip_sections")


def reader_of(shared: SharedModel, data: Path, named: str | None = None) -> str | None:
    """Return the reader of the data: the one that is named, for a folder that of the model's tasks; None for a file.

    Raises:
        InputError: a folder, and tasks that were read in several clinical formats.
    """
    if named is not None or not data.is_dir():
        return named
    said = {entry["reader"]["format"] for entry in map(shared.entry, shared.serves) if entry["reader"]}
    clinical = sorted(said.intersection(CLINICAL))
    if len(clinical) > 1:
        raise InputError(f"{data}: tasks of the model were read as {' and '.join(clinical)}; say what this folder is with --reader")
    return clinical[0] if clinical else "tabular"


def read(shared: SharedModel, data: str, reader: str, tasks: Sequence[str] = (), *, keys: Mapping[str, str] | None = None,
         text: str | None = None, pair: str | None = None, row_id: str | None = None) -> Inputs:  # fmt: skip
    """Return the rows of a corpus, of all its splits; annotated spans stand in the windows that the tasks were trained on.

    Args:
        data: a folder or file; for ``hub`` an id, or a local folder in its layout.
        reader: a name of ``READERS``.
        keys: some of ``KEYS``, lists joined by commas; else they are those of the study, where it read this format.
        tasks, text, pair, row_id: as for a file.

    Raises:
        InputError: an unknown reader or key; what the reader refuses; tasks that cannot be fed, or that read other rows.
    """
    form, given = choose("reader", reader, READERS), _given(keys or {})
    marked = reader in ANNOTATED
    unfit = [f"{data}: task {task} reads a pair of texts, and annotated notes have one" for task in tasks or shared.serves
             if marked and shared.entry(task)["has_pair"]]  # fmt: skip
    chosen = [task for task in tasks or shared.serves if not (marked and shared.entry(task)["has_pair"])]
    if unfit and (tasks or not chosen):
        raise InputError(unfit)
    parts: list[tuple[Source, pd.DataFrame, list[str]]] = []
    for task in chosen:
        entry = shared.entry(task)
        own = {} if marked else entry  # annotated notes have one text, whatever the study read
        way = text or own.get("text") or "text", (pair or own.get("pair") or "pair") if entry["has_pair"] else None
        said = entry["reader"] if entry["reader"] and entry["reader"]["format"] == reader else {}
        source = _source(chosen[0], data, reader, way, {**said, **given}, entry["window"])
        wanted = [*columns(way), *([row_id] if row_id else ()), *(["type"] if marked else ())]
        if alike := next((of for known, _, of in parts if known == source), None):
            alike.append(task)
        else:
            parts.append((source, form(source, list(dict.fromkeys(wanted))), [task]))
    source, first, _ = parts[0]
    if other := [of[0] for _, frame, of in parts[1:] if not frame["_where"].equals(first["_where"])]:
        raise InputError(f"{data}: {parts[0][2][0]} and {other[0]} read other rows of it; name one with --tasks")
    corpus = Corpus(source, list(first["type"]), row_id is None) if marked else None
    return made(data, [(frame, (known.text, known.pair), of) for known, frame, of in parts], row_id, unfit, corpus)


def _source(name: str, data: str, reader: str, way: Way, keys: Mapping[str, Any], window: Any) -> Source:
    """Return how the rows of a task are read from a corpus: none has a label, and all of them are predicted."""
    said = {key: tuple(value) if key in _LISTS else value for key, value in keys.items() if key in KEYS}
    place = {"hub": data} if reader == "hub" else {"path": data, "format": reader}
    split_by = "none" if reader in ANNOTATED else None
    return Source(name, **place, text=way[0], pair=way[1], window=window or 100, split_by=split_by, private=True, **said)  # type: ignore[arg-type]


def _given(keys: Mapping[str, str]) -> dict[str, Any]:
    """Return keys of a reader with their values.

    Raises:
        InputError: every key that is none.
    """
    if strange := [unknown("key of a reader", key, KEYS) for key in keys if key not in KEYS]:
        raise InputError(strange)
    return {key: tuple(part.strip() for part in value.split(",")) if key in _LISTS else cast(Any, value) for key, value in keys.items()}
