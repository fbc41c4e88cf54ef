"""Plans, and the ways to make one."""

RULES = ("any", "not_different", "clique", "equivalent")
SELECTIONS = ("max_abs_t", "min_gap", "partition", "nested")
OBJECTIVES = ("fewest", "budget")
CONTROLS = ("alone", "together", "different", "random", "by_entropy", "by_accuracy", "placebo", "matched_updates")
