"""The sections of a report, in order: each a function of the run that returns a Section, or None without data."""

from __future__ import annotations

SECTIONS = {
    "data": "cotrain.reporting.sections.data:section",
    "information": "cotrain.reporting.sections.information:section",
    "similarity": "cotrain.reporting.sections.similarity:section",
    "groups": "cotrain.reporting.sections.groups:section",
    "comparison": "cotrain.reporting.sections.comparison:section",
    "controls": "cotrain.reporting.sections.controls:section",
    "methods": "cotrain.reporting.sections.methods:section",
    "ways": "cotrain.reporting.sections.ways:section",
    "prompting": "cotrain.reporting.sections.prompting:section",
    "cost": "cotrain.reporting.sections.cost:section",
    "provenance": "cotrain.reporting.sections.provenance:section",
    "method": "cotrain.reporting.sections.method:section",
}
