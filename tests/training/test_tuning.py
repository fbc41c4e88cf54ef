"""What of an encoder is trained, what labels and tasks weigh in the loss, and who is told while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cotrain import Group, Task
from cotrain.errors import InputError
from cotrain.pvi.finetune import score
from cotrain.pvi.pvi import prior
from cotrain.training import encoder, models
from cotrain.training.fit import unweighted
from cotrain.training.group import Member
from cotrain.training.model import build, load_base
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train

Make = Callable[..., Any]
ONE = Options(workers=1)


@pytest.fixture
def rare(task: Make) -> Task:
    """A task of which one label in five is ``yes``, and no word says which."""
    one = task("a", train=200, dev=100, test=100)
    random = np.random.default_rng(3)
    rows = one.rows.assign(text="w05 w06", label=np.where(random.random(len(one.rows)) < 0.2, "yes", "no"))
    return replace(one, rows=rows)


def test_what_class_weights_did_to_probabilities_is_taken_back() -> None:
    p, weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]), (0.5, 2.0, 4.0)
    weighted = p * weights / (p * weights).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp2(unweighted(np.log2(weighted), weights)), p)
    assert unweighted(np.log2(p), ()) is not None
    np.testing.assert_array_equal(unweighted(np.log2(p), ()), np.log2(p))


def test_balanced_weights_give_even_odds_where_nothing_is_known_and_scores_know_better(rare: Task, settings: Make, tmp_path: Path) -> None:
    chosen = settings(class_weights="balanced", epochs=6, learning_rate=1e-3)
    [fit] = train([Group.of("a")], {"a": rare}, chosen, [1], tmp_path, options=ONE)
    share = fit.train_counts["a"][1] / sum(fit.train_counts["a"])
    assert fit.class_weights["a"] == pytest.approx((1 / (2 * (1 - share)), 1 / (2 * share)))
    last = fit.blocks["a", "dev"].log2_p[-1]
    assert np.exp2(last)[:, 1].mean() == pytest.approx(0.5, abs=0.1), "the model itself should hold both for as likely"
    table = score([fit], by="last").table
    mean = np.exp2(table["log2_p_x"].to_numpy())[table["gold"] == "yes"].mean()
    assert mean == pytest.approx(share, abs=0.07)
    assert abs(table["pvi_bits"].mean()) < 0.05, "V-information of nothing is about 0"
    raw = last[np.arange(100), fit.blocks["a", "dev"].gold].mean() - prior(fit.train_counts["a"])[fit.blocks["a", "dev"].gold].mean()
    assert raw < -0.15, "without the correction it would be far below 0"


def test_class_weights_are_kept_with_the_fit(rare: Task, settings: Make, tmp_path: Path) -> None:
    blank = Group((Member("a", "blank"),))
    fits = train([Group.of("a"), blank], {"a": rare}, settings(class_weights="balanced", epochs=1), [1], tmp_path, options=ONE)
    again = train([Group.of("a"), blank], {"a": rare}, settings(class_weights="balanced", epochs=1), [1], tmp_path, options=ONE)
    assert [f.class_weights for f in fits] == [f.class_weights for f in again]
    assert fits[0].class_weights
    assert train([Group.of("a")], {"a": rare}, settings(epochs=1), [1], tmp_path, options=ONE)[0].class_weights == {}


def test_the_weight_of_a_task_is_that_of_its_gradient(task: Make, settings: Make, trained: Make) -> None:
    """A task that weighs next to nothing is as good as not trained: its loss stays, the other's falls."""
    tasks = {"a": task("a", train=64), "b": task("b", train=64)}
    record, _ = trained(Group.of("ab"), tasks, settings(epochs=6, task_weights={"b": 1e-9}, weight_decay=0.0))
    # heads move with Adam whatever the scale of a gradient, so the head of b moves, but the encoder is a's
    losses = {name: [line["train_bits"] for line in record.history if line["task"] == name] for name in "ab"}
    assert losses["a"][-1] < 0.3
    other, _ = trained(Group.of("ab"), tasks, settings(epochs=6, task_weights={"a": 1e-9}, weight_decay=0.0))
    assert [line["train_bits"] for line in other.history if line["task"] == "b"][-1] < losses["b"][-1]


@pytest.mark.parametrize("architecture", ["tiny_bert", "tiny_roberta"])
@pytest.mark.parametrize("tuning", ["lora", "heads"])
def test_only_adapters_and_heads_are_trained(
    architecture: str, tuning: str, task: Make, settings: Make, trained: Make, request: pytest.FixtureRequest
) -> None:
    chosen = settings(model=str(request.getfixturevalue(architecture)), tuning=tuning, epochs=2, learning_rate=1e-2)
    base = load_base(encoder.folder(chosen.model), "eager")
    tasks = {"a": task("a"), "b": task("b", labels=("x", "y", "z"))}
    record, model = trained(Group.of("ab"), tasks, chosen)
    before = base.model.base_model.state_dict()
    after = model.classifiers[0].base_model.state_dict()
    for name, weight in before.items():
        there = after.get(name, after.get(name.replace(".weight", ".base_layer.weight").replace(".bias", ".base_layer.bias")))
        assert torch.equal(weight, there), name
    moved = {name for name, weight in after.items() if "lora_B" in name and weight.abs().max() > 0}
    assert bool(moved) == (tuning == "lora")
    fresh = build(base, {t: tasks[t].labels for t in tasks}, 1)
    assert all(not torch.equal(w, fresh.head(t)[n]) for t in tasks for n, w in model.head(t).items() if n.endswith("out_proj.weight"))
    assert record.history


def test_a_kept_model_with_adapters_is_an_ordinary_one_that_predicts_what_was_predicted(task: Make, settings: Make, tmp_path: Path) -> None:
    chosen = settings(tuning="lora", lora_rank=4, epochs=3, learning_rate=1e-2)
    one = task("a", error=0.1)
    options = Options(workers=1, extras=("weights",))
    [fit] = train([Group.of("a")], {"a": one}, chosen, [1], tmp_path / "fits", options=options)
    epoch = int(fit.blocks["a", "test"].epochs[-1])
    models.write(fit, epoch, {"a": one}, chosen, tmp_path / "model")
    found = models.load(tmp_path / "model", precision="fp32").predict(one.split("test")["text"].tolist())["a"]
    np.testing.assert_allclose(np.log2(found), fit.blocks["a", "test"].at(epoch), atol=1e-4)
    from safetensors import safe_open

    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        assert not [name for name in file.keys() if "lora" in name or "base_layer" in name]  # noqa: SIM118


@pytest.mark.filterwarnings("error:fan_in_fan_out")
def test_a_decoder_without_a_padding_token_in_its_config_is_trained_with_adapters_too(
    task: Make, settings: Make, tiny_bert: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2Model

    tokens = AutoTokenizer.from_pretrained(tiny_bert)
    tokens.save_pretrained(tmp_path / "gpt2")
    GPT2Model(GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64, vocab_size=len(tokens))).save_pretrained(tmp_path / "gpt2")
    chosen = settings(model=str(tmp_path / "gpt2"), tuning="lora", lora_rank=4, epochs=2, learning_rate=1e-2)
    one = task("a", error=0.1)
    [fit] = train([Group.of("a")], {"a": one}, chosen, [1], tmp_path / "fits", options=Options(workers=1, extras=("weights",)))
    epoch = int(fit.blocks["a", "test"].epochs[-1])
    models.write(fit, epoch, {"a": one}, chosen, tmp_path / "model")
    found = models.load(tmp_path / "model", precision="fp32").predict(one.split("test")["text"].tolist())["a"]
    np.testing.assert_allclose(np.log2(found), fit.blocks["a", "test"].at(epoch), atol=1e-4)


def test_adapters_depend_on_the_seed_alone(settings: Make) -> None:
    base = load_base(encoder.folder(settings().model), "eager")
    which = (({"a": "xy"}, 1), ({"b": "xyz", "c": "xy"}, 1), ({"a": "xy"}, 2))
    one, two, other = (build(base, labels, seed, "lora", 4) for labels, seed in which)
    adapters = [{n: w for n, w in m.classifiers[0].base_model.named_parameters() if "lora_A" in n} for m in (one, two, other)]
    assert adapters[0]
    assert all(torch.equal(w, adapters[1][n]) for n, w in adapters[0].items())
    assert not all(torch.equal(w, adapters[2][n]) for n, w in adapters[0].items())


def test_weights_that_no_file_has_are_trained_whatever_is_tuned_and_drawn_alike(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "without a pooler"
    folder.mkdir()
    for file in tiny_bert.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(folder / "model.safetensors")
    save_file({n: w for n, w in weights.items() if "pooler" not in n}, folder / "model.safetensors", metadata={"format": "pt"})
    one, two = load_base(folder, "eager"), load_base(folder, "eager")
    assert one.fresh == {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert torch.equal(one.model.bert.pooler.dense.weight, two.model.bert.pooler.dense.weight)
    for tuning in ("lora", "heads"):
        model = build(one, {"a": ("x", "y")}, 1, tuning)
        trained = {n for n, w in model.classifiers[0].base_model.named_parameters() if w.requires_grad and "lora_" not in n}
        assert trained == {"pooler.dense.weight", "pooler.dense.bias"}


def test_activations_computed_again_change_no_bit(task: Make, settings: Make, trained: Make) -> None:
    tasks = {"a": task("a", error=0.2)}
    one, _ = trained(Group.of("a"), tasks, settings())
    two, _ = trained(Group.of("a"), tasks, settings(gradient_checkpointing=True))
    assert all(np.array_equal(p, two.dev["a"][epoch]) for epoch, p in one.dev["a"].items())


def test_a_tracker_is_told_losses_and_metrics_and_no_text(task: Make, settings: Make, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    chosen: Settings = settings(report_to=("tensorboard",), epochs=3)
    tasks = {"a": task("a"), "b": task("b")}
    [fit] = train([Group.of("ab")], tasks, chosen, [1], tmp_path / "run" / "fits", options=ONE)
    [folder] = (tmp_path / "run" / "tracking").iterdir()
    assert folder.name == "a+b.1"
    told = EventAccumulator(str(folder)).Reload()
    for name in "ab":
        lines = fit.history[fit.history["task"] == name]
        for value in ("train_bits", "dev_bits", "dev_accuracy", "dev_macro_f1"):
            events = told.Scalars(f"train/{name}/{value}")
            np.testing.assert_allclose([event.value for event in events], lines[value], atol=1e-5)
    written = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert tasks["a"].rows["text"][0].encode() not in written


@pytest.mark.parametrize(("changes", "words"), [
    ({"report_to": ("nobody",)}, "unknown tracker of training.report_to 'nobody'"),
    ({"report_to": ("neptune",)}, "tracker neptune of training.report_to is not installed here"),
])  # fmt: skip
def test_a_tracker_that_is_not_there_is_an_error_before_anything_is_trained(
    task: Make, settings: Make, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        train([Group.of("a")], {"a": task("a")}, settings(**changes), [1], tmp_path / "fits", options=ONE)
    assert not (tmp_path / "fits").exists()
