"""The format ``onnx``: the classifier as ``model.onnx``, checked against PyTorch before it is kept.

By the exporter of PyTorch itself. ``optimum`` asks for Transformers below 4.58, and PyTorch's older exporter, by traces, is to go.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cotrain.errors import InputError, MissingExtra
from cotrain.serving.plain import beside
from cotrain.training.models import SharedModel

FILE = "model.onnx"
NEEDED = ("onnx", "onnxscript", "onnxruntime")
_USE = """import onnxruntime
from transformers import AutoTokenizer

tokens, model = AutoTokenizer.from_pretrained("FOLDER"), onnxruntime.InferenceSession("FOLDER/model.onnx")
[logits] = model.run(["logits"], dict(tokens({texts}, truncation=True, padding=True, return_tensors="np")))"""
_CLOSE = 1e-4
_SHAPES = ((1, 1), (1, 3), (2, 7), (3, 20), (5, 40))
"""Rows and tokens of the batches that are compared."""
_LARGE = 400_000_000
"""Parameters above which the weights do not fit into one file of the format (2 GB)."""


def write(shared: SharedModel, task: str, folder: Path, to: Path) -> None:
    """Write ``model.onnx`` (and ``model.onnx.data`` where it is large), config, tokenizer and card of one task into ``to``.

    Its inputs are those of the tokenizer, (rows, tokens) of int64 each; its output is ``logits``, (rows, K).

    Raises:
        InputError: the exported model does not give the probabilities of the one in PyTorch, or cannot be exported.
        MissingExtra: a library is not installed.
    """
    if missing := next((name for name in NEEDED if find_spec(name) is None), None):
        raise MissingExtra("onnx", missing)
    import torch

    classifier = shared.model.classifier(task)
    classifier.config.save_pretrained(to)
    names = [name for name in shared.tokens("a") if name in ("input_ids", "attention_mask", "token_type_ids")]
    example = _batch(shared, 2, 9)
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    large = sum(weight.numel() for weight in classifier.parameters()) > _LARGE
    with _quiet():
        try:
            torch.onnx.export(
                _logits(classifier, names), tuple(torch.from_numpy(example[name]) for name in names), to / FILE,
                input_names=names, output_names=["logits"], dynamic_shapes=((sizes,) * len(names),), external_data=large, verbose=False,
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            kind = classifier.config.model_type
            raise InputError(f"task {task}: the architecture {kind} cannot be exported to ONNX ({type(error).__name__})") from None
    if (off := _farthest(classifier, shared, names, to / FILE)) > _CLOSE:
        raise InputError(f"task {task}: the ONNX model differs from PyTorch by {off:.2g} in probability, {_CLOSE:g} is allowed; not kept")
    texts = '["..."], ["..."]' if shared.entry(task)["has_pair"] else '["..."]'
    beside(shared, task, folder, to, _USE.format(texts=texts))


def _batch(shared: SharedModel, rows: int, tokens: int) -> dict[str, np.ndarray]:
    """Return the inputs of rows of random tokens; the first row is shorter than the others."""
    ids = np.random.default_rng([rows, tokens]).integers(0, shared.model.classifiers[0].config.vocab_size, (rows, tokens))
    mask = np.ones_like(ids)
    mask[0, max(1, tokens - 3) :] = 0
    ids[mask == 0] = shared.tokens.pad_token_id
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _farthest(classifier: Any, shared: SharedModel, names: list[str], file: Path) -> float:
    """Return the largest difference in probability between ONNX and PyTorch over batches of several shapes."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    worst = 0.0
    for rows, tokens in _SHAPES:
        batch = _batch(shared, rows, min(tokens, shared.about["max_length"]))
        inputs = {name: batch[name] for name in names}
        [found] = session.run(["logits"], inputs)
        with torch.no_grad():
            expected = classifier(**{name: torch.from_numpy(values) for name, values in inputs.items()}).logits.softmax(-1).numpy()
        worst = max(worst, float(np.abs(torch.from_numpy(found).softmax(-1).numpy() - expected).max()))
    return worst


def _logits(classifier: Any, names: list[str]) -> Any:
    """Return the module that takes the named inputs in order and gives the logits alone."""
    import torch

    class Logits(torch.nn.Module):
        """One input per name, one output."""

        def __init__(self) -> None:
            super().__init__()
            self.classifier = classifier

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            """Return the (rows, K) logits."""
            found: torch.Tensor = self.classifier(**dict(zip(names, inputs, strict=True))).logits
            return found

    return Logits().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says to those who develop it."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
