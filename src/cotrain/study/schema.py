"""Which keys a study file may have and of what type they are; the nouns that they become are the only list of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import GenericAlias
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from cotrain.choose import unknown
from cotrain.grouping.options import Options
from cotrain.study.document import Document, Fault, Location
from cotrain.tasks.source import Cut, Source
from cotrain.training.settings import Settings


class Section(BaseModel):
    """Keys that may all be left out; none besides them; no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _section(name: str, types: Mapping[str, Any]) -> Any:
    """Return the section of these keys."""
    make: Any = create_model
    return make(name, __base__=Section, **{key: (kind | None, None) for key, kind in types.items()})


def _fields(noun: type, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields of a noun and their types."""
    hints = get_type_hints(noun)
    return {f.name: hints[f.name] for f in fields(noun) if f.name not in without}


Task = _section("Task", _fields(Source, ["name"]))
Splits = _section("Splits", _fields(Cut))
Plan = _section("Plan", {**dict.fromkeys(("by", "test", "group_test"), str), **_fields(Options, ["paper"])})
Training = _section("Training", _fields(Settings, ["model", "trainer"]))
StudyFile = _section("StudyFile", {
    "model": str, "tasks": GenericAlias(dict, (str, Task)), "splits": Splits, "preset": str, "goal": str, "plan": Plan,
    "controls": tuple[str, ...], "seeds": tuple[int, ...], "training": Training, "estimator": str, "null": str,
    "score_by": str, "select": str, "thresholds": str, "share": tuple[str, ...], "metric": str, "delta": float, "executor": str,
    "trainer": str,
    "grid": GenericAlias(dict, (str, tuple[float | int | str | bool, ...])),
    "methods": GenericAlias(dict, (str, GenericAlias(dict, (str, float | int | str | tuple[int, ...])))),
})  # fmt: skip
_SECTIONS = {"splits": Splits, "plan": Plan, "training": Training}
_EXPECTED = {
    "string_type": "text", "int_type": "a whole number", "float_type": "a number", "bool_type": "true or false",
    "tuple_type": "a list", "model_type": "keys and values", "dict_type": "keys and values", "mapping_type": "keys and values",
}  # fmt: skip


def given(document: Document) -> tuple[dict[str, Any], list[Fault]]:
    """Return what the file gives, by key and without what is at fault, and the faults of keys and types."""
    values, faults = document.values, list[Fault]()
    while True:
        try:
            return StudyFile.model_validate(values).model_dump(exclude_none=True, exclude_unset=True), faults
        except ValidationError as error:
            found: dict[Location, list[Any]] = {}
            for one in error.errors(include_url=False):
                found.setdefault(_there(values, one["loc"]), []).append(one)
            for location, errors in found.items():
                faults.append(document.fault(location, _words(document, location, errors)))
                # the rest is judged without it, so that every fault of the file is told at once
                values = _without(values, location)


def shown(value: Any) -> str:
    """Return a value for a message; a long text only by its length."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 40 and value.isprintable() else f"a text of {len(value)} characters"
    if isinstance(value, bool):
        return str(value).lower()
    return {dict: "keys and values", tuple: "a list", type(None): "nothing"}.get(type(value)) or str(value)


def _there(values: Any, location: Location) -> Location:
    """Return a location without the parts by which pydantic names the members of a union."""
    for depth, part in enumerate(location):
        try:
            values = values[part]
        except (KeyError, TypeError):
            return location[:depth]
    return location


def wrong_plan(key: str, value: Any) -> str:
    """Return what is wrong with the type of a value of ``plan``, or nothing.

    >>> wrong_plan("largest", 3), wrong_plan("largest", "abc")
    ('', "plan.largest should be a whole number, found 'abc'")
    """
    try:
        Plan.model_validate({key: _tuples(value)})
    except ValidationError as error:
        if key in ("together", "apart"):
            return f"plan.{key} should be a list of lists of tasks, such as [[a, b], [c, d]]"
        expected = " or ".join(dict.fromkeys(_EXPECTED.get(one["type"], "one of its values") for one in error.errors()))
        return f"plan.{key} should be {expected}, found {value!r}"
    return ""


def _tuples(value: Any) -> Any:
    """Return a list of YAML as the tuple that nouns have."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _without(values: Any, location: Location) -> Any:
    """Return nested values without the key at a location; a list goes as a whole."""
    first, rest = location[0], location[1:]
    if not isinstance(values, dict) or first not in values:
        return values
    if rest and isinstance(values[first], dict):
        return {**values, first: _without(values[first], rest)}
    return {key: value for key, value in values.items() if key != first}


def _words(document: Document, location: Location, errors: list[Any]) -> str:
    """Return the fault at a location in words."""
    kind, value, name = errors[0]["type"], errors[0]["input"], ".".join(part for part in location if isinstance(part, str))
    if kind == "extra_forbidden":
        section = StudyFile if len(location) == 1 else Task if location[0] == "tasks" else _SECTIONS[str(location[0])]
        return _named(location[:-1]) + unknown("key", str(location[-1]), section.model_fields)
    if kind == "literal_error":
        return unknown(name, str(value), re.findall("'([^']*)'", errors[0]["ctx"]["expected"]))
    if location[:2] in (("plan", "together"), ("plan", "apart")):
        return f"{name} should be a list of lists of tasks, such as [[a, b], [c, d]]"
    expected = " or ".join(dict.fromkeys(_EXPECTED.get(one["type"], one["type"]) for one in errors))
    return f"{name} should be {expected}, found {shown(value)}{_advice(expected, value, location, document.written(location))}"


def _named(section: Location) -> str:
    """Return ``tasks.cb: ``, or nothing for the file itself."""
    return ".".join(map(str, section)) + ": " if section else ""


def _advice(expected: str, value: Any, location: Location, written: str) -> str:
    """Return what to do about a value of another type."""
    if expected == "text" and isinstance(value, bool):
        return f'; YAML takes a bare {written} for {shown(value)}: put it in quotes, "{written}"'
    if expected == "text" and isinstance(value, (int, float)):
        return f'; put it in quotes: "{written}"'
    if expected == "text" and isinstance(value, dict):
        return '; a template with braces should be in quotes: "{premise} {question}"'
    return f"; put it in brackets: [{written}]" if expected == "a list" and written else ""
