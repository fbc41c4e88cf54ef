"""Affinity, and the ways to make one."""

METHODS = {"pvi": "cotrain.affinity.pvi:relate"}
TESTS = ("student", "welch", "paired")
GROUP_TESTS = ("anova", "welch_anova")
