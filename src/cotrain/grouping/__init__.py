"""Plans, and the ways to make one."""

RULES = {
    "any": "cotrain.grouping.rules:everything",
    "not_different": "cotrain.grouping.rules:not_different",
    "clique": "cotrain.grouping.rules:clique",
    "equivalent": "cotrain.grouping.rules:equivalent",
}
SELECTIONS = {
    "max_abs_t": "cotrain.grouping.pairs:max_abs_t",
    "min_gap": "cotrain.grouping.pairs:min_gap",
    "top1_per_target": "cotrain.grouping.pairs:top1_per_target",
    "partition": "cotrain.grouping.exact:exact",
    "nested": "cotrain.grouping.nested:nested",
    "overlapping": "cotrain.grouping.overlapping:overlapping",
    "spectral": "cotrain.grouping.spectral:spectral",
}
UNTESTED = ("nested", "spectral")
"""Selections that use no rule."""
OBJECTIVES = ("fewest", "budget", "gain")
COSTS = ("models", "parameters", "bytes")
CONTROLS = {
    "alone": "cotrain.grouping.controls:alone",
    "together": "cotrain.grouping.controls:together",
    "different": "cotrain.grouping.copies:different",
    "random": "cotrain.grouping.copies:random",
    "by_entropy": "cotrain.grouping.copies:by_entropy",
    "by_accuracy": "cotrain.grouping.copies:by_accuracy",
    "placebo": "cotrain.grouping.controls:placebo",
    "matched_updates": "cotrain.grouping.controls:matched_updates",
}
