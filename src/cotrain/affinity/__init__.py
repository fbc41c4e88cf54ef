"""Affinity, and the ways to make one; the tests of pairs and of larger sets that it carries."""

METHODS = {"pvi": "cotrain.affinity.pvi:relate"}
TESTS = {
    "student": "cotrain.affinity.tests:student",
    "welch": "cotrain.affinity.tests:welch",
    "permutation": "cotrain.affinity.tests:welch",  # the statistic; its p is that of ROW_TESTS
    "paired": "cotrain.affinity.tests:welch",  # of tasks without shared rows: there is nothing to pair
}
ROW_TESTS = {"permutation": "cotrain.affinity.permutation:permutation"}
"""Tests whose p needs the rows, not only their moments."""
GROUP_TESTS = {"anova": "cotrain.affinity.tests:anova", "welch_anova": "cotrain.affinity.tests:welch_anova"}
