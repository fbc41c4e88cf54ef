"""The table of token embeddings during a fit: only the rows that its texts use are trained, since the others would only decay.

Half of the parameters of a small encoder are this table, and an optimiser goes over all of it at every update.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn

from cotrain.training.evaluations import Data
from cotrain.training.long import spread
from cotrain.training.model import SharedClassifier


class Narrow(nn.Module):
    """The rows of a table that are used, and where each token finds its own; the ids that the encoder sees stay as they are.

    ``decay`` is what weight decay has left of the other rows so far, ``at`` the same at the end of each epoch evaluated.
    """

    def __init__(self, whole: nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        self.whole, self.used = (whole,), used  # in a tuple, so that its weights are not parameters of this module
        self.weight = nn.Parameter(whole.weight.detach()[used].clone())
        place = torch.full((whole.num_embeddings,), -1, dtype=torch.long)
        place[used] = torch.arange(len(used))
        self.register_buffer("place", place, persistent=False)
        padding = -1 if whole.padding_idx is None else int(place[whole.padding_idx])
        self.padding = None if padding < 0 else padding
        self.decay, self.at = 1.0, dict[int, float]()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of (…) token ids."""
        return nn.functional.embedding(self.place[ids], self.weight, self.padding)

    @torch.no_grad()
    def fill(self, decay: float) -> nn.Embedding:
        """Return the whole table with the trained rows and the others decayed; it is an own copy."""
        whole = self.whole[0]
        full = nn.Embedding.from_pretrained(whole.weight.detach() * decay, freeze=False, padding_idx=whole.padding_idx)
        full.weight[self.used] = self.weight.cpu()
        return full.to(self.weight.device)


@contextmanager
def narrowed(model: SharedClassifier, data: Mapping[str, Data], padding: int) -> Iterator[Narrow | None]:
    """Let ``model`` train only the embeddings that ``data`` use; None where its table is not trained, or no ordinary one.

    Exact: the same rows get the same gradients and updates. Afterwards the table is whole again;
    what a model is at the end of an epoch is what ``widened`` shows.

    Args:
        padding: the token that fills up batches.
    """
    encoder = model.classifiers[0].base_model
    whole = encoder.get_input_embeddings()
    plain = type(whole) is nn.Embedding and whole.max_norm is None and not (whole.scale_grad_by_freq or whole.sparse)
    if not plain or not whole.weight.requires_grad:
        yield None
        return
    narrow = Narrow(whole, torch.from_numpy(_used(data.values(), whole.num_embeddings, padding)))
    encoder.set_input_embeddings(narrow)
    try:
        yield narrow
    finally:
        encoder.set_input_embeddings(narrow.fill(narrow.decay))


@contextmanager
def widened(model: SharedClassifier, narrow: Narrow | None, epoch: int) -> Iterator[None]:
    """Give the model its whole table for the block, as it is at the end of an epoch."""
    if narrow is None:
        yield
        return
    encoder = model.classifiers[0].base_model
    encoder.set_input_embeddings(narrow.fill(narrow.at.get(epoch, narrow.decay)))
    try:
        yield
    finally:
        encoder.set_input_embeddings(narrow)


def _used(data: Iterable[Data], size: int, padding: int) -> np.ndarray:
    """Return the sorted ids of the tokens of all rows, and of padding."""
    there = np.zeros(size, dtype=bool)
    there[padding] = True
    for one in data:
        for rows in (one.train, one.dev, one.test):
            there[np.fromiter(chain.from_iterable(row["input_ids"] for row in spread(rows)[0]), dtype=np.int64)] = True
    return np.flatnonzero(there)


def decayed(optimizer: Any, weight: nn.Parameter) -> float:
    """Return by what the last update of AdamW decays a weight besides its gradient: 1 − learning rate · decay."""
    for group in optimizer.param_groups:
        if any(p is weight for p in group["params"]):
            return float(1 - group["lr"] * group["weight_decay"])
    return 1.0
