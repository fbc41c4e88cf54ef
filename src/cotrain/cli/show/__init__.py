"""What each verb leaves on stdout for people, in the words of the report."""

from cotrain.cli.show.data import check, differences, suites
from cotrain.cli.show.fits import models, trained
from cotrain.cli.show.groups import measured, plans, sets
from cotrain.cli.show.information import affinity, notes, scores
from cotrain.cli.show.whole import comparison, outcome, status

__all__ = ["affinity", "check", "comparison", "differences", "measured", "models", "notes", "outcome", "plans", "scores", "sets", "status",
           "suites", "trained"]  # fmt: skip
