"""Training only the embeddings that are used is the same training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from cotrain import Group, Task
from cotrain.training.settings import Settings


@pytest.fixture
def both(task: Callable[..., Task], settings: Callable[..., Settings], trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Train a pair of tasks with the table of used rows and with the whole one; return records, models and what was seen at epochs."""

    def make(**changes: Any) -> Any:
        tasks = {"a": task("a", train=24), "b": task("b", train=30, labels=("x", "y", "z"))}
        # a few words only, so that most of the table is never used
        tasks = {name: _short(found) for name, found in tasks.items()}
        chosen = settings(**{"epochs": 3, "learning_rate": 1e-2, "weight_decay": 0.1, "accumulation": 2, **changes})
        found = []
        for narrow in (True, False):
            with monkeypatch.context() as patch:
                if not narrow:
                    patch.setattr("cotrain.training.trainer.narrowed", lambda model, data, padding: nullcontext())
                seen: dict[int, torch.Tensor] = {}
                record, model = trained(Group.of(tasks), tasks, chosen, at_epoch=lambda m, e, s=seen: s.__setitem__(e, _table(m).clone()))
                found.append((record, model, seen))
        return found

    return make


def _short(found: Task) -> Task:
    from dataclasses import replace

    rows = found.rows.assign(text=[" ".join(w for w in text.split() if w < "w12") or "w00" for text in found.rows["text"]])
    return replace(found, rows=rows)


def _table(model: Any) -> torch.Tensor:
    table = model.classifiers[0].base_model.get_input_embeddings()
    assert type(table) is torch.nn.Embedding
    return table.weight.detach()


@pytest.mark.parametrize("architecture", ["tiny_bert", "tiny_roberta"])
def test_without_clipping_every_prediction_is_the_same_to_the_bit(both: Any, architecture: str, request: pytest.FixtureRequest) -> None:
    (one, *_), (two, *_) = both(model=str(request.getfixturevalue(architecture)), max_grad_norm=1e9)
    for split in ("dev", "test"):
        for name, epochs in getattr(one, split).items():
            assert epochs.keys() == getattr(two, split)[name].keys()
            for epoch, log2_p in epochs.items():
                assert (log2_p == getattr(two, split)[name][epoch]).all()
    assert [line["train_bits"] for line in one.history] == [line["train_bits"] for line in two.history]
    assert one.cost["parameters"] == two.cost["parameters"], "what is deployed is the whole table"


def test_with_clipping_only_the_last_digits_of_its_norm_differ(both: Any) -> None:
    (one, *_), (two, *_) = both(max_grad_norm=0.5)
    for name, epochs in one.dev.items():
        for epoch, log2_p in epochs.items():
            np.testing.assert_allclose(log2_p, two.dev[name][epoch], atol=1e-4)


def test_the_table_is_whole_again_and_what_was_not_used_has_decayed(both: Any) -> None:
    (_, model, seen), (_, other, truth) = both(max_grad_norm=1e9)
    assert _table(model).shape == _table(other).shape
    assert seen.keys() == truth.keys() and len(seen) >= 1
    for epoch, table in seen.items():
        torch.testing.assert_close(table, truth[epoch], atol=1e-6, rtol=1e-6)
    model.logits("a", input_ids=torch.tensor([[1, 2]]), attention_mask=torch.ones(1, 2, dtype=torch.long))
