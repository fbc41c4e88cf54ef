"""Scores: the pointwise V-information of every held-out row."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from cotrain.errors import InputError

COLUMNS = (
    "task", "row", "split", "seed", "estimator", "null", "epoch", "log2_p_x", "log2_p_null", "pvi_bits", "gold",
    "guess", "cluster", "source",
)  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """PVI per row and seed, with what is needed to relate the tasks. All information is in bits.

    Attributes:
        table: columns ``COLUMNS``: ``log2_p_x`` = log2 g'[x](y), ``log2_p_null`` = log2 g[∅](y), ``pvi_bits`` their
            difference (Ethayarajh et al., ICML 2022, Algorithm 1); ``gold`` and ``guess`` are label names;
            ``epoch`` is the (cross-selected) epoch of that row.
        tasks: one line per task: ``task``, ``labels`` (K), ``n_train``, ``entropy_bits`` (of train labels), ``state``
            (ok, not_learned, overfit), ``state_reason``, ``collapsed_seeds``, ``failed_seeds``,
            ``null_gap_bits`` (fine-tuned minus prior null, nan without one).
        by_epoch: ``task``, ``seed``, ``epoch``, ``split``, ``v_information_bits``, ``nll_bits``, ``accuracy``.
    """

    table: pd.DataFrame = field(repr=False)
    tasks: pd.DataFrame
    by_epoch: pd.DataFrame = field(repr=False)

    def __post_init__(self) -> None:
        if missing := [c for c in COLUMNS if c not in self.table.columns]:
            raise InputError(f"scores lack the columns {', '.join(missing)}")
