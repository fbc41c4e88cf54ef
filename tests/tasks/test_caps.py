from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cotrain.tasks.caps import cap


def table(counts: list[int]) -> pd.DataFrame:
    labels = [f"y{k}" for k, n in enumerate(counts) for _ in range(n)]
    names = [f"k{i}" for i in range(len(labels))]
    return pd.DataFrame({"label": labels, "key": names, "row": names, "placed": ""})


@given(st.lists(st.integers(1, 80), min_size=2, max_size=8), st.integers(1, 150))
def test_a_cap_keeps_its_number_in_proportion_and_two_of_each_class(counts: list[int], most: int) -> None:
    rows = table(counts)
    kept = rows[cap(rows, most, 0)]["label"].value_counts()
    floor = sum(min(2, n) for n in counts)
    assert kept.sum() == min(len(rows), max(most, floor))
    for k, n in enumerate(counts):
        assert kept[f"y{k}"] >= min(2, n)
        if most >= 2 * len(rows) / min(counts):  # no class is near the floor
            assert abs(kept[f"y{k}"] - n * min(1, most / len(rows))) <= 1


def test_no_cap_keeps_all() -> None:
    rows = table([5, 9])
    assert cap(rows, 0, 0).all() and cap(rows, 14, 0).all()


def test_a_larger_cap_keeps_what_a_smaller_one_kept() -> None:
    rows = table([50, 50])
    small, large = cap(rows, 20, 0), cap(rows, 40, 0)
    assert (large | ~small).all()


def test_the_choice_goes_by_text_and_seed_not_by_order() -> None:
    rows = table([50, 50])
    mixed = rows.sample(frac=1, random_state=0)
    assert set(rows[cap(rows, 20, 0)]["key"]) == set(mixed[cap(mixed, 20, 0)]["key"])
    assert set(rows[cap(rows, 20, 0)]["key"]) != set(rows[cap(rows, 20, 1)]["key"])


def test_of_equal_texts_row_ids_choose() -> None:
    rows = table([50, 50])
    rows["key"] = "same"
    mixed = rows.sample(frac=1, random_state=0)
    assert set(rows[cap(rows, 20, 0)]["row"]) == set(mixed[cap(mixed, 20, 0)]["row"])


def test_rows_of_an_earlier_run_stay() -> None:
    rows = table([50, 50])
    rows.loc[rows.index % 3 == 0, "placed"] = "train"
    kept = cap(rows, 20, 0)
    assert kept[rows["placed"] != ""].all() and kept.sum() == 34
