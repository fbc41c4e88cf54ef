"""Similarity: which tasks hold about as much usable information, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotrain.reporting.content import Block, Cell, Figure, Section, Table, Text, Tone, row
from cotrain.reporting.sections.information import scored_split
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import braces, estimate, number, probability, rows_needed, share

if TYPE_CHECKING:
    import pandas as pd

MOST = 40  # pairs in the table; the matrix holds all


def section(run: RunTables) -> Section | None:
    """Return the matrix, the closest pairs with every statistic, and the sets that pass the rule."""
    if run.affinity is None or not len(run.affinity.pairs):
        return None
    blocks: list[Block] = [
        Text("Not different is not alike: a large p also comes of few rows. The detectable gap is what 80 % power would see."),
        Figure("similarity", _caption(run), "Matrix of differences of V-information between tasks, with p-values", scored_split(run)),
        _pairs(run),
    ]  # fmt: skip
    if run.passing is not None and len(run.passing):
        blocks.append(_passing(run))
    return Section("similarity", "Similarity", tuple(blocks))


def _caption(run: RunTables) -> str:
    """Return what stands in the cells of the matrix."""
    assert run.affinity is not None
    below = "Below the diagonal: V-information of the row minus that of the column, bits"
    passes = "; under it the share of resamples in which the pair passes" if run.stability is not None else ""
    above = f". Above: p ({run.affinity.test}), and the gap that 80 % power sees at alpha .01, bits. Strongest blue: most alike."
    shared = " *: shared rows." if (run.affinity.pairs["state"] == "shared rows").any() else ""
    return below + passes + above + shared


def _pairs(run: RunTables) -> Table:
    """Return the pairs, closest first."""
    assert run.affinity is not None
    settle, passes = _by_pair(run.settle, "rows_to_settle"), _by_pair(run.stability, "passes")
    pairs = run.affinity.pairs.assign(gap=run.affinity.pairs["difference_bits"].abs()).sort_values("gap")
    lines = []
    for _, pair in pairs.head(MOST).iterrows():
        lines.append(row(
            Cell(f"{pair['target']}, {pair['helper']}", "strong"),
            estimate(pair["difference_bits"], pair["low_bits"], pair["high_bits"], 2, sign=True),
            number(pair["statistic"], 2), probability(pair["p"]), probability(pair["p_holm"]),
            number(pair["hedges_g"], 2, sign=True), number(pair["detectable_bits"], 2),
            *([share(passes.get((pair["target"], pair["helper"])))] if passes else []),
            rows_needed(settle.get((pair["target"], pair["helper"]))), Cell(*_state(str(pair["state"]))),
        ))  # fmt: skip
    columns = ("pair", "#difference, bits [95 %]", "#statistic", "#p", "#p, Holm", "#Hedges g", "#detectable, bits",
               *(["#passes in resamples"] if passes else []), "#to settle, rows", "state")  # fmt: skip
    more = f"The {MOST} closest of {len(pairs)} pairs; all are in pairs.parquet. " if len(pairs) > MOST else ""
    more += "To settle: held-out rows per task with which equal tasks are shown equivalent with 80 % power; – where the pair is decided."
    return Table(columns, tuple(lines), f"Pairs, closest first ({run.affinity.test} test)", more, scored_split(run))


def _by_pair(table: pd.DataFrame | None, column: str) -> dict[tuple[str, str], float]:
    """Return (target, helper) to a column of a table that may not be there."""
    return {} if table is None else dict(zip(zip(table["target"], table["helper"], strict=True), table[column], strict=True))


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
