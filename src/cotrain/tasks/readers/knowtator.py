"""Knowtator (SHARP Seed and Stratified): XML of annotations, mentions and slots beside folders of notes by batch."""

from __future__ import annotations

import re
from collections import defaultdict
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

GOLD = "consensus set annotator team"
ENTITIES = (
    "Anatomical_site", "Clinical_attribute", "Devices", "Disease_Disorder", "Lab", "Medications/Drugs", "Phenomena", "Procedure",
    "Sign_symptom",
)  # fmt: skip
SUFFIXES = (".umls.knowtator.xml", ".knowtator.xml")
"""How annotation files end; the second is read where a corpus has none of the first."""
_LOST = "mentions should link to slots that are in the file"
_SPLITS = ("folder", "seed", "strat", "none")
_NAMED = {
    "seed": re.compile(r"seed(?:set\d*|_?corpus)?", re.IGNORECASE),
    "strat": re.compile(r"(?:mayo_?)?strat(?:ified)?(?:_?corpus)?", re.IGNORECASE),
}


class _Attribute(NamedTuple):
    """How an attribute of an entity is written.

    Attributes:
        slot: of the entity; it points to a mention.
        mention: the class of that.
        value: the slot of the mention that holds the value.
        labels: value to label name.
        unlinked: the label name of an entity without the slot.
        unsaid: the label name where the mention has no value.
    """

    slot: str
    mention: str
    value: str
    labels: Mapping[str, str]
    unlinked: str
    unsaid: str

    @property
    def names(self) -> tuple[str, ...]:
        """The label names, what is without a mention first."""
        return tuple(dict.fromkeys([self.unlinked, *self.labels.values()]))


ATTRIBUTES = {
    "negation": _Attribute(
        "negation_indicator_CU", "negation_indicator_class", "negation_indicator_normalization",
        {"negation_absent": "not_negated", "negation_present": "negated"}, "not_negated", "negated",
    ),
    "uncertainty": _Attribute(
        "uncertainty_indicator_CU", "uncertainty_indicator_class", "uncertainty_indicator_normalization",
        {"indicator_absent": "not_uncertain", "indicator_present": "uncertain"}, "not_uncertain", "uncertain",
    ),
    "conditional": _Attribute(
        "conditional_CU", "conditional_class", "conditional_normalization",
        {"false": "not_conditional", "true": "conditional"}, "not_conditional", "conditional",
    ),
    "generic": _Attribute(
        "generic_CU", "generic_class", "generic_normalization", {"false": "not_generic", "true": "generic"}, "not_generic", "generic",
    ),
    "history": _Attribute(
        "historyOf_CU", "historyOf_indicator_class", "historyOf_normalization",
        {"historyOf_absent": "not_history", "historyOf_present": "history"}, "not_history", "history",
    ),
    "subject": _Attribute(
        "subject_CU", "Person", "subject_normalization_CU",
        {"C0030705": "patient", **{who: who for who in ("patient", "family_member", "donor_family_member", "donor_other", "other")}},
        "patient", "patient",
    ),
}  # fmt: skip


def read(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return the wanted columns of every entity of the gold annotator, with ``_split``, ``_where`` and ``_group``.

    Raises:
        InputError: every fault of the corpus; an attribute that is not known.
    """
    wanted, around = corpus.attributes(source, columns), window(source.window)
    if strange := [name for name in wanted if name not in ATTRIBUTES]:
        raise InputError(f"{source.place}: {unknown('attribute', name, ATTRIBUTES)}" for name in strange)
    faults, rows = Faults(source), list[Row]()
    for document in _documents(source, faults):
        text = corpus.note(document.text, faults)
        root = corpus.tree(document.annotations, "annotations", faults)
        if text is None or root is None:
            continue
        for entity, words in _entities(root, document, source, wanted, faults):
            if (span := covering(entity.spans, text)) is None:
                faults.add("spans should cover words of their note", document.annotations, entity.id)
                continue
            covered = [part for begin, end in entity.spans for part in text[begin:end].split()]
            faults.facts["shifted"] += bool(words) and words.replace("...", " ").split() != " ".join(covered).replace("...", " ").split()
            rows.append(Row(document, entity, marked(text, *span, around)))
    names = {name: ATTRIBUTES[name].names for name in wanted}
    return corpus.table(source, columns, rows, names, corpus.rule(source, _SPLITS, _recognised(source, rows)), faults)


def _recognised(source: Source, rows: Sequence[Row]) -> str:
    """Return the rule of the corpus whose name a folder above the notes has, where it is the same for all."""
    found = set()
    for folder in {one.document.text.parent for one in rows}:
        parts = reversed(folder.absolute().parts)
        found.add(next((rule for part in parts for rule, pattern in _NAMED.items() if pattern.fullmatch(part)), "none"))
    return found.pop() if len(found) == 1 else "none"


def _documents(source: Source, faults: Faults) -> Iterator[Document]:
    """Yield the notes that have annotations: ``DOC.umls.knowtator.xml`` and ``…/text/DOC`` or ``…/text/DOC.txt``."""
    annotations: dict[str, dict[str, list[Path]]] = {suffix: defaultdict(list) for suffix in (source.suffix or "", *SUFFIXES)}
    texts = corpus.texts(source)
    notes: dict[str, list[Path]] = {} if texts is None else texts
    for file in corpus.files(corpus.folder(source, source.path)):
        if file.suffix.lower() == ".xml":
            called = corpus.called(source, file)
            for suffix, found in annotations.items():
                if suffix and fnmatch(called, f"?*{suffix}"):
                    matched = re.fullmatch(f"(.+?){translate(suffix)}", called)
                    found[(matched[1] if matched else called).removesuffix(".txt")].append(file)
                    break
        elif texts is None and file.parent.name == "text":
            notes.setdefault(file.name.removesuffix(".txt"), []).append(file)
    chosen = annotations[source.suffix] if source.suffix else annotations[SUFFIXES[0]] or annotations[SUFFIXES[1]]
    faults.facts["unfinished"] += len(notes.keys() - chosen.keys())
    for name, files in chosen.items():
        there = notes.get(name, [])
        if len(files) > 1:
            faults.add("documents should have one annotation file", files[0])
        elif len(there) != 1:
            faults.add("annotation files should have one note, in a folder called text or in texts", files[0])
        else:
            yield Document(name, files[0], there[0])


class _Mention(NamedTuple):
    """A mention: its class, its slots by name with their values, and whether it links to a slot that is not in the file."""

    kind: str
    slots: Mapping[str, Sequence[str]]
    lost: bool


def _entities(root: Element, document: Document, source: Source, wanted: Sequence[str], faults: Faults) -> Iterator[tuple[Entity, str]]:
    """Yield the entities of the wanted types and annotator, each with the words that its span covered when it was annotated."""
    mentions = _mentions(root, document, faults)
    seen: set[str] = set()
    for number, element in enumerate(root.iterfind("annotation"), 1):
        if (element.findtext("annotator") or "").strip() != (source.annotator or GOLD):
            continue
        name = _attribute(element, "mention", "id") or f"annotation {number}"
        if name in seen:
            faults.add("ids of annotations should be unique", document.annotations, name)
            continue
        seen.add(name)
        if (mention := mentions.get(name)) is None:
            faults.add("annotations should have a classMention", document.annotations, name)
        elif mention.kind in (source.entities or ENTITIES) and mention.lost:
            faults.add(_LOST, document.annotations, name)
        elif mention.kind in (source.entities or ENTITIES):
            labels = {attribute: _label(ATTRIBUTES[attribute], name, mentions, document, faults) for attribute in wanted}
            yield Entity(name, mention.kind, _spans(element), labels), element.findtext("spannedText") or ""
    if not seen:
        faults.facts["unfinished"] += 1


def _mentions(root: Element, document: Document, faults: Faults) -> dict[str, _Mention]:
    """Return the mentions of a file by id."""
    slots: dict[str, tuple[str, list[str]]] = {}
    for kind in ("stringSlotMention", "booleanSlotMention", "complexSlotMention"):
        for element in root.iterfind(kind):
            values = [(one.get("value") or "").strip() for one in element.iterfind(f"{kind}Value")]
            slots[element.get("id", "")] = (_attribute(element, "mentionSlot", "id"), [value for value in values if value])
    there = {element.get("id", "") for element in root if element.tag.endswith("SlotMention")}  # kinds without a meaning here too
    mentions: dict[str, _Mention] = {}
    for element in root.iterfind("classMention"):
        name = element.get("id", "")
        if name in mentions:
            faults.add("ids of mentions should be unique", document.annotations, name)
            continue
        held: dict[str, list[str]] = {}
        links = [link.get("id", "") for link in element.iterfind("hasSlotMention")]
        for slot, values in (slots[link] for link in links if link in slots):
            held.setdefault(slot, []).extend(values)
        mentions[name] = _Mention(_attribute(element, "mentionClass", "id"), held, not there.issuperset(links))
    return mentions


def _label(attribute: _Attribute, name: str, mentions: Mapping[str, _Mention], document: Document, faults: Faults) -> str | None:
    """Return the label of an entity: of several mentions the first that differs from having none; None where it is at fault."""
    found = [attribute.unlinked]
    for link in mentions[name].slots.get(attribute.slot, ()):
        mention = mentions.get(link)
        if mention is None or mention.kind != attribute.mention:
            faults.add(f"{attribute.slot} should point to a mention of the class {attribute.mention}", document.annotations, name)
            return None
        if mention.lost:
            faults.add(_LOST, document.annotations, link)
            return None
        values = mention.slots.get(attribute.value, ())
        if any(value not in attribute.labels for value in values):
            faults.add(f"{attribute.value} should be one of {', '.join(attribute.labels)}", document.annotations, link)
            return None
        found += [attribute.labels[value] for value in values] or [attribute.unsaid]
    return next((label for label in found if label != attribute.unlinked), attribute.unlinked)


def _spans(element: Element) -> tuple[tuple[int, int], ...]:
    """Return the parts of an entity, or none of them where one is no span."""
    try:
        return tuple((int(part.get("start", "")), int(part.get("end", ""))) for part in element.iterfind("span"))
    except ValueError:
        return ()


def _attribute(element: Element, child: str, name: str) -> str:
    """Return an attribute of the first child of a name, or nothing."""
    found = element.find(child)
    return "" if found is None else (found.get(name) or found.text or "").strip()
