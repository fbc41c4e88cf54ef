"""Ordinary Hugging Face classifiers that share one encoder by reference."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn


def derived_seed(seed: int, *names: str) -> int:
    """Return a seed that depends on the seed and on names, never on positions in a group."""
    return int.from_bytes(hashlib.sha256("\x1f".join([str(seed), *names]).encode()).digest()[:4], "little")


class SharedClassifier(nn.Module):
    """One encoder, a classification head per task: every head is what the architecture itself would put there."""

    def __init__(self, classifiers: Mapping[str, Any]) -> None:
        super().__init__()
        self.names = tuple(classifiers)
        self.classifiers = nn.ModuleList(classifiers.values())

    def forward(self, task: str, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the (batch, K) logits of one task's head."""
        logits: torch.Tensor = self.classifiers[self.names.index(task)](**inputs).logits
        return logits


def build(base: Any, labels: Mapping[str, tuple[str, ...]], seed: int) -> SharedClassifier:
    """Return a fresh shared model: a copy of ``base`` (a classifier whose encoder is pretrained) and new heads.

    Args:
        base: any ``AutoModelForSequenceClassification`` of the encoder; it is not changed.
        labels: label names of each task.
        seed: heads derive from (seed, task name).
    """
    encoder = copy.deepcopy(base.base_model)
    prefix = base.base_model_prefix
    classifiers = {}
    for task, names in labels.items():
        config = copy.deepcopy(base.config)
        config.id2label = dict(enumerate(names))
        config.label2id = {name: i for i, name in enumerate(names)}
        config.problem_type = "single_label_classification"
        with torch.device("meta"):  # no second encoder is allocated
            model = type(base)(config)
        setattr(model, prefix, encoder)
        torch.manual_seed(derived_seed(seed, "head", task))
        for name, child in model.named_children():
            if name != prefix:
                child.to_empty(device="cpu")
                for module in child.modules():
                    _initialise(module, float(getattr(config, "initializer_range", 0.02)))
        classifiers[task] = model
    return SharedClassifier(classifiers)


def _initialise(module: nn.Module, deviation: float) -> None:
    """Give a module of a head the weights that Transformers gives new heads."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=deviation)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


def load_base(path: Path, attention: str) -> Any:
    """Return a classifier with the pretrained encoder of ``path``, quietly: its own head is never used."""
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return AutoModelForSequenceClassification.from_pretrained(path, attn_implementation=attention, dtype=torch.float32)
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
