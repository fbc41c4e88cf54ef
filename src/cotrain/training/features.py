"""What the un-tuned encoder says of texts: the mean over tokens of its last layer."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cotrain.training.long import Row, joined, spread
from cotrain.training.model import load_base
from cotrain.training.room import cores
from cotrain.training.scoring import lowered, pad
from cotrain.training.settings import Settings

_ON_CPU, _ELSEWHERE = 32, 256
"""Rows at once; more of them are slower where the cache is small."""


class Encoder:
    """The encoder of a folder without any head, frozen, on the device and in the precision of (effective) ``settings``."""

    def __init__(self, path: Path, tokens: Any, settings: Settings) -> None:
        # without dropout there is a fused kernel on the CPU too
        self.model = load_base(path, "sdpa", settings.special_tokens).model.base_model.to(settings.device).eval()
        self.tokens, self.settings = tokens, settings

    def features(self, rows: Sequence[Row]) -> np.ndarray:
        """Return (n, d) float32: per row of token ids the mean of the last layer over its tokens (mask-mean), and over its windows."""
        rows, owners = spread(rows)
        order = np.argsort([len(row["input_ids"]) for row in rows], kind="stable")
        on_cpu = self.settings.device == "cpu"
        size = _ON_CPU if on_cpu else _ELSEWHERE
        batches = [[rows[i] for i in order[start : start + size]] for start in range(0, len(order), size)]
        # a batch per core: threads inside of one would wait for each other wherever the machine does something else
        with ThreadPoolExecutor(cores() if on_cpu else 1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            found = np.concatenate(list(pool.map(self._of_batch, batches)))
        return joined(found[np.argsort(order, kind="stable")], owners)

    @torch.inference_mode()
    def _of_batch(self, rows: Sequence[Row]) -> np.ndarray:
        """Return the features of rows that are padded to one length."""
        batch = {k: v.to(self.settings.device) for k, v in pad(rows, self.tokens).items()}
        mask = batch["attention_mask"][..., None]
        with lowered(self.settings.device, self.settings.precision):
            last = self.model(**batch).last_hidden_state.float()
        return np.asarray(((last * mask).sum(dim=1) / mask.sum(dim=1)).cpu().numpy())
