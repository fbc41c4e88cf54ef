"""Fits without training: predictions with a known share of right rows, a few of them different between arms and seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest

from cotrain.evaluation.decision import Evidence
from cotrain.evaluation.intervals import Arm
from cotrain.grouping.plan import Plan, Serving
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group

SEEDS = (42, 52, 62, 72, 82)


@dataclass(frozen=True)
class World:
    """Rows of tasks, and fits of any group on them.

    Attributes:
        rows: task to (dev, test) rows.
        labels: task to K; two where it is not named.
        right: accuracy alone.
        discordant: share of rows that a group predicts differently from the task alone.
        seed_sd: of the accuracy over seeds.
        gain: (group, task) to what sharing adds to the accuracy.
        seeds: of every group.
    """

    rows: dict[str, tuple[int, int]]
    labels: dict[str, int] = field(default_factory=dict)
    right: float = 0.85
    discordant: float = 0.05
    seed_sd: float = 0.005
    gain: dict[tuple[str, str], float] = field(default_factory=dict)
    seeds: Sequence[int] = SEEDS
    epochs: int = 1
    draw: int = 0

    def fits(self, *groups: str) -> list[Fit]:
        """Return the fits of every task alone and of the groups."""
        names = dict.fromkeys([*self.rows, *groups])
        return [self.fit(Group.parse(name), seed) for name in names for seed in self.seeds]

    def fit(self, group: Group, seed: int) -> Fit:
        """Return one fit."""
        blocks = {(t, s): self._block(group, t, s, seed) for t in group.tasks for s in ("dev", "test")}
        history = pd.DataFrame([{"epoch": e, "task": t, "train_bits": 0.3} for e in range(1, self.epochs + 1) for t in group.tasks])
        cost = {"seconds": 10.0 * len(group.tasks), "updates": 90 + seed, "tokens": 1e5, "parameters": 1e6 + len(group.tasks)}
        labels = {t: tuple(f"y{k}" for k in range(self.labels.get(t, 2))) for t in group.tasks}
        counts = {t: (100,) * len(names) for t, names in labels.items()}
        return Fit(f"{group.name}-{seed}", group, seed, labels, counts, blocks, history, cost)

    def _random(self, *what: object) -> np.random.Generator:
        return np.random.default_rng(list(hashlib.sha256(f"{self.draw}{what}".encode()).digest()))

    def _block(self, group: Group, task: str, split: str, seed: int) -> Block:
        n, k = self.rows[task][split == "test"], self.labels.get(task, 2)
        gold = self._random(task, split).integers(0, k, n)
        gold[:k] = np.arange(k)
        right = self._random(task, split, "right").random(n) < self.right
        if group.name != task:
            gain = self.gain.get((group.name, task), 0.0)
            change = self._random(group.name, task, split)
            flip = change.random(n)
            share = np.where(right, (self.discordant - gain) / 2 / self.right, (self.discordant + gain) / 2 / (1 - self.right))
            right = right ^ (flip < share)
        # each seed turns a few rows, all in one direction, so that its accuracy moves by a normal step
        turn = self._random(group.name, task, split, seed)
        step = self._random(group.name, task, seed).normal(0, self.seed_sd)
        able = right if step < 0 else ~right
        right = right ^ (able & (turn.random(n) < abs(step) / max(able.mean(), 1e-9)))
        guess = np.where(right, gold, (gold + 1) % k)
        confidence = turn.uniform(0.6, 0.95, n)
        p = np.tile(((1 - confidence) / (k - 1))[:, None], (1, k))
        p[np.arange(n), guess] = confidence
        ids = np.array([f"{task}-{split}-{i}" for i in range(n)], dtype=object)
        log2_p = np.repeat(np.log2(p)[None].astype(np.float32), self.epochs, axis=0)
        return Block(ids, ids, gold, np.arange(1, self.epochs + 1), log2_p)


def plan_of(name: str, kind: str, *servings: str) -> Plan:
    """Return a plan: ``a+b`` serves a and b, ``a+b>a`` serves a alone."""
    made = []
    for text in servings:
        group, _, serves = text.partition(">")
        parsed = Group.parse(group)
        made.append(Serving(parsed, tuple(serves.split("+")) if serves else parsed.real))
    return Plan(name, kind, tuple(made))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    """Make a World."""
    return World


@pytest.fixture(scope="session")
def plan() -> Callable[..., Plan]:
    """Make a Plan of texts."""
    return plan_of


@pytest.fixture(scope="session")
def changed() -> Callable[..., Fit]:
    """Return a fit with other predictions: a function of the (E, n, K) log2 p of every block, or of one task's."""

    def change(fit: Fit, how: Callable[[np.ndarray], np.ndarray], task: str | None = None) -> Fit:
        blocks = {at: b._replace(log2_p=how(b.log2_p).astype(np.float32)) if task in (None, at[0]) else b for at, b in fit.blocks.items()}
        return replace(fit, key=fit.key + "'", blocks=blocks)

    return change


@pytest.fixture(scope="session")
def made_up() -> Callable[..., list[Evidence]]:
    """Make evidence without predictions: arms with random values, resamples and seed variances."""

    def make(
        random: np.random.Generator,
        tasks: Sequence[str],
        groups: Sequence[Group],
        spread: float = 0.01,
        means: dict[str, float] | None = None,
    ) -> list[Evidence]:  # fmt: skip
        def arm(group: str, task: str, mean: float) -> Arm:
            values = mean + random.normal(0, 0.003, 4)
            return Arm(group, task, values, values.mean() + random.normal(0, 0.005, 60), 4e-6, 400, 400, (task,))

        alone = {t: arm(t, t, 0.8) for t in tasks}
        deltas = {t: 0.02 + 0.005 * i for i, t in enumerate(tasks)}
        found = []
        for group in groups:
            gaps = means or {t: random.normal(0.003, spread) for t in group.tasks}
            found.append(Evidence.of(group, {t: arm(group.name, t, 0.8 + gaps[t]) for t in group.tasks}, alone, deltas))
        return found

    return make
