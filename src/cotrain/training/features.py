"""What the un-tuned encoder says of texts: the mean over tokens of its last layer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cotrain.training.model import load_base
from cotrain.training.scoring import Row, pad
from cotrain.training.settings import Settings

_BATCH = {"cpu": 32}
"""Rows at once; longer batches of short texts are slower where the cache is small."""
_ELSEWHERE = 256


class Encoder:
    """The encoder of a folder without any head, frozen, on the device and in the precision of (effective) ``settings``."""

    def __init__(self, path: Path, tokens: Any, settings: Settings) -> None:
        # without dropout there is a fused kernel on the CPU too
        self.model = load_base(path, "sdpa", settings.special_tokens).model.base_model.to(settings.device).eval()
        self.tokens, self.settings = tokens, settings

    @torch.inference_mode()
    def features(self, rows: Sequence[Row]) -> np.ndarray:
        """Return (n, d) float32: per row of token ids the mean of the last layer over its tokens (mask-mean)."""
        device, precision = self.settings.device, self.settings.precision
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
        order = np.argsort([len(row["input_ids"]) for row in rows], kind="stable")
        size = _BATCH.get(device, _ELSEWHERE)
        found = []
        with _every_core(), torch.autocast(device, dtype=half, enabled=half is not None):
            for start in range(0, len(order), size):
                batch = {k: v.to(device) for k, v in pad([rows[i] for i in order[start : start + size]], self.tokens).items()}
                mask = batch["attention_mask"][..., None]
                last = self.model(**batch).last_hidden_state.float()
                found.append(((last * mask).sum(dim=1) / mask.sum(dim=1)).cpu().numpy())
        return np.concatenate(found)[np.argsort(order, kind="stable")]


@contextmanager
def _every_core() -> Iterator[None]:
    """Let torch use every core inside the block: nothing else runs meanwhile, unlike fits side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
