"""How long fits train, how much work that is, and what it takes on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cotrain import Group, Settings
from cotrain.training.budget import budget, evaluated, likely
from cotrain.training.calibrate import calibrate, expected, footprint
from cotrain.training.group import Member
from cotrain.training.train import Options, train
from cotrain.training.work import parts, work

Make = Callable[..., Any]
DEFAULT = Settings("x", batch_size=32, epochs=10, max_updates=1000, evaluate_every=50, patience=3)
FAST = Settings("x", batch_size=16, epochs=4, min_updates=150)


@pytest.mark.parametrize(
    ("settings", "rows", "updates", "per_epoch"),
    [
        (DEFAULT, {"cb": 200}, 1001, 7),  # 1,000 updates are 143 whole epochs
        (DEFAULT, {"sst2": 6400}, 2000, 200),  # ten epochs are more than 1,000 updates
        (DEFAULT, {"cb": 200, "rte": 200}, 2002, 14),  # each member may have its own thousand
        (FAST, {"a": 500}, 160, 32),
        (FAST, {"a": 900}, 228, 57),
        (Settings("x", batch_size=16, accumulation=2, epochs=1), {"a": 50, "b": 20}, 3, 3),  # 4 + 2 batches
        (Settings("x", batch_size=32, epochs=1), {"a": 1}, 1, 1),
    ],
)
def test_budgets_follow_the_presets(settings: Settings, rows: dict[str, int], updates: int, per_epoch: int) -> None:
    found = budget(settings, rows, None)
    assert (found.updates, found.per_epoch) == (updates, per_epoch)
    assert found.early_stop == (settings.patience > 0)


def test_a_given_number_of_updates_is_exact_and_without_early_stop() -> None:
    found = budget(DEFAULT, {"cb": 200}, 120)
    assert (found.updates, found.epochs, found.early_stop) == (120, 18, False)
    assert evaluated(DEFAULT, found) == 3  # after 56 and 112 updates, and at the end


def test_fits_likely_stop_between_their_shortest_and_longest() -> None:
    for rows in (20, 200, 500, 3000, 60_000):
        found = budget(DEFAULT, {"a": rows}, None)
        assert found.per_epoch * 4 <= likely(DEFAULT, found, 1) <= found.updates
    few = budget(DEFAULT, {"a": 450}, None)
    assert 200 <= likely(DEFAULT, few, 1) <= 400
    assert likely(FAST, budget(FAST, {"a": 500}, None), 1) == 160


def test_the_work_of_a_fit_is_what_it_then_does(task: Make, settings: Make, tmp_path: Any) -> None:
    tasks = {"a": task("a", train=33), "b": task("b", pair=True)}
    chosen = settings(epochs=4, evaluate_every=8)
    groups = [Group.of("a"), Group.of("ab"), Group.parse("a+b[permuted:1]"), Group((Member("a"),), 7)]
    for fit in train(groups, tasks, chosen, [1], tmp_path, Options(workers=1)):
        guess = parts(fit.group, tasks, chosen, 7 if fit.group.updates else None)
        assert guess.updates == fit.updates
        # a word of these tasks is three letters and one token, four and a half letters are taken for a token
        assert guess.trained == pytest.approx(fit.cost["tokens"], rel=0.3)


def test_work_adds_up_and_blanks_cost_little(task: Make, settings: Make) -> None:
    tasks = {"a": task("a"), "b": task("b")}
    chosen = settings(epochs=4)
    a, b, both = (parts(Group.of(names), tasks, chosen, None) for names in ("a", "b", "ab"))
    assert both == pytest.approx([x + y for x, y in zip(a, b, strict=True)])
    blank = parts(Group((Member("a", "blank"),)), tasks, chosen, None)
    assert blank.scored == 0 and blank.trained == 4 * 40 * 3
    assert work(Group.of("a"), tasks, chosen, 10) < work(Group.of("a"), tasks, chosen, 20)


def test_the_share_of_the_most_work_is_one_without_early_stop(task: Make, settings: Make) -> None:
    tasks = {"a": task("a"), "b": task("b", train=200)}
    assert expected(settings(), tasks) == 1
    assert 0.2 < expected(replace(DEFAULT, model=settings().model), tasks) < 0.6


def test_speed_is_measured_in_processes_that_are_thrown_away(task: Make, settings: Make) -> None:
    import torch

    before = torch.get_num_threads()
    rate = calibrate({"a": task("a"), "b": task("b", pair=True)}, settings(), workers=1)
    assert 0 < rate.seconds_per_token < 0.1 and rate.workers == 1
    assert rate.seconds(1e6) == pytest.approx(rate.start + 1e6 * rate.seconds_per_token)
    assert torch.get_num_threads() == before


def test_more_texts_longer_texts_and_larger_batches_take_more(task: Make, settings: Make) -> None:
    tasks = {"a": task("a")}
    base = footprint(tasks, settings())
    assert footprint(tasks, settings(batch_size=800)).memory > base.memory
    assert footprint(tasks, settings(epochs=30)).disk > base.disk
    assert footprint({"a": task("a", dev=2000)}, settings()).disk > base.disk


def test_the_disk_that_a_fit_takes_is_about_what_was_said(task: Make, settings: Make, tmp_path: Any) -> None:
    tasks = {"a": task("a", dev=300, test=300)}
    [fit] = train([Group.of("a")], tasks, settings(epochs=6), [1], tmp_path, Options(workers=1))
    assert fit.path
    taken = sum(f.stat().st_size for f in fit.path.rglob("*"))
    assert 1 / 3 < footprint(tasks, settings(epochs=6)).disk / taken < 3
