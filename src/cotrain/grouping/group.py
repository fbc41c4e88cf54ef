"""``group``: from an Affinity to nominated plans (METHOD, section 3)."""

from __future__ import annotations

from dataclasses import asdict, replace

from cotrain.affinity.affinity import Affinity
from cotrain.choose import choose
from cotrain.grouping import SELECTIONS, UNTESTED, budget, stability
from cotrain.grouping.draft import Draft
from cotrain.grouping.exact import at
from cotrain.grouping.options import Options
from cotrain.grouping.passing import eligible, known, passes
from cotrain.grouping.plan import Plan
from cotrain.grouping.statistics import Statistics


def group(affinity: Affinity, options: Options, name: str = "pvi", size: budget.Size | None = None) -> list[Plan]:
    """Return the nominated plans: one, or the two nested ones of ``select: nested``; a pure function of tables.

    With resamples of the affinity each plan says how often its groups are chosen in them.

    Args:
        size: of models, for a budget in parameters or bytes.

    Raises:
        InputError: constraints that name unknown tasks or cannot be met, and which are in the way.
    """
    known(affinity, options)
    options = budget.affordable(options, size)
    select = choose("selection", options.select, SELECTIONS)
    if options.select in UNTESTED:
        options = replace(options, rule="any")
    plans = [_plan(affinity, options, draft, size) for draft in select(affinity, options, name)]
    if affinity.resamples is None:
        return plans

    def again(drawn: Affinity, options: Options, name: str) -> list[Plan]:
        return [Plan(draft.name, "nominated", draft.servings) for draft in select(drawn, options, name)]

    shares, pairs = stability.chosen(affinity, options, name, plans, again), stability.pairs_pass(affinity, options)
    return [
        replace(p, stability=shares[p.name], why=p.why + stability.sentences(p, shares[p.name], pairs, options.rule)) for p in plans
    ]  # fmt: skip


def _plan(affinity: Affinity, options: Options, draft: Draft, size: budget.Size | None) -> Plan:
    """Return the plan of a draft, with what holds for every plan of this affinity."""
    plain = {k: [list(s) if isinstance(s, tuple) else s for s in v] if isinstance(v, tuple) else v for k, v in asdict(options).items()}
    said = tuple(filter(None, [budget.words(options, size)]))
    return Plan(
        draft.name, "nominated", draft.servings, draft.candidates, why=draft.why + said + _why(affinity, options, draft),
        runner_up=draft.runner_up, overrides=_overrides(affinity, options),
        settings={"by": affinity.method, "test": affinity.test, "group_test": affinity.group_test, **plain},
    )  # fmt: skip


def _why(affinity: Affinity, options: Options, draft: Draft) -> tuple[str, ...]:
    """Return the sentences on states of tasks and of pairs."""
    size = {task: len(s.group.tasks) for s in draft.servings for task in s.serves}
    forced = {t for block in options.blocks for t in block}
    sentences = []
    for line in affinity.tasks.sort_values("task").to_dict("records"):
        task, state = str(line["task"]), str(line["state"])
        if state != "ok":
            why = "it was forced" if task in forced else "the paper groups such tasks too"
            fate = f"is grouped all the same: {why}" if size[task] > 1 else "stands alone"
            sentences.append(f"{task} is {state.replace('_', ' ')} ({line['state_reason']}) and {fate}.")
    for line in affinity.pairs[affinity.pairs["state"] == "shared rows"].sort_values(["target", "helper"]).to_dict("records"):
        sentences.append(f"{line['target']} and {line['helper']} share rows, yet were tested as if independent (preset paper).")
    return tuple(sentences)


def _overrides(affinity: Affinity, options: Options) -> tuple[str, ...]:
    """Return what a person forced, in words, and whether the scores would have it otherwise."""
    statistics, learned = Statistics.of(affinity), eligible(affinity, options)
    words = []
    for block in options.blocks:
        where = statistics.positions(block)[None]
        _, p = statistics.test(where)
        against = []
        if bad := [t for t in block if t not in learned]:
            against.append(f"PVI would not group {', '.join(bad)}")
        if not passes(statistics, where, affinity, options)[0]:
            against.append(f"the rule '{options.rule}'{at(options)} does not pass it, p = {float(p[0]):.2g}")
        words.append(f"together: {', '.join(block)}" + (f" ({'; '.join(against)})" if against else ""))
    words += [f"apart: {', '.join(sets)}" for sets in sorted(options.apart)]
    return tuple(words + ([f"alone: {', '.join(sorted(options.alone))}"] if options.alone else []))
