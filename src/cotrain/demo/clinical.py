"""The corpora of the demo as people have them in hospitals: THYME, SHARP Seed and cnlpt folders, with a study file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain.demo.corpora import STUDY
from cotrain.demo.encoder import MODEL
from cotrain.demo.generate import generate
from cotrain.demo.layouts import Mention, anafora, cnlpt, knowtator

_STUDY = f"""\
# Generated notes in the layouts of clinical corpora. Copy this file, and change the paths to those of your own.
model: {MODEL}
tasks:
  thyme: {{format: anafora, path: THYME, labels: [negation, modality]}}
  seed: {{format: knowtator, path: SHARP/SeedSet1, labels: [negation, uncertainty]}}
  consults: {{format: cnlpt, path: consults}}
splits: {{test: test, dev: dev}}           # as published: by patient, by batch, by file
preset: fast
delta: 0.05
"""
_MODALITY = {"actual": "ACTUAL", "hypothetical": "HYPOTHETICAL", "hedged": "HEDGED", "generic": "GENERIC"}
_FOLDERS = ("Train", "Train", "Train", "Train", "Dev", "Dev", "Test", "Test")  # by the patient's number mod 8, as THYME
_FILES = ("train", "train", "train", "dev", "test")


def write(folder: Path, seed: int = 0) -> Path:
    """Return the study file of the corpora, written to ``folder`` with them; the same seed gives the same bytes.

    Every second note has the line ends of Windows; some findings are annotated in two parts.
    """
    tables = generate(seed)
    for number, (_, sentences) in enumerate(_notes(tables["notes"], "note"), 1):
        text, spans = _note(sentences, "\r\n" if number % 2 else "\n", sections=True)
        values = [
            {"Polarity": "NEG" if row["negation"] == "negated" else "POS", "ContextualModality": _MODALITY[row["modality"]]}
            for row in sentences
        ]
        patient = (number + 1) // 2  # two notes each
        anafora(folder / "THYME", f"ID{patient:03d}_clinic_{number:03d}", text, map(Mention, spans, values), _FOLDERS[patient % 8])
    for number, (note, sentences) in enumerate(_notes(tables["radiology"], "report"), 1):
        text, spans = _note(sentences, "\r\n" if number % 2 else "\n")
        found = [_indicators(row["negation"], row["uncertainty"], k) for k, row in enumerate(sentences)]
        mentions = [Mention(span, values, "Sign_symptom") for span, values in zip(spans, found, strict=True)]
        knowtator(folder / "SHARP" / "SeedSet1", f"{note}.{number % 3}", text, mentions, batch=number % 18 + 1)
    rows: dict[str, list[dict[str, str]]] = {name: [] for name in ("train", "dev", "test")}
    for number, (_, sentences) in enumerate(_notes(tables["consults"], "letter")):
        rows[_FILES[number % 5]] += [_row(row) for row in sentences]
    for name, part in rows.items():
        cnlpt(folder / "consults" / f"{name}.tsv", part)
    path = folder / STUDY
    path.write_text(_STUDY, encoding="utf-8")
    return path


def _notes(table: pd.DataFrame, note: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the sentences of each note."""
    return [
        (str(name), [{str(key): value for key, value in row.items()} for row in part.to_dict("records")])
        for name, part in table.groupby(note, sort=True)
    ]


def _note(sentences: Sequence[Mapping[str, Any]], line_end: str, sections: bool = False) -> tuple[str, list[list[tuple[int, int]]]]:
    """Return a note of the sentences, a line each, and the parts of the finding of each."""
    text, spans = "", []
    if sections:
        text = f'[meta rev_date="02/20/2010"]{line_end}[start section id="20103"]{line_end}'
    for row in sentences:
        begin, end = len(text) + row["begin"], len(text) + row["end"]
        words = row["text"][row["begin"] : row["end"]].split(" ")
        # of three words or more the first and the last are annotated, as in "severe … pain"
        spans.append([(begin, end)] if len(words) < 3 else [(begin, begin + len(words[0])), (end - len(words[-1]), end)])
        text += f"{row['text']}{line_end}"
    return text + (f'[end section id="20103"]{line_end}' if sections else ""), spans


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row of cnlpt: the finding between markers, 1 for what is present."""
    text, begin, end = row["text"], row["begin"], row["end"]
    return {
        "id": row["row"], "text": f"{text[:begin]}<e> {text[begin:end]} </e>{text[end:]}",
        "Negation": "1" if row["negation"] == "negated" else "-1", "Uncertainty": "1" if row["uncertainty"] == "tentative" else "-1",
    }  # fmt: skip


def _indicators(negation: str, uncertainty: str, number: int) -> dict[str, str]:
    """Return the indicators of a finding: what is there often has no value, and what is not there mostly no indicator."""
    found = {}
    for attribute, there, yes, no in (
        ("negation", negation == "absent", "negation_present", "negation_absent"),
        ("uncertainty", uncertainty == "uncertain", "indicator_present", "indicator_absent"),
    ):
        if there:
            found[attribute] = yes if number % 2 else ""
        elif number % 5 == 0:
            found[attribute] = no
    return found
