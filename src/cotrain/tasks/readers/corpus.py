"""Folders of notes and their annotations: walking, splits, and faults, which never show a word of a note."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import pandas as pd
from defusedxml.common import DefusedXmlException

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.tasks.readers.tabular import first_bad_line, lacking
from cotrain.tasks.rendering import listed
from cotrain.tasks.source import SPLIT_NAMES, Source

COLUMNS = ("text", "document", "patient", "type", "section")
"""What every annotated format knows of a row besides its attributes; missing where a corpus does not say."""
SPLITS = {
    "folder": "a folder called train, dev or test",
    "patient": "a patient's number in the name of the document (ID006_clinic_016)",
    "seed": "a numbered batch",
    "strat": "a numbered batch",
    "none": "",
}
"""Published rules that split a corpus, and what a document needs for them."""
_ID = 100  # characters of an annotation's id that a message shows at most
_PATIENT = re.compile(r"(ID(\d+))_")
_BATCH = re.compile(r"(?:.*batch_?)?(\d+)", re.IGNORECASE)
_OF_PATIENT = ("train", "train", "train", "train", "validation", "validation", "test", "test")
_OF_SEED = {10: "validation", 17: "validation", 11: "test", 12: "test"}
_OF_STRAT = ("train", "train", "train", "validation", "test")


class Document(NamedTuple):
    """A note and its annotations.

    Attributes:
        name: of the document.
        annotations: the XML file.
        text: the note.
    """

    name: str
    annotations: Path
    text: Path

    @property
    def patient(self) -> str | None:
        """The patient, where the name says so: ID006 of ID006_clinic_016."""
        found = _PATIENT.match(self.name)
        return found[1] if found else None


class Entity(NamedTuple):
    """An annotated entity.

    Attributes:
        id: of the annotation.
        type: of the annotation.
        spans: begin and end (exclusive) of its parts, 0-based characters of the note.
        labels: attribute to label name, or None.
    """

    id: str
    type: str
    spans: tuple[tuple[int, int], ...]
    labels: Mapping[str, str | None]


@dataclass
class Faults:
    """What is wrong in a corpus, by kind, and what was left out of it.

    Attributes:
        source: whose corpus it is.
        places: by kind (a sentence of what should be) the files and annotations that are otherwise.
        facts: counts for ``check``.
    """

    source: Source
    places: dict[str, list[str]] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, file: Path, what: str = "") -> None:
        """Note that a file, or an annotation in it, is not as ``kind`` says."""
        where = os.path.relpath(file, str(self.source.path))
        what = what if len(what) <= _ID else f"(an id of {len(what)} characters)"
        self.places.setdefault(kind, []).append(f"{where} {what}".strip())

    def close(self) -> None:
        """Raise InputError with every fault, or count them where the study leaves them out."""
        if self.source.on_error == "skip":
            self.facts["faulty"] += sum(map(len, self.places.values()))
        elif self.places:
            found = [f"{self.source.place}: {kind}; {len(where)} otherwise: {listed(where)}" for kind, where in self.places.items()]
            found[-1] += ". Mend these, or leave them out and count them with on_error: skip"
            raise InputError(found)


def attributes(source: Source, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the attributes that are read: those of the tasks that are wanted; rows to be predicted have none."""
    return tuple(attribute for attribute in source.tasks.values() if attribute in columns)


def files(root: Path) -> Iterator[Path]:
    """Yield every file below a folder that is not hidden, in the order of names; linked folders too, each once."""
    seen: set[str] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def called(source: Source, file: Path) -> str:
    """Return the name of an annotation file, its ending in small letters where the study has no pattern for it."""
    return file.name if source.suffix else file.stem + file.suffix.lower()


def folder(source: Source, path: str | None) -> Path:
    """Return the folder of a corpus.

    Raises:
        InputError: there is none.
    """
    if path is None or not Path(path).is_dir():
        raise InputError(f"{source.place}: {path or 'path'} should be the folder of the corpus; there is none")
    return Path(path)


def note(file: Path, faults: Faults) -> str | None:
    """Return a note with its line ends as they are (offsets count them), or None where it cannot be read."""
    if not _file(file, faults):
        return None
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            return opened.read()
    except UnicodeDecodeError:
        faults.add("notes should be UTF-8", file, f"line {first_bad_line(file)}")
    except OSError as error:
        faults.add("files should be readable", file, f"({type(error).__name__})")
    return None


def _file(file: Path, faults: Faults) -> bool:
    """Whether there is an ordinary file: a pipe would be waited for, a link can lead nowhere."""
    if not (there := file.is_file()):
        faults.add("files should be readable", file, "(no ordinary file)")
    return there


def tree(file: Path, root: str, faults: Faults) -> Element | None:
    """Return the root element of an XML file, or None where it cannot be read, has a DTD or entities, or another root."""
    if not _file(file, faults):
        return None
    try:
        found: Element = defusedxml.ElementTree.parse(file, forbid_dtd=True).getroot()
    except ParseError as error:
        faults.add("annotation files should be well-formed XML", file, f"line {error.position[0]}")
    except DefusedXmlException:
        faults.add("annotation files should have no DTD, entities or external references", file)
    except (UnicodeError, LookupError, ValueError):  # an encoding that is none, or not the one that the file names
        faults.add("annotation files should be in the encoding that they name", file)
    except OSError as error:
        faults.add("files should be readable", file, f"({type(error).__name__})")
    else:
        if found.tag == root:
            return found
        faults.add(f"annotation files should begin with <{root}>", file)
    return None


def texts(source: Source) -> dict[str, list[Path]] | None:
    """Return the notes of a folder of their own by name, with and without ``.txt``; None where the study names no such folder.

    Raises:
        InputError: there is no such folder.
    """
    if source.texts is None:
        return None
    found: dict[str, list[Path]] = {}
    for file in files(folder(source, source.texts)):
        found.setdefault(file.name.removesuffix(".txt"), []).append(file)
    return found


class Row(NamedTuple):
    """An entity in its document: what :func:`table` makes a line of."""

    document: Document
    entity: Entity
    text: str
    section: str | None = None


def table(
    source: Source, columns: Sequence[str], rows: Sequence[Row], names: Mapping[str, Sequence[str] | None], split_by: str, faults: Faults
) -> pd.DataFrame:
    """Return the wanted columns of the rows, with ``_split``, ``_where`` (document, annotation, offsets) and ``_group``.

    Args:
        names: attribute to its label names in order, or None where any value is one.
        split_by: a name of ``SPLITS``.

    Raises:
        InputError: every fault; unknown columns; no row is left.
    """
    split = {document: _split(document, source, split_by, faults) for document in dict.fromkeys(one.document for one in rows)}
    faults.close()
    lacking(source.place, columns, [*COLUMNS, *names])
    rows = [one for one in rows if split_by == "none" or split[one.document]]
    if not rows:
        raise InputError(f"{source.place}: there should be annotations of {' or '.join(source.entities) or 'entities'}, found none")
    frame: dict[str, Any] = {
        "text": [one.text for one in rows], "document": [one.document.name for one in rows],
        "patient": [one.document.patient for one in rows], "type": [one.entity.type for one in rows],
        "section": [one.section for one in rows],
    }  # fmt: skip
    frame = {key: pd.Series(values, dtype=object) for key, values in frame.items() if key in columns}
    for attribute in (a for a in columns if a in names):
        values = [one.entity.labels[attribute] for one in rows]
        known = names[attribute]
        frame[attribute] = pd.Categorical(values, categories=list(known)) if known else pd.Series(values, dtype=object)
    frame["_split"] = pd.Series([split[one.document] for one in rows], dtype=object)
    frame["_where"] = pd.Series([f"{one.document.name}:{one.entity.id}:{_offsets(one.entity)}" for one in rows], dtype=object)
    frame["_group"] = pd.Series([_group(one.document) for one in rows], dtype=object)
    found = pd.DataFrame(frame)
    found.attrs["facts"] = dict(faults.facts)
    return found


def _offsets(entity: Entity) -> str:
    """Return the offsets of an entity as part of its row id."""
    return ",".join(f"{begin}-{end}" for begin, end in entity.spans)


def _group(document: Document) -> str:
    """Return what stays together: the patient, else the document."""
    return f"patient={document.patient}" if document.patient else f"document={document.name}"


def in_split_folder(file: Path, source: Source) -> str | None:
    """Return the published split that a folder of a file below the corpus names, the innermost one."""
    below = Path(os.path.relpath(file.parent, str(source.path))).parts
    return next((SPLIT_NAMES[part.lower()] for part in reversed(below) if part.lower() in SPLIT_NAMES), None)


def _batch(document: Document, source: Source) -> int | None:
    """Return the number of the batch: of the innermost folder around the note that has one (07, ss1_batch07)."""
    below = Path(os.path.relpath(document.text.parent, source.texts or str(source.path))).parts
    return next((int(found[1]) for part in reversed(below) if (found := _BATCH.fullmatch(part))), None)


def rule(source: Source, known: Sequence[str], recognised: str) -> str:
    """Return how a corpus is split: as the study says, else as it was recognised.

    Raises:
        InputError: a rule that the format does not know.
    """
    if source.split_by is not None and source.split_by not in known:
        raise InputError(f"{source.place}: {unknown('split_by', source.split_by, known)}")
    return source.split_by or recognised


def _split(document: Document, source: Source, split_by: str, faults: Faults) -> str | None:
    """Return the published split of a document."""
    found: str | None = None
    if split_by == "folder":
        found = in_split_folder(document.annotations, source) or in_split_folder(document.text, source)
    elif split_by == "patient" and (match := _PATIENT.match(document.name)):
        found = _OF_PATIENT[int(match[2]) % 8]
    elif split_by in ("seed", "strat") and (number := _batch(document, source)) is not None:
        found = _OF_SEED.get(number, "train") if split_by == "seed" else _OF_STRAT[number % 5]
    if found is None and split_by != "none":
        faults.add(f"documents should have {SPLITS[split_by]}, or split_by another rule", document.annotations)
    return found
