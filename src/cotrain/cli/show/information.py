"""``score`` and ``relate``: V-information of tasks, true beside estimated, and pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cotrain.cli.tables import bullets, filled, write
from cotrain.reporting.content import SCORED, Cell, Table, row
from cotrain.reporting.words import count, duration, estimate, number, plural, probability

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.pvi.scores import Scores

PAIRS = 40
"""Pairs of tasks that are shown; the table in the run folder holds all."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scores(scored: Scores, truth_bits: Mapping[str, float] | None = None) -> None:
    """Print V-information per task with its interval, beside the truth where it is known, and what failed."""
    from cotrain.pvi.seeds import mean_with_seeds
    from cotrain.pvi.states import interval

    facts, lines = scored.tasks.set_index("task"), []
    clustered = bool((scored.table.groupby("task")["cluster"].nunique() < scored.table.groupby("task")["row"].nunique()).any())
    for task, part in scored.table.groupby("task", sort=False):
        wide = part.pivot(index="row", columns="seed", values="pvi_bits")
        clusters = part.drop_duplicates("row").set_index("row").loc[wide.index, "cluster"].to_numpy(dtype=object)
        found = mean_with_seeds(wide.to_numpy(dtype=float).T, clusters)
        fact: Any = facts.loc[str(task)]
        state = str(fact["state"]).replace("_", " ")
        cells: list[str | Cell] = [Cell(str(task), "strong"), estimate(found.mean, *interval(found))]
        cells += [number(truth_bits.get(str(task)))] if truth_bits else []
        cells += [number(-part["log2_p_null"].mean(), 2), count(found.n), count(found.clusters) if clustered else "", count(found.seeds),
                  Cell(_seeds(fact["failed_seeds"]), "bad"), Cell(_seeds(fact["collapsed_seeds"]), "bad"),
                  Cell(state, "good" if state == "ok" else "warn")]  # fmt: skip
        lines.append(row(*cells))
    truth_column = ("#true",) if truth_bits else ()
    columns = ("task", "#V-information, bits [95 %]", *truth_column, "#null, bits", "#rows", "#clusters", "#seeds",
               "failed seeds", "collapsed seeds", "state")  # fmt: skip
    split = SCORED.get(str(scored.table["split"].iloc[0]), "")
    write(filled(Table(columns, tuple(lines), "V-information", split=split)))
    bullets((f"{task}: {reason}" for task, reason in facts["state_reason"].items() if reason), "warn")
    notes(scored)


def notes(scored: Scores) -> None:
    """Print what is taken on trust."""
    bullets(scored.notes, "warn")


def _seeds(value: object) -> str:
    """Return the seeds that a cell names."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value or "")


def affinity(related: Affinity) -> None:
    """Print the pairs of tasks, the most similar first."""
    if not related.test:
        _valued(related)
        return
    pairs = related.pairs.assign(gap=related.pairs["difference_bits"].abs()).sort_values("gap", kind="stable")
    states = dict(zip(related.tasks["task"], related.tasks["state"], strict=True))
    lines = []
    for pair in pairs.head(PAIRS).to_dict("records"):
        both = (pair["target"], pair["helper"])
        doubtful = {states[task] for task in both} - {"ok"}
        remarks = [pair["state"], *(f"{s.replace('_', ' ')}: {', '.join(t for t in both if states[t] == s)}" for s in sorted(doubtful))]
        lines.append(row(
            Cell(", ".join(both), "strong"), estimate(pair["difference_bits"], pair["low_bits"], pair["high_bits"], sign=True),
            probability(pair["p"]), number(pair["detectable_bits"]), pair["test"], Cell("; ".join(filter(None, remarks)), "warn"),
        ))  # fmt: skip
    columns = ("pair", "#difference, bits [95 %]", "#p", "#detectable gap", "test", "state")
    note = "Not different is not alike: the detectable gap is what 80 % power would see."
    if len(pairs) > PAIRS:
        note += f" The {PAIRS} most similar of {count(len(pairs))} pairs; all are in affinity/{related.method}/pairs.parquet."
    write(filled(Table(columns, tuple(lines), "Pairs, the most similar first", note)))


def _valued(related: Affinity) -> None:
    """Print the pairs of a method that has values alone, the highest first, what it sees, and what it cost."""
    from cotrain.affinity import METHODS
    from cotrain.affinity.method import SEES, named

    pairs, states = related.pairs.sort_values("value", ascending=False, kind="stable"), related.tasks.set_index("task")["state"]
    directed = len(pairs) == len(states) * (len(states) - 1)
    power = _thousandths(pairs["value"].abs().max())
    lines = [
        row(Cell(pair["target"], "strong"), pair["helper"], number(pair["value"] * 1000**power, sign=True))
        for pair in pairs.head(PAIRS).to_dict("records")
    ]
    cost = related.cost
    note = (
        f"{plural(int(cost['fits']), 'fit')} made for it ({duration(cost['fit_seconds'])}), {count(cost['reused'])} re-used; "
        f"{duration(cost['seconds'])} besides."
    )
    if related.method in METHODS or ":" in related.method:
        note = f"{related.method} sees {SEES[named(related.method).sees]}. {note}"
    if len(pairs) > PAIRS:
        note += f" {PAIRS} of {count(len(pairs))} lines; all are in affinity/{related.method}/pairs.parquet."
    unit = f"#{pairs['unit'].iloc[0]}" + (f", 10{str(-3 * power).translate(_RAISED)}" if power else "")
    columns = ("target", "helper", unit) if directed else ("task", "task", unit)
    write(Table(columns, tuple(lines), f"Pairs by {related.method}, the highest first", note))
    bullets((f"{task} is {state.replace('_', ' ')} and stands alone" for task, state in states.items() if state != "ok"), "warn")


def _thousandths(largest: float) -> int:
    """Return how often values are multiplied by 1,000 so that three digits after the point tell the largest.

    >>> [_thousandths(value) for value in (0.5, 0.01, 0.004, 2e-5, 0.0)]
    [0, 0, 1, 1, 0]
    """
    power = 0
    while 0 < largest * 1000**power < 0.01 and power < 4:
        power += 1
    return power


def truth(related: Affinity, bits: Mapping[str, float]) -> None:
    """Print true and estimated V-information of generated corpora."""
    lines = []
    for line in related.tasks.to_dict("records"):
        true = bits.get(line["task"], float("nan"))
        inside = line["low_bits"] <= true <= line["high_bits"]
        lines.append(row(
            Cell(line["task"], "strong"), number(true), estimate(line["mean_bits"], line["low_bits"], line["high_bits"]),
            number(line["mean_bits"] - true, sign=True), Cell("yes" if inside else "no", "good" if inside else "warn"),
        ))  # fmt: skip
    columns = ("task", "#true, bits", "#estimated, bits [95 %]", "#estimate − true", "interval holds the truth")
    note = "The truth is what a perfect reader would get from these texts; a small encoder on few rows gets less, never more but by chance."
    write(Table(columns, tuple(lines), "V-information, true and estimated", note))
