"""A Plan: groups, who serves which task, why, and the runner-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.training.group import Group

Kind = Literal["nominated", "control", "recommended", "listing"]


@dataclass(frozen=True)
class Serving:
    """A group and the tasks that it serves; a group may carry helpers that it does not serve."""

    group: Group
    serves: tuple[str, ...]

    def __post_init__(self) -> None:
        if strangers := sorted(set(self.serves) - set(self.group.real)):
            raise InputError(f"group {self.group.name} cannot serve {strangers}: not real members of it")


@dataclass(frozen=True)
class Plan:
    """Which model serves which task. Each task is served exactly once.

    Attributes:
        name: of the file in the run folder.
        kind: nominated by an affinity, a control, or the recommendation.
        servings: groups that serve; a task alone is served by its group of one.
        candidates: further groups to train that serve nobody in this plan.
        why: sentences for people.
        runner_up: the next best plan in words, or empty.
        settings: what made it (method, rule, alpha, margin, select, seed), as plain values.
        overrides: what a person forced (together, apart, edited), in words.
        stability: shared group, by name, to the share of resamples in which it is chosen too; empty without resamples.
    """

    name: str
    kind: Kind
    servings: tuple[Serving, ...]
    candidates: tuple[Group, ...] = ()
    why: tuple[str, ...] = ()
    runner_up: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    stability: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"plan {self.name}: {unknown('kind', self.kind, get_args(Kind))}")
        served = [task for serving in self.servings for task in serving.serves]
        if twice := sorted({task for task in served if served.count(task) > 1}):
            raise InputError(f"plan {self.name} serves {', '.join(twice)} twice; each task has one model")

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the plan serves, sorted."""
        return tuple(sorted(task for serving in self.servings for task in serving.serves))

    @property
    def groups(self) -> tuple[Group, ...]:
        """Every group that the plan needs trained, without repetition."""
        return tuple(dict.fromkeys([s.group for s in self.servings if s.serves] + list(self.candidates)))

    @property
    def models(self) -> int:
        """The number of models that a person deploys."""
        return sum(bool(serving.serves) for serving in self.servings)

    def serving(self, task: str) -> Serving:
        """Return who serves ``task``; KeyError where nobody does."""
        for serving in self.servings:
            if task in serving.serves:
                return serving
        raise KeyError(task)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML: groups by name."""
        return {
            "format": 1,
            "name": self.name,
            "kind": self.kind,
            "groups": [{"group": s.group.name, "serves": list(s.serves)} for s in self.servings],
            "candidates": [group.name for group in self.candidates],
            "why": list(self.why),
            "runner_up": self.runner_up,
            "settings": dict(self.settings),
            "overrides": list(self.overrides),
            "stability": dict(self.stability),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the plan of :meth:`to_dict`.

        Raises:
            InputError: a newer format, a missing key, or a group that is not one.
        """
        if values.get("format") != 1:
            raise InputError(f"a plan of format {values.get('format')} cannot be read; this version reads format 1")
        try:
            servings = tuple(Serving(Group.parse(g["group"]), tuple(g["serves"])) for g in values["groups"])
            return cls(
                name=values["name"],
                kind=values["kind"],
                servings=servings,
                candidates=tuple(map(Group.parse, values.get("candidates", ()))),
                why=tuple(values.get("why", ())),
                runner_up=values.get("runner_up", ""),
                settings=values.get("settings", {}),
                overrides=tuple(values.get("overrides", ())),
                stability=values.get("stability", {}),
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"a plan lacks or misnames {error}; see docs/artefacts.md for its keys") from error


def control(name: str, servings: tuple[Serving, ...], why: str) -> Plan:
    """Return a control plan; one that shares nothing although it should says so."""
    single = name != "alone" and all(len(s.group.tasks) < 2 and s.group.updates is None for s in servings)
    return Plan(name, "control", servings, why=(why, "The plan groups nothing, so this is every task alone.") if single else (why,))
