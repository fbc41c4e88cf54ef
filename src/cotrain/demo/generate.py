"""From a corpus to sentences with true and observed labels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cotrain.demo.language import SITES, SPANS, Finding
from cotrain.demo.styles import CORPORA, Corpus
from cotrain.tasks.texts import text_key

_QUALIFIED = 0.4
_FORMS = {"is": "are", "has": "have", "was": "were", "seems": "seem", "does": "do"}


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return a table per corpus: ``row``, its column of note ids, ``text``, the observed labels, the ``true_…`` labels.

    ``begin`` and ``end`` are where the finding stands in the text.

    The true labels of a sentence follow from its cue. An observed label differs from the true one with the noise rate of
    its column and is then any other name with equal chance. No text is there twice, in one corpus or in two.
    """
    used: set[str] = set()
    return {corpus.name: _table(corpus, np.random.default_rng([seed, number]), used) for number, corpus in enumerate(CORPORA)}


def _table(corpus: Corpus, random: np.random.Generator, used: set[str]) -> pd.DataFrame:
    """Return the sentences of a corpus, note by note."""
    cells = list(corpus.cells)
    shares = np.array([share for share, _ in corpus.cells.values()])
    rows: list[dict[str, str | int]] = []
    note = 0
    while len(rows) < corpus.sentences:
        note += 1
        system = list(corpus.findings)[random.integers(len(corpus.findings))]
        for _ in range(random.integers(corpus.per_note[0], corpus.per_note[1] + 1)):
            cell = cells[random.choice(len(cells), p=shares / shares.sum())]
            text, name = _new(corpus, cell, system, random, used)
            begin = text.lower().index(name.lower())
            rows.append({
                "row": f"{corpus.prefix.lower()}{len(rows) + 1:04d}", corpus.note: f"{corpus.prefix}{note:03d}",
                "text": text, "begin": begin, "end": begin + len(name),
                **{column: _observed(corpus, k, cell[k], random) for k, column in enumerate(corpus.columns)},
                **{f"true_{column}": cell[k] for k, column in enumerate(corpus.columns)},
            })  # fmt: skip
    return pd.DataFrame(rows)


def _new(corpus: Corpus, cell: tuple[str, str], system: str, random: np.random.Generator, used: set[str]) -> tuple[str, str]:
    """Return a sentence of a cell about a system that was not there before, and the name of what it is about."""
    templates = corpus.cells[cell][1]
    # the cue is drawn once, so that repeated texts do not shift the shares of cues
    template = templates[random.integers(len(templates))]
    while True:
        finding = corpus.findings[system][random.integers(len(corpus.findings[system]))]
        quality = corpus.qualities[random.integers(len(corpus.qualities))] if random.random() < _QUALIFIED else ""
        site = SITES[system][random.integers(len(SITES[system]))] if "{site}" in template else ""
        text = fill(template, finding, quality, site, SPANS[random.integers(len(SPANS))])
        if (key := text_key(text)) not in used:
            used.add(key)
            return text, named(finding, quality)


def fill(template: str, finding: Finding, quality: str = "", site: str = "", span: str = "") -> str:
    """Return the sentence of a template about a finding.

    >>> fill("{F} {has} gone.", Finding("chills", plural=True), "severe")
    'Severe chills have gone.'
    """
    name = named(finding, quality)
    verbs = {one: many if finding.plural else one for one, many in _FORMS.items()}
    return template.format(f=name, F=name[0].upper() + name[1:], site=site, span=span, **verbs)


def named(finding: Finding, quality: str = "") -> str:
    """Return the name of a finding with what qualifies it."""
    return f"{quality} {finding.name}".strip()


def _observed(corpus: Corpus, column: int, true: str, random: np.random.Generator) -> str:
    """Return the label that an imperfect annotator gave."""
    if random.random() >= corpus.noise[column]:
        return true
    others = [name for name in corpus.names(column) if name != true]
    return others[random.integers(len(others))]
