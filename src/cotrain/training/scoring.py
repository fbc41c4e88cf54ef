"""Padding of batches, and predictions in float32."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from cotrain.training.long import Row, joined, spread
from cotrain.training.model import SharedClassifier

_SCORING_BATCH = 64


def lowered(device: str, precision: str) -> AbstractContextManager[Any]:
    """Return what makes the passes inside it run in a precision: ``bf16`` or ``fp16``, else as they are."""
    low = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    return torch.autocast(device, low, enabled=low is not None)


def pad(rows: Sequence[Row], tokens: Any) -> dict[str, torch.Tensor]:
    """Return the (batch, longest) tensors of tokenised rows, on the tokenizer's padding side."""
    fill = {"input_ids": tokens.pad_token_id, "token_type_ids": getattr(tokens, "pad_token_type_id", 0)}
    longest = max(len(row["input_ids"]) for row in rows)
    batch = {}
    for name in rows[0]:
        values = np.full((len(rows), longest), fill.get(name, 0), dtype=np.int64)
        for line, row in zip(values, rows, strict=True):
            ids = row[name]
            start = longest - len(ids) if tokens.padding_side == "left" else 0
            line[start : start + len(ids)] = ids
        batch[name] = torch.from_numpy(values)
    return batch


def predict(model: SharedClassifier, task: str, rows: Sequence[Row], tokens: Any) -> np.ndarray:
    """Return (n, K) log2 probabilities, computed in float32, in the order of the rows."""
    return predict_several(model, [task], rows, tokens)[task]


@torch.no_grad()
def predict_several(
    model: SharedClassifier, tasks: Sequence[str], rows: Sequence[Row], tokens: Any, budget: int | None = None
) -> dict[str, np.ndarray]:
    """Return the (n, K) log2 probabilities of several tasks for the same rows, the encoder run once per batch.

    Those of a row in windows are the means over them, made to sum to 1 in probability.

    Args:
        budget: tokens of a batch at most, padding counted; None: as many rows in each as when fits are scored.
    """
    device = next(model.parameters()).device
    if model.training:  # to say so to every module again takes as long as a few rows
        model.eval()
    n, (rows, owners) = len(rows), spread(rows)
    lengths = np.array([len(row["input_ids"]) for row in rows])
    order = np.argsort(lengths, kind="stable")
    parts: dict[str, list[np.ndarray]] = {task: [] for task in tasks}
    for chosen in batches(lengths[order], budget):
        batch = pad([rows[i] for i in order[chosen]], tokens)
        inputs = {k: v.to(device) for k, v in batch.items()}
        with model.encoded_once() if len(tasks) > 1 else nullcontext():
            for task in tasks:
                logits = model.logits(task, **inputs)
                parts[task].append((torch.log_softmax(logits.float(), dim=-1) / math.log(2)).cpu().numpy())
    found = {}
    for task, scored in parts.items():
        found[task] = np.concatenate([np.empty((0, model.classifier(task).config.num_labels), dtype=np.float32), *scored])
        found[task][order] = found[task].copy()
        if len(rows) > n:
            means = joined(found[task], owners)
            found[task] = means - np.logaddexp2.reduce(means, axis=1, keepdims=True)
    return found


def batches(lengths: np.ndarray, budget: int | None) -> Iterator[slice]:
    """Yield the batches of rows that ascend in length: of ``_SCORING_BATCH`` rows, or of at most ``budget`` tokens.

    Those of a budget cost least, where a batch costs its tokens with padding and ``budget / 20`` besides: few rows of many
    lengths are best in many batches.
    """
    if budget is None:
        yield from (slice(start, start + _SCORING_BATCH) for start in range(0, len(lengths), _SCORING_BATCH))
        return
    longest, counts = np.unique(lengths, return_counts=True)
    rows = np.concatenate([[0], np.cumsum(counts)])  # up to each length
    least, cut = np.zeros(len(rows)), np.zeros(len(rows), dtype=int)
    for end in range(1, len(rows)):
        tokens = (rows[end] - rows[:end]) * longest[end - 1]
        cost = least[:end] + tokens + budget / 20 * np.ceil(tokens / budget)
        cut[end] = cost.argmin()
        least[end] = cost[cut[end]]
    ends = [len(rows) - 1]
    while ends[-1] > 0:
        ends.append(int(cut[ends[-1]]))
    for begin, end in pairwise(reversed(ends)):
        size = max(1, budget // int(longest[end - 1]))
        yield from (slice(start, min(start + size, int(rows[end]))) for start in range(int(rows[begin]), int(rows[end]), size))
