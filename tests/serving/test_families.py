"""Whatever the family of the encoder: what was trained, what is loaded, what is exported give the same probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import load
from cotrain.serving.export import export

LONG = "w05 w17 " * 60
"""A text that is longer than the encoder reads."""


def inputs(kept: Any, task: str) -> tuple[list[str], list[str] | None]:
    """Return the test rows of a task and one that is cut."""
    rows = kept.tasks[task].split("test")
    return [*rows["text"], LONG], [*rows["pair"], "w07"] if kept.tasks[task].has_pair else None


def test_a_loaded_model_predicts_what_the_fit_predicted(family: Any) -> None:
    model = load(family.folder, "cpu", "fp32")
    for name, task in family.tasks.items():
        rows = task.split("test")
        found = model.predict(list(rows["text"]), list(rows["pair"]) if task.has_pair else None, tasks=[name])[name]
        np.testing.assert_allclose(found, np.exp2(family.fit.blocks[name, "test"].at(family.epoch)), atol=1e-5)


def test_in_bf16_a_loaded_model_gives_what_the_trained_one_gives_in_bf16(family: Any) -> None:
    import torch
    from safetensors.torch import load_file

    from cotrain.training import encoder
    from cotrain.training.model import build, load_base
    from cotrain.training.scoring import predict

    path = family.folder.parent / "encoder"
    trained = build(load_base(path, "eager"), family.fit.labels, 5)
    trained.restore(load_file(family.fit.path / "extras" / "weights" / f"{family.epoch}.safetensors"))
    trained.eval()
    tokens, model, exact = encoder.tokenizer(path, 32), load(family.folder, "cpu", "bf16"), load(family.folder, "cpu", "fp32")
    moved = []
    for name, task in family.tasks.items():
        rows = task.split("test")
        with torch.autocast("cpu", torch.bfloat16):
            expected = predict(trained, name, encoder.encode(rows, task.has_pair, tokens, 32), tokens)
        texts, pairs = list(rows["text"]), list(rows["pair"]) if task.has_pair else None
        found = model.predict(texts, pairs, tasks=[name])[name]
        np.testing.assert_allclose(found, np.exp2(expected), atol=1e-5)
        moved.append(np.abs(found - exact.predict(texts, pairs, tasks=[name])[name]).max())
    assert max(moved) > 1e-5, "it is another precision"


@pytest.mark.parametrize("name", ["kind", "two"])
def test_an_exported_task_gives_the_probabilities_of_the_shared_model_in_a_pipeline(family: Any, name: str, tmp_path: Path) -> None:
    from transformers import pipeline

    plain = export(family.folder, name, tmp_path / "plain")
    texts, pairs = inputs(family, name)
    expected = load(family.folder, "cpu", "fp32").predict(texts, pairs, tasks=[name])[name]
    classify = pipeline("text-classification", str(plain), truncation=True, top_k=None)
    rows: list[Any] = texts if pairs is None else [{"text": a, "text_pair": b} for a, b in zip(texts, pairs, strict=True)]
    for row, probabilities in zip(rows, expected, strict=True):
        found = {entry["label"]: entry["score"] for entry in classify([row])[0]}
        assert found == pytest.approx(dict(zip(family.tasks[name].labels, probabilities.tolist(), strict=True)), abs=1e-5)
