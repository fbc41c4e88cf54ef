"""cotrain: decide which NLP tasks should be trained together, and prove it.

The verbs and the nouns are here, lazily: importing the package loads no torch, no pandas and no SciPy.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("cotrain")

_WHERE = {
    # verbs: functions of nouns, without a run folder
    "check": "tasks.checks:check",
    "train": "training.train:train",
    "score": "pvi.finetune:score",
    "relate": "affinity.pvi:relate",
    "group": "grouping.group:group",
    "controls": "grouping.controls:controls",
    "read_gains": "grouping.gains:read_gains",
    "measured": "grouping.measured:measured",
    "compare": "evaluation.compare:compare",
    "report": "reporting.report:report",
    # the same in a run folder, from a study file
    "open_study": "study.open:open_study",
    "run": "study.run:run",
    "steps": "study.steps:",
    # nouns
    "Task": "tasks.task:Task",
    "Source": "tasks.source:Source",
    "Cut": "tasks.source:Cut",
    "load_tasks": "tasks.load:load",
    "load": "training.models:load",
    "Member": "training.group:Member",
    "Group": "training.group:Group",
    "Settings": "training.settings:Settings",
    "Asked": "training.outside:Asked",
    "Rows": "training.outside:Rows",
    "Answer": "training.outside:Answer",
    "Fit": "training.fit:Fit",
    "Scores": "pvi.scores:Scores",
    "pvi_bits": "pvi.pvi:pvi",
    "prior": "pvi.pvi:prior",
    "Predictions": "pvi.arrays:Predictions",
    "scores_of": "pvi.arrays:scores_of",
    "read_scores": "pvi.outside:read_scores",
    "score_trained": "pvi.trained:score_trained",
    "Affinity": "affinity.affinity:Affinity",
    "Options": "grouping.options:Options",
    "Plan": "grouping.plan:Plan",
    "Size": "grouping.budget:Size",
    "Gains": "grouping.gains:Gains",
    "Measured": "grouping.measured:Measured",
    "Serving": "grouping.plan:Serving",
    "Estimate": "evaluation.estimate:Estimate",
    "Comparison": "evaluation.comparison:Comparison",
    "RunTables": "reporting.tables:RunTables",
    "Study": "study.study:Study",
    # errors
    "CotrainError": "errors:CotrainError",
    "InputError": "errors:InputError",
}
__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    """Return a public noun or verb, importing its module on first use."""
    if name not in _WHERE:
        raise AttributeError(f"module 'cotrain' has no attribute '{name}'")
    module, _, attribute = _WHERE[name].partition(":")
    found = importlib.import_module(f"cotrain.{module}")
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    """List the public names without importing them."""
    return sorted(__all__)
