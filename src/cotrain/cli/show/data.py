"""``check``: rows, what they can decide, warnings, shared texts, cost; ``suites``: what is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cotrain.cli.tables import bullets, filled, heading, sentence, write
from cotrain.reporting.content import Cell, Table, row
from cotrain.reporting.words import MISSING, count, duration, known, large, listing, number, plural

if TYPE_CHECKING:
    from cotrain.suites import Need


def check(result: Mapping[str, Any]) -> None:
    """Print rows, what they can decide, warnings, shared texts and the cost plan."""
    wanted, smallest = result.get("delta", {}), result.get("smallest_delta", {})
    clustered = any(facts["clusters"] != facts["rows"] for facts in result["tasks"].values())
    lines = []
    for task, facts in result["tasks"].items():
        tokens, truncated, δ = facts.get("tokens", {}), facts.get("truncated_share"), smallest.get(task)
        rarest = [min(counts.values(), default=0) for counts in facts["label_counts"].values()]
        lines.append(row(
            Cell(task, "strong"), "/".join(map(count, facts["rows"].values())), count(len(facts["labels"])), "/".join(map(count, rarest)),
            f"{count(tokens['median'])}/{count(tokens['p95'])}" if tokens else MISSING,
            Cell(f"{100 * truncated:.0f} %" if known(truncated) else MISSING, "warn" if known(truncated) and truncated > 0.05 else ""),
            count(facts["duplicates_within_splits"] + facts["duplicates_across_splits"]),
            "/".join(map(count, facts["clusters"].values())) if clustered else "",
            number(wanted.get(task)), Cell(number(δ), "warn" if _too_fine(task, wanted, smallest) else ""),
        ))  # fmt: skip
    columns = ("task", "#rows, train/dev/test", "#classes", "#smallest class, train/dev/test", "#tokens, median/p95", "#truncated",
               "#duplicates", "#clusters, train/dev/test", "#δ wanted", "#δ decidable")  # fmt: skip
    note = "δ decidable: the smallest loss that the dev rows can rule out, at risk .1 and power .8."
    write(filled(Table(columns, tuple(lines), "Data", note)))
    if fine := [task for task in result["tasks"] if _too_fine(task, wanted, smallest)]:
        heading("What can be decided")
        seeds = plural(len(result["seeds"]), "seed") if result.get("seeds") else "these seeds"
        sentence(f"At {seeds} the dev rows of {listing(fine)} are too few for the δ wanted. They stay alone unless sharing helps "
                 "clearly; more dev rows, more seeds or a wider delta would decide.", "warn")  # fmt: skip
    if result["warnings"]:
        heading("Warnings")
        bullets(_merged(result["warnings"], result["tasks"]), "warn")
    _shared(result.get("shared", ()))
    if result.get("cost"):
        _cost(result["cost"], len(result.get("seeds", ())) or 1)


_THERE = {True: Cell("yes", "good"), False: Cell("missing", "bad"), None: Cell("not asked", "quiet")}


def differences(suite: str, found: Sequence[str]) -> None:
    """Print where the rows of a suite differ from the paper's."""
    heading(f"Rows of the paper ({suite})")
    if found:
        bullets(found, "warn")
    else:
        sentence("Every label has as many rows in train, dev and test as in Table 10 of the paper.", "good")


def suites(found: Mapping[str, tuple[str, Sequence[Need]]]) -> None:
    """Print the suites, what they need, and how to get what is not there."""
    for name, (what, needs) in found.items():
        lines = [row(Cell(need.task, "strong"), need.place, _THERE[need.there], need.how) for need in needs]
        write(Table(("task", "data", "there", "how to get it"), tuple(lines), f"suite:{name}, {what}"))


def _merged(warnings: Sequence[str], tasks: Collection[str]) -> list[str]:
    """Return the warnings, those that say the same of several tasks in one sentence."""
    merged: dict[str, list[str]] = {}
    for warning in warnings:
        task, colon, said = warning.partition(": ")
        known_task = bool(colon) and task in tasks
        merged.setdefault(said if known_task else warning, []).extend([task] if known_task else [])
    return [f"{', '.join(who)}: {said}" if who else said for said, who in merged.items()]


def _too_fine(task: str, wanted: Mapping[str, float], smallest: Mapping[str, float]) -> bool:
    """Return whether a task's rows cannot decide at the δ that is wanted."""
    return known(smallest.get(task)) and known(wanted.get(task)) and smallest[task] > wanted[task]


def _shared(pairs: Sequence[Mapping[str, Any]]) -> None:
    """Print which tasks share texts."""
    lines = [
        row(Cell(f"{pair['a']}, {pair['b']}", "strong"), count(pair["texts"]), count(pair["contexts"]),
            Cell(count(pair["leaks"]), "bad" if pair["leaks"] else "quiet"))
        for pair in pairs
    ]  # fmt: skip
    columns = ("tasks", "#shared texts", "#shared contexts", "#on both sides of the cut")
    write(Table(columns, tuple(lines), "Texts that tasks share", "Contexts, one side of a pair, are reported and never dropped."))


def _cost(cost: Mapping[str, Any], seeds: int) -> None:
    """Print the cost plan; of a trainer from outside the fits alone."""
    if not known(cost["seconds"]):
        lines = [row(Cell(name.replace("_", " "), "strong"), count(part["fits"] * seeds)) for name, part in cost["parts"].items()]
        write(Table(("fits for", "#fits"), (*lines, row(Cell("in all", "strong"), count(cost["fits"]))), "Cost"))
        sentence("How long they take, and in how much memory, is not known: the trainer is from outside. "
                 "Controls that a claimed gain needs come on top.")  # fmt: skip
        return
    lines = [
        row(Cell(name.replace("_", " "), "strong"), count(part["fits"] * seeds), large(part["tokens"] * seeds))
        for name, part in cost.get("parts", {}).items()
    ]
    total = row(Cell("in all", "strong"), count(cost["fits"]), large(cost["tokens"]))
    write(Table(("fits for", "#fits", "#tokens at most"), (*lines, total), "Cost"))
    side = f"{cost['workers']} fits side by side" if cost["workers"] > 1 else "one fit after another"
    likely, most = duration(cost["seconds"]), duration(cost["seconds_most"])
    sentence(f"About {likely} of training{f', at most {most}' if most != likely else ''}; {side} at "
             f"{count(cost['tokens_per_second'])} tokens a second, measured here. Memory about {large(cost['memory_bytes'])}B, "
             f"disk {large(cost['disk_bytes'])}B. Controls that a claimed gain needs come on top.")  # fmt: skip
