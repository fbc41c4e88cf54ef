"""Methods on a study: the fits that they need, and the affinity that they make of what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.method import Ground, Method, named
from cotrain.affinity.method import relate as by
from cotrain.errors import InputError, few
from cotrain.reporting.words import plural
from cotrain.study import data, steps
from cotrain.study.study import Study
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.ledger import lacking
from cotrain.training.outside import refuse


class Chosen(NamedTuple):
    """A method by its name, with its options, the groups that it needs trained, what their fits should leave, and with which seeds."""

    name: str
    method: Method
    options: Mapping[str, Any]
    groups: Mapping[Group, tuple[str, ...]]
    seeds: tuple[int, ...]


def chosen(study: Study, name: str, given: Mapping[str, Any] = MappingProxyType({})) -> Chosen:
    """Return what a method is in a study.

    Args:
        given: options that differ from those of the study.

    Raises:
        InputError: an unknown method, one from outside that is none, options that are none, too few tasks, more seeds than there are.
    """
    data.needs_rows(study, f"the method {name}")
    method = named(name)
    options = method.chosen(name, {**study.resolved.methods.get(name, {}), **given})
    method.refuse_few(name, study.tasks)
    seeds = study.resolved.seeds
    groups = {group: method.extras(group, study.tasks, options) for group in method.groups(study.tasks, options)}
    if any(groups.values()):
        refuse(study.resolved.settings.trainer, f"the method {name} needs")
    if groups and not options.get("seeds"):
        data.needs_seeds(study, f"the method {name}")
    if groups:
        seeds = method.seeds(name, options, seeds)
    return Chosen(name, method, options, groups, seeds)


def at_once(several: Sequence[Chosen]) -> list[Chosen]:
    """Return methods whose fits leave what the other methods want of the same group and a same seed too, so that none is made twice."""
    found = []
    for one in several:
        others = [other for other in several if set(other.seeds) & set(one.seeds)]
        groups = {group: tuple(sorted({x for other in others for x in other.groups.get(group, ())})) for group in one.groups}
        found.append(one._replace(groups=groups))
    return found


def train(study: Study, one: Chosen, show: steps.Show | None = None) -> list[Fit]:
    """Return the fits that a method needs, those that are missing trained; the study remembers for which method each was made."""
    if not one.groups:
        return []
    # before they are made, so that what is killed meanwhile is counted too
    study.save_made_for(one.name, [*study.made_for.get(one.name, ()), *_to_be_made(study, one)])
    return steps.train(study, one.groups, show, seeds=one.seeds, extras=one.groups)


def refuse_unready(study: Study, names: Sequence[str]) -> None:
    """Refuse methods that cannot relate the tasks yet, before the first of them does.

    Raises:
        InputError: what each of them refuses, and the fits that it lacks.
    """
    faults: list[str] = []
    for name in names:
        try:
            if name != "pvi" and (one := chosen(study, name)).groups:
                _refuse_missing(study, one, list(one.groups), data.fits(study, one.groups, one.seeds))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)


def relate(study: Study, name: str, gains: Path | None = None) -> Affinity:
    """Return the Affinity by a method, kept beside the others; trains nothing.

    Args:
        gains: a file of measured losses, for the method ``table``.

    Raises:
        InputError: no affinity by PVI yet; fits that are missing, with the verb that makes them; what the method refuses.
    """
    if name == "pvi":
        return steps.relate(study)
    one = chosen(study, name, {"path": str(gains)} if gains else {})
    pvi = study.load_affinity("pvi")

    used = hashlib.sha256()

    def fits(groups: Sequence[Group]) -> list[Fit]:
        there = data.fits(study, groups, one.seeds)
        _refuse_missing(study, one, groups, there)
        used.update("".join(sorted(fit.key for fit in there)).encode())
        return there

    gains_of = _gains(one.options["path"]) if name == "table" else None
    ground = Ground(pvi, lambda: data.tasks(study), lambda: data.settings(study), fits, one.options, gains_of)
    index = study.index
    affinity = by(name, one.method, ground, [index[fit] for fit in study.made_for.get(name, ()) if fit in index])
    if one.method.test:
        study.look_at_test(f"relate {name} {used.hexdigest()[:12]}")
    study.save_affinity(affinity, name)
    return affinity


def _to_be_made(study: Study, one: Chosen) -> list[str]:
    """Return the fits that a method needs and that lie nowhere yet with its extras, as the index of the study calls them.

    Tasks alone that the study has not trained yet are not among them: its baseline needs them, whichever comes first.
    """
    from cotrain.training.train import missing

    tasks, points = data.tasks(study), data.points(study)
    every = [missing(one.groups, tasks, point, one.seeds, study.fits, one.groups) for point in points]
    names = dict.fromkeys(data.name_of(group, seed) for found in every for group, seed in found)
    baseline = {data.name_of(group, seed) for group in steps.alone(study) for seed in study.resolved.seeds} - study.index.keys()
    return [name for name in names if name not in baseline]


def _gains(path: str | None) -> Any:
    """Return the table of a file of measured losses, or None where none is named."""
    from cotrain.grouping.gains import read_gains

    return read_gains(path).table if path else None


def _refuse_missing(study: Study, one: Chosen, groups: Sequence[Group], there: Sequence[Fit]) -> None:
    """Refuse to go on without a fit that the method needs, with its extras, and say what makes it and how many it takes."""
    found = {(f.group, f.seed) for f in there}
    whole = {(f.group, f.seed) for f in there if not (extras := one.groups.get(f.group, ())) or (f.path and not lacking(f.path, extras))}
    wanted = [(g, seed) for g in groups for seed in one.seeds]
    gone = [data.name_of(*at) for at in wanted if at not in found]
    less = [data.name_of(*at) for at in wanted if at in found and at not in whole]
    needs = [
        f"{plural(len(gone), 'fit')} that {'is' if len(gone) == 1 else 'are'} not there ({few(gone)})" if gone else "",
        f"what {plural(len(less), 'fit')} did not leave ({few(less)}; made once more for it)" if less else "",
    ]
    if any(needs):
        raise InputError(
            f"{study.path}: the method {one.name} needs {' and '.join(filter(None, needs))}; "
            f"relate trains nothing, first: cotrain train {study.path} --for {one.name}"
        )
