"""Options: how groups are chosen from an affinity; the keys of ``plan`` in the study file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.grouping import COSTS, OBJECTIVES, RULES, SELECTIONS

LARGEST = 4
Sets = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Options:
    """How groups are chosen from an affinity.

    Attributes:
        rule: what a group must pass: one of ``RULES``.
        alpha: level of the tests.
        margin: of equivalence, relative to the smaller NLL_null of the pair: a convention.
        margin_bits: the same in bits; replaces ``margin``.
        select: one of ``SELECTIONS``.
        objective: of ``partition``: ``fewest`` models, least dispersion within a ``budget``, or largest ``gain``.
        models: models of the whole plan at most, those of tasks alone among them; short for a ``budget`` in models.
        budget: what the whole plan may cost at most, in units of ``cost``.
        cost: what a budget counts: one of ``COSTS``.
        largest: tasks in a group, at most. Where none is given 4, but no limit for the second of the nested plans, whose
            number of groups alone would leave it no choice with groups of 4.
        candidates: larger groups that pass and are trained besides the pairs, at most, the highest p first. Where none is
            given all under ``max_abs_t``, as in the paper, and no one under ``min_gap``: there can be hundreds.
        together: sets of tasks that must share a group, whatever the rule says.
        apart: sets of tasks no two of which may share a group.
        alone: tasks that may never share.
        paper: group tasks that are not learned too, as the paper would, with a warning.

    Raises:
        InputError: every value that is unknown or out of range, and which tasks are in both together and apart or alone.
    """

    rule: str = "not_different"
    alpha: float = 0.01
    margin: float = 0.1
    margin_bits: float | None = None
    select: str = "partition"
    objective: str = "fewest"
    models: int | None = None
    budget: float | None = None
    cost: str = "models"
    largest: int | None = None
    candidates: int | None = None
    together: Sets = ()
    apart: Sets = ()
    alone: tuple[str, ...] = ()
    paper: bool = False

    def __post_init__(self) -> None:
        if faults := [*_unknown(self), *_out_of_range(self), *_sets(self)]:
            raise InputError(faults)

    @property
    def limit(self) -> int:
        """Tasks in a group, at most."""
        return self.largest or LARGEST

    @property
    def blocks(self) -> Sets:
        """The sets that must be together, those with a common task joined; sorted."""
        return merged(self.together)


def merged(sets: Iterable[Iterable[str]]) -> Sets:
    """Return sets of names with those that overlap joined, sorted.

    >>> merged([("a", "b"), ("d", "e"), ("b", "c")])
    (('a', 'b', 'c'), ('d', 'e'))
    """
    blocks: list[set[str]] = []
    for new in map(set, sets):
        for old in [block for block in blocks if block & new]:
            blocks.remove(old)
            new |= old
        blocks.append(new)
    return tuple(sorted(tuple(sorted(block)) for block in blocks))


def _unknown(o: Options) -> Iterator[str]:
    """Yield names that are not known; ``module:function`` is one of somebody else."""
    for kind, name, known in (("rule", o.rule, RULES), ("selection", o.select, SELECTIONS)):
        if name not in known and ":" not in name:
            yield unknown(kind, name, known)
    for kind, name, ours in (("objective", o.objective, OBJECTIVES), ("cost", o.cost, COSTS)):
        if name not in ours:
            yield unknown(kind, name, ours)


def _out_of_range(o: Options) -> Iterator[str]:
    """Yield numbers out of range, and a budget without a number."""
    if not 0 <= o.alpha <= 1:
        yield f"alpha should be between 0 and 1, found {o.alpha}"
    for name, value in (("margin", o.margin), ("margin_bits", o.margin_bits)):
        if value is not None and not 0 < value < float("inf"):
            yield f"the {name} of equivalence should be above 0, found {value}"
    for name, number, least in (("models", o.models, 1), ("largest", o.largest, 2), ("candidates", o.candidates, 0)):
        if number is not None and number < least:
            yield f"{name} should be {least} or more, found {number}"
    if o.budget is not None and not 0 < o.budget < float("inf"):
        yield f"the budget should be above 0, found {o.budget}"
    if o.objective == "budget" and o.models is None and o.budget is None and o.select == "partition":
        yield "the objective budget needs models, or a budget: what the plan may cost at most"
    if o.cost != "models" and o.cost in COSTS and o.budget is None and o.select == "partition":
        yield f"the cost {o.cost} is what a budget counts; give the budget too"
    if o.models is not None and o.budget is not None and o.cost == "models":
        yield "models and budget both say how many models there may be; leave one out"


def _sets(o: Options) -> Iterator[str]:
    """Yield sets that are none, and sets of together that apart contradicts."""
    well = True
    for key, sets in (("together", o.together), ("apart", o.apart)):
        for each in sets:
            if isinstance(each, str) or len(set(each)) < 2:
                well = False
                yield f"{key} should hold sets of two tasks or more, such as [[cb, rte]], found {each!r}"
    if any(not isinstance(task, str) for task in o.alone):
        yield f"alone should be a list of tasks, such as [cb, rte], found {o.alone!r}"
    if not well:
        return
    for block in o.blocks:
        for a, b in combinations(block, 2):
            if any({a, b} <= set(sets) for sets in o.apart):
                named = any({a, b} <= set(sets) for sets in o.together)
                how = "" if named else f", as the sets of together that overlap join {', '.join(block)}"
                yield f"together and apart collide: {a} and {b} are in both{how}"
        for task in sorted(set(block) & set(o.alone)):
            yield f"together and alone collide: {task} must share with {', '.join(t for t in block if t != task)} and may never share"
