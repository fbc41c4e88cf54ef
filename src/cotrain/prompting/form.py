"""A Form: how a row of a task becomes a question, and rows with answers become a prompt (the paper, Tables 17 and 18)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cotrain.errors import InputError
from cotrain.tasks.rendering import pieces
from cotrain.tasks.source import Source

FIELDS = ("text", "pair", "options")


@dataclass(frozen=True)
class Form:
    """The block of a row, up to where the answer stands.

    Attributes:
        template: of a block, with ``{text}``, ``{pair}`` and ``{options}``.
        labels: (K,) label names; the place of a label is the number of its option.
    """

    template: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, source: Source, labels: Sequence[str]) -> Form:
        """Return the form of a task: its own ``prompt``, else a line per text, the question, and where the answer stands."""
        fields = [f"{_title(source.text, 'TEXT')}: {{text}}"]
        fields += [f"{_title(source.pair, 'PAIR')}: {{pair}}"] if source.pair is not None else []
        return cls(source.prompt or "\n\n".join([*fields, "QUESTION: Is this {options}?", "ANSWER:"]), tuple(labels))

    def block(self, text: str, pair: str = "", label: str | None = None) -> str:
        """Return the question about a row, and its answer where a label is given.

        >>> form = Form("CONTEXT: {text} QUESTION: Is this {options}? ANSWER:", ("no_advice", "advice"))
        >>> form.block("Eat less.", label="advice")
        'CONTEXT: Eat less. QUESTION: Is this (0) no advice or (1) advice? ANSWER: 1'
        """
        values = {"text": text, "pair": pair, "options": options(self.labels)}
        filled = "".join(literal + (values[name] if name else "") for literal, name in pieces(self.template))
        # a blank row leaves no blank after the name of its field: tokenizers read that as another token
        lines = "\n".join(line.rstrip(" ") for line in filled.split("\n")).rstrip()
        return lines if label is None else f"{lines} {self.labels.index(label)}"

    def shots(self, rows: Iterable[Mapping[str, str]]) -> str:
        """Return the blocks of rows (``text``, ``pair``, ``label``) with their answers: what stands before the block of a row."""
        return "".join(self.block(row["text"], row["pair"], row["label"]) + "\n\n" for row in rows)

    def placeholders(self) -> str:
        """Return a prompt whose rows are described instead of shown."""
        rows = [{"text": f"<text of a training row: {shown(name)}>", "pair": "<its pair>", "label": name} for name in self.labels]
        return self.shots(rows) + self.block("<text of the row>", "<its pair>")


def options(labels: Sequence[str]) -> str:
    """Return the options in a sentence.

    >>> options(["entailment", "contradiction", "neutral"])
    '(0) entailment, (1) contradiction, or (2) neutral'
    """
    numbered = [f"({i}) {shown(label)}" for i, label in enumerate(labels)]
    if len(numbered) == 2:
        return " or ".join(numbered)
    return f"{', '.join(numbered[:-1])}, or {numbered[-1]}"


def shown(label: str) -> str:
    """Return a label as a person writes it."""
    return label.replace("_", " ")


def wrong_template(template: str) -> str:
    """Return what is wrong with a template, or nothing.

    >>> wrong_template("Text: {text} Is this {options}? Answer:"), wrong_template("{txt}")[:10]
    ('', 'prompt has')
    """
    try:
        names = [name for _, name in pieces(template) if name]
    except InputError as error:
        return f"prompt: {error.faults[0]}"
    if strange := [name for name in dict.fromkeys(names) if name not in FIELDS]:
        return f"prompt has {{{'}, {'.join(strange)}}}; it may have {{text}}, {{pair}} and {{options}}, whatever the columns are called"
    lacking = [name for name in ("text", "options") if name not in names]
    return f"prompt should have {{{'} and {'.join(lacking)}}}" if lacking else ""


def _title(template: str | None, otherwise: str) -> str:
    """Return the name of a field: the column, or a general word where a template makes the text of several."""
    parts = pieces(template or otherwise)
    names = [name for _, name in parts if name]
    return names[0].upper() if len(parts) == 1 and len(names) == 1 and not parts[0][0] else otherwise
