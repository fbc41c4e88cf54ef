"""``train``: what groups took, what failed, and where the models are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cotrain.cli.tables import command, filled, heading, sentence, write
from cotrain.reporting.content import Cell, Table, row
from cotrain.reporting.words import count, duration, listing, plural

if TYPE_CHECKING:
    from cotrain.grouping.plan import Serving
    from cotrain.training.fit import Fit
    from cotrain.training.train import Progress


def trained(fits: Sequence[Fit], state: Progress | None, title: str = "Fits") -> None:
    """Print what each group took, and how many fits were made, were there, and failed."""
    groups: dict[str, list[Fit]] = {}
    for fit in fits:
        groups.setdefault(fit.group.name, []).append(fit)
    lines = [
        row(Cell(_short(name), "strong"), count(len(found)), count(_mean(found, "updates")), duration(_mean(found, "seconds")),
            Cell(", ".join(str(fit.seed) for fit in found if fit.failed), "bad"))
        for name, found in groups.items()
    ]  # fmt: skip
    write(filled(Table(("group", "#seeds", "#updates, mean", "#time of a fit, mean", "failed seeds"), tuple(lines), title)))
    reused = state.reused if state is not None else len(fits)
    failed = sum(bool(fit.failed) for fit in fits)
    seconds = sum(fit.cost.get("seconds", 0.0) for fit in {fit.key: fit for fit in fits}.values())  # one fit can have several names
    sentence(f"{plural(len(fits), 'fit')}: {len(fits) - reused} made, {reused} there already, {failed} failed; "
             f"{duration(seconds)} of training in all.", "bad" if failed else "")  # fmt: skip


def _short(name: str) -> str:
    """Return the name of a group, of many members only the first.

    >>> _short("a+b+c+d+e+f@a+b"), _short("a+b[blank]")
    ('a+b+c+3 more@a+b', 'a+b[blank]')
    """
    body, at, budget = name.partition("@")
    members = body.split("+")
    shown = body if len(members) < 6 else f"{'+'.join(members[:3])}+{len(members) - 3} more"
    return shown + at + (_short(budget) if budget else "")


def _mean(fits: Sequence[Fit], what: str) -> float | None:
    """Return a mean cost of the fits that did not fail."""
    costs = [fit.cost[what] for fit in fits if not fit.failed and what in fit.cost]
    return sum(costs) / len(costs) if costs else None


def models(kept: Mapping[Path, Serving]) -> None:
    """Print where models are, whom each serves, and how they are used."""
    heading(f"{plural(len(kept), 'model')} ready to use")
    for folder, serving in kept.items():
        helpers = [task for task in serving.group.tasks if task not in serving.serves]
        sentence(f"{folder}  (serves {listing(serving.serves)}; helped by {listing(helpers)})" if helpers else str(folder))
    for folder, serving in list(kept.items())[:1]:
        sentence("All its tasks on rows of a file, one task as an ordinary Hugging Face classifier, all models as a service:", "quiet")
        command(f"cotrain predict {folder} rows.jsonl --out predictions.parquet")
        command(f"cotrain export {folder} --task {serving.serves[0]} --to FOLDER")
        command(f"cotrain serve {folder.parent}")
