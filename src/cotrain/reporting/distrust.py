"""Reasons for distrust: each is shown only where it is true of this run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from cotrain.reporting.tables import RunTables, chosen_plan, estimator, of_plan, outside, primary, scored, sizes, states
from cotrain.reporting.words import estimate, listing, model, number, plural

FEW_CLUSTERS = 20
FEW_OF_A_CLASS = 30
MANY_LOOKS = 3
NULL_GAP_BITS = 0.05


def reasons(run: RunTables) -> tuple[str, ...]:
    """Return one sentence per reason to distrust this run, the gravest first; nothing where all is well."""
    found = [sentence for find in _FINDERS for sentence in find(run)]
    if run.comparison is not None:
        found += [str(sentence) for sentence in run.comparison.notes.get("distrust", ())]
    return tuple(dict.fromkeys([*found, *run.notes]))


def _not_confirmed(run: RunTables) -> Iterator[str]:
    """Dev decided; where test shows harm, dev was wrong."""
    plan = chosen_plan(run)
    lines = of_plan(run, plan, "test") if plan is not None and run.comparison is not None else pd.DataFrame()
    for task, line in lines.iterrows():
        if line["verdict"] == "harm":
            gap = estimate(line["difference"], line["low95"], line["high95"], sign=True)
            yield f"Test does not confirm {task}: dev passed its group, test shows harm {gap}."


def _controls_as_good(run: RunTables) -> Iterator[str]:
    """A control that does as well says that the choice of the partners hardly mattered."""
    plan = chosen_plan(run)
    if run.comparison is None or plan is None:
        return
    mine = of_plan(run, plan, "test")
    shared = mine[mine["verdict"] != "alone"] if len(mine) else mine
    if not len(shared):
        return
    table = primary(run, "test")
    near = []
    same = [
        p.name for p in run.plans if p.kind == "control" and all(t in p.tasks and p.serving(t) == plan.serving(t) for t in shared.index)
    ]
    if same:
        yield f"For the tasks that share the plan is the control {listing(same)}: nothing said who should share with whom."
    for name, lines in table[table["kind"] == "control"].groupby("plan", sort=False):
        theirs = lines.set_index("task")["difference"].reindex(shared.index)
        # alone is no grouping, and placebo and matched updates speak of single tasks: they have sentences of their own
        if name == "alone" or name in same or theirs.isna().any():
            continue
        if ((theirs - shared["difference"]) / shared["delta"]).mean() > -1:
            near.append((str(name), float((theirs - shared["difference"]).mean())))
    if near:
        each = listing(f"{name} ({number(gap, sign=True)})" for name, gap in near)
        yield f"Within δ of the plan over the tasks that share: {each}. Who shares with whom may not be what matters here."


def _more_training(run: RunTables) -> Iterator[str]:
    """A gain that permuted helpers or as many updates give as well is more training, not transfer."""
    plan = chosen_plan(run)
    mine = of_plan(run, plan, "test") if plan is not None and run.comparison is not None else pd.DataFrame()
    if not len(mine):
        return
    table = primary(run, "test").set_index(["plan", "task"])
    for task, line in mine[mine["difference"] > 0].iterrows():
        near = []
        for name, words in (("placebo", "helpers with permuted labels"), ("matched_updates", "as many updates alone")):
            if (name, task) in table.index:
                other = float(table.loc[[(name, task)]].iloc[0]["difference"])
                if other >= line["difference"] - line["delta"]:
                    near.append(f"{words} give {number(other, sign=True)}")
        if near:
            gap = number(line["difference"], sign=True)
            yield f"The gain of {task} ({gap}) may be more training, not transfer: {listing(near)}, within δ of it."
        elif line["verdict"] == "gain" and ("placebo", task) not in table.index:
            claimed = run.comparison is not None and task in run.comparison.notes.get("claims", ())
            yield (
                f"The gain of {task} is claimed, and no placebo was trained yet to stand beside it; cotrain run trains it."
                if claimed
                else f"The gain of {task} on test was not claimed on dev, so no placebo was trained to stand beside it."
            )


def _failed(run: RunTables) -> Iterator[str]:
    """Failed and collapsed fits stay in the tables and are named here."""
    if run.comparison is not None:
        table = primary(run, "test")
        for column, word in (("failed_seeds", "failed"), ("collapsed_seeds", "collapsed")):
            bad = table[table[column].fillna(0).astype(int) > 0]
            whole = column == "failed_seeds"  # a fit fails whole, and collapses for some of its tasks
            lines = bad.drop_duplicates("served_by") if whole else bad
            each = [
                f"{'' if whole or group == task else f'{task} in '}{model(str(group))} ({plural(int(seeds), 'seed')})"
                for group, task, seeds in zip(lines["served_by"], lines["task"], lines[column], strict=True)
            ]
            if each:
                yield f"Fits {word}: {listing(each)}."
    if run.scores is not None and run.comparison is None:
        for column, word in (("failed_seeds", "failed"), ("collapsed_seeds", "collapsed")):
            table = run.scores.tasks
            named = [f"{t} ({n})" for t, n in zip(table["task"], table[column], strict=True) if _any(n)]
            if named:
                yield f"Single-task fits {word}: {listing(named)}."


def _any(seeds: object) -> bool:
    """Return whether a cell names seeds: a list, a count, or a text."""
    if isinstance(seeds, (list, tuple)) or hasattr(seeds, "__len__"):
        return len(seeds) > 0
    return not pd.isna(seeds) and bool(seeds)  # type: ignore[call-overload]


def _leakage(run: RunTables) -> Iterator[str]:
    """The same text on the training side of one task and the held-out side of another (or of itself)."""
    for pair in run.check.get("shared", ()):
        if pair.get("leaks"):
            texts = plural(int(pair["leaks"]), "text")
            yield f"Leakage: {texts} stand in training rows of one and held-out rows of the other of {pair['a']} and {pair['b']}."
    for task, facts in run.check.get("tasks", {}).items():
        if facts.get("duplicates_across_splits"):
            n = plural(int(facts["duplicates_across_splits"]), "held-out text")
            yield f"Leakage: {n} of {task} stand in its own training rows."


def _small(run: RunTables) -> Iterator[str]:
    """Few clusters make every interval a guess; few rows of a class make its score one."""
    table, where = (scored(run), "the rows scored") if outside(run) else (sizes(run), "test")
    few = table[table["clusters"] < FEW_CLUSTERS]
    if len(few):
        each = listing(f"{task} ({n})" for task, n in few["clusters"].items())
        yield f"Fewer than {FEW_CLUSTERS} clusters in {where}: {each}. Intervals there are unreliable."
    if outside(run):
        return
    rare = table[table["rarest"] < FEW_OF_A_CLASS]
    if len(rare):
        each = listing(f"{task} ({n})" for task, n in rare["rarest"].items())
        yield f"Fewer than {FEW_OF_A_CLASS} test rows of the rarest class: {each}. Verdicts per class are withheld."


def _not_learned(run: RunTables) -> Iterator[str]:
    """Two tasks that the encoder cannot learn look most alike of all."""
    plan = chosen_plan(run)
    for task, (state, reason) in states(run).items():
        if state == "ok" or plan is None or task not in plan.tasks:
            continue
        serving = plan.serving(task)
        if len(serving.group.tasks) > 1:
            why = f" ({reason})" if reason else ""
            yield f"{task} is {state.replace('_', ' ')}{why} and stands in {model(serving.group.name)} all the same."


def _nulls(run: RunTables) -> Iterator[str]:
    """A fine-tuned null far from the label frequencies is under-trained and inflates PVI."""
    if run.scores is None or "null_gap_bits" not in run.scores.tasks:
        return
    table = run.scores.tasks
    far = table[table["null_gap_bits"].abs() > NULL_GAP_BITS]
    if len(far):
        each = listing(f"{t} ({number(g, 2, sign=True)} bit)" for t, g in zip(far["task"], far["null_gap_bits"], strict=True))
        yield f"The fine-tuned null model is under-trained: {each}."


def _trust(run: RunTables) -> Iterator[str]:
    """What a person attests and nobody can check."""
    if run.scores is not None:
        yield from run.scores.notes


def _seeds(run: RunTables) -> Iterator[str]:
    """One fit says nothing about the next."""
    if run.scores is not None and run.scores.table["seed"].nunique() == 1 and estimator(run) != "probe":  # which draws nothing
        yield "One seed only: every interval is conditional on one fit."


def _looks(run: RunTables) -> Iterator[str]:
    """Test confirms once; whoever looks often chooses by it."""
    if run.looks_at_test >= MANY_LOOKS:
        yield f"Test was looked at {run.looks_at_test} times: what it confirms was chosen knowing it."


def _mixed(run: RunTables) -> Iterator[str]:
    """Fits of different machines or libraries in one comparison."""
    mixed = run.provenance.get("mixed")
    if mixed:
        each = mixed if isinstance(mixed, str) else listing(map(str, mixed))
        yield f"The fits of this comparison differ in {each}."


_FINDERS: tuple[Callable[[RunTables], Iterator[str]], ...] = (
    _not_confirmed, _controls_as_good, _more_training, _failed, _leakage, _small, _not_learned, _trust, _nulls, _seeds,
    _looks, _mixed,
)  # fmt: skip
