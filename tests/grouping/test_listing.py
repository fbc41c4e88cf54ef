"""The listing: every set that passes to 20 tasks, maximal cliques beyond, and every pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.tests import holm
from cotrain.errors import InputError
from cotrain.grouping import listing as module
from cotrain.grouping.listing import LISTED, PAIRS, listing
from cotrain.grouping.options import Options
from cotrain.grouping.passing import MOST_SETS, count, passing

Make = Callable[..., Affinity]
MEAN = {"a": 0.30, "b": 0.32, "c": 0.40, "d": 0.47, "e": 0.90, "noise": 0.01}
STATES = {"noise": "not_learned"}


def with_holm(affinity: Affinity) -> Affinity:
    return replace(affinity, pairs=affinity.pairs.assign(p_holm=holm(affinity.pairs["p"].to_numpy(dtype=float))))


def test_sets_of_all_sizes_are_listed_small_ones_first_then_high_p(affinity: Make) -> None:
    """The plan's own search keeps to ``largest``; a listing does so only where it is asked to."""
    related = with_holm(affinity({f"t{i}": 0.5 + i / 1000 for i in range(7)}))
    found = listing(related, Options())
    assert len(found.sets) == 2**7 - 8 and found.sets["tasks"].map(len).max() == 7
    assert found.note == "Every set of 2 to 7 of 7 tasks was tested."
    order = [(len(t), -p) for t, p in zip(found.sets["tasks"], found.sets["p"], strict=True)]
    assert order == sorted(order)
    assert listing(related, Options(), 3).sets["tasks"].map(len).max() == 3


def test_every_pair_has_its_p_its_outcome_and_whether_it_passes(affinity: Make) -> None:
    related = with_holm(affinity(MEAN, sd=0.3, n=4000, states=STATES))
    found = listing(related, Options(alpha=0.01, margin_bits=0.05, apart=(("c", "d"),)))
    assert tuple(found.pairs.columns) == PAIRS and tuple(found.sets.columns) == LISTED
    assert len(found.pairs) == 15 and found.pairs["p"].is_monotonic_decreasing
    line = found.pairs.set_index(["target", "helper"]).to_dict("index")
    assert line["a", "b"]["outcome"] == "both (negligible)" and line["a", "c"]["outcome"] == "different"
    given = related.pairs.set_index(["target", "helper"])
    assert all(one[c] == given.loc[pair, c] for pair, one in line.items() for c in ("p", "p_holm", "statistic", "difference_bits"))
    listed = set(found.sets["tasks"])
    assert all(one["passes"] == (pair in listed) for pair, one in line.items())
    assert not any(line[pair]["passes"] for pair in line if "noise" in pair) and "noise" in found.note


@pytest.mark.parametrize("rule", ["not_different", "clique", "equivalent"])
def test_beyond_that_maximal_cliques_are_listed(affinity: Make, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all sets: under a rule on pairs the cliques are exactly the largest sets that pass."""
    chance = np.random.default_rng(1)
    related = with_holm(affinity({f"t{i}": float(v) for i, v in enumerate(chance.normal(0.5, 0.12, 10))}))
    options = Options(rule=rule, alpha=0.05, margin_bits=0.4, apart=(("t0", "t1"),))
    pairs = {g.tasks for g in passing(related, options) if len(g.tasks) == 2}
    cliques = {s for k in range(2, 11) for s in combinations(sorted(related.tasks["task"]), k) if set(combinations(s, 2)) <= pairs}
    maximal = {s for s in cliques if not any(set(s) < set(t) for t in cliques)}
    monkeypatch.setattr(module, "MOST_SETS", 100)
    found = listing(related, options)
    assert set(found.sets["tasks"]) == maximal and 1 < len(maximal) < len(cliques)
    assert "maximal cliques" in found.note and ("tests larger sets as a whole" in found.note) == (rule == "not_different")
    turned = replace(related, tasks=related.tasks.iloc[::-1], pairs=related.pairs.iloc[::-1])
    assert listing(turned, options).sets.equals(found.sets)


def test_twenty_tasks_are_the_most_that_are_tested_set_by_set(affinity: Make) -> None:
    assert count(20, 20) < MOST_SETS < count(21, 21) and count(71, 4) < MOST_SETS < count(72, 4)
    related = with_holm(affinity({f"t{i:02d}": i / 4 for i in range(24)}))
    found = listing(related, Options())
    assert "maximal cliques" in found.note and set(found.sets["tasks"].map(len)) == {2}
    assert "Every set of 2 to 3 of 24 tasks" in listing(related, Options(), 3).note


def test_cliques_without_end_are_cut_off_and_the_note_says_so(affinity: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    related = with_holm(affinity({f"t{i:02d}": i / 4 for i in range(24)}))
    monkeypatch.setattr(module, "MOST_CLIQUES", 5)
    found = listing(related, Options())
    assert len(found.sets) == 5 and "Of more than 5 the first" in found.note


def test_a_listing_names_tasks_that_constraints_misspell(affinity: Make) -> None:
    with pytest.raises(InputError, match="Did you mean 'noise'"):
        listing(with_holm(affinity(MEAN)), Options(alone=("nosie",)))


def test_nothing_may_share(affinity: Make) -> None:
    found = listing(with_holm(affinity({"a": 0.1, "b": 0.1}, states={"a": "overfit"})), Options())
    assert found.sets.empty and found.note.startswith("There are no two tasks that may share.")


def test_an_affinity_without_tests_has_nothing_to_list(valued: Make) -> None:
    with pytest.raises(InputError, match="needs tests of pairs, and the affinity 'measured' has none"):
        listing(valued({("a", "b"): 0.1}), Options())
