"""Extras of a fit: what is kept beside its predictions when somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def weights(model: Any, tokens: Any, epoch: int, folder: Path) -> None:
    """Write the weights of one epoch, every shared tensor once, as ``EPOCH.safetensors``."""
    from safetensors.torch import save_file

    save_file({name: w.detach().cpu().contiguous() for name, w in model.weights().items()}, folder / f"{epoch}.safetensors")
