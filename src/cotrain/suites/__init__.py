"""Suites: study files of the paper's tasks, what they need that is not there, and where their rows differ from the paper's."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cotrain.choose import unknown
from cotrain.errors import InputError

PREFIX = "suite:"
SUITES = {
    "paper-general": "the nine general and biomedical tasks of the paper, roberta-large",
    "paper-bert": "the same nine, bert-base-uncased",
    "paper-clinical": "the six clinical tasks of the paper, Bio+Clinical BERT",
    "paper-biobert": "the same six, BioBERT",
}
_HNLP = "under a data use agreement from the hNLP Center, healthnlp.hms.harvard.edu"
SOURCES = {
    "THYME": f"{_HNLP}: THYME+, as Anafora folders",
    "SHARP/SeedSet1": f"{_HNLP}: SHARP Seed, as Knowtator folders",
    "SHARP/MayoStrat": f"{_HNLP}: SHARP Stratified, as Knowtator folders",
    "health_advice.csv": "data/annotations_structured_abstract.csv of github.com/junwang4/detecting-health-advice (states no licence)",
    "causal_language.csv": "data/pubmed_causal_language_use.csv of github.com/junwang4/causal-language-use-in-science (GPL-3.0)",
}
"""Where what a suite reads below ``--data-root`` comes from."""
PICKLED = "from the Hub, with pickle weights only: download the folder, cotrain convert it, and name the result with --model"
ENCODERS = {"emilyalsentzer/Bio_ClinicalBERT": PICKLED, "dmis-lab/biobert-base-cased-v1.1": PICKLED}
"""Encoders of suites that cannot be read as they are published."""
_HERE = Path(__file__).resolve().parent


class Need(NamedTuple):
    """What a suite reads.

    Attributes:
        task: the entry of the study file; ``model`` is the encoder.
        place: below the folder of the data, or on the Hub.
        there: whether it is; None on the Hub, which is not asked.
        how: to get it.
    """

    task: str
    place: str
    there: bool | None
    how: str


def named(study: Path) -> str | None:
    """Return the name of a suite, where ``suite:NAME`` stands for a study file.

    Raises:
        InputError: no suite has that name.
    """
    if not str(study).startswith(PREFIX):
        return None
    name = str(study).removeprefix(PREFIX)
    if name not in SUITES:
        raise InputError(unknown("suite", name, SUITES))
    return name


def file(name: str) -> Path:
    """Return the study file of a suite."""
    return _HERE / f"{name}.yaml"


def needs(name: str, root: Path) -> list[Need]:
    """Return what the tasks of a suite read below a folder or from the Hub, and its encoder."""
    from cotrain.study.spec import read

    study = read(file(name), data_root=root)
    found = [Need("model", study.settings.model, None, ENCODERS.get(study.settings.model, "from the Hub"))]
    for source in study.sources:
        place = source.hub or str(Path(str(source.path)).relative_to(root.absolute()))
        there = None if source.hub else Path(str(source.path)).exists()
        found.append(Need(source.name, place, there, SOURCES.get(place, f"from the Hub, configuration {source.config}")))
    return found


def refuse_missing(name: str, root: Path) -> None:
    """Raise InputError that says what a suite needs, where, and how to get it, if something is not there."""
    if gone := [need for need in needs(name, root) if need.there is False]:
        raise InputError(f"suite {name}, {need.task}: there should be {root / need.place}; get it {need.how}" for need in gone)


def differences(checked: Mapping[str, Any]) -> list[str]:
    """Return where the rows of ``check`` differ from the paper's (its Table 10), by task and label."""
    found = []
    with (_HERE / "labels.csv").open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            if (facts := checked["tasks"].get(line["task"])) is None:
                continue
            counts = {split: facts["label_counts"][split].get(line["label"], 0) for split in ("train", "dev", "test")}
            if any(counts[split] != int(line[split]) for split in counts):
                here, there = ("/".join(str(of[split]) for split in counts) for of in (counts, line))
                found.append(f"{line['task']}: {line['label']} has {here} rows in train/dev/test, in the paper {there}")
    return found
