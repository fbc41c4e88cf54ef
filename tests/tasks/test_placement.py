"""The cut of components: whole, by quotas, every class on each side."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.tasks.placement import Row, place

SHARES = {"test": 0.2, "dev": 0.2}


def name(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()[:12]


def single(counts: dict[str, int], task: str = "t") -> list[Row]:
    labels = [label for label, n in counts.items() for _ in range(n)]
    return [Row((task, label), name(i)) for i, label in enumerate(labels)]


class_counts = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(3, 60), min_size=2)


@given(class_counts)
def test_rows_of_their_own_fill_quotas_exactly(counts: dict[str, int]) -> None:
    rows = single(counts)
    found = Counter((row.stratum[1], side) for row, side in zip(rows, place(rows, {"t": SHARES}), strict=True))
    for label, n in counts.items():
        assert found[label, "test"] == max(1, round(0.2 * n))
        assert found[label, "dev"] == max(1, round(0.16 * n))  # a fifth of what test leaves
        assert found[label, "train"] >= 1


@given(class_counts, st.data())
@settings(max_examples=60)
def test_components_are_never_cut_and_sides_come_near_their_shares(counts: dict[str, int], data: st.DataObject) -> None:
    rows = single(counts)
    clusters = data.draw(st.lists(st.integers(0, max(3 * len(counts), len(rows) // 2)), min_size=len(rows), max_size=len(rows)))
    # three rows of each class stand alone, so that a cut exists
    alone: Counter[str] = Counter()
    joined = []
    for row, cluster in zip(rows, clusters, strict=True):
        alone[row.stratum[1]] += 1
        joined.append(row if alone[row.stratum[1]] <= 3 else row._replace(cluster=f"c{cluster}"))
    found = place(joined, {"t": SHARES})
    sides = defaultdict(set)
    for row, side in zip(joined, found, strict=True):
        sides[row.cluster].add(side)
    assert all(len(there) == 1 for there in sides.values())
    there = {(row.stratum, side) for row, side in zip(joined, found, strict=True)}
    assert all((("t", label), side) in there for label in counts for side in ("train", "dev", "test"))
    largest = max(Counter(row.cluster for row in joined).values())
    for side, share in (("test", 0.2), ("dev", 0.16)):
        assert found.count(side) <= share * len(rows) + len(counts) * (1 + largest)


@given(class_counts, class_counts, st.integers(0, 30))
@settings(max_examples=60)
def test_tasks_that_share_texts_are_cut_alike(one: dict[str, int], other: dict[str, int], shared: int) -> None:
    a, b = single(one, "a"), [row._replace(cluster="b" + row.cluster) for row in single(other, "b")]
    b = [a[i]._replace(stratum=row.stratum) if 3 < i < min(shared, len(a)) and i % 3 else row for i, row in enumerate(b)]
    found = place(a + b, {"a": SHARES, "b": SHARES})
    side_of: dict[str, str] = {}
    for row, side in zip(a + b, found, strict=True):
        assert side_of.setdefault(row.cluster, side) == side


@given(class_counts, st.randoms())
def test_the_order_of_rows_does_not_matter(counts: dict[str, int], random) -> None:  # type: ignore[no-untyped-def]
    rows = single(counts)
    mixed = random.sample(rows, len(rows))
    assert dict(zip(rows, place(rows, {"t": SHARES}), strict=True)) == dict(zip(mixed, place(mixed, {"t": SHARES}), strict=True))


def test_a_task_with_a_published_test_lets_no_row_of_its_own_into_test() -> None:
    a, b = single({"x": 60, "y": 60}, "a"), single({"x": 60, "y": 60}, "b")
    b = [row if i % 3 == 0 else row._replace(cluster="b" + row.cluster) for i, row in enumerate(b)]  # a third is shared
    found = place(a + b, {"a": SHARES, "b": {"dev": 0.2}})
    assert found[:120].count("test") == 24 and found[120:].count("test") == 0 and found[120:].count("dev") == 24
    assert all(x == y for x, y, row in zip(found[:120], found[120:], b, strict=True) if row in b[::3])


def test_a_task_that_lies_wholly_in_one_with_a_published_test_cannot_be_cut_and_says_why(refused: Callable) -> None:
    a, b = single({"x": 40, "y": 40}, "a"), single({"x": 40, "y": 40}, "b")
    message = refused(place, a + b, {"a": SHARES, "b": {"dev": 0.2}})
    assert "task a: class 'x' cannot be on each side" in message and "shared with tasks whose test is published" in message


def test_rows_that_will_be_dropped_fill_no_quota_of_dev() -> None:
    rows = [row._replace(leaky=i % 2 == 0) for i, row in enumerate(single({"x": 100, "y": 100}))]
    found = place(rows, {"t": {"dev": 0.2}})
    assert sum(side == "dev" for row, side in zip(rows, found, strict=True) if not row.leaky) == 20


def test_pinned_clusters_stay_and_count() -> None:
    rows = [row._replace(pinned="test") if i % 4 == 0 else row for i, row in enumerate(single({"x": 40, "y": 40}))]
    found = place(rows, {"t": SHARES})
    assert all(side == "test" for row, side in zip(rows, found, strict=True) if row.pinned)
    assert found.count("test") == 20  # more than its share already


def test_a_rare_class_in_a_few_mixed_components_reaches_every_side() -> None:
    # c is in three components only, each full of a and b
    rows = single({"a": 60, "b": 60})
    for k in range(3):
        rows += [Row(("t", label), f"m{k}") for label in "aabbc"]
    found = place(rows, {"t": SHARES})
    assert {side for row, side in zip(rows, found, strict=True) if row.stratum[1] == "c"} == {"train", "dev", "test"}


def test_every_class_too_small_is_named_at_once(refused: Callable) -> None:
    rows = single({"a": 30, "b": 2, "c": 1}) + [row._replace(cluster="z" + row.cluster) for row in single({"a": 2, "d": 9}, "u")]
    message = refused(place, rows, {"t": SHARES, "u": {"dev": 0.2}})
    for word in ("task t: class 'b' has 2 rows", "task t: class 'c' has 1 rows", "task u: class 'a' has 2 rows"):
        assert word in message


def test_a_long_label_is_not_shown(refused: Callable) -> None:
    assert "(a name of 60 characters)" in refused(place, single({"a": 30, "wombat" * 10: 2}), {"t": SHARES})
