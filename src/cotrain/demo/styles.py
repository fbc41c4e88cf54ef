"""The three corpora of the demo: cells of two labels, the sentences that express them, and the noise of each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cotrain.demo.language import COURSE, EXTENT, IMAGES, SYMPTOMS, Finding


@dataclass(frozen=True)
class Corpus:
    """Notes of one style whose sentences carry two labels each, so that they are two tasks on the same rows.

    Attributes:
        name: of the entry in the study file.
        file: of the data; each corpus is in another format.
        note: the column of note ids.
        prefix: of note ids.
        sentences: about how many there are.
        per_note: fewest and most sentences of a note.
        findings: by body system; a note is about one system.
        qualities: words that a finding may be qualified with.
        columns: the two label columns.
        noise: share of observed labels that are not the true one, per column.
        cells: true labels of both columns to (share of sentences, templates). A template holds ``{f}``; ``{F}`` begins
            a sentence; ``{is}``, ``{has}``, ``{was}``, ``{seems}``, ``{does}`` agree with the finding; ``{site}``, ``{span}``.
    """

    name: str
    file: str
    note: str
    prefix: str
    sentences: int
    per_note: tuple[int, int]
    findings: Mapping[str, tuple[Finding, ...]]
    qualities: tuple[str, ...]
    columns: tuple[str, str]
    noise: tuple[float, float]
    cells: Mapping[tuple[str, str], tuple[float, tuple[str, ...]]]

    def names(self, column: int) -> tuple[str, ...]:
        """Return the label names of a column in the order of the cells."""
        return tuple(dict.fromkeys(cell[column] for cell in self.cells))

    def balance(self, column: int) -> dict[str, float]:
        """Return the share of each true label of a column."""
        shares = dict.fromkeys(self.names(column), 0.0)
        for cell, (share, _) in self.cells.items():
            shares[cell[column]] += share
        return shares


_NOTES = {
    ("affirmed", "actual"): (0.18, (
        "Reports {f}.", "{F} for {span}.", "Came in with {f}.", "Bothered by {f} again.",
        "No change in {f}.",  # looks negated, is not
    )),
    ("negated", "actual"): (0.16, (
        "Denies {f}.", "No {f} today.", "Free of {f} at this visit.", "Has not noticed {f}.", "{F} {has} gone.",
    )),
    ("affirmed", "hypothetical"): (0.15, ("Come back for any {f}.", "In case of {f} call the nurse.", "Call at once should {f} start.")),
    ("negated", "hypothetical"): (0.11, ("If there is no {f} stop the tablets.", "Should {f} not appear skip the visit.")),
    ("affirmed", "hedged"): (0.11, ("Perhaps {f}.", "Might be {f}.", "Suspect {f}.")),
    ("negated", "hedged"): (0.09, ("Probably no {f}.", "Perhaps not {f}.", "{F} {seems} unlikely.")),
    ("affirmed", "generic"): (0.11, ("Leaflet on {f} given.", "{F} {is} common at this age.", "Many people live with {f}.")),
    ("negated", "generic"): (0.09, ("This drug does not cause {f}.", "Most people never get {f}.")),
}  # fmt: skip

_RADIOLOGY = {
    ("present", "certain"): (0.30, (
        "{F} in the {site}.", "There {is} {f}.", "Stable {f} at the {site}.", "{F}, as before.",
        "No interval change of {f}.",  # looks negated, is not
    )),
    ("absent", "certain"): (0.28, (
        "No {f}.", "No {f} in the {site}.", "The {site} is free of {f}.", "Negative for {f}.", "Absence of {f}.",
    )),
    ("present", "uncertain"): (0.24, (
        "Possible {f}.", "Questionable {f}.", "Suspicious for {f}.", "This may represent {f}.",
        "Cannot exclude {f}.",  # looks negated, is not
    )),
    ("absent", "uncertain"): (0.18, ("No definite {f}.", "{F} unlikely.", "{F} not clearly seen.", "{F} doubtful.")),
}  # fmt: skip

_CONSULTS = {
    ("affirmed", "firm"): (0.28, (
        "We confirmed {f}.", "On examination there {was} {f}.", "The main problem is {f}.", "She clearly has {f}.",
        "We cannot explain {f}.",  # looks negated, is not
    )),
    ("negated", "firm"): (0.27, (
        "We found no {f}.", "There {was} no sign of {f}.", "He does not have {f}.", "{F} {was} ruled out.", "The family reports no {f}.",
    )),
    ("affirmed", "tentative"): (0.25, (
        "We wonder about {f}.", "The picture might fit {f}.", "I am inclined to think of {f}.", "This could be {f}.",
    )),
    ("negated", "tentative"): (0.20, (
        "I rather doubt {f}.", "It is probably not {f}.", "{F} {seems} improbable.", "We do not expect {f}.",
    )),
}  # fmt: skip

CORPORA = (
    Corpus(
        "notes", "notes.csv", "note", "N", 420, (4, 8), SYMPTOMS, COURSE, ("negation", "modality"), (0.03, 0.08), _NOTES,
    ),
    Corpus(
        "radiology", "radiology.jsonl", "report", "R", 420, (3, 6), IMAGES, EXTENT, ("negation", "uncertainty"), (0.05, 0.08), _RADIOLOGY,
    ),
    Corpus(
        "consults", "consults.parquet", "letter", "C", 420, (3, 7), SYMPTOMS, COURSE, ("negation", "uncertainty"), (0.10, 0.12), _CONSULTS,
    ),
)  # fmt: skip
"""Outpatient notes, radiology reports and letters of consultants: the noise rises from one to the next."""
