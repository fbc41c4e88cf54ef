"""Predictions as Anafora XML: beside each note of a corpus what a model says of its annotations, for any program that scores such files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import pandas as pd

from cotrain.errors import InputError
from cotrain.serving.inputs import Inputs
from cotrain.tasks.readers.anafora import ATTRIBUTES, documents
from cotrain.tasks.readers.corpus import Faults
from cotrain.training.models import SharedModel

ANNOTATOR = "cotrain"
_NAME = re.compile(r"\.[^.]+\.(completed|inprogress)\.xml$")
Property = tuple[str, Mapping[str, str]]


def properties(shared: SharedModel, inputs: Inputs) -> dict[str, Property]:
    """Return task to the property that it predicts, with label name to its value.

    Raises:
        InputError: rows that are no annotations of Anafora; tasks that predict the same property, or labels that it has not.
    """
    if inputs.corpus is None or inputs.corpus.source.format != "anafora":
        raise InputError("--format anafora writes what is predicted of an Anafora corpus; these rows are from something else")
    if not inputs.corpus.placed:
        raise InputError("--format anafora finds the annotations by their row ids: leave out --id")
    found: dict[str, Property] = {}
    faults = []
    for task in (task for part in inputs.parts for task in part.tasks):
        column = (shared.entry(task)["reader"] or {}).get("column", task.rpartition(".")[2])
        name, values = ATTRIBUTES.get(column, (column, {}))
        if same := [other for other, (known, _) in found.items() if known == name]:
            faults.append(f"tasks {same[0]} and {task} both predict {name}; name one with --tasks")
        if not re.fullmatch(r"[A-Za-z_][\w.-]*", name):
            faults.append(f"task {task}: {name} cannot be the name of a property in XML; name other tasks with --tasks")
        if values and (strange := [label for label in shared.labels(task) if label not in values.values()]):
            faults.append(
                f"task {task}: {name} has no value for its label {', '.join(strange)}; known are {', '.join(values.values())}; name other "
                "tasks with --tasks"
            )
        found[task] = name, {label: value for value, label in values.items()}
    if faults:
        raise InputError(faults)
    return found


def write(parts: Sequence[Path], to: Path, inputs: Inputs, of: Mapping[str, Property]) -> None:
    """Write a folder laid out as the corpus, with an XML file for each note: every annotation that was read, its span and type, and
    as its properties what is predicted; nothing else of the corpus, and no text."""
    assert inputs.corpus is not None
    by_document: dict[str, list[Element]] = defaultdict(list)
    table = pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
    for row, kind, *labels in zip(table["row"], inputs.corpus.types, *(table[task] for task in of), strict=True):
        document, _, place = row.partition(":")
        entity = Element("entity")
        SubElement(entity, "id").text = f"{len(by_document[document]) + 1}@e@{document}@{ANNOTATOR}"
        SubElement(entity, "span").text = ";".join(part.replace("-", ",") for part in place.rpartition(":")[2].split(","))
        SubElement(entity, "type").text = kind
        SubElement(entity, "parentsType")
        said = SubElement(entity, "properties")
        for (name, values), label in zip(of.values(), labels, strict=True):
            SubElement(said, name).text = values.get(label, label)
        by_document[document].append(entity)
    source = inputs.corpus.source
    for document in documents(source, Faults(source)):
        data = Element("data")
        SubElement(SubElement(data, "info"), "progress").text = "completed"
        SubElement(data, "annotations").extend(by_document.get(document.name, []))
        indent(data)
        folder = to / os.path.relpath(document.annotations.parent, str(source.path))
        folder.mkdir(parents=True, exist_ok=True)
        name = _NAME.sub(f".{ANNOTATOR}.completed.xml", document.annotations.name)
        name = name if name != document.annotations.name else f"{document.name}.Temporal-Entity.{ANNOTATOR}.completed.xml"
        ElementTree(data).write(folder / name, encoding="UTF-8", xml_declaration=True)
