"""V-information: how much each task's labels are predictable by this encoder, and its trust."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cotrain.reporting.content import SCORED, Block, Cell, Figure, Section, Split, Table, Text, row
from cotrain.reporting.tables import RunTables, states, tasks
from cotrain.reporting.words import MISSING, count, estimate, known, listing, number


def section(run: RunTables) -> Section | None:
    """Return V-information per task, by epoch, and the distribution of PVI."""
    if run.affinity is None:
        return None
    true = " The bar is the truth, known because the data are generated." if run.known else ""
    split = scored_split(run)
    blocks: list[Block] = [
        Text("V-information is the mean over held-out rows of how many bits the text says about its label to this encoder. "
             "Tasks with about the same are nominated to share; training decides."),
        Figure("information", f"V-information per task, 95 % interval over rows, clusters and seeds.{true}", _alt(run), split),
        _table(run),
    ]  # fmt: skip
    for task, (state, reason) in states(run).items():
        if state != "ok":
            advice = " Alone, or change the encoder." if state == "not_learned" else ""
            blocks.append(Text(f"{task} is {state.replace('_', ' ')}: {reason.rstrip('.')}.{advice}", "warn"))
    if run.scores is not None and len(run.scores.by_epoch):
        blocks.append(Figure("epochs", "V-information by epoch: a thin line per seed, a thick one for their mean; scored "
                             "epochs shaded. It falls where training goes on past the best log-loss.",
                             "Small line charts of V-information by epoch, one per task",
                             SCORED[str(run.scores.by_epoch["split"].iloc[0])]))  # fmt: skip
    if run.scores is not None and len(run.scores.table):
        blocks.append(Figure("distributions", "PVI of the rows, seeds averaged. Left of 0 the model is worse than the label "
                             "frequencies: confident and wrong.", "Ridges of PVI per task", split))  # fmt: skip
    return Section("information", "V-information", tuple(blocks))


def scored_split(run: RunTables) -> Split:
    """Return the split that the scores are of, where it is known; preset ``paper`` scores test."""
    if run.scores is None or not len(run.scores.table):
        return ""
    return SCORED.get(str(run.scores.table["split"].iloc[0]), "")


def _alt(run: RunTables) -> str:
    """Return the picture in words."""
    table = run.affinity.tasks.set_index("task") if run.affinity is not None else pd.DataFrame()
    return "V-information in bits: " + listing(f"{t} {number(table.loc[t, 'mean_bits'], 2)}" for t in tasks(run) if t in table.index)


def _table(run: RunTables) -> Table:
    """Return estimates, the truth, normalised values, seeds, states."""
    assert run.affinity is not None
    table = run.affinity.tasks.set_index("task")
    lines = []
    for task in tasks(run):
        if task not in table.index:
            continue
        line: Any = table.loc[task]
        truth = (run.known or {}).get(task)
        cells: list[str | Cell] = [Cell(task, "strong"), estimate(line["mean_bits"], line["low_bits"], line["high_bits"])]
        if run.known:
            cells.append(number(truth))
            cells.append(number(float(line["mean_bits"]) - truth, sign=True) if truth is not None and known(truth) else "–")
        state = str(line["state"]).replace("_", " ")
        cells += [number(line["v_normalised"], 2), number(line["nll_null_bits"], 2), number(line["sd_bits"], 2),
                  number(line["seed_sd_bits"]), count(line["n"]), count(line["clusters"]), number(line["accuracy"]),
                  Cell(state, "quiet" if state == "ok" else "warn")]  # fmt: skip
        lines.append(row(*cells))
    truth_columns = ("#true", "#estimate − true") if run.known else ()
    columns = ("task", "#V-information, bits [95 %]", *truth_columns, "#normalised", "#null, bits", "#sd of rows",
               "#sd of seeds", "#rows", "#clusters", "#accuracy", "state")  # fmt: skip
    keep = [i for i in range(len(columns)) if any(line[i].text != MISSING for line in lines)]  # scores from outside tell less
    return Table(tuple(columns[i] for i in keep), tuple(tuple(line[i] for i in keep) for line in lines), "V-information per task",
                 split=scored_split(run),
                 note="Normalised: 1 − NLL / NLL of the null model on the same rows. PVI is never compared across encoders.")  # fmt: skip
