"""Method: a way to relate tasks. What it may look at, what it gives, and the Affinity that comes of it (METHOD, section 5)."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from cotrain.affinity import METHODS
from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.choose import choose, raised, unknown
from cotrain.errors import InputError, few
from cotrain.tasks.task import Task
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.settings import Settings

Sees = Literal["content", "difficulty", "size", "gains"]
SEES: Mapping[Sees, str] = {
    "content": "what the tasks are about",
    "difficulty": "how hard each task is, alone; nothing of what two tasks have in common",
    "size": "how many rows each task has; nothing of what two tasks have in common",
    "gains": "what training together did",
}
FACTS = ("task", "n", "clusters", "nll_null_bits", "entropy_bits", "accuracy", "state", "state_reason")
"""What an affinity without tests says of tasks; the moments of PVI are no moments of its values."""
TRAINED: Mapping[str, Any] = {"repeats": 0, "seeds": ()}
"""Options of a method that needs fits: the first so many seeds of the study (0: all), or seeds of its own instead."""


@dataclass(frozen=True)
class Ground:
    """What a method may look at; nothing of it is trained there.

    Attributes:
        pvi: the affinity by PVI: sizes, entropy, accuracy and states of the tasks.
        tasks: reads the tasks with their rows; what needs none works where there are none.
        settings: of fits; of an encoder that is not trained the model, ``max_length``, device and precision; refuses one that is not there.
        fits: from groups to their fits over the seeds of the method; refuses what is missing and says which verb makes it.
        options: of the method, every default written out.
        gains: what groups were measured to lose elsewhere, columns split, group, task, loss; None where no file was given.
    """

    pvi: Affinity
    tasks: Callable[[], Mapping[str, Task]]
    settings: Callable[[], Settings]
    fits: Callable[[Sequence[Group]], list[Fit]]
    options: Mapping[str, Any] = field(default_factory=dict)
    gains: pd.DataFrame | None = None

    @property
    def names(self) -> list[str]:
        """The names of the tasks, sorted, so that their order changes nothing."""
        return sorted(map(str, self.pvi.tasks["task"]))

    def facts(self, column: str) -> dict[str, float]:
        """Return task to a column of the tasks of the affinity by PVI."""
        return dict(zip(self.pvi.tasks["task"], self.pvi.tasks[column].astype(float), strict=True))


class Found(NamedTuple):
    """What a method found: columns ``target``, ``helper``, ``value`` (higher: train together), the unit, rows whose gradients were taken.

    Further ``PAIR_COLUMNS`` are kept; where ``p`` is among them the moments of PVI are those of the values.
    """

    pairs: pd.DataFrame
    unit: str
    gradient_passes: int = 0


def _no_extras(group: Group, tasks: Sequence[str], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return no extras."""
    return ()


def _none(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
    """Return no groups."""
    return []


@dataclass(frozen=True)
class Method:
    """A way to relate tasks.

    Attributes:
        relate: from what there is to the values of pairs.
        sees: what the values are about.
        groups: from names of tasks and options to the groups that have to be trained; those of tasks alone are the baseline's.
        options: names and defaults; a value given has the type of its default.
        extras: from a group that it needs, names of tasks and options to what the fits of that group should leave beside predictions.
        least: tasks that it needs.
        directed: whether helping is not the same as being helped.
        test: whether it looks at test; such a method is a truth to judge others by, and nominates nothing in a study.
    """

    relate: Callable[[Ground], Found]
    sees: Sees
    groups: Callable[[Sequence[str], Mapping[str, Any]], list[Group]] = _none
    options: Mapping[str, Any] = field(default_factory=dict)
    extras: Callable[[Group, Sequence[str], Mapping[str, Any]], tuple[str, ...]] = _no_extras
    least: int = 2
    directed: bool = False
    test: bool = False

    def chosen(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return every option, those given in place of their defaults.

        Raises:
            InputError: every option that is unknown or of another type.
        """
        faults = [f"methods.{name}: {unknown('option', key, self.options)}" for key in given if key not in self.options]
        for key, value in given.items():
            default = self.options.get(key, value)
            wanted = (int, float) if isinstance(default, float) else type(default)
            if not isinstance(value, wanted):
                faults.append(f"methods.{name}.{key} should be like {default!r}, found {value!r}")
            elif isinstance(value, (int, float)) and value < 0:
                faults.append(f"methods.{name}.{key} should be 0 or more, found {value}")
        if faults:
            raise InputError(faults)
        return {**self.options, **given}

    @staticmethod
    def seeds(name: str, options: Mapping[str, Any], of_study: Sequence[int]) -> tuple[int, ...]:
        """Return the seeds that a method which needs fits reads: its own, or the first so many of the study.

        Raises:
            InputError: more ``repeats`` than the study has seeds.
        """
        if options.get("seeds"):
            return tuple(options["seeds"])
        if (repeats := int(options.get("repeats", 0))) > len(of_study):
            raise InputError(f"methods.{name}.repeats: {repeats} seeds are asked for, the study has {len(of_study)}; name some with seeds")
        return tuple(of_study[: repeats or None])

    def refuse_few(self, name: str, tasks: Collection[str]) -> None:
        """Refuse fewer tasks than the method needs."""
        if len(tasks) < self.least:
            raise InputError(f"the method {name} needs at least {self.least} tasks, found {len(tasks)}")


def named(name: str) -> Method:
    """Return the method of a name, or of ``my_module:MY_METHOD``.

    Raises:
        InputError: an unknown one, or one from outside that is none.
    """
    found = choose("method", name, METHODS)
    if not isinstance(found, Method):
        raise InputError(f"method '{name}' should be a cotrain.affinity.method.Method, found a {type(found).__name__}")
    if ":" not in name:
        return found
    if found.sees not in SEES:
        raise InputError(f"method {name}: {unknown('kind of what it sees', str(found.sees), SEES)}")
    return _guarded(name, found)


def _guarded(name: str, method: Method) -> Method:
    """Return a method from outside whose errors, and answers of another kind, are faults of what was given."""

    def relate(ground: Ground) -> Found:
        try:
            found = method.relate(ground)
        except InputError:
            raise
        except Exception as error:
            private = any(task.private for task in ground.tasks().values())
            told = raised("method", name, error, "in relate", private)
            if private:
                raise told from None
            raise told from error
        if not isinstance(found, Found) or not {"target", "helper", "value"} <= set(getattr(found.pairs, "columns", ())):
            raise InputError(
                f"method {name}: relate should return a Found, whose pairs have target, helper and value; found a {_kind(found)}"
            )
        return found

    def groups(tasks: Sequence[str], options: Mapping[str, Any]) -> list[Group]:
        return _of(Group, "groups", list, lambda: method.groups(tasks, options))

    def extras(group: Group, tasks: Sequence[str], options: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(_of(str, "extras", tuple, lambda: method.extras(group, tasks, options)))

    def _of(kind: type, of: str, holds: type, ask: Callable[[], Any]) -> list[Any]:
        try:
            found = ask()
        except InputError:
            raise
        except Exception as error:
            raise raised("method", name, error, f"in {of}", private=False) from error
        if not isinstance(found, (list, tuple)) or (strange := [one for one in found if not isinstance(one, kind)]):
            inside = f" with a {_kind(strange[0])}" if isinstance(found, (list, tuple)) else ""
            raise InputError(f"method {name}: {of} should return a {holds.__name__} of {kind.__name__}, found a {_kind(found)}{inside}")
        return list(found)

    return replace(method, relate=relate, groups=groups, extras=extras)


def _kind(found: object) -> str:
    """Return the type of something, for a sentence."""
    return type(found).__name__


def relate(name: str, method: Method, ground: Ground, made: Collection[str] = ()) -> Affinity:
    """Return the Affinity by a method, with what it cost: fits made for it and re-used, their seconds, gradient passes, its own
    seconds, and the peak memory of its fits and of this process.

    Args:
        made: keys of fits that were trained for this method; others that it reads are re-used.

    Raises:
        InputError: too few tasks, fits that are missing or all failed, a value that is not there.
    """
    method.refuse_few(name, ground.names)
    started, used = time.perf_counter(), dict[str, Fit]()

    def fits(groups: Sequence[Group]) -> list[Fit]:
        there = ground.fits(groups)
        used.update({fit.key: fit for fit in there})
        well = [fit for fit in there if not fit.failed]
        if lost := sorted({g.name for g in groups} - {fit.group.name for fit in well}):
            raise InputError(f"the method {name} has no fit that did not fail of {', '.join(lost)}")
        return well

    found = method.relate(replace(ground, fits=fits))
    own = [fit.cost for key, fit in used.items() if key in made]
    cost = {
        "fits": float(len(own)), "reused": float(len(used) - len(own)), "fit_seconds": sum((c.get("seconds", 0.0) for c in own), 0.0),
        "gradient_passes": float(found.gradient_passes), "seconds": time.perf_counter() - started,
        "peak_bytes": max([_peak(), *(c.get("peak_bytes", 0.0) for c in own)]),
    }  # fmt: skip
    return _affinity(name, method, found, ground, cost)


def pairs(names: Iterable[str], value: Callable[[str, str], float], directed: bool = False) -> pd.DataFrame:
    """Return the table of ``value(target, helper)`` over all pairs of sorted ``names``, over both orders where ``directed``."""
    every = (permutations if directed else combinations)(sorted(names), 2)
    return pd.DataFrame([(a, b, value(a, b)) for a, b in every], columns=["target", "helper", "value"])


def apart(values: Mapping[str, float]) -> pd.DataFrame:
    """Return the pairs of tasks with value −|difference| of a number of each."""
    return pairs(values, lambda a, b: -abs(values[a] - values[b]))


def _affinity(name: str, method: Method, found: Found, ground: Ground, cost: Mapping[str, float]) -> Affinity:
    """Return what was found as an Affinity, known to have a finite value of every pair."""
    given = found.pairs
    if not method.directed:
        swapped = given["target"] > given["helper"]
        given = given.assign(target=given["helper"].where(swapped, given["target"]), helper=given["target"].where(swapped, given["helper"]))
    table = (
        given.reindex(columns=list(PAIR_COLUMNS))
        .assign(value=pd.to_numeric(given["value"], errors="coerce"))
        .sort_values(["target", "helper"])
        .reset_index(drop=True)
    )
    wanted = pairs(ground.names, lambda a, b: 0.0, method.directed).sort_values(["target", "helper"])
    there = Counter(table.loc[np.isfinite(table["value"]), ["target", "helper"]].itertuples(index=False, name=None))
    asked = Counter(wanted[["target", "helper"]].itertuples(index=False, name=None))
    if wrong := sorted({*(asked - there), *(Counter(table[["target", "helper"]].itertuples(index=False, name=None)) - asked)}):
        pairs_of = few(f"{a} with {b}" for a, b in wrong)
        raise InputError(f"the method {name} should give one finite value of each pair of tasks; it does not for {pairs_of}")
    table["unit"] = found.unit
    if "p" in found.pairs:
        return Affinity(name, ground.pvi.test, ground.pvi.group_test, ground.pvi.tasks, table, cost)
    table = table.assign(test="", state="", shared_rows=0, covariance_bits2=0.0)
    tasks = ground.pvi.tasks[list(FACTS)].reindex(columns=list(TASK_COLUMNS))
    return Affinity(name, "", "", tasks, table, cost)


def _peak() -> float:
    """Return the largest memory of this process so far, in bytes."""
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
