"""Which measured models to keep within a budget, and who serves whom: groups may overlap and carry helpers.

Standley, Zamir, Chen, Guibas, Malik, Savarese, *Which Tasks Should Be Learned Together in Multi-task Learning?* (ICML 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint
from scipy.sparse import coo_array

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.grouping.gains import Gains, Model
from cotrain.grouping.plan import Plan, Serving
from cotrain.grouping.solver import minimise
from cotrain.training.group import Group

_PREFERRED = ("validation", "dev")
_SCALE = 1e4
"""Largest loss that the solver sees; its gap is 1e-6."""
_COST, _MEMBER = 1e-4, 1e-5
"""What the whole budget and a member of a group weigh then: ties go to the cheaper models, then to those with fewer helpers."""


@dataclass(frozen=True)
class Measured:
    """The plan that measured losses choose.

    Attributes:
        plan: who serves whom.
        models: of the plan, with the tasks that each serves.
        total: the sum over tasks in each split, of losses or of gains as ``what`` says.
        cost: of the models of the plan, and ``budget``.
        chosen_on: the split whose losses chose.
    """

    plan: Plan
    models: Mapping[Model, tuple[str, ...]]
    total: Mapping[str, float]
    what: str
    cost: float
    budget: float
    chosen_on: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; the sums are ``total_loss`` or ``total_gain``."""
        models = [{**model._asdict(), "serves": list(tasks)} for model, tasks in self.models.items()]
        rest = {"cost": self.cost, "budget": self.budget, "chosen_on": self.chosen_on, "models": models, "plan": self.plan.to_dict()}
        return {f"total_{self.what}": dict(self.total), **rest}


def measured(gains: Gains, budget: float, choose_on: str | None = None) -> Measured:
    """Return the models within a budget, each task served by one of them, with the least total loss; exact.

    Groups may overlap, and a model may carry tasks that it does not serve. Ties go to the cheaper models, then to those with fewer helpers.

    Args:
        choose_on: the split whose losses choose; where none is named the only one, or validation or dev.

    Raises:
        InputError: an unknown split, a task that no group serves, a budget below the least that serves every task.
    """
    split = _split(gains, choose_on)
    losses = gains.losses
    tasks = sorted({task for model, _ in losses[split] for task in model.group.split("+")})
    if unserved := [task for task in tasks if task not in {t for _, t in losses[split]}]:
        raise InputError(f"no group serves {', '.join(unserved)}: each task needs a line with the {gains.what} of a group for it")
    if not 0 < budget < float("inf"):
        raise InputError(f"the budget should be above 0, found {budget}")
    problem = _Problem(tasks, losses[split])
    if (best := problem.solve(budget)) is None:
        raise InputError(f"a budget of {budget:g} does not serve every task; the least that does is {problem.cheapest():g}")
    second = problem.solve(budget, without=set(best.values()))
    sign = -1.0 if gains.what == "gain" else 1.0
    total = {s: sign * sum(losses[s][model, task] for task, model in best.items()) for s in gains.splits}
    models = {model: tuple(t for t in tasks if best[t] == model) for model in sorted(set(best.values()))}
    cost = sum(model.cost for model in models)
    what = "largest total gain" if sign < 0 else "least total loss"
    why = (
        f"{len(problem.models)} measured models, a budget of {budget:g}: those with the {what} on {split}, each task served by one; "
        "an exact mixed-integer program.",
        f"Chosen: {_words(best)}; cost {cost:g}; total {gains.what} {', '.join(f'{total[s]:.5g} on {s}' for s in gains.splits)}.",
    )  # fmt: skip
    following = ""
    if second is not None:
        worse = sign * sum(losses[split][model, task] for task, model in second.items())
        price = sum(model.cost for model in set(second.values()))
        following = f"{_words(second)} (total {gains.what} {worse:.5g} on {split}, cost {price:g})"
    servings = tuple(Serving(Group.of(model.group.split("+")), served) for model, served in models.items())
    plan = Plan("measured", "nominated", servings, why=why, runner_up=following,
                settings={"by": gains.what, "budget": budget, "choose_on": split})  # fmt: skip
    return Measured(plan, models, total, gains.what, cost, budget, split)


def _split(gains: Gains, choose_on: str | None) -> str:
    """Return the split that chooses."""
    if choose_on is not None:
        if choose_on not in gains.splits:
            raise InputError(unknown("split", choose_on, gains.splits))
        return choose_on
    usual = [s for s in gains.splits if len(gains.splits) == 1 or s in _PREFERRED]
    if len(usual) != 1:
        raise InputError(f"which split chooses? Name one with --choose-on: {', '.join(gains.splits)}")
    return usual[0]


def _words(serves: Mapping[str, Model]) -> str:
    """Return who serves whom: ``a+b (cost 1) for a; b (cost 0.5)``."""
    words = []
    for model in sorted(set(serves.values())):
        served = [task for task in sorted(serves) if serves[task] == model]
        whole = "+".join(served) == model.group
        words.append(f"{model.group} (cost {model.cost:g})" + ("" if whole else f" for {', '.join(served)}"))
    return "; ".join(words)


class _Problem:
    """Binary variables: whether a model is in the plan, and whether it serves a task."""

    def __init__(self, tasks: list[str], losses: Mapping[tuple[Model, str], float]) -> None:
        self.serves = sorted(losses)
        self.models = sorted({model for model, _ in self.serves})
        self.cost = np.array([model.cost for model in self.models])
        self.loss = np.array([losses[pair] for pair in self.serves])
        place = {model: k for k, model in enumerate(self.models)}
        at, every, m, s = [place[model] for model, _ in self.serves], np.arange(len(self.serves)), len(self.models), len(self.serves)
        once = coo_array((np.ones(s), ([tasks.index(task) for _, task in self.serves], m + every)), shape=(len(tasks), m + s))
        needs = coo_array((np.repeat([1.0, -1.0], s), (np.tile(every, 2), [*at, *(m + every)])), shape=(s, m + s))
        self.rules = [LinearConstraint(once, 1, 1), LinearConstraint(needs, 0, np.inf)]

    def solve(self, budget: float, without: set[Model] | None = None) -> dict[str, Model] | None:
        """Return task to the model that serves it, at the least total loss; not all the models of ``without``."""
        rules = [*self.rules, self._sum(self.cost / budget, 1 + 1e-12)]
        if without:
            rules.append(self._sum([model in without for model in self.models], len(without) - 1))
        weight = _COST * self.cost / budget + _MEMBER * np.array([len(model.group.split("+")) for model in self.models])
        return self._minimise(weight, _SCALE * self.loss / (np.abs(self.loss).max() or 1.0), rules)

    def cheapest(self) -> float:
        """Return the least cost of models that serve every task."""
        found = self._minimise(self.cost / self.cost.max(), np.zeros_like(self.loss), self.rules)
        return sum(model.cost for model in set((found or {}).values()))

    def _sum(self, of: Any, most: float) -> LinearConstraint:
        """Return that a sum over models may be so much at most."""
        return LinearConstraint(np.concatenate([of, np.zeros(len(self.serves))])[None], -np.inf, most)

    def _minimise(self, cost: np.ndarray, loss: np.ndarray, rules: list[LinearConstraint]) -> dict[str, Model] | None:
        """Return who serves each task at the optimum, or None where the rules cannot be met."""
        found = minimise(np.concatenate([cost, loss]), rules)
        if found is None:
            return None
        return {task: model for (model, task), x in zip(self.serves, found[len(self.models) :], strict=True) if x}
