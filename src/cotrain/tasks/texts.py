"""What counts as the same text."""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

_SIDES = "\x1f"  # between text and pair: "a b" alone is not the pair ("a", "b")


@cache
def _nothing() -> dict[int, None]:
    """Return the translation that removes all but letters, marks and digits (vowel signs of many scripts are marks)."""
    return {code: None for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "PSZC" and chr(code) != _SIDES}


def normalised(text: str) -> str:
    """Return a text without case, punctuation, symbols and blanks, in the NFKC form of Unicode.

    >>> normalised("No  fever; ﬁne!")
    'nofeverfine'
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return plain.casefold().translate(_nothing())


def text_key(text: str, pair: str = "") -> str:
    """Return a hash of the whole rendered input: equal where two inputs count as the same text (METHOD, section 4).

    >>> text_key("No fever.") == text_key("no  FEVER") != text_key("fever")
    True
    """
    joined = f"{text}{_SIDES}{pair}"
    kept = normalised(joined)
    # a text of punctuation or emoji alone is compared as it is
    return hashlib.sha256((kept if kept != _SIDES else joined).encode()).hexdigest()[:24]


def text_keys(texts: Iterable[str], pairs: Iterable[str]) -> list[str]:
    """Return :func:`text_key` of each row."""
    return [text_key(text, pair) for text, pair in zip(texts, pairs, strict=True)]
