"""What would settle it: the held-out rows per task with which a pair that is undecided now could be decided."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.options import Options
from cotrain.grouping.passing import outcomes
from cotrain.grouping.statistics import Statistics

POWER = 0.8
COLUMNS = ("target", "helper", "n_target", "n_helper", "margin_bits", "rows")


def settle(affinity: Affinity, options: Options) -> pd.DataFrame:
    """Return the pairs that are neither different nor equivalent at (alpha, margin), columns ``COLUMNS``.

    ``rows``: held-out rows per task with which two tasks that do not differ are shown equivalent with 80 % power, by two
    one-sided tests at alpha: SE ≤ margin / (z₁₋α + z₁₋₍₁₋power₎⸝₂). Rows vary, cluster and are shared as they do now. inf: the
    variance between fits alone is too large, so more seeds are needed, not rows; nan: a task with too few rows to say, or a
    margin that is not known.
    """
    statistics = Statistics.of(affinity)
    pairs = affinity.pairs
    sets = np.stack([statistics.positions(pairs[side].tolist()) for side in ("target", "helper")], axis=1)
    if not len(sets):
        return pd.DataFrame(columns=list(COLUMNS))
    i, j = sets.T
    open_pairs = np.array([word == "undecided" for word in outcomes(statistics, sets, options)])
    facts = affinity.tasks.set_index("task").loc[list(statistics.names)]
    n, se = statistics.tasks.n, statistics.tasks.se
    seeds = np.nan_to_num(facts["seed_sd_bits"].to_numpy(dtype=float) ** 2 / facts["seeds"].to_numpy(dtype=float))
    rows = np.maximum(se**2 - seeds, 0.0)
    between = seeds[i] + seeds[j]
    margin = statistics.margin(options)[i, j]
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = (margin / (stats.norm.ppf(1 - options.alpha) + stats.norm.ppf(1 - (1 - POWER) / 2))) ** 2 - between
        # what rows add to the error of the pair now, less than of two tasks apart where they share rows; and per row, at equal n
        drawn = np.maximum(statistics.pairs.se[i, j] ** 2 - between, 0.0)
        per_row = drawn * (rows[i] * n[i] + rows[j] * n[j]) / (rows[i] + rows[j])
        needed = np.where(wanted > 0, np.ceil(per_row / wanted), np.inf)
    needed = np.where(statistics.few[i, j] | np.isnan(margin) | np.isnan(per_row), np.nan, needed)
    found = pd.DataFrame({
        "target": pairs["target"].to_numpy(), "helper": pairs["helper"].to_numpy(), "n_target": n[i], "n_helper": n[j],
        "margin_bits": margin, "rows": needed,
    }, columns=list(COLUMNS))  # fmt: skip
    return found[open_pairs].sort_values(["rows", "target", "helper"]).reset_index(drop=True)
