"""Extras of a fit: what is kept beside its predictions when somebody asks for it, written while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from cotrain.training.adapters import merged
from cotrain.training.settings import Settings


class Seen(NamedTuple):
    """What an extra sees of a fit.

    Attributes:
        model: the shared model; during training its table of embeddings has only the rows that are used.
        tokens: the tokenizer.
        data: by member its token ids and labels (``evaluations.Data``).
        settings: effective ones.
        seed: of the fit.
        rows_at_once: rows that there is memory for in training.
        folder: where the extra writes.
    """

    model: Any
    tokens: Any
    data: Mapping[str, Any]
    settings: Settings
    seed: int
    rows_at_once: int
    folder: Path

    def head(self, task: str) -> Callable[..., Any]:
        """Return the function from padded inputs to the logits of a task, without what class weights did to them (METHOD, section 1)."""
        import torch

        weights = self.data[task].class_weights
        shift = -torch.log(torch.tensor(weights, device=self.model.device)) if weights else 0.0
        return lambda **inputs: self.model.logits(task, **inputs).float() + shift


class Extra:
    """One extra of one fit; what it does changes no number of the fit."""

    steps: ClassVar[bool] = False
    """Whether it looks on after updates; then a killed fit begins anew, since what was seen before is lost."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def at_step(self, updates: int, learning_rate: float) -> None:
        """Look on after ``updates`` updates, before one of ``learning_rate``."""

    def at_epoch(self, epoch: int, picked_by: Sequence[str]) -> None:
        """Look on when training is over, the model set to an epoch that the selections ``picked_by`` of the group pick."""


class Weights(Extra):
    """The weights of every epoch that a selection can pick, each shared tensor once and adapters merged: ``EPOCH.safetensors``."""

    def at_epoch(self, epoch: int, picked_by: Sequence[str]) -> None:
        """Write the weights of an epoch."""
        from safetensors.torch import save_file

        found = merged(self.seen.model.weights(), self.seen.model)
        save_file({name: w.detach().cpu().contiguous() for name, w in found.items()}, self.seen.folder / f"{epoch}.safetensors")
