"""The first screen: what to do with each task, in words that a principal investigator reads, and why to doubt it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cotrain.evaluation.estimate import Estimate
from cotrain.grouping.plan import Plan
from cotrain.reporting.content import Cell, Table, Tone, row
from cotrain.reporting.distrust import reasons
from cotrain.reporting.tables import (
    RunTables,
    arms,
    chosen_plan,
    controls,
    of_arm,
    of_plan,
    outside,
    primary,
    scored,
    sizes,
    states,
    tasks,
)
from cotrain.reporting.words import MISSING, braces, count, estimate, interval, known, listing, number, plural, probability

PREDICTED = "predicted only: no shared model trained yet"
METRICS = {"macro_f1": "Macro-F1", "accuracy": "Accuracy", "log_loss": "Log-loss", "positive_f1": "F1 of the positive class"}
VERDICT_TONES: dict[str, Tone] = {
    "gain": "good", "equivalent": "good", "not worse": "good", "harm": "bad", "undecided": "warn", "alone": "quiet",
}  # fmt: skip
_SIZES = {"train": "#train n", "test": "#test n", "clusters": "#clusters", "rarest": "#rarest class"}
_SCORED = {"rows": "#rows scored", "clusters": "#clusters"}


@dataclass(frozen=True)
class FirstScreen:
    """What stands at the top of the report and at the end of the terminal's output, as plain data.

    Attributes:
        banner: a caveat that comes before everything else; empty where there is none.
        headline: the recommendation: keep alone, share, undecided.
        sentences: models saved, worst served task, best control, claimed gains beside their controls.
        table: a line per task; empty columns before a comparison.
        reasons: for distrust, each only if true.
        overrides: what a person forced, beside the plan without it.
    """

    banner: str
    headline: str
    sentences: tuple[str, ...]
    table: Table
    reasons: tuple[str, ...]
    overrides: tuple[str, ...]


def sentences(run: RunTables) -> FirstScreen:
    """Return the first screen of ``run``, whatever of it is there yet."""
    plan = chosen_plan(run)
    banner = "" if run.comparison is not None else PREDICTED
    if cannot := _cannot_decide(run, plan):
        banner = cannot
    return FirstScreen(
        banner=banner,
        headline=_headline(run, plan),
        sentences=tuple(filter(None, (_models(run, plan), *_worst(run, plan), *_control(run), *_claims(run, plan), *_arms(run)))),
        table=task_table(run),
        reasons=reasons(run),
        overrides=overrides(run),
    )


def _headline(run: RunTables, plan: Plan | None) -> str:
    """Return ``Keep alone a, b; share {c, d}; undecided e.``"""
    if plan is None:
        return "Nothing has been nominated yet."
    undecided = _undecided(run)
    alone = [t for t in tasks(run) if t in plan.tasks and _single(plan, t) and t not in undecided]
    groups = [braces(s.serves) for s in plan.servings if len(s.serves) > 1]
    helped = [f"{s.serves[0]} with {listing(sorted({*s.group.tasks} - {*s.serves}))} as helpers"
              for s in plan.servings if len(s.serves) == 1 and len(s.group.tasks) > 1]  # fmt: skip
    words = []
    if alone:
        words.append(f"keep alone {', '.join(alone)}")
    if groups:
        words.append(f"share {listing(groups)}")
    if helped:
        words.append(f"train {listing(helped)}")
    if undecided:
        words.append(f"undecided {', '.join(undecided)}")
    text = "; ".join(words) + "."
    return text[0].upper() + text[1:]


def _single(plan: Plan, task: str) -> bool:
    """Return whether ``plan`` serves ``task`` by a model of its own."""
    return len(plan.serving(task).group.tasks) == 1


def _undecided(run: RunTables) -> tuple[str, ...]:
    """Return the undecided tasks that the recommended plan serves alone."""
    return tuple(run.comparison.notes.get("undecided", ())) if run.comparison is not None else ()


def _models(run: RunTables, plan: Plan | None) -> str:
    """Return ``12 → 9 models.``"""
    return f"{len(plan.tasks)} → {plural(plan.models, 'model')}." if plan is not None else ""


def _cannot_decide(run: RunTables, plan: Plan | None) -> str:
    """Return METHOD's words where the rows decide nothing: no group passed, and none was shown to lose either."""
    if run.comparison is None or plan is None:
        return ""
    notes = run.comparison.notes
    shared = any(len(s.serves) > 1 for s in plan.servings)
    undecided = _undecided(run)
    if shared or not undecided or len(undecided) < len([t for t in plan.tasks if states(run).get(t, ("ok",))[0] == "ok"]):
        return ""
    deltas = primary(run, "dev")["delta"]
    at = _delta(deltas.min()) if len(deltas) and deltas.nunique() == 1 else ""
    text = f"cannot decide at δ{f' = {at}' if at else ''}"
    rows, then = (_of_all(notes.get(name)) for name in ("needed_rows", "needed_rows_at_seeds"))
    seeds = _largest(notes.get("needed_seeds"))
    if known(rows) and known(seeds):
        fewer = f"{count(then)} rows" if known(then) else "these rows"
        return f"{text}; about {count(rows)} dev rows at these seeds, or {fewer} at {count(seeds)} seeds, would"
    if known(rows):
        return f"{text}; about {count(rows)} dev rows at these seeds would"
    if known(seeds):
        return (
            f"{text}; about {count(then)} dev rows at {count(seeds)} seeds would" if known(then) else f"{text}; {count(seeds)} seeds would"
        )
    return text


def _of_all(value: Any) -> Any:
    """Return as ``_largest``, None where a task has no number: no number is enough for it."""
    return _largest(value) if not isinstance(value, Mapping) or all(map(known, value.values())) else None


def _delta(value: float) -> str:
    """Return δ with the digits that it has.

    >>> _delta(0.02), _delta(0.0149)
    ('.02', '.0149')
    """
    return number(value, 4).rstrip("0")


def _largest(value: Any) -> Any:
    """Return a number, or the largest of a mapping of tasks to numbers: all of them have to be decided."""
    if isinstance(value, Mapping):
        numbers = [v for v in value.values() if known(v)]
        return max(numbers) if numbers else None
    return value


def _worst(run: RunTables, plan: Plan | None) -> list[str]:
    """Return the sentence on the worst served task, as test saw it."""
    lines = of_plan(run, plan, "test") if plan is not None and run.comparison is not None else pd.DataFrame()
    shared = lines[lines["verdict"] != "alone"] if len(lines) else lines
    if not len(shared):
        return []
    task = str(shared["difference"].astype(float).idxmin())
    line: Any = shared.loc[task]
    words = estimate(line["difference"], line["low95"], line["high95"], sign=True)
    return [f"Worst served task {task}: {words}, δ = {_delta(line['delta'])}."]


def _control(run: RunTables) -> list[str]:
    """Return the sentence on the best control: named on dev, shown on test."""
    if run.comparison is None or not run.comparison.notes.get("best_control"):
        return []
    name = run.comparison.notes["best_control"]
    value, low, high = _three(run.comparison.notes.get("best_control_difference"))
    return [f"Best control `{name}` differs by {number(value, sign=True)} {interval(low, high)}".strip() + "."]


def _three(difference: Any) -> tuple[float, float, float]:
    """Return value, low, high of an Estimate, of three numbers, or of an interval alone (its middle)."""
    if isinstance(difference, Estimate):
        return difference.value, difference.low, difference.high
    numbers = [float(x) for x in difference] if difference is not None else []
    if len(numbers) == 2:
        return (numbers[0] + numbers[1]) / 2, numbers[0], numbers[1]
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) >= 3 else (float("nan"),) * 3


def _claims(run: RunTables, plan: Plan | None) -> list[str]:
    """Return each claimed gain beside the two controls that separate transfer from more training."""
    if run.comparison is None or plan is None:
        return []
    lines, table = of_plan(run, plan, "test"), primary(run, "test")
    found = []
    for task in run.comparison.notes.get("claims", ()):
        if task not in lines.index:
            continue
        line = lines.loc[task]
        words = [f"Gain claimed on dev for {task}: test {estimate(line['difference'], line['low95'], line['high95'], sign=True)}"]
        for name, label in (("placebo", "placebo"), ("matched_updates", "matched updates")):
            other = table[(table["plan"] == name) & (table["task"] == task)]
            if len(other):
                words.append(f"{label} {number(other.iloc[0]['difference'], sign=True)}")
        if len(words) == 1:
            words.append("no placebo trained")
        found.append("; ".join(words) + ".")
    return found


def _arms(run: RunTables) -> list[str]:
    """Return a sentence on each of the predictions from outside: they are shown, and decide nothing."""
    found = []
    for name, notes in arms(run).items():
        gap = estimate(*_three(notes["mean_difference"]["test"]), sign=True)
        given = plural(max(notes["seeds"].values()), "answer") + " per row"
        known_by = "labels only" if len(notes["labels_only"]) == len(notes["seeds"]) else ""
        found.append(f"Predictions `{name}` differ from alone by {gap} on test, mean of {plural(len(notes['seeds']), 'task')} "
                     f"({', '.join(filter(None, (given, known_by)))}).")  # fmt: skip
    return found


def best_controls(run: RunTables) -> dict[str, tuple[str, float]]:
    """Return per task the control that is best on dev, with its difference to alone on test."""
    names = controls(run)
    dev, test = primary(run, "dev"), primary(run, "test")
    found = {}
    for task, lines in dev[dev["plan"].isin(names) & (dev["verdict"] != "alone")].groupby("task") if len(dev) else ():
        name = str(lines.sort_values("difference", kind="stable").iloc[-1]["plan"])
        there = test[(test["plan"] == name) & (test["task"] == task)]
        if len(there):
            found[str(task)] = (name, float(there.iloc[0]["difference"]))
    return found


def task_table(run: RunTables) -> Table:
    """Return a line per task: sizes, alone, shared, difference, verdict, what dev decided, the best control, state."""
    plan, state = chosen_plan(run), states(run)
    size, counted = (scored(run), _SCORED) if outside(run) else (sizes(run), _SIZES)
    compared = run.comparison is not None and plan is not None
    test = of_plan(run, plan, "test") if compared and plan is not None else pd.DataFrame()
    dev = of_plan(run, plan, "dev") if compared and plan is not None else pd.DataFrame()
    beside = {name: of_arm(run, name, "test") for name in arms(run)} if compared else {}
    best, numbers, lines = best_controls(run), _numbers(plan, _by_model(run, plan)), []
    for task in _by_model(run, plan):
        n = size.loc[task]
        cells: list[str | Cell] = [Cell(task, "strong")]
        cells += [str(numbers.get(task, MISSING))] if plan is not None else []
        cells += [count(n[column]) for column in counted]
        if compared:
            cells += _compared(test.loc[task] if task in test.index else None, dev.loc[task] if task in dev.index else None)
            cells.append(f"{best[task][0].replace('_', ' ')} {number(best[task][1], sign=True)}" if task in best else MISSING)
            cells += [_beside(lines_of, task) for lines_of in beside.values()]
        cells.append(_state(state.get(task), task in _undecided(run)))
        lines.append(row(*cells))
    columns = ["task", *(["#model" if compared else "#predicted model"] if plan is not None else [])]
    columns += counted.values()
    columns += ["#alone", "#shared", "#difference [95 %]", "verdict", "#P(loss > δ), dev", "#best control"] if compared else []
    columns += [f"#{name}" for name in beside]
    metric = _metrics(test)
    last = run.comparison is not None and run.comparison.notes.get("select") == "last"
    epoch = "the last epoch" if last else "the epoch that dev chose"
    note = f"{metric} on test at {epoch}; P(loss > δ) on dev, which decides. Equal numbers: one model." if compared else ""
    return Table((*columns, "state"), tuple(lines), note=note, split="test" if compared else "")


def _beside(lines: pd.DataFrame, task: str) -> str:
    """Return what predictions from outside reach on a task, and their difference to the task alone."""
    if task not in lines.index:
        return MISSING
    return f"{number(lines.loc[task, 'value'])} ({number(lines.loc[task, 'difference'], sign=True)})"


def _metrics(lines: pd.DataFrame) -> str:
    """Return the name of the primary metric, or that it depends on the task."""
    names = sorted(set(lines["metric"])) if len(lines) else []
    return METRICS.get(names[0], names[0]) if len(names) == 1 else "The primary metric of each task"


def _by_model(run: RunTables, plan: Plan | None) -> list[str]:
    """Return the tasks so that those of one model stand together, shared models first."""
    order = tasks(run)
    if plan is None:
        return order
    served = [t for t in order if t in plan.tasks]
    first = {s.group.name: min(served.index(t) for t in s.serves) for s in plan.servings if s.serves}
    known_tasks = sorted(served, key=lambda t: (_single(plan, t), first[plan.serving(t).group.name], served.index(t)))
    return known_tasks + [t for t in order if t not in plan.tasks]


def _numbers(plan: Plan | None, order: list[str]) -> dict[str, int]:
    """Return the number of the model that serves each task, counted in the order of the table."""
    if plan is None:
        return {}
    groups = {task: plan.serving(task).group.name for task in order if task in plan.tasks}
    rank = {group: at for at, group in enumerate(dict.fromkeys(groups.values()), start=1)}
    return {task: rank[group] for task, group in groups.items()}


def _compared(test: Any, dev: Any) -> list[str | Cell]:
    """Return the cells alone, shared, difference, verdict and P(loss > δ)."""
    if test is None:
        return [MISSING] * 5
    verdict = str(test["verdict"])
    if verdict == "alone":
        return [number(test["alone"]), MISSING, MISSING, Cell("alone", "quiet"), MISSING]
    gap = estimate(test["difference"], test["low95"], test["high95"], sign=True)
    loss = probability(dev["p_loss"]) if dev is not None else MISSING
    return [number(test["alone"]), number(test["value"]), gap, Cell(verdict, VERDICT_TONES.get(verdict, "")), loss]


def _state(state: tuple[str, str] | None, undecided: bool) -> Cell:
    """Return the state of a task; undecided is a state of the decision and stands beside it."""
    name = state[0].replace("_", " ") if state else MISSING
    if undecided:
        return Cell(f"{name}, undecided" if name not in ("ok", MISSING) else "undecided", "warn")
    return Cell(name, "quiet" if name in ("ok", MISSING) else "warn")


def overrides(run: RunTables) -> tuple[str, ...]:
    """Return what a person forced, plan by plan, beside the plan without it."""
    found = []
    for plan in run.plans:
        for sentence in plan.overrides:
            without = run.without_overrides.get(plan.name)
            beside = f" Without it: {_groups(without)}." if without is not None else ""
            found.append(f"{plan.name}: {sentence.rstrip('.')}.{beside}")
    return tuple(found)


def _groups(plan: Plan) -> str:
    """Return the shared models of a plan in braces, and how many stand alone."""
    shared = [braces(s.serves) for s in plan.servings if len(s.serves) > 1]
    alone = sum(len(s.serves) == 1 and len(s.group.tasks) == 1 for s in plan.servings)
    return listing([*shared, *([plural(alone, "task") + " alone"] if alone else [])]) or "nothing"
