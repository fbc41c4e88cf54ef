"""``tag``: what an update by one task alone does to the loss of another, over one joint fit (Fifty et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cotrain.affinity.method import TRAINED, Found, Ground, Method, pairs
from cotrain.errors import InputError
from cotrain.training import ledger
from cotrain.training.group import Group

EXTRA = "looks"


def joint(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
    """Return the group of all tasks."""
    return [Group.of(tasks)]


def looks(ground: Ground) -> pd.DataFrame:
    """Return the looks ahead of the joint fits, as the extra ``looks`` wrote them, with a column ``seed``.

    Raises:
        InputError: a fit that was too short to have one.
    """
    fits = ground.fits(joint(ground.names, {}))
    found = [pd.read_parquet(ledger.extra(fit, EXTRA, "looks.parquet")).assign(seed=fit.seed) for fit in fits]
    table = pd.concat(found, ignore_index=True)
    if not len(table):
        raise InputError("the joint fit made no update at a learning rate above 0 at which to look ahead; train it longer")
    return table


def relate(ground: Ground) -> Found:
    """Return Z_{i→j} = 1 − L_j(θ_s − η∇L_i, θ_j)/L_j(θ_s, θ_j) of target j and helper i, mean over looks and seeds."""
    table = looks(ground)
    value = (1 - table["after"] / table["before"]).groupby([table["target"], table["source"]]).mean()
    return Found(
        pairs(ground.names, lambda target, helper: float(value[target, helper]), directed=True), "share of loss", rows(ground, table)
    )


def rows(ground: Ground, table: pd.DataFrame) -> int:
    """Return of how many rows gradients were taken for looks: a batch of each task at each."""
    return len(table) // len(ground.names) * ground.settings().batch_size


METHOD = Method(
    relate, sees="content", groups=joint, extras=lambda group, tasks, options: (EXTRA,), least=3, directed=True,
    options={**TRAINED, "repeats": 1},
)  # fmt: skip
