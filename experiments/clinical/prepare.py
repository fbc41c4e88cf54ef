"""Make the data of the clinical study: ``python experiments/clinical/prepare.py DATA TO``.

The generated corpora of ``cotrain demo --keep``, and ``TO/negex/train.csv`` from the sentences of ``DATA/negex_negation`` and
``DATA/negex_temporality``, their marked phrase between ``<e>`` and ``</e>``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cotrain.demo import clinical

TEMPORALITY = ("recent", "historical", "not_particular")


def negex(data: Path) -> pd.DataFrame:
    """Return a row per sentence whose phrase is found in it: ``text``, ``sentence`` in lower case, and the two labels.

    Raises:
        SystemExit: the two files are not of the same rows.
    """
    negation, temporality = (pd.read_parquet(data / name / "train.parquet") for name in ("negex_negation", "negex_temporality"))
    shared = ["id", "sentence1", "sentence2"]
    if not negation[shared].equals(temporality[shared]):
        raise SystemExit(f"{data}: negex_negation and negex_temporality should have the same rows in the same order")
    rows = pd.DataFrame({
        "text": [marked(*pair) for pair in zip(negation["sentence1"], negation["sentence2"], strict=True)],
        "sentence": negation["sentence1"].str.lower(),
        "Negation": negation["label"].map({1: "1", 0: "-1"}),
        "Temporality": temporality["label"].map(dict(enumerate(TEMPORALITY))),
    })  # fmt: skip
    return rows.dropna(subset=["text"])


def marked(sentence: str, phrase: str) -> str | None:
    """Return a sentence with its phrase between markers; None where it is not in it.

    The phrase stands in capitals, and its blanks may differ: of several places the first in capitals is meant, else the first.

    >>> marked("No  wheezes or  RALES.", "rales")
    'No wheezes or <e> RALES </e>.'
    """
    words, wanted = " ".join(sentence.split()), " ".join(phrase.split())
    found = re.search(re.escape(wanted.upper()), words) or re.search(re.escape(wanted), words, re.IGNORECASE)
    if found is None or not wanted:
        return None
    return f"{words[: found.start()]}<e> {found[0]} </e>{words[found.end() :]}"


def main(arguments: Sequence[str]) -> None:
    """Write the data; two arguments."""
    if len(arguments) != 2:
        raise SystemExit("python experiments/clinical/prepare.py DATA TO")
    data, to = map(Path, arguments)
    rows = negex(data)
    clinical.write(to)
    (to / "negex").mkdir(exist_ok=True)
    rows.to_csv(to / "negex" / "train.csv", index=False, lineterminator="\n")
    print(f"{to}: {len(rows)} rows of {rows['sentence'].nunique()} different sentences in negex, and the generated corpora")


if __name__ == "__main__":
    main(sys.argv[1:])
