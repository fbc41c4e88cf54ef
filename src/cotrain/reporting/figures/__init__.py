"""The figures of a report: name to a function of (run, size) that returns a matplotlib Figure, or None without data."""

from __future__ import annotations

FIGURES = {
    "forest": "cotrain.reporting.figures.forest:first",
    "information": "cotrain.reporting.figures.information:draw",
    "epochs": "cotrain.reporting.figures.epochs:draw",
    "distributions": "cotrain.reporting.figures.distributions:draw",
    "similarity": "cotrain.reporting.figures.similarity:draw",
    "plans": "cotrain.reporting.figures.plans:draw",
    "controls": "cotrain.reporting.figures.controls:draw",
    "cost": "cotrain.reporting.figures.cost:draw",
    "methods": "cotrain.reporting.figures.methods:draw",
    "ways": "cotrain.reporting.figures.ways:draw",
}
