"""The exact best assignment against the enumeration of all."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cotrain.evaluation.assignment import Option, assign


def every(tasks, options):
    """All ways to serve each task once: (models, gain) of each, by who serves whom."""
    partial = [o for o in options if not o.whole]
    sets = {}
    for o in options:
        if o.whole:
            sets.setdefault(o.name, set()).add(frozenset(o.gains))
    gains = {(o.name, t): g for o in options for t, g in o.gains.items()}
    where = {t: [None, *sorted({o.name for o in options if t in o.gains})] for t in tasks}
    for names in product(*(where[t] for t in tasks)):
        serves = {}
        for task, name in zip(tasks, names, strict=True):
            if name:
                serves.setdefault(name, []).append(task)
        rooms = all(sum(o.room[t] for t in serves[o.name]) > 0 for o in partial if o.name in serves)
        whole = all(frozenset(s) in sets[name] for name, s in serves.items() if name in sets)
        if rooms and whole:
            gain = sum(gains[name, t] for name, s in serves.items() for t in s)
            yield len(serves) + names.count(None), gain, {name: tuple(s) for name, s in serves.items()}


def instance(random, whole):
    tasks = [f"t{i}" for i in range(int(random.integers(2, 6)))]
    options = []
    for k in range(int(random.integers(1, 6))):
        members = [t for t in tasks if random.random() < 0.6] or tasks[:1]
        gains = {t: float(random.normal(0, 0.01)) for t in members}
        if whole:
            for n in range(1 + int(random.integers(0, 3))):
                some = random.permutation(members)[: int(random.integers(1, len(members) + 1))]
                if n == 0 or not any(set(o.gains) == set(some) for o in options if o.name == f"g{k}"):
                    options.append(Option(f"g{k}", {t: gains[t] for t in some}, {}, True))
        else:
            options.append(Option(f"g{k}", gains, {t: g / 0.02 + 0.5 for t, g in gains.items()}, False))
    return tasks, options


@pytest.mark.parametrize("seed", range(25))
def test_fewest_models_and_then_the_largest_gain_equal_brute_force(seed):
    tasks, options = instance(np.random.default_rng(seed), whole=False)
    ways = sorted(every(tasks, options), key=lambda w: (w[0], -w[1]))
    found = assign(tasks, options, fewest=True)
    for choice, (models, gain, _) in zip(found, ways, strict=False):
        assert choice.models == models and choice.gain == pytest.approx(gain, abs=1e-8)
    assert len(found) == min(2, len(ways))


@pytest.mark.parametrize("seed", range(25))
def test_the_largest_gain_equals_brute_force(seed):
    tasks, options = instance(np.random.default_rng(1000 + seed), whole=True)
    # the enumeration knows one set per name
    options = [o._replace(name=f"{o.name}.{i}") for i, o in enumerate(options)]
    ways = sorted(every(tasks, options), key=lambda w: -w[1])
    best, *others = assign(tasks, options, fewest=False)
    assert best.gain == pytest.approx(ways[0][1], abs=1e-8)
    if others:
        assert others[0].gain == pytest.approx(ways[1][1], abs=1e-8)


def test_who_gains_nothing_stands_alone():
    best = assign(["a", "b"], [Option("a+b", {"a": 0.0}, {"a": 0.5}, whole=False)], fewest=True)[0]
    assert best.serves == {} and best.models == 2


def test_no_option_leaves_one_way():
    assert [(c.models, c.gain) for c in assign(["a", "b"], [], fewest=True)] == [(2, 0.0)]


def test_the_order_of_tasks_and_options_changes_nothing():
    tasks, options = instance(np.random.default_rng(77), whole=False)
    assert assign(tasks, options, True) == assign(tasks[::-1], options[::-1], True)


def test_many_tasks_in_one_large_and_many_small_groups():
    """Beyond what a program over subsets could do: 24 tasks, each also in a pair; one of them fails in the large group."""
    tasks = [f"t{i:02}" for i in range(24)]
    large = Option("all", dict.fromkeys(tasks[1:], -0.001), dict.fromkeys(tasks[1:], 0.45), False)
    pairs = [Option(f"p{i}", dict.fromkeys(tasks[i : i + 2], 0.01), dict.fromkeys(tasks[i : i + 2], 1.0), False) for i in range(0, 24, 2)]
    best = assign(tasks, [large, *pairs], fewest=True)[0]
    # two models; the second serves t00, and as a pair t01 as well, which gains by it
    assert best.models == 2 and best.serves["p0"] == ("t00", "t01") and len(best.serves["all"]) == 22
