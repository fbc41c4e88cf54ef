"""Ways to share one encoder: what each holds in memory, how often it reads a text, how fast, and what it gives."""

from __future__ import annotations

from typing import NamedTuple

from cotrain.reporting.figures.cost import price
from cotrain.reporting.tables import RunTables, arms, of_arm, of_plan, tasks

TITLES = {"lora": "an adapter per task", "frozen": "frozen encoder, heads", "merged": "merged encoders"}
_BYTES = 4


class Way(NamedTuple):
    """One way to have a model for every task.

    Attributes:
        name: of the plan or arm.
        what: in words.
        bytes: of all weights in float32, resident at once.
        passes: of an encoder, for the labels of all tasks of one text.
        speed: texts per second, with all labels.
        difference: mean over tasks of it minus alone, primary metric, test.
        verdicts: by word how many tasks have it.
    """

    name: str
    what: str
    bytes: float
    passes: int
    speed: float
    difference: float
    verdicts: dict[str, int]

    def dominates(self, other: Way) -> bool:
        """Whether it is as good in score, memory and passes, better in one of them, and harms no task."""
        mine, others = ((w.difference, -w.bytes, -w.passes) for w in (self, other))
        return all(a >= b for a, b in zip(mine, others, strict=True)) and mine != others and not self.verdicts.get("harm")


def ways(run: RunTables) -> list[Way]:
    """Return the tasks alone, the recommended plan, and the other ways that were compared; nothing where there are none of these."""
    facts = run.shared
    there = [name for name in facts.get("ways", ()) if name in arms(run)] if run.comparison is not None else []
    if not there or run.comparison is None:
        return []
    n, second = len(tasks(run)), facts["seconds"]
    whole, heads = facts["encoder"], facts["heads"]
    found = [Way("alone", "a model per task", _BYTES * (n * whole + heads), n, 1 / (n * second["plain"]), 0.0, {})]
    best = run.comparison.recommended
    m = best.models
    if (cost := price(run, best)) is not None:
        verdicts = of_plan(run, best, "test")["verdict"].value_counts()
        found.append(Way("recommended", "hard sharing in groups", _BYTES * cost.parameters, m, 1 / (m * second["plain"]),
                         cost.difference, {str(word): int(k) for word, k in verdicts.items()}))  # fmt: skip
    extra = {"lora": facts["adapters"], "frozen": 0, "merged": 0}
    passes = {"lora": (n, n * second["lora"]), "frozen": (1, second["heads"]), "merged": (1, second["heads"])}
    for name in there:
        lines = of_arm(run, name, "test")
        verdicts = lines["verdict"].value_counts()
        found.append(Way(name, TITLES[name], _BYTES * (whole + heads + extra[name]), passes[name][0], 1 / passes[name][1],
                         float(lines["difference"].astype(float).mean()), {str(word): int(k) for word, k in verdicts.items()}))  # fmt: skip
    return found
