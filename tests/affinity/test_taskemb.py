"""Task embeddings: cosines per layer, joined by reciprocal ranks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from cotrain.affinity import taskemb
from cotrain.affinity.method import named
from cotrain.errors import InputError
from cotrain.training import ledger
from cotrain.training.fit import Fit
from cotrain.training.group import Group

VECTORS = {
    "one": {"a": [1.0, 0.0], "b": [1.0, 0.1], "c": [0.0, 1.0], "d": [1.0, 1.0]},
    "two": {"a": [3.0, 1.0], "b": [0.0, 1.0], "c": [6.0, 2.0], "d": [1.0, 0.0]},
}
"""Cosines with a: layer one b .995, d .707, c 0; layer two c 1, d .949, b .316."""


def embeddings() -> dict[str, dict[str, np.ndarray]]:
    return {layer: {t: np.array(v) for t, v in by_task.items()} for layer, by_task in VECTORS.items()}


def test_ranks_of_layers_are_fused_by_hand() -> None:
    found = taskemb.fused(embeddings())["a"]
    assert found == pytest.approx({"b": 1 / 61 + 1 / 63, "c": 1 / 63 + 1 / 61, "d": 2 / 62})


def test_equal_cosines_share_their_ranks() -> None:
    found = taskemb.fused({"one": {"a": np.ones(2), "b": np.ones(2), "c": 2 * np.ones(2), "d": np.array([1.0, 0.0])}})["a"]
    assert found == pytest.approx({"b": 1 / 61.5, "c": 1 / 61.5, "d": 1 / 63})


def test_values_are_read_from_the_extras_of_the_tasks_alone_as_means_over_seeds(tmp_path: Path) -> None:
    fits = []
    for task in "abcd":
        for seed, factor in ((1, 0.5), (2, 1.5)):
            folder = tmp_path / f"{task}{seed}"
            (folder / "extras" / "fisher").mkdir(parents=True)
            values = {
                f"{task}/{layer}.{part}": (factor * np.array(by_task[task][i : i + 1], dtype=np.float32))
                for layer, by_task in VECTORS.items() for i, part in enumerate(("bias", "weight"))
            }  # fmt: skip
            save_file(values, folder / "extras" / "fisher" / "3.safetensors")
            fits.append(Fit(f"{task}{seed}", Group.of([task]), seed, {task: ("x", "y")}, {task: (5, 6)}, {}, None, {}, path=folder))  # type: ignore[arg-type]
    ground: Any = SimpleNamespace(names=list("abcd"), options=dict(taskemb.METHOD.options), fits=lambda groups: fits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "damage", lambda *_, **__: "")
        found = taskemb.relate(ground)
    value = {(t, h): v for t, h, v in found.pairs[["target", "helper", "value"]].itertuples(index=False)}
    wanted = taskemb.fused(embeddings())
    assert value == pytest.approx({(t, h): v for t, helpers in wanted.items() for h, v in helpers.items()})
    assert found.gradient_passes == 8 * 11


def test_the_estimate_is_one_of_two_and_each_has_its_extra() -> None:
    def asked(fisher: str) -> tuple[str, ...]:
        return taskemb.extras(Group.of("a"), "abc", named("taskemb").chosen("taskemb", {"fisher": fisher}))

    assert asked("per_example") == ("fisher",) and asked("as_released") == ("fisher_of_batches",)
    with pytest.raises(InputError, match=r"methods\.taskemb\.fisher should be per_example or as_released, found 'exact'"):
        asked("exact")
