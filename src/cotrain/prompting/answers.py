"""From what a model says to an option: a number, a name or a letter; and from log-probabilities of its first token."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cotrain.prompting.form import shown

DIGITS = 10
"""Options up to this many are single digits, so that the first token of an answer tells them apart."""
_BEFORE = re.compile(r"^[\s\"'`*_]*(?:answer\s*:)?[\s\"'`*_]*", re.IGNORECASE)
_SIGN = re.compile(r"(?:\((\w+)\)|\[(\w+)\]|(\w+)(?:[).:,;]|(?=[\s\"'`*]*$)|(?=\s*\(|\s+-)))(?![\w.])")
_NUMBERED = re.compile(r"(\d+)\s+")


class Reply(NamedTuple):
    """What a model answered.

    Attributes:
        option: the label by its place, or None where the answer names none.
        log2_p: (K,) log2 probability of each option, or None where the model gives none.
        tokens_in, tokens_out: of prompt and answer.
    """

    option: int | None
    log2_p: tuple[float, ...] | None = None
    tokens_in: int = 0
    tokens_out: int = 0


def option(answer: str, labels: Sequence[str]) -> int | None:
    """Return the place of the label that an answer names first in its first line, or None.

    A number is that of an option, a name that of a label (case, ``_`` and ``-`` do not matter), a letter counts options
    from a; a bare letter or number must not run on into a sentence. An answer that names another option besides names none.

    >>> labels = ["entailment", "contradiction", "neutral"]
    >>> [option(said, labels) for said in ("1", "(2) neutral", "Contradiction.", "[a]", "A dog barks", "0 or 1", "It is 1")]
    [1, 2, 1, 0, None, None, None]
    >>> [option(said, ["+", "-"]) for said in ("0", "-", "(0) +", "Answer: -", "+ or -")]
    [0, 1, 0, 1, None]
    """
    line = next((line for line in answer.splitlines() if line.strip(" \t\"'`*_")), "")
    line = _BEFORE.sub("", line, count=1)
    # + and -, or -1 and 1, are told apart by nothing else
    plain = _plain if len({*map(_plain, labels)} - {""}) == len(labels) else _bare
    names = [plain(label) for label in labels]
    found, rest = _first(line, names, plain)
    if found is None or not found < len(labels):
        return None
    others = {i for i, name in enumerate(names) if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", _without(plain(rest), names[found]))}
    others |= {int(number) for number in re.findall(r"[(\[](\d+)[)\]]|(?:or|and|,|/)\s*(\d+)", rest) for number in number if number}
    return None if others - {found} else found


def _first(line: str, names: Sequence[str], plain: Callable[[str], str]) -> tuple[int | None, str]:
    """Return the option with which a line begins, and what follows it."""
    sign = _SIGN.match(line)
    mark, rest = (sign[sign.lastindex], line[sign.end(sign.lastindex) :]) if sign and sign.lastindex else ("", "")
    if mark.isdecimal():
        return int(mark), rest
    said = plain(line.lstrip("(["))
    for name in sorted(names, key=len, reverse=True):
        if re.match(rf"{re.escape(name)}(?!\w)", said):
            return names.index(name), said[len(name) :]
    if (number := _NUMBERED.match(line)) and int(number[1]) < len(names):
        i, after = int(number[1]), plain(line[number.end() :])
        return (i, after) if re.match(rf"[(\[]?{re.escape(names[i])}(?!\w)", after) else (None, "")
    if len(mark) == 1 and mark.isascii() and mark.isalpha():
        return ord(mark.lower()) - ord("a"), rest
    return None, ""


def _plain(text: str) -> str:
    """Return a text as names are compared."""
    return re.sub(r"[\s_-]+", " ", shown(text).casefold()).strip()


def _bare(text: str) -> str:
    """Return a text as names are compared that differ in signs alone."""
    return re.sub(r"\s+", " ", text.casefold()).strip()


def _without(text: str, name: str) -> str:
    """Return a text without a name, which another name may be a part of."""
    return text.replace(name, "·")


def of_tokens(top: Iterable[tuple[str, float]], k: int) -> tuple[float, ...] | None:
    """Return (k,) log2 probabilities of the options from the likeliest first tokens and their natural log-probabilities.

    Tokens that are the same digit but for blanks add up; options are normalised to sum to 1. An option that is not among
    the tokens gets the least log-probability of them, which is an upper bound. None where no option is there, or where k is
    above ``DIGITS``.
    """
    listed = [(token.strip(), log_p) for token, log_p in top if math.isfinite(log_p)]
    parts = [[log_p for token, log_p in listed if token == str(i)] for i in range(k)]
    if k > DIGITS or not any(parts):
        return None
    least = min(log_p for _, log_p in listed)
    return normalised([float(np.logaddexp.reduce(part)) if part else least for part in parts])


def normalised(log_p: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    """Return (K,) log2 probabilities that sum to 1 of natural log-probabilities up to a constant.

    >>> [round(log2_p, 3) for log2_p in normalised([math.log(.3), math.log(.1)])]
    [-0.415, -2.0]
    """
    values = np.asarray(log_p, dtype=float)
    return tuple(((values - np.logaddexp.reduce(values)) / math.log(2)).tolist())


def reply(answer: str, top: Sequence[tuple[str, float]], labels: Sequence[str], tokens_in: int, tokens_out: int) -> Reply:
    """Return the Reply of a server: the text decides where it names an option, else the likeliest option.

    Log-probabilities that favour another option than the text belong to a token that was not the answer; they are dropped.
    """
    named, log2_p = option(answer, labels), of_tokens(top, len(labels))
    likeliest = None if log2_p is None else int(np.argmax(log2_p))
    if named is not None and named != likeliest:
        log2_p = None
    return Reply(likeliest if named is None else named, log2_p, tokens_in, tokens_out)
