"""Rows with an entity between markers: the markers as tokens, inputs cut around the entity, and the entity as what heads read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from cotrain.tasks.readers.entities import MARKERS, has_entity
from cotrain.training.long import place


class Marks(NamedTuple):
    """The ids of the tokens that stand before and after the entity."""

    begin: int
    end: int


def add(tokens: Any, special: Sequence[str]) -> None:
    """Make ``special`` tokens of a tokenizer that are never cut into pieces; those that it has stay as they are."""
    from transformers import AddedToken

    known = tokens.get_vocab()
    # the blank before a marker goes, so that byte-level vocabularies have no token of a blank alone there
    new = [AddedToken(token, lstrip=True, normalized=False, special=True) for token in special if token not in known]
    tokens.add_tokens(new, special_tokens=True)


def marks(tokens: Any) -> Marks | None:
    """Return the markers of a tokenizer; None where they are no tokens of it."""
    known = tokens.get_added_vocab()
    return Marks(*(known[marker] for marker in MARKERS)) if known.keys() >= set(MARKERS) else None


def embed(model: Any, path: Path, special: Sequence[str]) -> Marks | None:
    """Give a model of ``path`` an embedding for each of ``special`` that its tokenizer lacks, and return the markers.

    It is the mean over the pieces that the token was cut into: markers begin as what the encoder saw of them before, begin and
    end differ, and nothing is drawn.
    """
    import torch
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(path)
    known = tokens.get_vocab()
    pieces = {token: tokens(token, add_special_tokens=False)["input_ids"] for token in special if token not in known}
    if not pieces:
        return marks(tokens)
    add(tokens, special)
    ids = dict(zip(pieces, tokens.convert_tokens_to_ids(list(pieces)), strict=True))
    with torch.no_grad():
        before = model.get_input_embeddings().weight
        means = {token: before[parts].mean(dim=0) for token, parts in pieces.items()}
        if max(ids.values()) >= len(before):  # some tables are longer than their vocabulary
            model.resize_token_embeddings(max(ids.values()) + 1, mean_resizing=False)
        for token, mean in means.items():
            model.get_input_embeddings().weight[ids[token]] = mean
    return marks(tokens)


def cut(row: Mapping[str, list[int]], text: Sequence[int], pair: Sequence[int], found: Marks, max_length: int) -> dict[str, list[int]]:
    """Return a tokenised row of at most ``max_length`` tokens with the entity, its markers and the words nearest to it.

    First the text goes, the farthest from the entity first; then the second text, then the entity, each from its end.

    Args:
        row: whole, as the tokenizer gives it, with an entity.
        text, pair: the token ids of each text alone, without what the tokenizer adds.
    """
    ids = row["input_ids"]
    start = place(ids, text, 0)
    begin = start + text.index(found.begin)
    end = ids.index(found.end, begin)
    second = place(ids, pair, start + len(text))
    around = [*range(start, begin), *range(end + 1, start + len(text))]
    around.sort(key=lambda i: max(begin - i, i - end), reverse=True)
    goes = [*around, *reversed(range(second, second + len(pair))), *reversed(range(begin + 1, end))]
    gone = set(goes[: max(0, len(ids) - max_length)])
    return {name: [value for i, value in enumerate(values) if i not in gone] for name, values in row.items()}


def lost(rows: Iterable[Mapping[str, list[int]]], texts: Iterable[str], tokens: Any) -> int:
    """Return how many tokenised rows with an entity in their text lack a marker."""
    found = marks(tokens)
    return sum(has_entity(text) and not (found and {*found} <= {*row["input_ids"]}) for row, text in zip(rows, texts, strict=True))


def wrong_pooling(path: Path) -> str:
    """Return why heads of the encoder of ``path`` cannot read an entity; empty where they can."""
    import torch
    from transformers import AutoConfig, AutoModel

    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.from_pretrained(path))
    shortens = model.config.model_type == "funnel"  # its last layer has fewer places than the text has tokens
    if hasattr(_read(model), "register_forward_hook") and not shortens:
        return ""
    return f"model {path.name}: pooling entity is not known for the architecture {model.config.model_type}; set pooling: first"


def pool(encoder: Any, found: Marks) -> None:
    """Let the heads on an encoder read the mean of its last layer over the entity of each row, in every place where they look.

    Rows without an entity are read as they were.
    """
    rows: list[Any] = []

    def seen(module: Any, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> None:
        rows[:] = [inputs["input_ids"] if "input_ids" in inputs else args[0]]

    def read(module: Any, args: Any, output: Any) -> Any:
        there = entity(rows[0], found).unsqueeze(-1)
        last = output.last_hidden_state
        mean = (last * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp(min=1)
        return replace(output, last_hidden_state=mean.to(last.dtype).where(there.any(dim=1, keepdim=True), last))

    encoder.register_forward_pre_hook(seen, with_kwargs=True)
    _read(encoder).register_forward_hook(read)


def _read(encoder: Any) -> Any:
    """Return the module whose last layer the heads read: the encoder, or inside of it what its pooler reads; None where not known."""
    return getattr(encoder, "encoder", None) if getattr(encoder, "pooler", None) is not None else encoder


def entity(ids: Any, found: Marks) -> Any:
    """Return (rows, tokens) whether a token stands between the first markers of its row; where nothing does, the markers are meant."""
    after = (ids == found.begin).cumsum(dim=1) > 0
    until = (ids == found.end).logical_and(after).cumsum(dim=1)
    inside = after & (until == 0) & (ids != found.begin) & (until[:, -1:] > 0)
    markers = ((ids == found.begin) | (ids == found.end)) & (until[:, -1:] > 0)
    return inside.where(inside.any(dim=1, keepdim=True), markers)
