"""``compare``, ``status`` and ``run``: the first screen of the report, what is left, where everything is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cotrain.cli.show.fits import models
from cotrain.cli.show.groups import some
from cotrain.cli.show.information import truth
from cotrain.cli.tables import bullets, command, heading, sentence, write
from cotrain.reporting.content import Cell, Table, row
from cotrain.reporting.words import count, duration, known, listing, plural

if TYPE_CHECKING:
    from cotrain.reporting.tables import RunTables
    from cotrain.study.run import Outcome

_NEXT = {
    "check": "check {}", "score": "score {}", "relate": "relate {}", "group": "group {}", "train": "train {}",
    "compare": "compare {}", "models": "train {} --for models", "report": "report {}",
}  # fmt: skip


def status(result: Mapping[str, Any]) -> None:
    """Print what is done, what is left, and what it will take."""
    fits, left = result["fits"], result["seconds_left"]
    heading(f"{result['study']} in {result['path']}")
    lines = [row(Cell(verb, "strong"), Cell("done", "good") if done else Cell("to do", "warn")) for verb, done in result["verbs"].items()]
    write(Table(("verb", "state"), tuple(lines)))
    todo = [verb for verb, done in result["verbs"].items() if not done]
    if result["outside"]:
        sentence("Made of scores from outside: it has neither rows nor an encoder, so nothing can be trained here.")
        if todo:
            sentence(f"What is left begins with {todo[0]}:")
            command(f"cotrain {_NEXT[todo[0]].format(result['path'])}")
        return
    failed = f", {fits['failed']} of them failed" if fits["failed"] else ""
    sentence(f"Fits: {fits['done']} of {fits['wanted']}{failed}; {duration(result['seconds_spent'])} of training so far.")
    if result["missing"]:
        time = f"; about {duration(left)} left" if known(left) else ""
        sentence(f"Missing: {listing(some(result['missing']))}{time}.")
        if known(result["predicted_seconds"]):
            sentence(f"The check predicted {duration(result['predicted_seconds'])} for the whole study.")
    sentence(f"Test was looked at {plural(result['looks_at_test'], 'time')}.")
    if result["models"]:
        sentence(f"Models: {', '.join(result['models'])}.")
    if todo:
        sentence(f"Everything that is left, or only {todo[0]}:")
        command(f"cotrain run {result['path']}")
        command(f"cotrain {_NEXT[todo[0]].format(result['path'])}")


def comparison(run: RunTables) -> None:
    """Print the first screen of the report."""
    from cotrain.reporting.first_screen import sentences

    screen = sentences(run)
    heading(screen.headline)
    if screen.banner:
        sentence(screen.banner[0].upper() + screen.banner[1:] + ".", "warn")
    bullets(screen.sentences)
    write(replace(screen.table, caption=screen.table.caption or "Task by task"), breaks=("alone",))
    if screen.reasons:
        heading("Reasons for distrust")
        bullets(screen.reasons, "warn")
    if screen.overrides:
        heading("What a person forced")
        bullets(screen.overrides)


def outcome(found: Outcome, run: RunTables) -> None:
    """Print the first screen, the truth where it is known, where report and models are, time, and what a second run reuses."""
    comparison(run)
    if run.known and run.affinity is not None:
        truth(run.affinity, run.known)
    if found.models:
        models(found.models)
    heading("Report")
    sentence(str(found.report))
    heading("Time")
    if found.comparison is None:
        sentence(f"Nothing was trained; this run took {duration(found.seconds)}. With preset: default in the study file the groups "
                 "are trained and compared; name another folder for it with --out.")  # fmt: skip
        return
    cost = found.check.get("cost") or {}
    spent = sum(fit.cost.get("seconds", 0.0) for fit in found.fits) / max(1, cost.get("workers", 1))
    made = f"{found.trained} made now" if found.trained else "nothing trained now"
    sentence(f"{plural(len(found.fits), 'fit')}, {made}; this run took {duration(found.seconds)}.")
    if known(cost.get("seconds")):
        predicted = f"{duration(cost['seconds'])} for {count(cost['fits'])} fits (at most {duration(cost['seconds_most'])})"
        these = f"; {duration(found.predicted)} for the {count(len(found.fits))} that it took" if known(found.predicted) else ""
        sentence(f"Training: predicted {predicted}{these}; measured {duration(spent)}.")
    sentence("A second run reuses every fit and model; a new task, seed, control or plan trains only what is new.")
