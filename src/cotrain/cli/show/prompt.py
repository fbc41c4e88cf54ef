"""``prompt``: what it would take, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotrain.cli.show.groups import some
from cotrain.cli.tables import bullets, sentence, write
from cotrain.reporting.content import Cell, Table, row
from cotrain.reporting.words import count, plural

if TYPE_CHECKING:
    from cotrain.study.prompt import Expected, Prompted


def expected(found: Expected) -> None:
    """Print requests and tokens."""
    there = f", {count(found.there)} of them answered already" if found.there else ""
    sentence(f"{plural(found.prompts, 'prompt')}{there}.")
    answers = f", and at most {count(found.tokens_out)} tokens of answers" if found.tokens_out else ""
    sentence(f"{plural(found.requests, 'request')} to send, about {count(found.tokens_in)} tokens (four bytes each){answers}.")


def _note(found: Prompted) -> str:
    """Return what an answer without an option is, and where all of them are listed."""
    listed = f" They are all in arms/{found.arm}.parquet, where guess is empty, and by --json." if found.unanswered else ""
    return f"An answer without an option counts as wrong.{listed}"


def prompted(found: Prompted) -> None:
    """Print how many rows were answered, which not, and what it took."""
    lines = [
        row(Cell(line["task"], "strong"), count(line["rows"]), count(line["seeds"]),
            Cell(count(line["unanswered"]), "warn" if line["unanswered"] else ""))
        for line in found.tasks.to_dict("records")
    ]  # fmt: skip
    columns = ("task", "#rows", "#sets of shots", "#answers without an option")
    write(Table(columns, tuple(lines), f"Answers of {found.arm}", _note(found)))
    bullets((f"{task}: no option for {', '.join(some(rows))}." for task, rows in found.unanswered.items()), "warn")
    requests, tokens_in, tokens_out = found.spent
    sentence(f"{plural(requests, 'request')}, {count(tokens_in)} tokens of prompts and {count(tokens_out)} of answers now."
             if requests else "Every answer was there already; nothing was asked now.")  # fmt: skip
