"""Notes with annotated entities written in the layouts of clinical corpora: Anafora (THYME), Knowtator (SHARP), cnlpt."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

THYME = ".Temporal-Relation.gold.completed.xml"
GOLD = "consensus set annotator team"
_INDICATORS = {
    "negation": ("negation_indicator_CU", "negation_indicator_class", "negation_indicator_normalization"),
    "uncertainty": ("uncertainty_indicator_CU", "uncertainty_indicator_class", "uncertainty_indicator_normalization"),
}


class Mention(NamedTuple):
    """An annotated entity of a note.

    Attributes:
        spans: begin and end (exclusive) of its parts, in characters.
        values: Anafora: property to value. Knowtator: ``negation`` or ``uncertainty`` to the value of the indicator, empty
            for an indicator without a value.
        type: of the annotation.
        id: of the annotation; numbered where none is given.
    """

    spans: Sequence[tuple[int, int]]
    values: Mapping[str, str]
    type: str = "EVENT"
    id: str = ""


def anafora(root: Path, name: str, text: str, mentions: Iterable[Mention], folder: str = "Train", suffix: str = THYME) -> Path:
    """Return the annotation file of a note, written with it below ``root/folder``."""
    data = Element("data")
    info = SubElement(data, "info")
    SubElement(info, "progress").text = "completed"
    SubElement(data, "schema", path="./", protocol="file").text = "temporal.schema.xml"
    annotations = SubElement(data, "annotations")
    for number, mention in enumerate(mentions, 1):
        entity = SubElement(annotations, "entity")
        SubElement(entity, "id").text = mention.id or f"{number}@e@{name}@gold"
        SubElement(entity, "span").text = ";".join(f"{begin},{end}" for begin, end in mention.spans)
        SubElement(entity, "type").text = mention.type
        SubElement(entity, "parentsType").text = "TemporalEntities"
        properties = SubElement(entity, "properties")
        for key, value in mention.values.items():
            SubElement(properties, key).text = value
    return _write(data, root / folder / name / f"{name}{suffix}", root / folder / name / name, text)


def knowtator(root: Path, name: str, text: str, mentions: Iterable[Mention], batch: int, annotator: str = GOLD) -> Path:
    """Return the annotation file of a note, written below ``root/by-document``, the note below ``root/by-batch``."""
    found = Element("annotations", textSource=f"{name}.txt")
    for number, mention in enumerate(mentions, 1):
        entity = mention.id or f"{name}_{number}"
        _annotation(found, entity, mention.type, annotator, text, mention.spans)
        for attribute, value in mention.values.items():
            slot, kind, normalization = _INDICATORS[attribute]
            indicator = f"{entity}_{attribute}"
            _slot(found, "complexSlotMention", entity, slot, indicator)
            _annotation(found, indicator, kind, annotator, text, ())
            _slot(found, "stringSlotMention", indicator, normalization, value)
    note = root / "by-batch" / "umls" / f"{batch:02d}" / "text" / f"{name}.txt"
    return _write(found, root / "by-document" / name / f"{name}.umls.knowtator.xml", note, text)


def cnlpt(file: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """Return a csv, tsv or json file of rows, by its ending, as ``cnlp-transformers`` reads it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".json":
        tasks = [{"task_name": key, "output_mode": "classification"} for key in rows[0] if key not in ("id", "text")]
        file.write_text(json.dumps({"data": list(rows), "metadata": {"version": "1", "task": "demo", "subtasks": tasks}}, indent=1))
        return file
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), delimiter="\t" if file.suffix == ".tsv" else ",", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file


def _annotation(root: Element, mention: str, kind: str, annotator: str, text: str, spans: Sequence[tuple[int, int]]) -> None:
    """Add an annotation and its mention."""
    annotation = SubElement(root, "annotation")
    SubElement(annotation, "mention", id=mention)
    SubElement(annotation, "annotator", id=annotator.replace(" ", "_")).text = annotator
    for begin, end in spans:
        SubElement(annotation, "span", start=str(begin), end=str(end))
    SubElement(annotation, "spannedText").text = " ... ".join(text[begin:end] for begin, end in spans)
    described = SubElement(root, "classMention", id=mention)
    SubElement(described, "mentionClass", id=kind).text = kind


def _slot(root: Element, kind: str, mention: str, name: str, value: str) -> None:
    """Add a slot to a mention that is there; an empty value is none."""
    slot = SubElement(root, kind, id=f"{mention}_{name}")
    SubElement(slot, "mentionSlot", id=name)
    if value:
        SubElement(slot, f"{kind}Value", value=value)
    described = next(one for one in root.iterfind("classMention") if one.get("id") == mention)
    SubElement(described, "hasSlotMention", id=f"{mention}_{name}")


def _write(root: Element, annotations: Path, note: Path, text: str) -> Path:
    """Return the annotation file, written with its note; line ends of the note stay as they are."""
    for file in (annotations, note):
        file.parent.mkdir(parents=True, exist_ok=True)
    indent(root)
    ElementTree(root).write(annotations, encoding="UTF-8", xml_declaration=True)
    note.write_text(text, encoding="utf-8", newline="")
    return annotations
