"""cotrain: decide which NLP tasks should be trained together, and prove it.

The verbs and the nouns are here, lazily: importing the package loads no torch, no pandas and no SciPy.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("cotrain")

_WHERE = {
    # nouns
    "Task": "tasks.task",
    "Member": "training.group",
    "Group": "training.group",
    "Settings": "training.settings",
    "Fit": "training.fit",
    "Scores": "pvi.scores",
    "Affinity": "affinity.affinity",
    "Plan": "grouping.plan",
    "Serving": "grouping.plan",
    "Estimate": "evaluation.estimate",
    "Comparison": "evaluation.comparison",
    "Study": "study.study",
    # errors
    "CotrainError": "errors",
    "InputError": "errors",
}
__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    """Return a public noun or verb, importing its module on first use."""
    if name not in _WHERE:
        raise AttributeError(f"module 'cotrain' has no attribute '{name}'")
    return getattr(importlib.import_module(f"cotrain.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    """List the public names without importing them."""
    return sorted(__all__)
