"""TAG from looks by hand, and ETAP: what it learns from few groups in a world whose gains follow how gradients agree."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity import etap, tag
from cotrain.errors import InputError
from cotrain.training import ledger
from cotrain.training.group import Group

NAMES = tuple("abcdefgh")


def ground(folder: Path, tables: list[pd.DataFrame], names: tuple[str, ...] = NAMES, options: Mapping[str, Any] = {}) -> Any:
    """Return a ground whose joint fits left these looks."""
    fits = []
    for i, table in enumerate(tables):
        (folder / str(i) / "extras" / "looks").mkdir(parents=True)
        table.to_parquet(folder / str(i) / "extras" / "looks" / "looks.parquet")
        fits.append(SimpleNamespace(path=folder / str(i), group=Group.of(names), seed=i))
    how = SimpleNamespace(batch_size=8)
    return SimpleNamespace(names=sorted(names), options=options, fits=lambda groups: fits, settings=lambda: how)


@pytest.fixture(autouse=True)
def undamaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "damage", lambda *_, **__: "")


def looks(
    random: np.random.Generator, names: tuple[str, ...], cosine: Mapping[tuple[str, str], float], n: int = 3, scale: float = 1.0
) -> pd.DataFrame:
    """Return looks in which gradients have given cosines and norms of their own."""
    lines = []
    for update in range(1, 10 * n, 10):
        norm = dict(zip(names, scale * random.uniform(0.5, 2.0, len(names)), strict=True))
        for a in names:
            for b in names:
                agreed = 1.0 if a == b else cosine[a, b]
                before = random.uniform(0.4, 0.8)
                lines.append((update, a, b, before, before * (1 - 0.1 * agreed), agreed * norm[a] * norm[b]))
    return pd.DataFrame(lines, columns=["update", "source", "target", "before", "after", "product"])


def test_tag_is_the_mean_over_looks_and_seeds_of_the_share_of_the_loss_that_goes(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    tables = [looks(np.random.default_rng(s), names, dict.fromkeys(permutations(names, 2), 0.3)) for s in (0, 1)]
    tables[0].loc[(tables[0]["source"] == "a") & (tables[0]["target"] == "b"), "after"] = 0.0
    found = tag.relate(ground(tmp_path, tables, names))
    value = {(t, h): v for t, h, v in found.pairs[["target", "helper", "value"]].itertuples(index=False)}
    assert value["b", "a"] == pytest.approx((3 * 1.0 + 3 * 0.03) / 6) and value["a", "b"] == pytest.approx(0.03)
    assert found.gradient_passes == 2 * 3 * 3 * 8, "two fits, three looks, three tasks, eight rows"


def test_a_step_of_no_length_has_no_affinity(tmp_path: Path) -> None:
    table = looks(np.random.default_rng(0), NAMES, dict.fromkeys(permutations(NAMES, 2), 0.3))
    found = tag.relate(ground(tmp_path, [table.assign(after=table["before"])]))
    assert (found.pairs["value"] == 0).all()


def test_a_fit_without_a_look_is_refused(tmp_path: Path) -> None:
    empty = pd.DataFrame(columns=["update", "source", "target", "before", "after", "product"])
    with pytest.raises(InputError, match="made no update at a learning rate above 0 at which to look ahead"):
        tag.relate(ground(tmp_path, [empty]))


def symmetric(random: np.random.Generator) -> dict[tuple[str, str], float]:
    """Return a cosine of each pair of tasks, the same in both orders."""
    half = {frozenset(p): float(random.uniform(-0.3, 0.6)) for p in permutations(NAMES, 2)}
    return {p: half[frozenset(p)] for p in permutations(NAMES, 2)}


def test_agreement_is_the_cosine_of_gradients_whatever_their_norms() -> None:
    wanted = symmetric(np.random.default_rng(1))
    each = [looks(np.random.default_rng(2 + s), NAMES, wanted, scale=100**s).assign(seed=s) for s in (0, 1)]
    found = etap.agreement(pd.concat(each, ignore_index=True))
    assert {p: found[p] for p in wanted} == pytest.approx(wanted) and found["a", "a"] == pytest.approx(1.0)


def test_a_curved_law_is_learned_from_few_groups_and_who_helps_from_what_is_left() -> None:
    random = np.random.default_rng(3)
    score = symmetric(random)
    strong = dict(zip(NAMES, random.normal(0.0, 0.1, len(NAMES)), strict=True))

    def gain(target: str, helpers: list[str]) -> float:
        agreed = float(np.mean([score[target, h] for h in helpers]))
        return float(np.tanh(4 * agreed) / 10 + np.mean([strong[h] for h in helpers]))

    groups = [g.tasks for g in etap._trained(NAMES, {"draw": 0, "size": 3, "subsets": 20})]
    lines = [(t, [h for h in g if h != t], gain(t, [h for h in g if h != t])) for g in groups for t in g]
    predict = etap.predictor(NAMES, score, lines)
    pairs = list(permutations(NAMES, 2))
    truth, guess = ([f(t, [h]) for t, h in pairs] for f in (gain, predict))
    linear = np.corrcoef([score[p] for p in pairs], truth)[0, 1]
    assert np.corrcoef(guess, truth)[0, 1] > max(0.9, linear)


def test_scores_that_are_all_alike_leave_the_mean_and_who_helps() -> None:
    score = dict.fromkeys(permutations(NAMES, 2), 0.2)
    lines = [(t, [h], 0.05) for t, h in permutations(NAMES, 2)]
    assert etap.predictor(NAMES, score, lines)("a", ["b"]) == pytest.approx(0.05, abs=1e-3)


def test_groups_are_the_tasks_alone_all_together_and_so_many_of_three() -> None:
    names = [g.tasks for g in etap.groups(NAMES, etap.METHOD.options)]
    assert [len(g) for g in names] == [1] * 8 + [8] + [3] * 8
    assert etap.extras(Group.of(NAMES), NAMES, {}) == ("looks",) and etap.extras(Group.of("abc"), NAMES, {}) == ()
    with pytest.raises(InputError, match="2 or more groups of 2 tasks or more, found 1 of 3"):
        etap.groups(NAMES, etap.METHOD.chosen("etap", {"subsets": 1}))
