"""Does a probe rank tasks as fine-tuning does? ``python benchmarks/probe_rank.py RUN …``.

Each RUN is a run folder with fine-tuned scores (``cotrain score``) and those of a probe (``cotrain score RUN --estimator probe``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from scipy.stats import spearmanr

from cotrain.study.open import open_study


def main(runs: list[Path]) -> None:
    """Print V-information of every task by both estimators, and Spearman's correlation in each run and over all tasks."""
    print("| run | task | rows | finetune, bits | probe, bits |\n| --- | --- | ---: | ---: | ---: |")
    every = []
    for run in runs:
        study = open_study(run)
        tuned, probe = (study.load_scores(study.resolved.scores(name)).tasks.set_index("task") for name in ("finetune", "probe"))
        found = [
            (run.name, task, int(tuned.loc[task, "n_train"]), *(float(t.loc[task, "v_bits"]) for t in (tuned, probe)))
            for task in tuned.index
        ]
        for line in found:
            print("| {} | {} | {} | {:+.3f} | {:+.3f} |".format(*line))
        every.append((run.name, found))
    # a task on the same rows in two runs is one task
    every.append(("all", list(dict.fromkeys(("", *line[1:]) for _, found in every for line in found))))
    for name, found in every if len(runs) > 1 else every[:1]:
        rho = spearmanr([line[3] for line in found], [line[4] for line in found]).statistic
        print(f"\nSpearman {name}: {rho:.3f}, n = {len(found)}")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
