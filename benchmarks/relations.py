"""Relate and group tasks of made-up scores: one measurement per process, ``python benchmarks/relations.py WHAT TASKS ROWS``.

Prints seconds on the wall, CPU seconds and the peak in bytes, as JSON. WHAT is ``listing`` (all pairs and all sets), ``partition``
(relate, and the partition of least dispersion into half as many groups) or ``bootstrap`` (1,000 resamples).
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
import pandas as pd

from cotrain.affinity.pvi import relate
from cotrain.grouping.group import group
from cotrain.grouping.listing import listing
from cotrain.grouping.options import Options
from cotrain.pvi.scores import Scores


def scores(tasks: int, rows: int, seed: int = 0) -> Scores:
    """Return Scores of tasks whose mean PVI differs by a fifth of a bit, one seed."""
    random = np.random.default_rng(seed)
    bits = np.concatenate([random.normal(random.normal(0.5, 0.2), 1, rows) for _ in range(tasks)])
    names = [f"t{i:04d}" for i in range(tasks)]
    task, row = np.repeat(names, rows), np.tile([f"r{i}" for i in range(rows)], tasks)
    table = pd.DataFrame({"task": task, "row": row, "split": "dev", "seed": 0, "estimator": "arrays", "null": "prior", "epoch": -1,
                          "log2_p_x": bits - 1, "log2_p_null": -1.0, "pvi_bits": bits, "gold": "a", "guess": "a", "cluster": row,
                          "source": task})  # fmt: skip
    facts = pd.DataFrame({"task": names, "labels": 2, "n_train": 100, "entropy_bits": 1.0, "state": "ok", "state_reason": "",
                          "collapsed_seeds": "", "failed_seeds": "", "null_gap_bits": np.nan})  # fmt: skip
    return Scores(table, facts, pd.DataFrame())


def main(what: str, tasks: int, rows: int) -> None:
    """Measure one thing."""
    made = scores(tasks, rows)
    began, cpu = time.perf_counter(), time.process_time()
    found = relate(made, bootstrap=1000 if what == "bootstrap" else 0)
    if what == "listing":
        listing(found, Options(rule="not_different"))
    elif what == "partition":
        group(found, Options(rule="any", select="partition", objective="budget", models=-(-tasks // 2)))
    spent = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps({**spent, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
