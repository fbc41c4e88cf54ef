"""``etap``: gains learned from few trained groups and from how gradients agree in one joint fit (Ayman, Mukhopadhyay, Laszka 2026)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cotrain.affinity import losses, surrogate
from cotrain.affinity.method import TRAINED, Found, Ground, Method, pairs
from cotrain.affinity.tag import EXTRA, joint, looks, rows
from cotrain.errors import InputError, few
from cotrain.training.group import Group

_KNOTS, _DEGREE, _SMOOTH, _RESIDUAL = 3, 3, 1e-3, 1.0


def groups(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
    """Return the tasks alone, all together, and ``subsets`` random groups of ``size``.

    Raises:
        InputError: options that are none; too few groups for every task to be in one.
    """
    if options["size"] < 2 or options["subsets"] < 2:
        raise InputError(
            f"methods.etap: there should be 2 or more groups of 2 tasks or more, found {options['subsets']} of {options['size']}"
        )
    trained = _trained(tasks, options)
    if lacking := set(tasks) - {task for group in trained for task in group.tasks}:
        raise InputError(f"methods.etap: {len(trained)} groups leave tasks that are in none, {few(sorted(lacking))}; raise subsets")
    return list(dict.fromkeys([*losses.singles(tasks), *joint(tasks, options), *trained]))


def extras(group: Group, tasks: Sequence[str], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the look-ahead of the joint fit, which has the products of gradients."""
    return (EXTRA,) if len(group.tasks) == len(tasks) else ()


def relate(ground: Ground) -> Found:
    """Return the gain of the target in the pair, (NLL_alone − NLL_pair)/NLL_null on dev, as predicted.

    Of a target in a group the affinity score is the mean over its helpers of the cosine of gradients, mean over looks of the joint fit.
    A cubic B-spline of it is fitted to the gains in the trained groups, and a ridge on who is target and who helps to what is left.
    """
    options, names = ground.options, ground.names
    trained = _trained(names, options)
    found = losses.mean_losses(ground.fits([*losses.singles(names), *trained]), losses.dev)
    seen = looks(ground)
    score = agreement(seen)
    lines = [(t, [h for h in g.tasks if h != t], found[(t,), t] - found[g.tasks, t]) for g in trained for t in g.tasks]
    predict = predictor(names, score, lines)
    return Found(
        pairs(names, lambda target, helper: predict(target, [helper]), directed=True), "gain, share of NLL_null, predicted",
        rows(ground, seen),
    )  # fmt: skip


def agreement(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return (target, helper) to the mean over looks of the cosine of their gradients, from ``tag.looks``."""
    own = table[table["source"] == table["target"]].set_index(["seed", "update", "source"])["product"]
    norm = own.clip(lower=1e-300).pow(0.5)
    at = table[["seed", "update", "source", "target"]].itertuples(index=False)
    cosine = table["product"] / [norm[s, u, a] * norm[s, u, b] for s, u, a, b in at]
    mean = cosine.groupby([table["target"], table["source"]]).mean()
    return {(str(target), str(source)): float(value) for (target, source), value in zip(mean.index, mean, strict=True)}


def predictor(names: Sequence[str], score: Mapping[tuple[str, str], float], lines: Sequence[tuple[str, list[str], float]]) -> Any:
    """Return the function of a target and its helpers that predicts a gain, fitted to ``lines`` of target, helpers and gain."""
    place = {name: i for i, name in enumerate(sorted(names))}

    def scored(target: str, helpers: Sequence[str]) -> float:
        return float(np.mean([score[target, helper] for helper in helpers]))

    def members(target: str, helpers: Sequence[str]) -> np.ndarray:
        one = np.zeros(2 * len(place))
        one[place[target]] = 1.0
        one[[len(place) + place[h] for h in helpers]] = 1.0 / len(helpers)
        return one

    x, gain = np.array([scored(t, h) for t, h, _ in lines]), np.array([g for *_, g in lines])
    basis = _spline(x)
    curve = _ridge(basis(x), gain, _SMOOTH)
    inside = np.array([members(t, h) for t, h, _ in lines])
    rest = _ridge(inside, gain - basis(x) @ curve, _RESIDUAL)

    def predict(target: str, helpers: Sequence[str]) -> float:
        return float(basis(np.array([scored(target, helpers)]))[0] @ curve + members(target, helpers) @ rest)

    return predict


def _spline(x: np.ndarray) -> Any:
    """Return the function of (m,) scores that gives their (m, b) cubic B-splines between knots at quantiles of ``x``; flat beyond them."""
    from scipy.interpolate import BSpline

    low, high = float(x.min()), float(x.max())
    if high - low < 1e-12:  # no score differs from another
        return lambda at: np.ones((len(at), 1))
    inner = np.unique(np.quantile(x, np.linspace(0, 1, _KNOTS + 2)[1:-1]))
    inner = inner[(inner > low) & (inner < high)]
    knots = np.concatenate([np.repeat(low, _DEGREE + 1), inner, np.repeat(high, _DEGREE + 1)])
    return lambda at: BSpline.design_matrix(np.clip(at, low, high), knots, _DEGREE).toarray()


def _ridge(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    """Return (b,) coefficients of least squares with the sum of their squares times ``strength``."""
    return np.asarray(np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y))


def _trained(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
    """Return the random groups whose gains are learned from; each task is in one where there are enough of them."""
    names = sorted(tasks)
    random = np.random.default_rng(options["draw"])
    return [Group.of(g) for g in sorted(surrogate.drawn(names, min(options["size"], len(names) - 1), options["subsets"], random))]


METHOD = Method(
    relate, sees="gains", groups=groups, extras=extras, least=4, directed=True,
    options={"subsets": 8, "size": 3, "draw": 0, **TRAINED, "repeats": 1},
)  # fmt: skip
