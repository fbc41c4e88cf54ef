"""How much of this machine there is to train with."""

from __future__ import annotations

import os

from cotrain.training.settings import Settings


def cores() -> int:
    """Return the CPU cores that this process may use: a container or a job of a cluster has fewer than its machine."""
    import joblib

    return int(joblib.cpu_count())


def gpus() -> list[str]:
    """Return the GPUs that this process sees, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


def room(settings: Settings) -> int:
    """Return how many fits have room side by side: one per GPU, on the CPU one per ``threads`` cores.

    Args:
        settings: with no ``auto`` left (``effective``).
    """
    return max(1, len(gpus()) if settings.device == "cuda" else cores() // settings.threads)
