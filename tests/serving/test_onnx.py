"""A model in the format of ONNX gives the probabilities of the one in PyTorch, whatever the size of the batch."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import load
from cotrain.errors import InputError, MissingExtra
from cotrain.serving import onnx
from cotrain.serving.export import export

pytest.importorskip("onnxruntime")


# the exporter takes ten seconds each: a family with types of tokens, and one with attention of its own
@pytest.mark.parametrize(("family", "task"), [("bert", "two"), ("deberta", "kind")])
def test_onnx_gives_the_probabilities_of_the_shared_model(family: str, task: str, kept: Callable[..., Any], tmp_path: Path) -> None:
    import onnxruntime
    from transformers import AutoTokenizer

    made = kept(family)
    folder = export(made.folder, task, tmp_path / "onnx", "onnx")
    assert sorted(f.name for f in folder.iterdir() if ".onnx" in f.name) == ["model.onnx"]
    tokens, session = AutoTokenizer.from_pretrained(folder), onnxruntime.InferenceSession(folder / "model.onnx")
    rows = made.tasks[task].split("test")
    texts, pairs = [*rows["text"], "w05 w17 " * 60], [*rows["pair"], "w07"] if made.tasks[task].has_pair else None
    expected = load(made.folder, "cpu", "fp32").predict(texts, pairs, tasks=[task])[task]
    wanted = {entry.name for entry in session.get_inputs()}
    for chosen in (slice(0, 1), slice(0, None), slice(12, 13)):
        batch = tokens(texts[chosen], pairs[chosen] if pairs else None, truncation=True, padding=True, return_tensors="np")
        [logits] = session.run(["logits"], {name: values for name, values in batch.items() if name in wanted})
        found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected[chosen], atol=1e-5)


def test_what_differs_from_pytorch_is_not_kept(bert: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def off(model: Any, args: Any, to: Any, *, input_names: Any, output_names: Any, **_: Any) -> None:
        """An exporter (the older, sooner one) of a model whose first label is a little likelier."""
        other = copy.deepcopy(model)
        with torch.no_grad():
            other.classifier.classifier.bias[0] += 0.01
        axes = {name: {0: "rows", 1: "tokens"} for name in input_names}
        true(other, args, str(to), input_names=input_names, output_names=output_names, dynamic_axes=axes, dynamo=False)

    true = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", off)
    with pytest.raises(InputError, match=r"differs from PyTorch by .* not kept"):
        export(bert.folder, "kind", tmp_path / "onnx", "onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_libraries_the_error_is_the_command_that_installs_them(
    bert: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(onnx, "find_spec", lambda name: None if name == "onnxscript" else there(name))
    with pytest.raises(MissingExtra, match=r'onnxscript is not installed.*pip install "cotrain\[onnx\]"'):
        export(bert.folder, "kind", tmp_path / "onnx", "onnx")
    assert not list(tmp_path.iterdir())
