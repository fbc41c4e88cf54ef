"""The fits of a comparison: what is usable, what failed, what collapsed; the same policy in every arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cotrain.errors import InputError
from cotrain.pvi.states import collapsed
from cotrain.training.fit import Fit
from cotrain.training.group import Group


@dataclass(frozen=True)
class Trained:
    """Fits by group and seed.

    Attributes:
        usable: group to the fits that did not fail, by seed; groups whose every fit failed are not in it.
        failed: group to seed to why it failed.
        collapsed: (group, task) to the seeds that collapsed; they stay in the means.
    """

    usable: Mapping[Group, Sequence[Fit]] = field(repr=False)
    failed: Mapping[Group, Mapping[int, str]]
    collapsed: Mapping[tuple[Group, str], tuple[int, ...]]

    @classmethod
    def of(cls, fits: Iterable[Fit], wanted: Sequence[Group], tasks: Sequence[str]) -> Trained:
        """Return the fits of the ``wanted`` groups and of every deployable group of these tasks.

        Raises:
            InputError: a wanted group without fits, a group with two different fits of one seed, a task whose every
                single-task fit failed.
        """
        by: dict[Group, dict[int, Fit]] = {}
        faults = []
        for fit in fits:
            if fit.group in wanted or (fit.group.deployable and set(fit.group.tasks) <= set(tasks)):
                there = by.setdefault(fit.group, {}).setdefault(fit.seed, fit)
                if there.key != fit.key:
                    faults.append(f"group {fit.group.name} has two different fits of seed {fit.seed}; give one of them")
        if missing := [group.name for group in wanted if group not in by]:
            faults.append(f"not trained yet: {', '.join(sorted(missing))}; train them first (cotrain train RUN GROUP)")
        good = {g: tuple(f for _, f in sorted(found.items()) if not f.failed) for g, found in by.items()}
        for task in tasks:
            group = Group.of([task])
            if group in by and not good[group]:
                why = next(iter(by[group].values())).failed
                faults.append(f"task {task}: every single-task fit failed ({why}), so nothing can be compared with it")
        if faults:
            raise InputError(faults)
        return cls(
            usable={g: good[g] for g in sorted(good, key=lambda g: g.name) if good[g]},
            failed={g: {s: f.failed for s, f in sorted(found.items()) if f.failed} for g, found in by.items()},
            collapsed={(g, t): tuple(sorted(collapsed(list(found.values()), t))) for g, found in by.items() for t in g.real},
        )

    def cost(self, group: Group, what: str) -> float:
        """Return the mean over usable seeds of ``updates``, ``seconds`` or ``parameters``; nan where it is not known."""
        return float(np.mean([fit.cost.get(what, np.nan) for fit in self.usable[group]]))

    def without_collapsed(self, group: Group, task: str) -> tuple[Fit, ...]:
        """Return the usable fits that did not collapse on a task."""
        return tuple(fit for fit in self.usable[group] if fit.seed not in self.collapsed[group, task])
