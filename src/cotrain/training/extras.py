"""Extras of a fit: what is kept beside its predictions when somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cotrain.training.adapters import merged


def weights(model: Any, tokens: Any, epoch: int, folder: Path) -> None:
    """Write the weights of one epoch, every shared tensor once and adapters merged, as ``EPOCH.safetensors``."""
    from safetensors.torch import save_file

    found = merged(model.weights(), model)
    save_file({name: w.detach().cpu().contiguous() for name, w in found.items()}, folder / f"{epoch}.safetensors")
