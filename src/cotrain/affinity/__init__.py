"""Affinity, and the ways to make one; the tests of pairs and of larger sets that it carries."""

METHODS = {
    "pvi": "cotrain.affinity.pvi:METHOD",
    "entropy": "cotrain.affinity.entropy:METHOD",
    "accuracy": "cotrain.affinity.accuracy:METHOD",
    "log_size": "cotrain.affinity.log_size:METHOD",
    "vocabulary": "cotrain.affinity.vocabulary:METHOD",
    "textemb": "cotrain.affinity.textemb:METHOD",
    "logme": "cotrain.affinity.logme:METHOD",
    "oracle": "cotrain.affinity.oracle:METHOD",
    "hoa": "cotrain.affinity.hoa:METHOD",
    "table": "cotrain.affinity.table:METHOD",
    "surrogate": "cotrain.affinity.surrogate:METHOD",
    "datamaps": "cotrain.affinity.datamaps:METHOD",
    "taskemb": "cotrain.affinity.taskemb:METHOD",
    "tag": "cotrain.affinity.tag:METHOD",
    "gradients": "cotrain.affinity.gradients:METHOD",
    "etap": "cotrain.affinity.etap:METHOD",
}
TESTS = {
    "student": "cotrain.affinity.tests:student",
    "welch": "cotrain.affinity.tests:welch",
    "permutation": "cotrain.affinity.tests:welch",  # the statistic; its p is that of ROW_TESTS
    "paired": "cotrain.affinity.tests:welch",  # of tasks without shared rows: there is nothing to pair
}
ROW_TESTS = {"permutation": "cotrain.affinity.permutation:permutation"}
"""Tests whose p needs the rows, not only their moments."""
GROUP_TESTS = {"anova": "cotrain.affinity.tests:anova", "welch_anova": "cotrain.affinity.tests:welch_anova"}
