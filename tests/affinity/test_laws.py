"""Laws that hold for every method, in a world of a few words where fits are made up from known gains.

Fits that leave something for a method are really trained, so their values follow the seeds of heads, which follow names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity import METHODS
from cotrain.affinity.method import SEES, TRAINED, Ground, Method, named, relate
from cotrain.affinity.pvi import relate as by_pvi
from cotrain.errors import InputError
from cotrain.pvi.scores import Scores
from cotrain.tasks.task import Task
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train

NAMES = ("cues", "cues2", "parts", "time", "drugs")
WORDS = {
    "cues": ("denies fever today", "has cough again", "without rash now", "reports pain at night"),
    "parts": ("swelling in the left arm", "edema in the right leg", "marked pain the chest", "mild chills right arm"),
    "time": ("since monday", "at night again", "today now since", "monday at night"),
    "drugs": ("possible nausea", "maybe fatigue unlikely", "suspected dizziness hardly", "likely perhaps doubtful"),
}
HELP = {frozenset({"cues", "cues2"}): 0.3, frozenset({"parts", "time"}): 0.1}
"""What two tasks do for each other, as a share of what label frequencies lose; others harm each other by .05."""


def task(name: str, labels: tuple[str, ...] = ("no", "yes")) -> Task:
    """Return a task of 40 training and 20 held-out rows; cues2 is the other half of cues."""
    own = name.removesuffix("2")
    random = np.random.default_rng([*own.encode()])
    size = {"cues": 40, "parts": 60, "time": 80, "drugs": 50}[own]
    texts = [f"{random.choice(WORDS[own])} {random.choice(WORDS[own])}" for _ in range(2 * size)]
    gold = [int(random.random() < 0.2 + 0.1 * len(own) * ("no" in t or "at" in t)) for t in texts]
    half = slice(0, None, 2) if name == own else slice(1, None, 2)
    rows = pd.DataFrame({"row": [f"r{i}" for i in range(2 * size)], "text": texts, "pair": "", "label": [labels[g] for g in gold]})[half]
    rows = rows.assign(
        cluster=rows["row"], split=np.where(np.arange(size) % 3 == 0, "dev", np.where(np.arange(size) % 3 == 1, "test", "train"))
    )
    return Task(name, labels, rows.reset_index(drop=True), source=own)


def gain(target: str, helper: str) -> float:
    """Return what a helper does for a target of the world."""
    return HELP.get(frozenset({target, helper}), -0.05)


def fit(group: Group, seed: int, tasks: Mapping[str, Task], own: Callable[[str], str]) -> Fit:
    """Return a fit whose loss on each task is that alone less the mean of its helpers' gains; ``own`` tells a task by another name."""
    blocks = {}
    for name in group.tasks:
        there = tasks[name]
        others = [gain(own(name), own(t)) for t in group.tasks if t != name]
        counts = there.train_counts
        share = 0.5 + 0.04 * (len(own(name).removesuffix("2")) - 4) - float(np.mean(others or [0.0]))
        for split in ("dev", "test"):
            gold = there.gold(split)
            frequency = np.asarray(counts, dtype=float)[gold] / sum(counts)
            right = frequency**share  # every row loses that share of what the label frequencies lose
            log2_p = np.log2(np.where(np.arange(2) == gold[:, None], right[:, None], 1 - right[:, None])).astype(np.float32)
            ids = there.split(split)["row"].to_numpy(dtype=object)
            blocks[name, split] = Block(ids, ids, gold, np.array([1, 2]), np.stack([log2_p, log2_p]))
    key = f"{'+'.join(sorted(map(own, group.tasks)))} {seed}"
    labels = {name: tasks[name].labels for name in group.tasks}
    counts_of = {name: tasks[name].train_counts for name in group.tasks}
    cost = {"seconds": 2.0, "peak_bytes": 1e12 + len(group.tasks), "updates": 1.0}
    return Fit(key, group, seed, labels, counts_of, blocks, pd.DataFrame(), cost)  # type: ignore[arg-type]


def lost(tasks: Mapping[str, Task], own: Callable[[str], str]) -> pd.DataFrame:
    """Return the same world as losses that somebody measured."""
    groups = [Group.of(names).tasks for size in (1, 2) for names in combinations(tasks, size)]
    lines = [("all", "+".join(g), t, 0.5 - np.mean([gain(own(t), own(o)) for o in g if o != t] or [0.0])) for g in groups for t in g]
    return pd.DataFrame(lines, columns=["split", "group", "task", "loss"])


def groups_of(name: str) -> list[Group]:
    """Return the groups that a method needs of the tasks of the world."""
    return named(name).groups(NAMES, named(name).options)


class World:
    """Grounds on the world, and what was asked of them."""

    def __init__(self, encoder: Path, scores: Callable[..., Scores], folder: Path) -> None:
        self.encoder, self.scores, self.folder, self.asked = encoder, scores, folder, list[str]()

    def ground(
        self, method: Method, names: Sequence[str] = NAMES, rename: Mapping[str, str] | None = None,
        labels: tuple[str, ...] = ("no", "yes"), **settings: Any,
    ) -> Ground:  # fmt: skip
        """Return what a method may look at, tasks in the order of ``names``, some of them under other names."""
        new = {name: (rename or {}).get(name, name) for name in names}
        old = {v: k for k, v in new.items()}
        tasks = {new[name]: replace(task(name, labels), name=new[name]) for name in names}
        random = np.random.default_rng(0)
        bits = {name: random.normal(0.3 + 0.1 * len(name), 1.0, (2, 60)) for name in NAMES}
        found = by_pvi(self.scores({new[name]: bits[name] for name in names}))
        entropy = {new[name]: 0.5 + 0.05 * len(name.removesuffix("2")) for name in names}
        pvi = replace(found, tasks=found.tasks.assign(entropy_bits=found.tasks["task"].map(entropy)))

        few = {"learning_rate": 3e-3, "epochs": 8, "batch_size": 8, **settings}
        how = Settings(str(self.encoder), max_length=16, precision="fp32", device="cpu", **few)

        def fits(groups: Sequence[Group]) -> list[Fit]:
            self.asked += [group.name for group in groups]
            return [one for group in groups for seed in (1, 2) for one in self.made(group, seed, method, tasks, how, old.__getitem__)]

        return Ground(pvi, lambda: tasks, lambda: how, fits, dict(method.options), lost(tasks, old.__getitem__))

    def made(
        self, group: Group, seed: int, method: Method, tasks: Mapping[str, Task], how: Settings, own: Callable[[str], str]
    ) -> list[Fit]:
        """Return the fit of a group as the world has it, with what it leaves for the method from one that was trained."""
        known = fit(group, seed, tasks, own)
        if extras := method.extras(group, list(tasks), method.options):
            [real] = train([group], tasks, how, [seed], self.folder, Options(workers=1, extras=extras))
            known = replace(known, path=real.path)
        return [known]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where fits that are really trained lie: each is made once."""
    return tmp_path_factory.mktemp("fits")


@pytest.fixture
def world(small_made: tuple[Path, Path], scores: Callable[..., Scores], trained: Path) -> World:
    """The world, on the encoder of the small study."""
    return World(small_made[1] / "encoder", scores, trained)


READS_FITS = {name for name in METHODS if any(named(name).extras(g, NAMES, named(name).options) for g in groups_of(name))}
"""Methods that read what fits leave beside predictions: ``test_trained_methods.py`` has their laws of content and of names."""


@pytest.fixture(params=METHODS)
def each(request: pytest.FixtureRequest) -> tuple[str, Method]:
    """Every method with its name."""
    return request.param, named(request.param)


@pytest.fixture(params=[name for name in METHODS if name not in READS_FITS])
def closed(request: pytest.FixtureRequest) -> tuple[str, Method]:
    """Every method whose values do not follow the seeds of fits that it reads, with its name."""
    return request.param, named(request.param)


def values(pairs: pd.DataFrame, own: Mapping[str, str] | None = None) -> dict[tuple[str, str], float]:
    """Return the value of each pair, tasks by their own names; of both orders where there is one alone."""
    found = {}
    for target, helper, value in pairs[["target", "helper", "value"]].itertuples(index=False):
        a, b = ((own or {}).get(t, t) for t in (target, helper))
        found[a, b] = value
        found.setdefault((b, a), value)
    return found


def test_the_order_of_tasks_changes_nothing(each: tuple[str, Method], world: World) -> None:
    name, method = each
    one, other = (relate(name, method, world.ground(method, names)) for names in (NAMES, NAMES[::-1]))
    assert values(one.pairs) == pytest.approx(values(other.pairs), abs=1e-12)
    assert one.pairs["target"].tolist() == other.pairs["target"].tolist()


def test_names_of_tasks_and_labels_change_nothing(closed: tuple[str, Method], world: World) -> None:
    """The random groups of ``surrogate`` follow the names; of five tasks it trains every group of three, whatever they are called."""
    name, method = closed
    rename = {"cues": "z", "cues2": "m", "parts": "q", "time": "a", "drugs": "b"}
    one = relate(name, method, world.ground(method))
    other = relate(name, method, world.ground(method, rename=rename, labels=("b", "a")))
    assert values(other.pairs, {v: k for k, v in rename.items()}) == pytest.approx(values(one.pairs), abs=1e-9)


def test_two_halves_of_one_task_are_each_others_best_helper_for_what_sees_content(closed: tuple[str, Method], world: World) -> None:
    name, method = closed
    found = values(relate(name, method, world.ground(method)).pairs)
    best = {target: max((v, h) for (t, h), v in found.items() if t == target)[1] for target in ("cues", "cues2")}
    assert method.sees not in ("content", "gains") or best == {"cues": "cues2", "cues2": "cues"}


def test_cost_is_what_was_run(each: tuple[str, Method], world: World) -> None:
    """Fits of the tasks alone are the baseline's; the method asks for the groups that it names, and for no others."""
    name, method = each
    groups = method.groups(NAMES, method.options)
    made = [f"{group.name} {seed}" for group in groups for seed in (1, 2) if len(group.tasks) > 1]
    cost = relate(name, method, world.ground(method), made).cost
    assert sorted(world.asked) == sorted(group.name for group in groups)
    assert cost["fits"] == len(made) and cost["reused"] == 2 * len(groups) - len(made) and cost["fit_seconds"] == 2.0 * len(made)
    assert (cost["peak_bytes"] >= 1e12) == bool(made) and cost["seconds"] > 0
    assert (cost["gradient_passes"] > 0) == (name in READS_FITS)


def test_fewer_tasks_than_it_needs_are_refused(each: tuple[str, Method], world: World) -> None:
    name, method = each
    ground = world.ground(method)
    few = replace(ground, pvi=replace(ground.pvi, tasks=ground.pvi.tasks[: method.least - 1], pairs=ground.pvi.pairs[:0]))
    with pytest.raises(InputError, match=f"the method {name} needs at least {method.least} tasks, found {method.least - 1}"):
        relate(name, method, few)
    assert not world.asked


def test_values_do_not_depend_on_the_size_of_batches(closed: tuple[str, Method], world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name, method = closed
    one = relate(name, method, world.ground(method))
    monkeypatch.setattr("cotrain.training.features._ON_CPU", 3)
    other = relate(name, method, world.ground(method, batch_size=2))
    assert values(other.pairs) == pytest.approx(values(one.pairs), abs=1e-5)


def test_no_text_is_kept_and_values_alone_have_no_moments(each: tuple[str, Method], world: World) -> None:
    name, method = each
    found = relate(name, method, world.ground(method))
    words = {word for texts in WORDS.values() for text in texts for word in text.split()} - set(NAMES)
    kept = found.pairs.to_csv() + found.tasks.to_csv()
    assert not words & set(re.split(r"\W+", kept))
    assert found.method == name and found.tasks["mean_bits"].isna().all() == (name != "pvi") and method.sees in SEES
    assert len(found.pairs) == (20 if method.directed else 10)


@pytest.mark.parametrize(
    ("name", "given"),
    [("hoa", {}), ("table", {}), ("surrogate", {"fit": "linear"}), ("surrogate", {"fit": "linear", "pool": "target", "size": 4})],
)
def test_methods_that_see_gains_find_those_of_the_world(name: str, given: Mapping[str, Any], world: World) -> None:
    """Exactly, up to single precision of predictions: helpers of a group work as the mean of what each does in a pair."""
    method = named(name)
    found = relate(name, method, replace(world.ground(method), options=method.chosen(name, given)))
    assert values(found.pairs) == pytest.approx({(t, h): gain(t, h) for t in NAMES for h in NAMES if t != h}, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in METHODS if TRAINED.keys() <= named(name).options.keys()])
def test_a_failed_fit_is_left_out_and_counted_and_a_group_without_another_is_refused(name: str, world: World) -> None:
    method = named(name)
    ground, groups = world.ground(method), method.groups(NAMES, method.options)

    def fails(*seeds: int) -> Ground:
        return replace(ground, fits=lambda wanted: [replace(f, failed="nan" if f.seed in seeds else "") for f in ground.fits(wanted)])

    found = relate(name, method, fails(2))
    without = relate(name, method, replace(ground, fits=lambda wanted: [f for f in ground.fits(wanted) if f.seed == 1]))
    assert values(found.pairs) == pytest.approx(values(without.pairs)) and found.cost["reused"] == 2 * len(groups)
    with pytest.raises(InputError, match=f"the method {name} has no fit that did not fail of cues[,+]"):
        relate(name, method, fails(1, 2))
