"""``partition`` against every partition there is: each objective, with and without means, under random constraints and rules."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.group import group
from cotrain.grouping.options import Options

Make = Callable[..., Affinity]
Groups = tuple[tuple[str, ...], ...]


class World(NamedTuple):
    """Random tasks: their affinity, how groups are asked for, the tasks that are learned, and what a group is worth, less is better."""

    affinity: Affinity
    options: Options
    learned: frozenset[str]
    worth: Callable[[tuple[str, ...]], float]
    passes: Callable[[tuple[str, ...]], bool]


def every_partition(tasks: tuple[str, ...], may: Callable[[tuple[str, ...]], bool]) -> Iterator[Groups]:
    """Yield all partitions of a set into groups that may be."""
    if not tasks:
        yield ()
        return
    for size in range(len(tasks)):
        for others in combinations(tasks[1:], size):
            if may(mine := (tasks[0], *others)):
                yield from ((mine, *more) for more in every_partition(tuple(t for t in tasks[1:] if t not in others), may))


def world(seed: int, affinity: Make, valued: Make) -> World:
    """Return a world of 2 to 9 tasks, small ones more often."""
    chance = random.Random(seed)
    n = chance.choices(range(2, 10), weights=[1, 2, 3, 4, 4, 4, 2, 1])[0]
    tasks = tuple("abcdefghi"[:n])
    objective, means = chance.choice(["fewest", "budget", "gain"]), chance.random() < 0.5
    learned = frozenset(t for t in tasks if chance.random() < 0.85)
    states = {t: "not_learned" for t in tasks if t not in learned}
    mean = {t: chance.gauss(0.5, 0.15) for t in tasks}
    rows = {t: float(chance.randint(30, 900)) for t in tasks}
    value = {(a, b): chance.gauss(0, 0.1) for a in tasks for b in tasks if a != b}
    directed = chance.random() < 0.5
    given = value if directed else {pair: v for pair, v in value.items() if pair[0] < pair[1]}
    known = {(a, b): given.get((a, b), given.get((b, a), 0.0)) for a, b in value}

    def dispersion(g: tuple[str, ...]) -> float:
        centre = sum(rows[t] * mean[t] for t in g) / sum(rows[t] for t in g)
        return sum(rows[t] * (mean[t] - centre) ** 2 for t in g)

    def within(g: tuple[str, ...]) -> float:
        alike = {frozenset(pair): (known[pair] + known[pair[::-1]]) / 2 for pair in known}
        return sum(max(alike.values()) - alike[frozenset(pair)] for pair in combinations(g, 2)) / len(g)

    def gain(g: tuple[str, ...]) -> float:
        return -sum(sum(known[t, other] for other in g if other != t) / max(1, len(g) - 1) for t in g)

    with_means = means and objective != "gain"
    related = affinity(mean, n=rows, states=states) if with_means else valued(given, states=states)
    worth = gain if objective == "gain" else dispersion if with_means else within
    rule = chance.choice(["any", "clique"]) if with_means else "any"
    alpha = 0.05
    p = {frozenset((a, b)): float(v) for a, b, v in zip(related.pairs["target"], related.pairs["helper"], related.pairs["p"], strict=True)}

    def passes(g: tuple[str, ...]) -> bool:
        return rule == "any" or all(p[frozenset(pair)] > alpha for pair in combinations(g, 2))

    def some(number: int) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(chance.sample(tasks, 2)) for _ in range(chance.choice([0, 0, number]))) if n > 3 else ()

    together, apart = some(1), some(2)
    alone = tuple(t for t in tasks if chance.random() < 0.08 and not any(t in block for block in together))
    apart = tuple(pair for pair in apart if not any(set(pair) <= set(block) for block in together))
    models = chance.choice([n, n, max(1, n - 1), (n + 1) // 2]) if objective == "budget" or chance.random() < 0.3 else None
    options = Options(rule, alpha, objective=objective, models=models, largest=chance.choice([None, 2, 3, 9]), together=together,
                      apart=apart, alone=alone)  # fmt: skip
    return World(related, options, learned - set(alone), worth, passes)


def allowed(w: World, group: tuple[str, ...]) -> bool:
    """Whether a group may be: a forced set as it is; else no part of one, learned tasks that may share, not too many, that pass."""
    o, inside = w.options, set(group)
    if group in o.blocks:
        return True
    if any(0 < len(inside & set(block)) < len(block) for block in o.blocks):
        return False
    if len(group) == 1:
        return True
    fits = len(group) <= o.limit and inside <= w.learned and not any(len(inside & set(pair)) > 1 for pair in o.apart)
    return fits and w.passes(group)


@pytest.mark.parametrize("block", range(10))
def test_300_random_plans_are_those_of_brute_force(affinity: Make, valued: Make, block: int) -> None:
    met = 0
    for seed in range(30 * block, 30 * block + 30):
        w = world(seed, affinity, valued)
        tasks = tuple(sorted(w.affinity.tasks["task"]))
        memory = {g: (allowed(w, g), w.worth(g)) for k in range(1, len(tasks) + 1) for g in combinations(tasks, k)}
        every = [g for g in every_partition(tasks, lambda g, memory=memory: memory[g][0])  # type: ignore[misc]
                 if len(g) <= (w.options.models or 99)]  # fmt: skip
        if not every:
            with pytest.raises(InputError, match="models are asked for, and"):
                group(w.affinity, w.options)
            continue
        met += 1

        def total(groups: Groups, memory: dict[tuple[str, ...], tuple[bool, float]] = memory, w: World = w) -> tuple[float, float]:
            worth = sum(memory[g][1] for g in groups)
            return (len(groups) if w.options.objective == "fewest" else 0, worth)

        [plan] = group(w.affinity, w.options)
        mine = tuple(s.group.tasks for s in plan.servings)
        assert sorted(t for g in mine for t in g) == list(tasks) and all(memory[g][0] for g in mine), seed
        assert total(mine) == pytest.approx(min(map(total, every)), abs=1e-9), seed
        assert bool(plan.runner_up) == (len(every) > 1), seed
    assert met > 20
