"""From the columns of a source to rows of text: templates, row ids, groups, published splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd

from cotrain.choose import choose
from cotrain.errors import InputError, few
from cotrain.tasks.readers import READERS
from cotrain.tasks.source import SPLIT_NAMES, Cut, Source
from cotrain.tasks.splits import Sides, sides
from cotrain.tasks.texts import normalised, text_keys

_MOST = 10
_UNUSED = "unused"


def pieces(template: str) -> list[tuple[str, str | None]]:
    """Return (literal, column or None) of a template; a bare word is a column.

    Values are put in place by hand: ``str.format`` would take ``{a.b}`` and ``{a[0]}`` as code, here they are columns.

    >>> pieces("{premise} because {reason}")
    [('', 'premise'), (' because ', 'reason')]

    Raises:
        InputError: braces that are not closed, an empty name, a format.
    """
    if "{" not in template and "}" not in template:
        return [("", template)]
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise InputError("braces of the template are not closed; write {{ for a brace itself") from None
    found: list[tuple[str, str | None]] = []
    for literal, name, form, conversion in parts:
        if name == "" or form or conversion:
            raise InputError("a template should be text and {column}, without formats or empty braces")
        found.append((literal, name))
    if not any(name for _, name in found):
        raise InputError("a template should name at least one {column}")
    return found


def columns_of(template: str) -> list[str]:
    """Return the columns that a template names."""
    return [name for _, name in pieces(template) if name]


def read(source: Source, frames: Mapping[str, Any] | None) -> pd.DataFrame:
    """Return the columns that ``source`` needs, from memory or by its reader, with ``_split`` and ``_where``.

    Raises:
        InputError: a template or format that is none, and whatever the reader refuses.
    """
    wanted: list[str] = list(source.tasks.values())
    faults = []
    for key, template in (("text", source.text), ("pair", source.pair)):
        try:
            wanted += columns_of(template) if template is not None else []
        except InputError as error:
            faults += [f"task {source.name}: {key}: {fault}" for fault in error.faults]
    if faults:
        raise InputError(faults)
    wanted += [c for c in (source.id, source.group, source.split_column) if c]
    columns = list(dict.fromkeys(wanted))
    if frames is not None and source.name in frames:
        from cotrain.tasks.readers.memory import table

        raw = table(source, frames[source.name], columns)
    elif source.hub is None and source.path is None:
        raise InputError(f"task {source.name}: there should be a path or a hub")
    else:
        raw = choose("format", "hub" if source.hub else source.format, READERS)(source, columns)
    if source.split_column:
        if len(gone := raw.loc[missing(raw[source.split_column]), "_where"]):
            raise InputError(f"{source.place}: the column {source.split_column} should name the split, is empty at {listed(gone)}")
        raw["_split"] = [SPLIT_NAMES.get(str(v).strip().lower(), str(v)) for v in raw[source.split_column]]
    return raw


def missing(values: pd.Series) -> np.ndarray:
    """Return (n,) whether each value is None, not a number, or a blank string."""
    return np.fromiter(map(_gone, values), dtype=bool, count=len(values))


def _gone(value: Any) -> bool:
    """Whether one value is missing; a list never is."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))


def written(value: Any) -> str:
    """Return an id or the value of a group as every format writes it: 12.0 is what 12 becomes in a column with a missing value.

    >>> written(12.0), written(" 12"), written(1.5)
    ('12', '12', '1.5')
    """
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value).strip()


def listed(where: Iterable[str]) -> str:
    """Return the first places of a fault and how many there are."""
    return few(where, _MOST)


def render(source: Source, raw: pd.DataFrame, cut: Cut) -> tuple[pd.DataFrame, Sides]:
    """Return one line per row and the shares still to be cut.

    The columns are ``where``, ``row`` (id), ``text``, ``pair``, ``key``, ``group`` (or empty), ``used`` (its split is
    some side), ``given`` (dev or test where published, else empty), ``source`` (fingerprint of ids and texts).

    Raises:
        InputError: an empty text, a text that is not one, a missing or repeated row id, splits that are not there.
    """
    faults: list[str] = []
    try:
        found = sides(source, cut, [str(s) for s in pd.unique(raw["_split"].dropna())])
    except InputError as error:
        faults += error.faults
        found = Sides({}, {})
    given = [found.given.get(s, "" if s == "train" else _UNUSED) if isinstance(s, str) else "" for s in raw["_split"]]
    base = pd.DataFrame({"where": raw["_where"], "given": pd.Series(given, dtype=object)})
    base["used"] = base["given"] != _UNUSED
    for column, template in (("text", source.text), ("pair", source.pair)):
        base[column], bad = rendered(template, raw)
        for fault, rows in bad.items():
            if len(there := base.loc[base["used"] & rows, "where"]):
                faults.append(f"{source.place}: {fault.format(column)} at {listed(there)}")
    base["row"] = base["where"]
    if source.id:
        if len(gone := base.loc[base["used"] & missing(raw[source.id]), "where"]):
            faults.append(f"{source.place}: the column {source.id} should be the row id, is empty at {listed(gone)}")
        base["row"] = pd.Series([written(v) for v in raw[source.id]], dtype=object)
    for column in filter(None, (source.id, source.group)):
        strange = ~np.array([is_unicode(written(v)) for v in raw[column]], dtype=bool)
        if len(there := base.loc[base["used"] & strange, "where"]):
            faults.append(f"{source.place}: the column {column} should be Unicode, found half a surrogate pair at {listed(there)}")
    if len(twice := base.loc[base["used"] & base["row"].duplicated() & base["row"].isin(base.loc[base["used"], "row"]), "where"]):
        faults.append(f"{source.place}: row ids should be unique over all splits, repeated at {listed(twice)}")
    if faults:
        raise InputError(faults)
    base["group"] = ""
    if source.group:
        alone = missing(raw[source.group])  # rows without a group stand for themselves
        read = [column for template in (source.text, source.pair) if template for column in columns_of(template)]
        # a sentence is the same sentence in capitals
        values = raw[source.group].map(written).map(normalised if source.group in read else str)
        named = zip(values, alone, strict=True)
        base["group"] = pd.Series(["" if no else f"{source.group}={value}" for value, no in named], dtype=object)
    elif "_group" in raw:
        base["group"] = raw["_group"]
    base["key"] = pd.Series(text_keys(base["text"], base["pair"]), dtype=object)
    digest = hashlib.sha256()
    for parts in zip(base["row"], base["text"], base["pair"], strict=True):
        # as they are: texts that differ in case or marks alone have one key, and are two inputs
        digest.update("\x1f".join(parts).encode(errors="surrogatepass") + b"\x1e")
    base["source"] = digest.hexdigest()[:16]
    return base, found


def rendered(template: str | None, raw: pd.DataFrame) -> tuple[pd.Series, dict[str, np.ndarray]]:
    """Return the rendered rows (missing values are empty) and, by fault, (n,) the rows that have it."""
    if template is None:
        return pd.Series([""] * len(raw), dtype=object), {}
    strange = np.zeros(len(raw), dtype=bool)
    columns: dict[str, list[str]] = {}
    for name in dict.fromkeys(columns_of(template)):
        values = raw[name]
        gone = missing(values)
        strange |= np.array([isinstance(v, (list, tuple, dict, set, bytes, np.ndarray)) for v in values])
        columns[name] = ["" if no else v if isinstance(v, str) else str(v) for v, no in zip(values, gone, strict=True)]
    parts = pieces(template)
    if parts == [("", template)]:
        texts = columns[template]
    else:
        texts = ["".join(text + (columns[name][k] if name else "") for text, name in parts) for k in range(len(raw))]
    nothing = ~np.array([any(column) for column in zip(*columns.values(), strict=True)], dtype=bool)
    faults = {
        "the {0} should be a string, found lists or bytes (token-level data are not supported)": strange,
        "the {0} is empty or missing; fill it or remove the rows": nothing & ~strange,
        "the {0} should be Unicode, found half a surrogate pair": np.array([not is_unicode(text) for text in texts], dtype=bool),
    }
    return pd.Series(texts, dtype=object), faults


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8; JSON escapes can hold half a surrogate pair."""
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return False
    return True
