"""RunTables: everything that a report is made of, as plain tables and nouns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.evaluation.comparison import Comparison
from cotrain.grouping.plan import Plan
from cotrain.pvi.scores import Scores

ROW_COLUMNS = ("task", "row", "split", "label", "cluster")


@dataclass(frozen=True)
class RunTables:
    """What a run folder holds when a report is asked for; whatever is not there yet is None or empty.

    Attributes:
        name: of the study.
        tasks_rows: columns ``task``, ``row``, ``split``, ``label``, ``cluster`` (and ``source``); never a text.
        check: the result of the verb ``check``.
        scores: PVI per row, with states.
        affinity: how alike the tasks are.
        plans: every plan of the run, nominated, control, listing and recommended.
        comparison: alone, plans and controls on dev and test.
        costs: columns ``group``, ``seed``, ``seconds``, ``updates``, ``tokens``, ``parameters``: one line per fit.
        spec: the resolved study file.
        provenance: versions, hashes, device, command.
        looks_at_test: how often test was looked at.
        known: true V-information in bits per task, where the world is our own (the demo).
        without_overrides: plan name to the plan as it would be without what a person forced.
        passing: sets of tasks that pass the rule: ``tasks`` (names), ``statistic``, ``p``, ``outcome``.
        stability: after a bootstrap, how often each pair passes at the study's alpha: ``target``, ``helper``, ``passes``.
        settle: per pair the rows per task that would decide it: ``target``, ``helper``, ``rows_to_settle`` (nan: it is decided).
        prompted: by arm of a language model ``model``, ``address``, ``tasks`` (by task ``seeds``, ``answers``, ``unanswered``) and
            ``sent`` (by task the addresses ``to`` which its rows left this machine, and whether its format is ``clinical``).
        shared: of other ways to share the parameters of ``encoder``, ``heads`` and ``adapters`` (of all tasks), the ``seconds`` per text of
            a pass (``plain``, ``heads``, ``lora``), and the ``ways`` that are there.
        affinities: how alike the tasks are by every method, by its name.
        truth: where every pair was trained (``oracle``): what tasks lose on test, ``alone`` (``task``, ``seed``, ``loss``) and in ``pairs``
            (``target``, ``helper``, ``seed``, ``loss``), as shares of NLL_null; and ``coupled``, the methods that read fits of its seeds.
        notes: further reasons for distrust that only the study can see (a plan that changes with the test).

    Raises:
        InputError: the table of rows lacks a column.
    """

    name: str
    tasks_rows: pd.DataFrame = field(repr=False)
    check: Mapping[str, Any] = field(default_factory=dict, repr=False)
    scores: Scores | None = None
    affinity: Affinity | None = None
    plans: Sequence[Plan] = ()
    comparison: Comparison | None = None
    costs: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    spec: Mapping[str, Any] = field(default_factory=dict, repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)
    looks_at_test: int = 0
    known: Mapping[str, float] | None = None
    without_overrides: Mapping[str, Plan] = field(default_factory=dict)
    passing: pd.DataFrame | None = None
    stability: pd.DataFrame | None = None
    settle: pd.DataFrame | None = None
    prompted: Mapping[str, Any] = field(default_factory=dict, repr=False)
    shared: Mapping[str, Any] = field(default_factory=dict, repr=False)
    affinities: Mapping[str, Affinity] = field(default_factory=dict, repr=False)
    truth: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if missing := [c for c in ROW_COLUMNS if c not in self.tasks_rows.columns]:
            raise InputError(f"the rows of a report lack the columns {', '.join(missing)}")


def tasks(run: RunTables) -> list[str]:
    """Return the task names, the most usable information first, by name where there are no scores yet."""
    names = sorted(set(run.tasks_rows["task"]))
    bits = means(run)
    return sorted(names, key=lambda task: (-bits.get(task, -9.0), task))


def outside(run: RunTables) -> bool:
    """Return whether the run is made of scores from outside: then its rows are those scored, and nothing else is known of them."""
    return estimator(run) == "outside"


def estimator(run: RunTables) -> str:
    """Return how the scores were made, as their column says; empty without scores."""
    return str(run.scores.table["estimator"].iloc[0]) if run.scores is not None and len(run.scores.table) else ""


def scored(run: RunTables) -> pd.DataFrame:
    """Return the number of scored ``rows``, ``clusters`` and ``seeds`` of each task, indexed by task; empty without scores."""
    if run.scores is None:
        return pd.DataFrame(columns=["rows", "clusters", "seeds"])
    counts = run.scores.table.groupby("task")[["row", "cluster", "seed"]].nunique()
    return counts.rename(columns={"row": "rows", "cluster": "clusters", "seed": "seeds"})


def means(run: RunTables) -> dict[str, float]:
    """Return the mean PVI in bits per task, or nothing."""
    if run.affinity is None:
        return {}
    table = run.affinity.tasks
    return dict(zip(table["task"].astype(str), table["mean_bits"].astype(float), strict=True))


def sizes(run: RunTables) -> pd.DataFrame:
    """Return, indexed by task: ``train``, ``dev``, ``test`` rows, ``classes``, ``clusters`` and ``rarest`` of test."""
    rows = run.tasks_rows
    counts = rows.groupby(["task", "split"], observed=True).size().unstack(fill_value=0)
    test = rows[rows["split"] == "test"]
    table = counts.reindex(columns=["train", "dev", "test"], fill_value=0)
    table["classes"] = rows.groupby("task", observed=True)["label"].nunique()
    table["clusters"] = test.groupby("task", observed=True)["cluster"].nunique()
    # a class without any test row is the rarest of all, so counts are taken over all labels of the task
    pairs = rows[["task", "label"]].drop_duplicates()
    per_class = test.groupby(["task", "label"], observed=True).size().rename("n").reset_index()
    every = pairs.merge(per_class, on=["task", "label"], how="left").fillna({"n": 0})
    table["rarest"] = every.groupby("task", observed=True)["n"].min()
    return table.fillna(0).astype(int)


def states(run: RunTables) -> dict[str, tuple[str, str]]:
    """Return (state, reason) per task; the scores know best, the affinity where there are no scores."""
    table = run.scores.tasks if run.scores is not None else run.affinity.tasks if run.affinity is not None else None
    if table is None:
        return {}
    reasons = table["state_reason"].fillna("") if "state_reason" in table else [""] * len(table)
    return {str(t): (str(s), str(r)) for t, s, r in zip(table["task"], table["state"], reasons, strict=True)}


def chosen_plan(run: RunTables) -> Plan | None:
    """Return the plan that the first screen speaks of: the recommended one, before training the first nominated."""
    if run.comparison is not None:
        return run.comparison.recommended
    return next((plan for plan in run.plans if plan.kind == "nominated"), None)


def controls(run: RunTables) -> list[str]:
    """Return the names of the controls in the comparison, ``alone`` left out: every difference is against it."""
    if run.comparison is None:
        return []
    table = run.comparison.table
    found = table.loc[table["kind"] == "control", "plan"].astype(str)
    return [name for name in dict.fromkeys(found) if name != "alone"]


def arms(run: RunTables) -> dict[str, Mapping[str, Any]]:
    """Return the predictions from outside in the comparison, by name, with what its notes say of them."""
    return dict(run.comparison.notes.get("arms", {})) if run.comparison is not None else {}


def of_arm(run: RunTables, name: str, split: str) -> pd.DataFrame:
    """Return one primary line per task of predictions from outside, indexed by task."""
    table = primary(run, split)
    return table[(table["kind"] == "outside") & (table["plan"] == name)].set_index("task") if len(table) else table


def primary(run: RunTables, split: str) -> pd.DataFrame:
    """Return the lines of the comparison for each task's primary metric on one split; empty before a comparison."""
    if run.comparison is None:
        return pd.DataFrame()
    table = run.comparison.table
    return table[table["primary"].astype(bool) & (table["split"] == split)]


def of_plan(run: RunTables, plan: Plan, split: str) -> pd.DataFrame:
    """Return one primary line per task of ``plan``, indexed by task.

    A recommended plan is put together from groups of other plans; a task that the table does not list under its name
    is found under whichever plan serves it by the same group.
    """
    table = primary(run, split)
    if not len(table):
        return table
    groups = {task: plan.serving(task).group.name for task in plan.tasks}
    mine = table[table["served_by"] == table["task"].map(groups)]
    own = mine["plan"] == plan.name
    best = pd.concat([mine[own], mine[~own]]).drop_duplicates("task").set_index("task")
    return best.loc[[task for task in groups if task in best.index]]
