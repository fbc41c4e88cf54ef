"""Relating and grouping are tables only."""

from __future__ import annotations

import subprocess
import sys


def test_scores_affinity_and_plans_need_no_torch() -> None:
    code = (
        "import sys, cotrain.pvi.finetune, cotrain.pvi.arrays, cotrain.affinity.pvi, cotrain.grouping.group, cotrain.grouping.controls\n"
        "import cotrain.grouping.exact, cotrain.grouping.nested, cotrain.grouping.pairs, cotrain.grouping.robustness\n"
        "import cotrain.grouping.listing, cotrain.grouping.measured, cotrain.grouping.gains\n"
        "import cotrain.grouping.overlapping, cotrain.grouping.spectral\n"
        "from cotrain.affinity import METHODS\n"
        "from cotrain.affinity.method import named\n"
        "every = [named(name) for name in METHODS]\n"
        "print(*(m for m in ('torch', 'transformers', 'sklearn', 'statsmodels', 'cotrain.evaluation') if m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
