"""Write the tasks of the halves as CSV files: ``python experiments/halves/make.py DATA HALVES``. DATA/NAME/train.parquet as for general9.

``sentiment1`` and ``sentiment2`` are two parts of ``mr`` that share no sentence, ``advice1`` and ``advice2`` two parts of ``health_advice``
that share no abstract. ``noise`` is a third part of ``mr`` as large as the others, with labels that were permuted.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

SOURCES = {"sentiment": ("mr", "sentence1", ("negative", "positive")), "advice": ("health_advice", "pmid", ("none", "weak", "strong"))}
"""By name its data set, the column whose values stay together, and its labels."""
ROWS = {"train": 160, "dev": 200, "test": 200}


def parts(data: Path, name: str, number: int) -> list[pd.DataFrame]:
    """Return that many parts of a data set, each with as many rows: ``text``, ``label``, ``split``."""
    source, together, names = SOURCES[name]
    random = np.random.default_rng([*name.encode()])
    rows = pd.read_parquet(data / source / "train.parquet").drop_duplicates("sentence1").drop_duplicates(together)
    rows = rows.iloc[random.permutation(len(rows))[: number * sum(ROWS.values())]]
    table = pd.DataFrame({"text": rows["sentence1"].str.strip(), "label": [names[label] for label in rows["label"]]})
    split = np.repeat(list(ROWS), list(ROWS.values()))
    return [table[i * len(split) : (i + 1) * len(split)].assign(split=split) for i in range(number)]


def main(data: Path, to: Path) -> None:
    """Write a file per task."""
    to.mkdir(parents=True, exist_ok=True)
    *sentiment, noise = parts(data, "sentiment", 3)
    random = np.random.default_rng([*b"noise"])
    noise["label"] = noise.groupby("split")["label"].transform(lambda labels: random.permutation(labels.to_numpy()))
    held = [*sentiment, *parts(data, "advice", 2), noise]
    for name, table in zip(("sentiment1", "sentiment2", "advice1", "advice2", "noise"), held, strict=True):
        table.to_csv(to / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
