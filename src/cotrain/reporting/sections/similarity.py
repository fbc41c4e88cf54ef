"""Similarity: which tasks hold about as much usable information, and how surely."""

from __future__ import annotations

from cotrain.reporting.content import Block, Cell, Figure, Section, Table, Text, Tone, row
from cotrain.reporting.sections.information import scored_split
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import braces, estimate, number, probability

MOST = 40  # pairs in the table; the matrix holds all


def section(run: RunTables) -> Section | None:
    """Return the matrix, the closest pairs with every statistic, and the sets that pass the rule."""
    if run.affinity is None or not len(run.affinity.pairs):
        return None
    blocks: list[Block] = [
        Text("Not different is not alike: a large p also comes of few rows. The detectable gap is what 80 % power would see."),
        Figure("similarity", f"Below the diagonal: V-information of the row minus that of the column, bits. Above: p ({run.affinity.test})."
               " Strongest blue: most alike." + (" *: shared rows." if (run.affinity.pairs["state"] == "shared rows").any() else ""),
               "Matrix of differences of V-information between tasks, with p-values", scored_split(run)),
        _pairs(run),
    ]  # fmt: skip
    if run.passing is not None and len(run.passing):
        blocks.append(_passing(run))
    return Section("similarity", "Similarity", tuple(blocks))


def _pairs(run: RunTables) -> Table:
    """Return the pairs, closest first."""
    assert run.affinity is not None
    pairs = run.affinity.pairs.assign(gap=run.affinity.pairs["difference_bits"].abs()).sort_values("gap")
    lines = []
    for _, pair in pairs.head(MOST).iterrows():
        lines.append(row(
            Cell(f"{pair['target']}, {pair['helper']}", "strong"),
            estimate(pair["difference_bits"], pair["low_bits"], pair["high_bits"], 2, sign=True),
            number(pair["statistic"], 2), probability(pair["p"]), probability(pair["p_holm"]),
            number(pair["hedges_g"], 2, sign=True), number(pair["detectable_bits"], 2), Cell(*_state(str(pair["state"]))),
        ))  # fmt: skip
    columns = ("pair", "#difference, bits [95 %]", "#statistic", "#p", "#p, Holm", "#Hedges g", "#detectable, bits", "state")
    more = f"The {MOST} closest of {len(pairs)} pairs; all are in pairs.parquet." if len(pairs) > MOST else ""
    return Table(columns, tuple(lines), f"Pairs, closest first ({run.affinity.test} test)", more, scored_split(run))


def _state(state: str) -> tuple[str, Tone]:
    """Return the state of a pair and its tone."""
    return (state, "warn") if state not in ("", "nan", "None") else ("", "")


def _passing(run: RunTables) -> Table:
    """Return the sets of tasks that pass the rule."""
    assert run.passing is not None
    lines = [
        row(Cell(braces(line["tasks"]), "strong"), number(line["statistic"], 2), probability(line["p"]), str(line["outcome"]))
        for _, line in run.passing.head(MOST).iterrows()
    ]
    return Table(("tasks", "#statistic", "#p", "outcome"), tuple(lines), "Sets of tasks that pass the rule",
                 split=scored_split(run))  # fmt: skip
