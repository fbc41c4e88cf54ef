"""Scores: the pointwise V-information of every held-out row."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from cotrain.errors import InputError

COLUMNS = (
    "task", "row", "split", "seed", "estimator", "null", "epoch", "log2_p_x", "log2_p_null", "pvi_bits", "gold",
    "guess", "cluster", "source",
)  # fmt: skip

TASK_COLUMNS = ("task", "labels", "n_train", "entropy_bits", "state", "state_reason", "collapsed_seeds", "failed_seeds", "null_gap_bits")
EPOCH_COLUMNS = ("task", "seed", "epoch", "split", "v_information_bits", "nll_bits", "accuracy")


def _no_epochs() -> pd.DataFrame:
    """Return the table by epoch where nothing is known by epoch."""
    return pd.DataFrame(columns=list(EPOCH_COLUMNS))


@dataclass(frozen=True)
class Scores:
    """PVI per row and seed, with what is needed to relate the tasks. All information is in bits.

    Attributes:
        table: columns ``COLUMNS``: ``log2_p_x`` = log2 g'[x](y), ``log2_p_null`` = log2 g[∅](y), ``pvi_bits`` their
            difference (Ethayarajh et al., ICML 2022, Algorithm 1); ``gold`` and ``guess`` are label names;
            ``epoch`` is the (cross-selected) epoch of that row.
        tasks: one line per task: ``task``, ``labels`` (K), ``n_train``, ``entropy_bits`` (of train labels), ``state``
            (ok, not_learned, overfit), ``state_reason``, ``collapsed_seeds``, ``failed_seeds``,
            ``null_gap_bits`` (NLL of the fine-tuned null minus that of the prior, on the rows scored; nan without one),
            ``v_bits`` (V-information over all seeds) and ``v_bits_without_collapsed`` (the same without collapsed ones).
        by_epoch: ``task``, ``seed``, ``epoch``, ``split``, ``v_information_bits``, ``nll_bits``, ``accuracy``; no line where
            nothing is known by epoch.
        notes: what is taken on trust, in sentences: where scores come from outside, or from models trained elsewhere.
    """

    table: pd.DataFrame = field(repr=False)
    tasks: pd.DataFrame
    by_epoch: pd.DataFrame = field(default_factory=_no_epochs, repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if missing := [c for c in COLUMNS if c not in self.table.columns]:
            raise InputError(f"scores lack the columns {', '.join(missing)}")
        if missing := [c for c in TASK_COLUMNS if c not in self.tasks.columns]:
            raise InputError(f"the tasks table of scores lacks the columns {', '.join(missing)}")
        if strange := sorted(set(self.table["task"]) ^ set(self.tasks["task"])):
            raise InputError(f"scores should have rows and a line for each task; these have one of both only: {', '.join(strange)}")
