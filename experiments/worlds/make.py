"""Write the tasks of the worlds as CSV files: ``python experiments/worlds/make.py DATA``. Sentences are made up; nothing is downloaded.

Every sentence names an animal with its colour, a place and a time. A task asks for one of three of these, with a tenth of its labels wrong:
``colour1`` and ``colour2`` are two samples of one rule, as are ``animal1`` and ``animal2``; ``place`` is a rule of its own. ``noise``
has more than ten times the rows and labels that were permuted, so that it can only do harm.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ATTRIBUTES = {
    "colour": (("red", "orange", "yellow", "golden", "crimson"), ("blue", "green", "grey", "turquoise", "silver")),
    "animal": (("dog", "cat", "hamster", "parrot", "goldfish"), ("wolf", "tiger", "shark", "eagle", "rhinoceros")),
    "place": (("kitchen", "cellar", "library", "bathroom", "office"), ("forest", "meadow", "desert", "harbour", "mountains")),
    "time": (("morning", "noon", "afternoon", "daylight", "sunrise"), ("midnight", "evening", "night", "dusk", "darkness")),
}
VERBS = ("waited", "slept", "appeared", "was seen", "rested", "hid", "ate", "played")
LABELS = {"colour": ("warm", "cold"), "animal": ("pet", "wild"), "place": ("inside", "outside"), "time": ("light", "dark")}
TASKS = {
    "colour1": "colour",
    "colour2": "colour",
    "animal1": "animal",
    "animal2": "animal",
    "place": "place",
    "time": "time",
    "noise": "place",
}
ROWS = {"train": 80, "validation": 200, "test": 200}
MORE, WRONG = 11, 0.1


def task(name: str) -> pd.DataFrame:
    """Return the rows of a task: ``text``, ``label``, ``split``."""
    random, attribute = np.random.default_rng([*name.encode()]), TASKS[name]
    lines = []
    for split, n in ROWS.items():
        for _ in range(n * (MORE if name == "noise" and split == "train" else 1)):
            side = {one: int(random.integers(2)) for one in ATTRIBUTES}
            word = {one: random.choice(values[side[one]]) for one, values in ATTRIBUTES.items()}
            text = f"The {word['colour']} {word['animal']} {random.choice(VERBS)} in the {word['place']} at {word['time']}."
            label = LABELS[attribute][side[attribute] ^ int(random.random() < WRONG)]
            lines.append((text, label, split))
    table = pd.DataFrame(lines, columns=["text", "label", "split"]).drop_duplicates("text", ignore_index=True)
    if name == "noise":
        table["label"] = table.groupby("split")["label"].transform(lambda labels: random.permutation(labels.to_numpy()))
    return table


def main(to: Path) -> None:
    """Write a file per task."""
    to.mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        task(name).to_csv(to / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
