"""The verbs on a study: each takes what is in the run folder, adds its artefact, and returns it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cotrain.errors import FitsFailed
from cotrain.study import data
from cotrain.study.study import Study
from cotrain.training.fit import Fit
from cotrain.training.group import Group, Member

if TYPE_CHECKING:

    from cotrain.affinity.affinity import Affinity
    from cotrain.pvi.scores import Scores
    from cotrain.training.train import Progress

Show = Callable[["Progress"], None]
ON_DEMAND = ("placebo", "matched_updates")


def alone(study: Study) -> list[Group]:
    """Return the single-task groups, one per task of the study."""
    return [Group.of([task]) for task in data.names(study)]


def blanks(study: Study) -> list[Group]:
    """Return the null models that the study wants trained: groups of one blank member, or nothing."""
    if study.resolved.null != "finetune":
        return []
    return [Group((Member(task, "blank"),)) for task in data.names(study)]


def train(study: Study, groups: Iterable[Group], show: Show | None = None, extras: tuple[str, ...] = ()) -> list[Fit]:
    """Return the fits of ``groups`` over the seeds of the study, training what is missing.

    Raises:
        FitsFailed: never here; failed fits are returned with ``failed`` set, and told at the end of a verb.
    """
    from cotrain.training.train import Options
    from cotrain.training.train import train as fit

    wanted = list(dict.fromkeys(groups))
    resolved = study.resolved
    options = Options(workers=study.workers, progress=show, extras=extras)
    fits = fit(wanted, data.tasks(study), data.settings(study), resolved.seeds, study.fits, options)
    data.remember(study, fits)
    return fits


def refuse_failed(fits: Sequence[Fit]) -> None:
    """Raise FitsFailed that names every failed fit, if there is one."""
    if failed := [f"fit {fit.group.name} seed {fit.seed}: {fit.failed}" for fit in fits if fit.failed]:
        raise FitsFailed("\n".join(failed))


def score(study: Study, show: Show | None = None) -> Scores:
    """Return the Scores of every task from its single-task fits, which are trained if missing."""
    from cotrain.pvi.finetune import score as pvi

    resolved = study.resolved
    singles, nulls = alone(study), blanks(study)
    train(study, [*singles, *nulls], show)
    # read back with the clusters of the study: fits themselves know none
    fits = data.fits(study, singles)
    scores = pvi(
        fits,
        data.rows(study),
        by=resolved.score_by,
        null=resolved.null,
        null_fits=data.fits(study, nulls),
        split="test" if resolved.paper else "dev",
    )
    if resolved.paper:
        study.look_at_test("score")
    study.save_scores(scores, "pvi")
    return scores


def relate(study: Study, test: str | None = None, group_test: str | None = None) -> Affinity:
    """Return the Affinity of the scores; trains nothing."""
    from cotrain.affinity.pvi import relate as pvi

    resolved = study.resolved
    affinity = pvi(
        study.load_scores("pvi"),
        test=test or resolved.plan.test,
        group_test=group_test or resolved.plan.group_test,
        paper=resolved.paper,
    )
    study.save_affinity(affinity, "pvi")
    return affinity
