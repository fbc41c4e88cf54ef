"""Groups are read back from their names; settings refuse what makes no sense."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotrain import Group, Member, Settings
from cotrain.errors import InputError
from cotrain.training import group as module

names = st.text("abcXYZ019._-/ é", min_size=1, max_size=8)
members = st.builds(Member, names, st.sampled_from(["real", "blank", "permuted"]), st.just(0)) | st.builds(
    Member, names, st.just("permuted"), st.integers(0, 99)
)


@given(
    st.builds(
        Group,
        st.lists(members, min_size=1, max_size=5, unique_by=lambda m: m.task).map(tuple),
        st.none() | st.integers(1, 9999) | st.just("a+b"),
    )
)
def test_a_name_says_everything(group: Group) -> None:
    assert Group.parse(group.name) == group


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_sets_of_tasks_are_sorted_and_given_members_are_not() -> None:
    assert Group.of(["b", "a"]).name == Group.of(["a", "b"]).name == "a+b"
    assert Group((Member("b"), Member("a"))).name == "b+a"


@pytest.mark.parametrize(
    ("name", "real", "deployable"),
    [
        ("a+b", ("a", "b"), True),
        ("a+b[permuted:1]", ("a",), False),
        ("a[blank]", (), False),
        ("a@100", ("a",), False),
        ("a@a+b", ("a",), False),
    ],
)
def test_only_groups_of_real_members_with_their_own_budget_are_models(name: str, real: tuple[str, ...], deployable: bool) -> None:
    group = Group.parse(name)
    assert (group.real, group.deployable) == (real, deployable)


@pytest.mark.parametrize("name", ["", "+", "a+", "a@", "a@0", "a@a@5", "a[blink]", "a[blank", "a+a", "a+a[blank]", "[blank]"])
def test_what_is_no_group_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"group|twice"):
        Group.parse(name)


@pytest.mark.parametrize("task", ["", "a+b", "a@b", "a[b", "b]"])
def test_a_task_whose_name_would_part_the_name_of_its_group_is_refused(task: str) -> None:
    with pytest.raises(InputError, match="name of a task"):
        Member(task)


def test_all_faults_of_settings_come_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Settings("x", learning_rate=0, batch_size=0, epochs=0, warmup=1.0, max_length=2, threads=0)
    assert len(caught.value.faults) == 6
    assert caught.value.faults[0] == "setting learning_rate should be above 0, found 0"
