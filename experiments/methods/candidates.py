"""Which candidates can be judged: those with something to learn and something left to gain, each alone, on dev."""

from __future__ import annotations

import math
from collections.abc import Collection

import pandas as pd

from cotrain.affinity.pvi import relate
from cotrain.reporting.words import number
from cotrain.study import data
from cotrain.study.study import Study

FLOOR, CEILING = 0.05, 0.10
"""Shares of the entropy: the information has to be surely above the first, the loss above the second."""


def candidates(gate: Study, kept: Collection[str]) -> pd.DataFrame:
    """Return ``task``, ``train`` and ``dev`` rows, ``entropy_bits``, ``nll_share``, ``bits``, ``low_bits``, ``high_bits``, ``passes``,
    ``why``, a line per candidate, by name.

    The entropy is what label frequencies of training lose on the rows of dev.

    Args:
        kept: the tasks of the study.

    Raises:
        InputError: the candidates are not scored yet.
    """
    found = relate(gate.load_scores("pvi"), gate.resolved.test, gate.resolved.group_test).tasks.set_index("task").sort_index()
    rows = data.rows(gate, "train")["task"].value_counts()
    table = pd.DataFrame({
        "task": found.index, "train": rows.reindex(found.index).to_numpy(), "dev": found["n"].to_numpy(),
        "entropy_bits": found["nll_null_bits"].to_numpy(), "nll_share": 1 - found["v_normalised"].to_numpy(dtype=float),
        "bits": found["mean_bits"].to_numpy(), "low_bits": found["low_bits"].to_numpy(), "high_bits": found["high_bits"].to_numpy(),
    })  # fmt: skip
    faults = [_fault(low / entropy, loss) for low, entropy, loss in table[["low_bits", "entropy_bits", "nll_share"]].to_numpy(dtype=float)]
    table["passes"] = [not fault for fault in faults]
    table["why"] = [_why(fault, task in kept) for task, fault in zip(table["task"], faults, strict=True)]
    return table


def _why(fault: str, kept: bool) -> str:
    """Return what became of a candidate."""
    if fault:
        return f"{fault}; judged all the same" if kept else fault
    return "judged" if kept else "passes, and is left out, which README.md accounts for"


def _fault(low: float, loss: float) -> str:
    """Return why a candidate cannot be judged, by shares of the entropy; empty where it can."""
    if not (math.isfinite(low) and math.isfinite(loss)):
        return "its information has no interval"
    if low <= FLOOR:
        return f"its information may be {number(low)} of the entropy, which is not above {number(FLOOR, 2)}"
    return "" if loss > CEILING else f"its loss is {number(loss)} of the entropy, which is not above {number(CEILING, 2)}"
