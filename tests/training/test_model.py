"""A shared model is ordinary classifiers of Transformers that share one encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from cotrain.training.model import build, load_base
from cotrain.training.sampling import derived_seed

LABELS = {"a": ("no", "yes"), "b": ("x", "y", "z")}


@pytest.fixture(params=["tiny_bert", "tiny_roberta"])
def encoder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def test_a_fresh_model_is_what_transformers_makes_of_the_same_encoder(encoder: Path) -> None:
    shared = build(load_base(encoder, "eager"), LABELS, seed=7)
    for task, names in LABELS.items():
        torch.manual_seed(derived_seed(7, "head", task))
        plain = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(names))
        ours = shared.classifier(task).state_dict()
        assert plain.state_dict().keys() == ours.keys()
        for name, value in plain.state_dict().items():
            torch.testing.assert_close(ours[name], value, rtol=0, atol=0, msg=name)


def test_the_encoder_is_one_object_and_counted_once(encoder: Path) -> None:
    shared = build(load_base(encoder, "eager"), LABELS, seed=7)
    first, second = (shared.classifier(task) for task in LABELS)
    assert first.base_model is second.base_model
    plain = {task: AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(n)) for task, n in LABELS.items()}
    sizes = {task: sum(w.numel() for w in model.parameters()) for task, model in plain.items()}
    shared_size = sum(w.numel() for w in plain["a"].base_model.parameters())
    assert sum(w.numel() for w in shared.parameters()) == sum(sizes.values()) - shared_size


def test_training_one_head_moves_the_encoder_of_the_other_but_not_its_head(encoder: Path) -> None:
    shared = build(load_base(encoder, "eager"), LABELS, seed=7)
    inputs = {"input_ids": torch.tensor([[0, 5, 2]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    torch.nn.functional.cross_entropy(shared(["a"], **inputs)["a"], torch.tensor([1])).backward()
    assert all(w.grad is None for name, w in shared.classifier("b").named_parameters() if name.startswith("classifier"))
    assert any(w.grad is not None and w.grad.abs().sum() > 0 for w in shared.classifier("b").base_model.parameters())


def test_heads_do_not_depend_on_the_place_in_the_group(encoder: Path) -> None:
    base = load_base(encoder, "eager")
    both, turned = build(base, LABELS, 7), build(base, {t: LABELS[t] for t in reversed(LABELS)}, 7)
    alone = build(base, {"b": LABELS["b"]}, 7)
    other = build(base, {"c": LABELS["b"]}, 7)
    ours = both.classifier("b").classifier.state_dict()
    assert all(torch.equal(value, turned.classifier("b").classifier.state_dict()[name]) for name, value in ours.items())
    assert all(torch.equal(value, alone.classifier("b").classifier.state_dict()[name]) for name, value in ours.items())
    weights = [name for name in ours if name.endswith("weight")]
    assert all(not torch.equal(ours[name], other.classifier("c").classifier.state_dict()[name]) for name in weights)


def test_building_leaves_base_and_random_state_as_they_were(encoder: Path) -> None:
    base = load_base(encoder, "eager")
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    shared = build(base, LABELS, 7)
    assert torch.equal(torch.rand(3), expected)
    with torch.no_grad():
        for weight in shared.parameters():
            weight.add_(1.0)
    assert all(torch.equal(value, before[name]) for name, value in base.model.state_dict().items())


def test_a_published_head_keeps_its_pretrained_parts_but_not_its_output_layer(tiny_roberta: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = AutoModelForSequenceClassification.from_pretrained(tiny_roberta, num_labels=2)
    published.save_pretrained(tmp_path)
    torch.manual_seed(derived_seed(7, "head", "b"))
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=3, ignore_mismatched_sizes=True)
    base = load_base(tmp_path, "eager")
    shared = build(base, LABELS, seed=7)
    for task in LABELS:
        head = shared.classifier(task).classifier
        assert torch.equal(head.dense.weight, published.classifier.dense.weight)
        assert head.out_proj.weight.std() > 0 and torch.equal(head.out_proj.bias, torch.zeros(len(LABELS[task])))
    # also where the number of labels happens to be that of the published head
    assert not torch.equal(shared.classifier("a").classifier.out_proj.weight, published.classifier.out_proj.weight)
    assert torch.equal(shared.classifier("b").classifier.out_proj.weight, plain.classifier.out_proj.weight)


def test_kept_weights_bring_a_model_back(encoder: Path) -> None:
    shared = build(load_base(encoder, "eager"), LABELS, 7)
    kept = {name: value.detach().clone() for name, value in shared.weights().items()}
    inputs = {"input_ids": torch.tensor([[0, 5, 2]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    shared.eval()
    before = shared.logits("b", **inputs)
    with torch.no_grad():
        for weight in shared.parameters():
            weight.add_(1.0)
    assert not torch.equal(shared.logits("b", **inputs), before)
    shared.restore(kept)
    np.testing.assert_array_equal(shared.logits("b", **inputs).detach(), before.detach())
