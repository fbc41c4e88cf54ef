"""``group``: from an Affinity to nominated plans (METHOD, section 3)."""

from __future__ import annotations

from dataclasses import asdict, replace

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.partition import partition, subsets
from cotrain.grouping.passing import Options, Passing, Table, eligible, passing
from cotrain.grouping.plan import Plan, Serving
from cotrain.training.group import Group


def group(affinity: Affinity, options: Options, name: str = "pvi") -> list[Plan]:
    """Return the nominated plans: one, or the two nested ones of ``select: nested``; a pure function of tables.

    Raises:
        InputError: constraints that name unknown tasks or cannot be met.
    """
    every = sorted(affinity.tasks["task"])
    if strangers := sorted({t for sets in options.together + options.apart for t in sets} - set(every)):
        raise InputError(f"together and apart name tasks that are not there: {', '.join(strangers)}")
    if options.select == "nested":
        return _nested(affinity, options, name)
    found = passing(affinity, options)
    if options.select == "partition":
        return [_partition(affinity, options, found, name)]
    return [_pairs(affinity, options, found, name)]


def _why(affinity: Affinity, options: Options) -> list[str]:
    """Return the sentences that hold for every plan of an affinity."""
    sentences = []
    for line in affinity.tasks.to_dict("records"):
        if line["state"] != "ok":
            fate = "grouped all the same, as the paper would" if options.paper else "stands alone"
            sentences.append(f"{line['task']} is {line['state'].replace('_', ' ')} ({line['state_reason']}) and {fate}.")
    marked = affinity.pairs[affinity.pairs["state"] == "shared rows"]
    for line in marked.to_dict("records"):
        sentences.append(f"{line['target']} and {line['helper']} share rows, yet were tested as if independent (preset paper).")
    return sentences


def _forced(options: Options) -> tuple[str, ...]:
    """Return what a person forced, in words."""
    words = [f"together: {', '.join(sets)}" for sets in options.together]
    return tuple(words + [f"apart: {', '.join(sets)}" for sets in options.apart])


def _plan(affinity: Affinity, options: Options, name: str, groups: list[tuple[str, ...]], why: list[str], runner_up: str = "") -> Plan:
    """Return the plan in which each group serves all its members."""
    servings = tuple(Serving(Group.of(g), tuple(sorted(g))) for g in sorted(groups))
    return Plan(
        name, "nominated", servings, why=tuple(why + _why(affinity, options)), runner_up=runner_up,
        settings={"by": affinity.method, "test": affinity.test, "group_test": affinity.group_test, **_plain(options)},
        overrides=_forced(options),
    )  # fmt: skip


def _plain(options: Options) -> dict[str, object]:
    """Return the options as plain values."""
    return {k: [list(s) for s in v] if isinstance(v, tuple) else v for k, v in asdict(options).items()}


def _words(groups: tuple[tuple[str, ...], ...]) -> str:
    """Return a partition in words."""
    return "; ".join("+".join(g) for g in sorted(groups))


def _allowed(tasks: tuple[str, ...], options: Options) -> bool:
    """Whether a group splits no set that must be together and joins none that must be apart."""
    inside = set(tasks)
    return not any(0 < len(inside & set(t)) < len(t) for t in options.together) and not any(len(inside & set(a)) > 1 for a in options.apart)


def _partition(affinity: Affinity, options: Options, found: list[Passing], name: str) -> Plan:
    """Return the exact partition: fewest models, or least dispersion within a budget."""
    every = sorted(affinity.tasks["task"])
    first = 1.0 if options.objective == "fewest" else 0.0
    cost = {(t,): (first, 0.0) for t in every if _allowed((t,), options)}
    cost |= {g.tasks: (first, g.dispersion) for g in found if _allowed(g.tasks, options)}
    best = partition(every, cost, options.models if options.objective == "budget" else None)
    why = [f"{len(found)} groups pass the rule '{options.rule}'; this is the exact best partition ({options.objective}, least dispersion)."]
    if options.rule == "not_different":
        why.append("Not different is not alike: small test sets pass most easily. Training will judge.")
    return _plan(affinity, options, name, list(best[0]), why, _words(best[1]) if len(best) > 1 else "")


def _nested(affinity: Affinity, options: Options, name: str) -> list[Plan]:
    """Return least-dispersion partitions into ⌈n/2⌉ and ⌈n/4⌉ groups of the learned tasks, the second merging the first."""
    learned = eligible(affinity, options)
    rest = [(t,) for t in sorted(affinity.tasks["task"]) if t not in learned]
    table = Table(affinity, replace(options, rule="any"))
    if len(learned) < 2:
        why = ["Fewer than two tasks were learned, so PVI nominates no group."]
        return [_plan(affinity, options, name, rest + [(t,) for t in learned], why)]
    half, quarter = -(-len(learned) // 2), -(-len(learned) // 4)
    cost = {g: (table.dispersion(g),) for g in subsets(learned, options.largest) if _allowed(g, options)}
    first = partition(learned, cost, half)
    why = [f"The {len(learned)} learned tasks in at most {half} groups of least dispersion of mean PVI; no p-value is involved."]
    plans = [_plan(affinity, options, f"{name}-half", rest + list(first[0]), why, _words(first[1]) if len(first) > 1 else "")]
    if quarter < half:
        blocks = {"+".join(g): g for g in first[0]}
        merged = {}
        for names in subsets(blocks, len(blocks)):
            tasks = tuple(sorted(t for b in names for t in blocks[b]))
            if _allowed(tasks, options):
                merged[names] = (table.dispersion(tasks),)
        best = partition(list(blocks), merged, quarter)
        groups = [tuple(sorted(t for b in names for t in blocks[b])) for names in best[0]]
        why = [f"The groups of {name}-half merged into at most {quarter} of least dispersion."]
        plans.append(_plan(affinity, options, f"{name}-quarter", rest + groups, why))
    return plans


def _pairs(affinity: Affinity, options: Options, found: list[Passing], name: str) -> Plan:
    """Return the paper's plan: each task served by its own nominated pair; larger passing groups are candidates."""
    pairs = [g for g in found if len(g.tasks) == 2]
    gap = {frozenset((r["target"], r["helper"])): abs(r["difference_bits"]) for r in affinity.pairs.to_dict("records")}

    def badness(g: Passing) -> tuple[float, tuple[str, ...]]:
        return (-abs(g.statistic) if options.select == "max_abs_t" else gap[frozenset(g.tasks)], g.tasks)

    serves: dict[tuple[str, ...], list[str]] = {}
    for task in sorted(affinity.tasks["task"]):
        mine = [g for g in pairs if task in g.tasks]
        serves.setdefault(min(mine, key=badness).tasks if mine else (task,), []).append(task)
    servings = tuple(Serving(Group.of(g), tuple(who)) for g, who in sorted(serves.items()))
    larger = tuple(Group.of(g.tasks) for g in found if len(g.tasks) > 2) if options.select == "max_abs_t" else ()
    kind = "the least similar passing partner (largest |T|), as the paper does" if options.select == "max_abs_t" else "the closest partner"
    why = [f"{len(pairs)} pairs pass the rule '{options.rule}' at alpha {options.alpha}; each task is served by its pair with {kind}."]
    plan = _plan(affinity, options, name, [], why)
    return replace(plan, servings=servings, candidates=larger)
