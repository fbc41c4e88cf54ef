"""Which keys a study file may have and of what type they are; the nouns that they become are the only list of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from cotrain.choose import unknown
from cotrain.grouping.passing import Options
from cotrain.study.document import Document, Location
from cotrain.tasks.source import Cut, Source
from cotrain.training.settings import Settings


class Section(BaseModel):
    """Keys that may all be left out; none besides them; no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _section(name: str, noun: type, without: Iterable[str] = (), **more: Any) -> Any:
    """Return the section whose keys are the fields of a noun."""
    hints = get_type_hints(noun)
    keys = {f.name: hints[f.name] for f in fields(noun) if f.name not in without} | more
    return create_model(name, __base__=Section, **{key: (hint | None, None) for key, hint in keys.items()})


TaskEntry = _section("TaskEntry", Source, ["name"])
Splits = _section("Splits", Cut)
Plan = _section("Plan", Options, ["paper"], by=str, test=str, group_test=str)
Training = _section("Training", Settings, ["model"])
StudyFile: Any = create_model(
    "StudyFile", __base__=Section,
    **dict.fromkeys(("model", "preset", "goal", "null", "score_by", "select", "metric"), (str | None, None)),
    tasks=(dict[str, TaskEntry] | None, None), splits=(Splits | None, None), plan=(Plan | None, None),
    training=(Training | None, None), controls=(tuple[str, ...] | None, None), seeds=(tuple[int, ...] | None, None),
    delta=(float | None, None),
)  # fmt: skip
SECTIONS = {"splits": Splits, "plan": Plan, "training": Training}
_EXPECTED = {
    "string_type": "text", "int_type": "a whole number", "float_type": "a number", "bool_type": "true or false",
    "tuple_type": "a list", "model_type": "keys and values", "dict_type": "keys and values", "mapping_type": "keys and values",
}  # fmt: skip


def given(document: Document) -> tuple[dict[str, Any], list[str]]:
    """Return what the file gives, by key, without what is at fault, and the faults in words."""
    values, faults = document.values, []
    while True:
        try:
            return StudyFile.model_validate(values).model_dump(exclude_none=True, exclude_unset=True), faults
        except ValidationError as error:
            found: dict[Location, list[Any]] = {}
            for one in error.errors(include_url=False):
                found.setdefault(_real(values, one["loc"]), []).append(one)
            faults += [_words(document, location, errors) for location, errors in found.items()]
            # the rest is judged without them, so that every fault of the file is told at once
            for location in found:
                values = _without(values, location)


def shown(value: Any) -> str:
    """Return a value for a message; a long text only by its length."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 40 and value.isprintable() else f"a text of {len(value)} characters"
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, tuple):
        return "a list"
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _real(values: Any, location: Location) -> Location:
    """Return a location without the parts by which pydantic names the members of a union."""
    for depth, part in enumerate(location):
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return location[:depth]
    return location


def _without(values: Any, location: Location) -> Any:
    """Return nested values without the key at a location; a list goes as a whole."""
    first, *rest = location
    if not isinstance(values, dict) or first not in values:
        return values
    inner = _without(values[first], tuple(rest)) if rest and isinstance(values[first], dict) else None
    return {k: inner if k == first else v for k, v in values.items() if k != first or inner is not None}


def _words(document: Document, location: Location, errors: list[Any]) -> str:
    """Return the fault at a location in words."""
    kind, value, where = errors[0]["type"], errors[0]["input"], document.place(location)
    if kind == "extra_forbidden":
        section = StudyFile if len(location) == 1 else TaskEntry if location[0] == "tasks" else SECTIONS[str(location[0])]
        place = f"{'.'.join(map(str, location[:-1]))}: " if location[1:] else ""
        return f"{where}: {place}{unknown('key', str(location[-1]), section.model_fields)}"
    name = dotted(location)
    if kind == "literal_error":
        known = re.findall("'([^']*)'", errors[0]["ctx"]["expected"])
        return f"{where}: {unknown(name, str(value), known)}"
    expected = " or ".join(dict.fromkeys(_EXPECTED.get(e["type"], e["msg"]) for e in errors))
    return f"{where}: {name} should be {expected}, found {shown(value)}{_advice(document, location, expected, value)}"


def _advice(document: Document, location: Location, expected: str, value: Any) -> str:
    """Return what to do about a value of another type."""
    if "text" in expected and isinstance(value, bool):
        written = document.written(location)
        return f' (YAML reads {written} so); put it in quotes: "{written}"'
    if "text" in expected and isinstance(value, (int, float)):
        return f'; put it in quotes: "{document.written(location)}"'
    if "text" in expected and isinstance(value, dict):
        return '; a template with braces should be in quotes: "{premise} {question}"'
    if location[:1] == ("plan",) and location[1:2] in (("together",), ("apart",)):
        return "; write a list of lists, such as [[a, b], [c, d]]"
    if expected == "a list":
        return f"; put it in brackets: [{document.written(location)}]" if not isinstance(value, dict) else ""
    return ""


def dotted(location: Location) -> str:
    """Return ``tasks.cb.names`` of a location; places in a list are not named."""
    return ".".join(str(part) for part in location if isinstance(part, str))
