"""Whether the nominated plan would be another one with another test or rule: a reason for distrust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.pvi import relate
from cotrain.errors import InputError
from cotrain.grouping.draft import words
from cotrain.grouping.group import group
from cotrain.grouping.options import Options
from cotrain.grouping.plan import Serving
from cotrain.pvi.scores import Scores

_PAPER, _DEFAULT = ("student", "anova"), ("welch", "welch_anova")


def sentences(scores: Scores, options: Options, test: str = "", group_test: str = "") -> tuple[str, ...]:
    """Return one sentence per admissible test or rule with which ``group`` would nominate another plan at the same alpha.

    Compared are student with anova against welch with welch_anova, and not_different against clique. Without a test
    (rule ``any``) no p-value is involved and nothing can change.

    Args:
        test, group_test: of the study; those of the preset ``paper`` or the default ones where none are given.
    """
    if options.rule == "any" or options.select == "nested":
        return ()
    mine = (test or (_PAPER if options.paper else _DEFAULT)[0], group_test or (_PAPER if options.paper else _DEFAULT)[1])
    affinity = relate(scores, *mine, options.paper)
    here = _servings(affinity, options)
    found = [(what, there) for what, there in _others(scores, options, mine, affinity) if there != here]
    return tuple(
        f"The nominated plan changes with the {what}: {_shown(there - here)} instead of {_shown(here - there)}." for what, there in found
    )


def _others(scores: Scores, options: Options, mine: tuple[str, str], affinity: Affinity) -> Iterator[tuple[str, frozenset[Serving]]]:
    """Yield what would be different, in words, and who would serve whom."""
    other = _DEFAULT if mine[0] == "student" else _PAPER
    yield f"test ({' and '.join(other)} for {' and '.join(mine)})", _servings(relate(scores, *other, options.paper), options)
    if options.rule in ("not_different", "clique"):
        rule = "clique" if options.rule == "not_different" else "not_different"
        yield f"rule ({rule} for {options.rule})", _servings(affinity, replace(options, rule=rule))


def _servings(affinity: Affinity, options: Options) -> frozenset[Serving]:
    """Return who would serve whom; nobody where a budget cannot be met."""
    try:
        return frozenset(serving for plan in group(affinity, options) for serving in plan.servings)
    except InputError:
        return frozenset()


def _shown(servings: frozenset[Serving]) -> str:
    """Return groups in words."""
    return words({s.group.tasks for s in servings}) or "nothing within the budget"
