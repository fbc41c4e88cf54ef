"""Turn a finished run into the RESULTS.md and the tables of a study: ``python experiments/results.py RUN TO``.

Numbers only: no text of any example, no path, no name of a machine. The same run folder gives the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from written import made_with, rows_and_seeds, write_tables

from cotrain.grouping.plan import Plan
from cotrain.reporting import markdown
from cotrain.reporting.content import Bullets, Cell, Figure, Section, Table, Text, row
from cotrain.reporting.first_screen import sentences
from cotrain.reporting.sections import comparison, controls, cost, information, similarity
from cotrain.reporting.tables import RunTables, primary, states, tasks
from cotrain.reporting.words import duration, listing, number, plural
from cotrain.study.open import open_study
from cotrain.study.tables import tables

VERDICTS = ("gain", "equivalent", "not worse", "undecided", "harm")


def results(run: Path, to: Path) -> Path:
    """Write ``to/RESULTS.md`` and ``to/tables/*.csv`` from a run folder; return the former.

    Raises:
        InputError: no run folder, or nothing compared yet.
    """
    study = open_study(run)
    found = tables(study)
    if found.comparison is None:
        raise SystemExit(f"{run}: nothing is compared yet; first: cotrain run")
    write_tables(to, _csv(found))
    nothing = Figure("none", "", "")
    sections = [
        made(found),
        gains(found),
        *(s for s in (f.section(found) for f in (comparison, controls, information, similarity, cost)) if s),
    ]
    sections.append(_files())
    path = to / "RESULTS.md"
    path.write_text(markdown.render(f"{found.name}: results", sentences(found), nothing, sections, ()), encoding="utf-8")
    return path


def made(run: RunTables) -> Section:
    """Return how many tasks were learned, how often test was looked at, and with what all of it was made."""
    learned = [task for task in tasks(run) if states(run).get(task, ("",))[0] == "ok"]
    others = [f"{task} ({state.replace('_', ' ')})" for task, (state, _) in states(run).items() if state != "ok"]
    lines = [
        f"{len(learned)} of {plural(len(tasks(run)), 'task')} were learned: {listing(learned) or 'none'}."
        + (f" Not: {listing(others)}." if others else ""),
        f"Test was looked at {plural(run.looks_at_test, 'time')}.",
        rows_and_seeds(run.spec),
        f"{plural(len(run.costs), 'fit')}, {duration(run.costs['seconds'].sum())} of training in all: {made_with(run.provenance)}.",
    ]
    return Section("made", "What was done", (Bullets(tuple(lines)),))


def gains(run: RunTables) -> Section:
    """Return how every plan and control fared against the tasks alone: what it gained and what it lost, on test."""
    assert run.comparison is not None
    plans = [plan for plan in (run.comparison.recommended, *run.plans) if plan.name != "alone"]
    lines = tuple(row(*_fared(run, plan)) for plan in plans)
    columns = ("plan", "kind", "#models", "#tasks that share", "#mean difference of these", "#better", "#worse",
               *(f"#{verdict}" for verdict in VERDICTS), "largest gain", "largest loss")  # fmt: skip
    text = ("Shared minus alone, primary metric, over the tasks that a plan serves by a shared model: other tasks in every plan, so "
            "means of two plans are not compared here. Better and worse count signs, whatever their intervals say.")  # fmt: skip
    return Section("gains", "Gains and losses of every plan and control", (Text(text), Table(columns, lines, split="test")))


def _fared(run: RunTables, plan: Plan) -> Iterator[str | Cell]:
    """Yield the cells of one plan."""
    table = primary(run, "test")
    mine = table[(table["plan"] == plan.name) & (table["verdict"] != "alone")].set_index("task")
    gap = mine["difference"].astype(float)
    yield Cell(plan.name, "strong")
    yield plan.kind
    yield str(plan.models)
    yield str(len(mine))
    yield number(gap.mean(), sign=True)
    yield str(int((gap > 0).sum()))
    yield str(int((gap < 0).sum()))
    for verdict in VERDICTS:
        yield str(int((mine["verdict"] == verdict).sum()))
    for best, there in ((gap.max(), gap > 0), (gap.min(), gap < 0)):
        yield f"{gap.index[gap == best][0]} {number(best, sign=True)}" if there.any() else "–"


def _csv(run: RunTables) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables of a run by name, in a fixed order of lines."""
    assert run.comparison is not None and run.affinity is not None and run.scores is not None
    yield "tasks", run.affinity.tasks.sort_values("task")
    yield "states", run.scores.tasks.sort_values("task")
    yield "pairs", run.affinity.pairs.sort_values(["target", "helper"])
    yield "epochs", run.scores.by_epoch.sort_values(["task", "seed", "split", "epoch"])
    yield "comparison", run.comparison.table.sort_values(["plan", "task", "split", "metric"], kind="stable")
    yield "candidates", run.comparison.candidates.sort_values(["group", "tasks_served"], kind="stable")
    yield "fits", run.costs.sort_values(["group", "seed"])
    servings = [
        {"plan": plan.name, "kind": plan.kind, "group": serving.group.name, "serves": "+".join(serving.serves)}
        for plan in [run.comparison.recommended, *run.plans]
        for serving in plan.servings
    ]
    yield "plans", pd.DataFrame(servings)


def _files() -> Section:
    """Return what the tables beside the page hold."""
    held = ("tasks.csv: V-information, intervals, moments. states.csv: states and why.", "pairs.csv: every pair of tasks with its tests.",
            "epochs.csv: V-information by seed and epoch.", "plans.csv: who shares with whom in every plan.",
            "comparison.csv: every plan, task, split and metric. candidates.csv: what the decision looked at.",
            "fits.csv: seconds, updates, tokens and parameters of every fit.")  # fmt: skip
    return Section("files", "Tables beside this page, in tables/", (Bullets(held),))


def main(arguments: Sequence[str]) -> None:
    """Write the results of a run; two arguments."""
    if len(arguments) != 2:
        raise SystemExit("python experiments/results.py RUN TO, such as: runs/general9 experiments/general9")
    print(results(Path(arguments[0]), Path(arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
