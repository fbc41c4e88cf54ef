"""Anafora (THYME): a folder per note, beside it XML files of annotations whose spans are offsets into its characters."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch, translate
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.tasks.readers import corpus
from cotrain.tasks.readers.corpus import Document, Entity, Faults, Row
from cotrain.tasks.readers.entities import covering, marked, window
from cotrain.tasks.source import Source

SUFFIXES = (
    ".Temporal-Relations.gold.completed.xml", ".Temporal-Relation.gold.completed.xml", ".Temporal.dave.completed.xml",
    ".Temporal-Relation-Adjudication.gold.completed.xml", ".Temporal-Entity-Adjudication.gold.completed.xml",
    ".temporal.Temporal-Adjudication.gold.completed.xml", ".temporal.Temporal-Entities.gold.completed.xml",
    ".Temporal-Entity.gold.completed.xml", ".Gold_Temporal_Entities.xml", ".Gold_Temporal_Relations.xml",
)  # fmt: skip
"""How annotation files of THYME end; of several for one note the first is read."""
ATTRIBUTES: dict[str, tuple[str, Mapping[str, str]]] = {
    "negation": ("Polarity", {"POS": "not_negated", "NEG": "negated"}),
    "modality": (
        "ContextualModality",
        {"ACTUAL": "actual", "HEDGED": "hedged", "HYPOTHETICAL": "hypothetical", "GENERIC": "generic"},
    ),
    "doctimerel": ("DocTimeRel", {"BEFORE": "before", "OVERLAP": "overlap", "BEFORE/OVERLAP": "before/overlap", "AFTER": "after"}),
}
"""Attribute to the property that it reads and the label names of its values; any other property is an attribute by its own name."""
_SPLITS = ("folder", "patient", "none")
_UNSET = ("", "undefined")
_SPAN = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*")
_TAG = re.compile(r"\[(?:meta|(start|end) section id=\"([^\"\]\n]*)\")[^\]\n]*\]")


def read(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of every annotation of the wanted types, with ``_split``, ``_where`` and ``_group``.

    Raises:
        InputError: every fault of the corpus; an attribute that no annotation has.
    """
    faults, rows = Faults(source), list[Row]()
    types, wanted, around = source.entities or ("EVENT",), corpus.attributes(source, columns), window(source.window)
    unset, properties = Faults(source), Counter[str]()
    found = list(documents(source, faults))
    for document in found:
        text = corpus.note(document.text, faults)
        root = corpus.tree(document.annotations, "data", faults)
        if text is None or root is None:
            continue
        sections = Sections.of(text)
        text = sections.blanked(text)
        for entity in _entities(root, document, types, wanted, properties, faults, unset):
            if (span := covering(entity.spans, text)) is None:
                faults.add("spans should cover words of their note", document.annotations, entity.id)
                continue
            section = sections.around(span[0])
            if section is None or section not in source.skip_sections:
                rows.append(Row(document, entity, marked(text, *span, around, *sections.borders(*span)), section))
    if rows and (strange := [name for name in wanted if not properties[_property(name)]]):
        known = [*properties, *(name for name, (of, _) in ATTRIBUTES.items() if properties[of])]
        raise InputError(f"{source.place}: {unknown('attribute', name, known)}" for name in strange)
    if source.missing_label == "error":
        faults.places |= unset.places
    names = {name: tuple(ATTRIBUTES[name][1].values()) if name in ATTRIBUTES else None for name in wanted}
    return corpus.table(source, columns, rows, names, _rule(source, found), faults)


def _property(attribute: str) -> str:
    """Return the property that an attribute reads."""
    return ATTRIBUTES[attribute][0] if attribute in ATTRIBUTES else attribute


def _rule(source: Source, documents: Sequence[Document]) -> str:
    """Return how the corpus is split: by folders where there are some, else by the numbers of patients where all have one."""
    if any(corpus.in_split_folder(document.annotations, source) for document in documents):
        return corpus.rule(source, _SPLITS, "folder")
    return corpus.rule(source, _SPLITS, "patient" if all(document.patient for document in documents) else "none")


def documents(source: Source, faults: Faults) -> Iterator[Document]:
    """Yield the notes that have finished annotations of the wanted annotator; others are counted."""
    found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    notes: set[str] = set()
    for file in corpus.files(corpus.folder(source, source.path)):
        if file.suffix.lower() == ".xml":
            name, rank = _parsed(file, source)
            notes.add(name)
            if rank is not None:
                found[name].append((rank, file))
        elif file.name == file.parent.name:
            notes.add(file.name)
    texts = corpus.texts(source)
    noted = {name for name in texts or () if not name.lower().endswith(".xml")}  # notes may lie among their annotations
    faults.facts["unfinished"] += len((notes | noted) - found.keys() - {""})
    for name, files in found.items():
        best = min(rank for rank, _ in files)
        first = [file for rank, file in files if rank == best]
        beside = first[0].parent / name
        there = [beside] if texts is None and beside.is_file() else (texts or {}).get(name, [])
        if len({file.parent for _, file in files}) > 1:
            faults.add("documents should be in one folder each", first[0])
        elif len(first) > 1:
            faults.add("documents should have one annotation file with a suffix; name the right one with suffix", first[0])
        elif len(there) != 1:
            faults.add("annotation files should have their note beside them, or in texts", first[0])
        else:
            faults.facts["preferred"] += len(files) > 1
            yield Document(name, first[0], there[0])


def _parsed(file: Path, source: Source) -> tuple[str, int | None]:
    """Return the document of an annotation file and its rank among the files of that (None: it is not read).

    A name is DOC.Schema[-Mode][-Adjudication].annotator.completed.xml, and DOC may have dots; where the file lies in the
    folder of its document, that says what DOC is.
    """
    name = corpus.called(source, file)
    parts = name.split(".")
    state = parts[-2] if len(parts) >= 5 and parts[-2] in ("completed", "inprogress") else ""
    by = parts[-3] if state else ""
    rank: int | None = len(SUFFIXES) if source.suffix is None and state == "completed" and by == (source.annotator or "gold") else None
    document = ".".join(parts[:-4]) if state else ""
    if source.suffix is not None and fnmatch(name, f"?*{source.suffix}"):
        matched = re.fullmatch(f"(.+?){translate(source.suffix)}", name)
        # the pattern says of which schema; of whom and whether finished it says only where it names that
        unfinished = state == "inprogress" and state not in source.suffix
        another = by and source.annotator is not None and by != source.annotator
        document, rank = matched[1] if matched else document, None if unfinished or another else 0
    elif source.suffix is None and source.annotator is None:
        for place, suffix in enumerate(SUFFIXES):
            if name.endswith(suffix) and len(name) > len(suffix):
                document, rank = name.removesuffix(suffix), place
                break
    if document and name.startswith(f"{file.parent.name}."):
        document = file.parent.name
    return document, rank


def _entities(
    root: Element, document: Document, types: Sequence[str], wanted: Sequence[str], properties: Counter[str], faults: Faults, unset: Faults
) -> Iterator[Entity]:
    """Yield the annotations of the wanted types.

    Args:
        properties: counts the properties that are seen.
        unset: collects the annotations that lack a wanted property.
    """
    seen: set[str] = set()
    for number, element in enumerate(root.iterfind("annotations/*"), 1):
        name = (element.findtext("id") or "").strip() or f"annotation {number}"
        if name in seen:
            faults.add("ids of annotations should be unique", document.annotations, name)
            continue
        seen.add(name)
        kind = (element.findtext("type") or "").strip()
        if element.tag != "entity" or kind not in types:
            continue
        values = {one.tag: (one.text or "").strip() for one in element.iterfind("properties/*")}
        values = {key: value for key, value in values.items() if value.lower() not in _UNSET}
        properties.update(values.keys())
        labels: dict[str, str | None] = {}
        for attribute in wanted:
            known = ATTRIBUTES.get(attribute, (attribute, {}))[1]
            value = values.get(_property(attribute))
            labels[attribute] = known.get(value) if known and value else value
            if value is None:
                unset.add(
                    f"annotations should have the property {_property(attribute)} (or missing_label: skip)", document.annotations, name
                )
            elif labels[attribute] is None:
                faults.add(f"{_property(attribute)} should be one of {', '.join(known)}", document.annotations, name)
        yield Entity(name, kind, _spans(element.findtext("span") or ""), labels)


def _spans(written: str) -> tuple[tuple[int, int], ...]:
    """Return the parts of ``b,e;b,e``, or none of them where one is something else."""
    found = [_SPAN.fullmatch(part) for part in written.split(";")]
    return tuple((int(part[1]), int(part[2])) for part in found if part) if all(found) else ()


class Sections(NamedTuple):
    """The lines of markup of a note: where they begin and end, and the section that each leaves the text in."""

    begins: tuple[int, ...]
    ends: tuple[int, ...]
    sections: tuple[str | None, ...]

    @classmethod
    def of(cls, text: str) -> Sections:
        """Return the sections of a note."""
        tags = list(_TAG.finditer(text))
        return cls(
            tuple(tag.start() for tag in tags), tuple(tag.end() for tag in tags),
            tuple(tag[2] if tag[1] == "start" else None for tag in tags),
        )  # fmt: skip

    def around(self, place: int) -> str | None:
        """Return the id of the section around a place, where there is one."""
        before = bisect_right(self.ends, place)
        return self.sections[before - 1] if before else None

    def borders(self, begin: int, end: int) -> tuple[int, int | None]:
        """Return how far a window may go: markup is no part of a row."""
        before = bisect_right(self.ends, begin)
        after = next((start for start in self.begins[before:] if start >= end), None)
        return self.ends[before - 1] if before else 0, after

    def blanked(self, text: str) -> str:
        """Return the note with blanks in place of its markup, so that offsets stay."""
        for begin, end in zip(self.begins, self.ends, strict=True):
            text = f"{text[:begin]}{' ' * (end - begin)}{text[end:]}"
        return text
