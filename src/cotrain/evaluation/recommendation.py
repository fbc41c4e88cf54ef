"""The recommended plan: the exact best partition over the groups that pass on dev, and alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from cotrain.evaluation.assignment import Assignment, Option, assign
from cotrain.evaluation.comparison import CANDIDATE_COLUMNS
from cotrain.evaluation.decision import Evidence
from cotrain.evaluation.estimate import probability, said
from cotrain.evaluation.power import RISK
from cotrain.grouping.plan import Plan, Serving
from cotrain.training.group import Group


class Recommendation(NamedTuple):
    """The recommended plan, and a line per group (and served subset) that the decision looked at."""

    plan: Plan
    candidates: pd.DataFrame


def recommend(evidence: Sequence[Evidence], tasks: Sequence[str], goal: str) -> Recommendation:
    """Return the exact best partition: ``fewer``: fewest models, ties by mean difference; ``better``: largest mean difference."""
    by = {e.group.name: e for e in sorted(evidence, key=lambda e: e.group.name)}
    options = [option for e in by.values() for option in _options(e, goal)]
    best, *others = assign(tasks, options, fewest=goal == "fewer")
    servings = [Serving(by[name].group, served) for name, served in best.serves.items()]
    single = sorted(set(tasks) - {t for s in servings for t in s.serves})
    servings += [Serving(Group.of([task]), (task,)) for task in single]
    passing = sum(bool(e.largest(goal)) for e in by.values())
    plan = Plan(
        name="recommended", kind="recommended", servings=tuple(sorted(servings, key=lambda s: s.serves)),
        why=tuple(_why(by, best, single, passing, goal)),
        runner_up=_words(others[0], by, tasks) if others else "", settings={"goal": goal, "decided_on": "dev"},
    )  # fmt: skip
    return Recommendation(plan, _candidates(by.values(), best, goal))


def _options(e: Evidence, goal: str) -> list[Option]:
    """Return how a group may serve: under ``fewer`` any harmless members with room, under ``better`` the sets that gain."""
    gains = {t: d.value for t, d in zip(e.tasks, e.differences, strict=True)}
    if goal == "better":
        return [Option(e.group.name, {t: gains[t] for t in served}, {}, whole=True) for served in e.gaining]
    room = {t: float(d) + 0.5 for t, d, good in zip(e.tasks, e.in_deltas, e.harmless(), strict=True) if good}
    return [Option(e.group.name, {t: gains[t] for t in room}, room, whole=False)] if room else []


def braces(tasks: Iterable[str]) -> str:
    """Return ``{cb, rte}``."""
    return "{" + ", ".join(sorted(tasks)) + "}"


def model(group: Group, serves: Sequence[str]) -> str:
    """Return the tasks that a model serves, and its helpers where it carries some."""
    helpers = sorted(set(group.tasks) - set(serves))
    return braces(serves) + (f" with {', '.join(helpers)} as helpers" if helpers else "")


def _why(by: dict[str, Evidence], best: Assignment, single: Sequence[str], passing: int, goal: str) -> Iterable[str]:
    """Yield what was searched, why each shared model passes, and why each task alone stands alone."""
    if not by:
        yield "No group of two or more tasks is trained, so every task stands alone."
        return
    what = "the fewest models, ties by the mean difference" if goal == "fewer" else "the largest mean difference"
    yield (
        f"Goal {goal}: {passing} of {len(by)} trained groups pass on dev for all or some of their tasks; "
        f"of all ways to serve each task once this has {what}."
    )
    for name, served in best.serves.items():
        e = by[name]
        mean, place = e.mean(served), [e.tasks.index(t) for t in served]
        worst = max(place, key=lambda i: e.p_loss[i])
        low, high = mean.interval(0.95)
        yield (
            f"{model(e.group, served)}: mean difference {said(mean.value, sign=True)} [{said(low)}, {said(high)}] on dev, "
            f"largest P(loss > δ) {probability(e.p_loss[worst])} ({e.tasks[worst]})."
        )
    for task in single:
        found = [(float(e.p_loss[e.tasks.index(task)]), e.group.name) for e in by.values() if task in e.tasks]
        if not found:
            yield f"{task} stands alone: no trained group holds it."
            continue
        p, name = min(found)
        e = by[name]
        gap = said(e.differences[e.tasks.index(task)].value, sign=True)
        if e.why_not or p > RISK:
            end = e.why_not or f"above {said(RISK, 1)}"
        elif not any(task in other.tasks and other.may_serve(task, goal) for other in by.values()):
            all_harmless = tuple(t for t, good in zip(e.tasks, e.harmless(), strict=True) if good)
            end = e.reason(all_harmless, goal) if goal == "fewer" else "no group that holds it shows a gain"
        else:
            end = "serving it with others saves no model" if goal == "fewer" else "serving it with others lowers the mean difference"
        yield f"{task} stands alone: at best ({braces(e.tasks)}) its difference on dev is {gap} and P(loss > δ) {probability(p)}; {end}."


def _words(choice: Assignment, by: dict[str, Evidence], tasks: Sequence[str]) -> str:
    """Return an assignment in words."""
    shared = [model(by[name].group, served) for name, served in choice.serves.items()]
    single = sorted(set(tasks) - {t for served in choice.serves.values() for t in served})
    groups = "; ".join([*shared, *([f"alone {', '.join(single)}"] if single else [])])
    return f"{groups}: {choice.models} models, mean difference {said(choice.gain / len(tasks), sign=True)} on dev"


def _candidates(evidence: Iterable[Evidence], best: Assignment, goal: str) -> pd.DataFrame:
    """Return a line per group with all its members, and with the largest and the recommended subsets that pass."""
    lines = []
    for e in evidence:
        sets = dict.fromkeys([e.tasks, e.largest(goal), tuple(best.serves.get(e.group.name, ()))])
        for serves in filter(None, sets):
            reason, mean = e.reason(serves, goal), e.mean(serves)
            place = [e.tasks.index(t) for t in serves]
            worst = max(place, key=lambda i: e.p_loss[i])
            low, high = mean.interval(0.95)
            lines.append((
                e.group.name, serves, len(serves), not reason, reason, mean.value, low, high, float(e.in_deltas[place].mean()),
                e.tasks[worst], float(e.p_loss[worst]), mean.p(),
            ))  # fmt: skip
    return pd.DataFrame(lines, columns=list(CANDIDATE_COLUMNS))
