"""Projected gradients at the published encoder: each task gets a logistic regression on the frozen features as its head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from cotrain.pvi.probe import fitted, strength
from cotrain.tasks.task import SPLITS, Task
from cotrain.training import encoder
from cotrain.training.frozen import features
from cotrain.training.gradients import linears, projected, room_for_projections
from cotrain.training.model import load_base
from cotrain.training.settings import Settings
from cotrain.training.train import effective


def projections(tasks: Mapping[str, Task], settings: Settings) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Return by task and split (train, dev) the (n,) margins and (n, d) projected gradients of its rows.

    Raises:
        InputError: an encoder that cannot be used, or without linear layers; no memory for the projections.
    """
    how = effective(settings)
    path = encoder.folder(how.model)
    tokens = encoder.tokenizer(path, how.max_length, how.special_tokens)
    read = features(tasks, settings, ("train",))
    base = load_base(path, how.attention, how.special_tokens).model.base_model.to(how.device).eval()
    layers = linears(base)
    room_for_projections(layers, sum(len(task.split(split)) for task in tasks.values() for split in SPLITS[:2]), how.device)
    found = {}
    for name, task in tasks.items():
        x, y = read[name, "train"], task.gold("train")
        head = _Probe(base, *_linear(x, y, len(task.labels), strength(x, y, task.split("train")["cluster"].tolist())), how.device)
        for split in SPLITS[:2]:
            rows = encoder.encode(task.split(split), task.has_pair, tokens, how.max_length, how.long_texts)
            found[name, str(split)] = projected(head, layers, rows, task.gold(split), tokens, max(1, how.batch_size // 2), how.device)
    return found


def _linear(x: np.ndarray, y: np.ndarray, labels: int, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (d, K) weights and (K,) constants of the logistic regression of (n,) ``y`` on (n, d) ``x``; −∞ for labels that ``y`` lacks."""
    scaler, regression = fitted(x, y, c)
    weights, constants = regression.coef_.T, regression.intercept_
    if weights.shape[1] == 1:  # of two classes the second alone
        weights, constants = np.hstack([0 * weights, weights]), np.array([0.0, *constants])
    weights = weights / scaler.scale_[:, None]
    constants = constants - scaler.mean_ @ weights
    w, b = np.zeros((x.shape[1], labels)), np.full(labels, -np.inf)
    w[:, regression.classes_], b[regression.classes_] = weights, constants
    return w, b


class _Probe:
    """Logits of a linear head on the mean over tokens of the last layer, as a function of padded inputs."""

    def __init__(self, base: nn.Module, weights: np.ndarray, constants: np.ndarray, device: str) -> None:
        self.base = base
        self.weights, self.constants = (torch.from_numpy(v).float().to(device) for v in (weights, constants))

    def __call__(self, **inputs: Any) -> torch.Tensor:
        mask = inputs["attention_mask"][..., None]
        last = self.base(**inputs).last_hidden_state
        return (last * mask).sum(dim=1) / mask.sum(dim=1) @ self.weights + self.constants
