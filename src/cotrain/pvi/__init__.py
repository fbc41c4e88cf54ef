"""Scores, and the ways to make them: by estimators, from models trained elsewhere, from arrays, from files."""

ESTIMATORS = {
    "finetune": "cotrain.pvi.finetune:finetune",
    "probe": "cotrain.pvi.probe:probe",
    "crossfit": "cotrain.pvi.crossfit:crossfit",
}
"""Ways to estimate PVI on the rows of a study: ``Basis`` to ``Scores``."""
