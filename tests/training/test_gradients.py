"""Gradients of rows: those of autograd row by row; Fisher information, projections, looks ahead; what they leave of a fit as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn.functional import cross_entropy

from cotrain import Group, InputError, Task
from cotrain.affinity import at_base
from cotrain.training import encoder, gradients, ledger, look_ahead, worker
from cotrain.training.extras import Extra, Seen
from cotrain.training.model import SharedClassifier, build
from cotrain.training.sampling import derived_seed
from cotrain.training.scoring import pad
from cotrain.training.settings import Settings
from cotrain.training.train import Options, effective, train

MANY = 16_384


@pytest.fixture
def tasks(task: Callable[..., Task]) -> dict[str, Task]:
    return {"a": task("a", labels=("x", "y", "z")), "b": task("b", pair=True)}


class Model:
    """A shared model with fresh heads in this process, and the rows of its tasks."""

    def __init__(self, tasks: dict[str, Task], settings: Settings) -> None:
        self.settings = effective(settings)
        worker.prepare(tasks, self.settings, encoder.folder(settings.model))
        self.data = {t: worker.data_of(Group.of([t]).members[0]) for t in tasks}
        self.model: SharedClassifier = build(worker._here["base"], {t: tasks[t].labels for t in tasks}, 1, self.settings.tuning).eval()
        self.tokens = worker._here["tokens"]
        self.layers = gradients.linears(self.model.classifiers[0].base_model)
        self.seen = Seen(self.model, self.tokens, self.data, self.settings, 1, 8, Path())
        self.ahead = look_ahead.LookAhead(self.seen)

    def losses(self) -> dict[str, Callable[[], torch.Tensor]]:
        """Return the losses of a look after the first update."""
        return {task: self.ahead._loss(task, data, 1) for task, data in self.data.items()}

    def args(self, task: str, size: int = 8) -> tuple[Any, ...]:
        one = self.data[task]
        return self.seen.head(task), self.layers, one.train, one.train_labels, self.tokens, size, "cpu"

    def by_hand(self, task: str, of: str) -> list[dict[str, torch.Tensor]]:
        """Return of each row alone the gradient of each parameter of the layers, by autograd."""
        found = []
        for row, y in zip(self.data[task].train, self.data[task].train_labels, strict=True):
            self.model.zero_grad()
            log_p = torch.log_softmax(self.model.logits(task, **pad([row], self.tokens))[0], dim=0)[y]
            (log_p if of == "log_p" else torch.log(log_p.exp() / (1 - log_p.exp()))).backward()
            found.append({
                f"{n}.{part}": (torch.zeros_like(w) if w.grad is None else w.grad.clone())
                for n, layer in self.layers.items() for part, w in layer.named_parameters()
            })  # fmt: skip
        return found


@pytest.fixture
def here(tasks: dict[str, Task], settings: Callable[..., Settings], request: pytest.FixtureRequest) -> Iterator[Model]:
    yield Model(tasks, settings(**getattr(request, "param", {})))
    worker.release()


@pytest.mark.parametrize("here", [{}, {"tuning": "lora"}], indirect=True, ids=["full", "lora"])
@pytest.mark.parametrize("name_of", ["a", "b"])
def test_the_fisher_information_of_rows_is_that_of_a_loop_over_single_rows(here: Model, name_of: str) -> None:
    each = here.by_hand(name_of, "log_p")
    found = gradients.fisher(*here.args(name_of))
    assert set(found) == set(each[0]) and len(found) > 10
    for name, values in found.items():
        torch.testing.assert_close(values, torch.stack([g[name] for g in each]).square().mean(dim=0), rtol=1e-4, atol=1e-9)


def test_as_released_it_depends_on_the_size_of_batches_and_of_rows_it_does_not(here: Model) -> None:
    each = here.by_hand("a", "log_p")
    rows, batches = ([gradients.fisher(*here.args("a", size), per_example=one) for size in (3, 8)] for one in (True, False))
    name = next(iter(rows[0]))
    torch.testing.assert_close(rows[0][name], rows[1][name], rtol=1e-4, atol=1e-10)
    assert (batches[0][name].sum() / batches[1][name].sum() - 1).abs() > 0.1
    order = np.argsort([len(row["input_ids"]) for row in here.data["a"].train], kind="stable")
    by_hand = [torch.stack([each[i][name] for i in order[k : k + 8]]).mean(dim=0).square() for k in range(0, len(order), 8)]
    torch.testing.assert_close(batches[1][name], torch.stack(by_hand).mean(dim=0), rtol=1e-4, atol=1e-10)


def test_projections_keep_products_of_gradients_and_margins_are_log_odds(here: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "DIMENSIONS", MANY)
    margins, found = gradients.projected(*here.args("a", 5))
    flat = torch.stack([torch.cat([g.ravel() for g in one.values()]) for one in here.by_hand("a", "margin")]).double().numpy()
    products, scale = flat @ flat.T, np.square(flat).sum(axis=1)
    error = (found.astype(float) @ found.T.astype(float) - products) / np.sqrt(np.outer(scale, scale))
    assert np.abs(error).mean() < 3 / np.sqrt(MANY) and np.abs(error).max() < 15 / np.sqrt(MANY)
    log2_p = [torch.log_softmax(here.model.logits("a", **pad([row], here.tokens))[0], dim=0) for row in here.data["a"].train]
    p = np.exp([float(one[y].detach()) for one, y in zip(log2_p, here.data["a"].train_labels, strict=True)])
    assert margins == pytest.approx(np.log(p / (1 - p)), abs=1e-4)


def test_projections_do_not_depend_on_the_size_of_batches(here: Model) -> None:
    one, other = (gradients.projected(*here.args("b", size))[1] for size in (1, 7))
    assert np.abs(one - other).max() < 1e-5 * np.abs(one).max()


def test_a_layer_that_is_used_twice_counts_as_one(here: Model) -> None:
    """As the layers of ALBERT are: here one layer of the encoder is used in both of its blocks."""
    blocks = here.model.classifiers[0].base_model.encoder.layer
    blocks[1].intermediate.dense = blocks[0].intermediate.dense
    here.layers = gradients.linears(here.model.classifiers[0].base_model)
    each, found = here.by_hand("a", "log_p"), gradients.fisher(*here.args("a"))
    name = next(n for n in found if "layer.0.intermediate" in n)
    torch.testing.assert_close(found[name], torch.stack([g[name] for g in each]).square().mean(dim=0), rtol=1e-4, atol=1e-9)


def test_looks_ahead_are_updates_by_one_task_alone_and_leave_the_weights_bit_equal(here: Model) -> None:
    shared = [w for w in here.model.classifiers[0].base_model.parameters() if w.requires_grad]
    before = {name: w.clone() for name, w in here.model.weights().items()}
    here.model.train()
    found = pd.DataFrame(look_ahead.looked(here.model, shared, here.losses(), 0.1)).set_index(["source", "target"])
    assert here.model.training
    assert all(torch.equal(w, before[name]) for name, w in here.model.weights().items())
    assert all(w.grad is None for w in here.model.parameters())
    here.model.eval()

    def loss(task: str) -> torch.Tensor:
        data = here.data[task]
        rows = np.random.default_rng(derived_seed(1, "look-ahead", task, "1")).permutation(len(data.train))[:8]
        inputs = pad([data.train[i] for i in rows], here.tokens)
        return cross_entropy(here.model.logits(task, **inputs), torch.tensor(data.train_labels[rows]))

    slopes = {t: torch.autograd.grad(loss(t), shared) for t in here.data}
    for source in here.data:
        with torch.no_grad():
            for w, g in zip(shared, slopes[source], strict=True):
                w -= 0.1 * g
            after = {t: float(loss(t)) for t in here.data}
            for w, g in zip(shared, slopes[source], strict=True):
                w += 0.1 * g
        for target in here.data:
            line = found.loc[(source, target)]
            assert line["before"] == pytest.approx(float(loss(target).detach()), rel=1e-5)
            assert line["after"] == pytest.approx(after[target], rel=1e-5)
            product = sum(float((a * b).sum()) for a, b in zip(slopes[source], slopes[target], strict=True))
            assert line["product"] == pytest.approx(product, rel=1e-4, abs=1e-6)
    assert (found.loc[("a", "a"), "after"] < found.loc[("a", "a"), "before"]).all()


def test_a_look_of_no_step_sees_no_change(here: Model) -> None:
    shared = list(here.model.classifiers[0].base_model.parameters())
    assert all(line["before"] == line["after"] for line in look_ahead.looked(here.model, shared, here.losses(), 0.0))


def test_extras_change_no_number_of_a_fit_and_are_written_at_the_epoch_best_by_log_loss(
    tasks: dict[str, Task], settings: Callable[..., Settings], tmp_path: Path
) -> None:
    wanted, how = [Group.of(tasks)], settings(epochs=4, learning_rate=1e-2)
    [plain] = train(wanted, tasks, how, [1], tmp_path / "plain", Options(workers=1))
    names = ("fisher", "fisher_of_batches", "looks", "projected", "weights")
    [fit] = train(wanted, tasks, how, [1], tmp_path / "extras", Options(workers=1, extras=names))
    for at, block in plain.blocks.items():
        assert np.array_equal(block.log2_p, fit.blocks[at].log2_p) and np.array_equal(block.epochs, fit.blocks[at].epochs)
    history = fit.history.pivot(index="epoch", columns="task", values="dev_bits")
    null = {t: float(-np.log2(np.array(fit.train_counts[t]) / 40)[tasks[t].gold("dev")].mean()) for t in tasks}
    best = sum(history[t] / null[t] for t in tasks).idxmin()
    files = {name: ledger.extra(fit, name) for name in ("fisher", "fisher_of_batches", "projected")}
    assert {file.name for file in files.values()} == {f"{best}.safetensors"}
    kept = load_file(files["projected"])
    assert {k: v.shape for k, v in kept.items() if k.startswith("a/train")} == {"a/train/margins": (40,), "a/train/gradients": (40, 256)}
    # the margins of dev are those of the predictions at that epoch
    block = fit.blocks["b", "dev"]
    p = np.exp2(block.at(int(best))[np.arange(20), block.gold].astype(float))
    assert kept["b/dev/margins"] == pytest.approx(np.log(p / (1 - p)), abs=1e-3)
    looks = pd.read_parquet(ledger.extra(fit, "looks", "looks.parquet"))
    assert looks["update"].unique().tolist() == [1, 11, 21, 31] and len(looks) == 4 * 2 * 2
    with pytest.raises(InputError, match=r"has no \*\.safetensors of the extra 'fisher'"):
        ledger.extra(plain, "fisher")
    files["fisher"].write_bytes(files["fisher"].read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="is not what was written; remove its folder"):
        ledger.extra(fit, "fisher")


@pytest.mark.parametrize("extra", ["fisher", "projected", "looks"])
def test_an_encoder_that_is_not_trained_has_no_gradients_which_is_told_before_training(
    extra: str, tasks: dict[str, Task], settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cotrain.training.trainer.run", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(InputError, match="this encoder has none: its layers are of another kind, or the study has tuning: heads"):
        train([Group.of(tasks)], tasks, settings(tuning="heads"), [1], tmp_path, Options(workers=1, extras=(extra,)))
    assert not [f for f in tmp_path.iterdir() if f.name != "tracking"]


def test_no_room_for_gradients_is_told_with_what_they_need(
    tasks: dict[str, Task], settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradients, "_free", lambda: 1000.0)
    monkeypatch.setattr("cotrain.training.trainer.run", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(InputError, match=r"a random projection needs 0\.0 GiB"):
        at_base.projections(tasks, settings())
    for extra in ("fisher", "looks", "projected"):
        with pytest.raises(InputError, match=r"needs 0\.0 GiB for gradients, there are 0\.0 GiB; take a smaller encoder"):
            train([Group.of(tasks)], tasks, settings(epochs=1), [1], tmp_path, Options(workers=1, extras=(extra,)))


def test_a_layer_that_reads_what_all_rows_have_in_common_is_refused_by_name() -> None:
    """As the projections of relative positions of DeBERTa are, whose input has one row, or of Longformer, whose rows come second."""
    rows, tokens, width = 8, 4, 16
    for given in ((1, tokens, width), (tokens, rows, width), (rows, tokens + 1, width), (rows, 2, tokens, width)):
        kept = {"encoder.query": [(torch.ones(rows, tokens, width), torch.ones(1)), (torch.ones(given), torch.ones(1))]}
        with pytest.raises(
            InputError, match=r"encoder\.query of this encoder reads what all rows have in common, or has them in another order"
        ):
            gradients._refuse_shared(kept, rows, tokens)
    well = [(torch.ones(rows, tokens, width), torch.ones(1)), (torch.ones(rows, width), torch.ones(1))]
    gradients._refuse_shared({"encoder.query": well}, rows, tokens)


def test_margins_are_those_without_class_weights(tasks: dict[str, Task], settings: Callable[..., Settings], tmp_path: Path) -> None:
    few = tasks["a"].rows[(tasks["a"].rows["label"] != "z") | (tasks["a"].rows.index % 4 == 0)].reset_index(drop=True)
    skewed, how = {"a": Task("a", tasks["a"].labels, few)}, settings(class_weights="balanced")
    [fit] = train([Group.of(["a"])], skewed, how, [1], tmp_path, Options(workers=1, extras=("projected",)))
    file = ledger.extra(fit, "projected")
    block = fit.blocks["a", "dev"]
    p = np.exp2(fit.unweighted("a", block.at(int(file.stem)))[np.arange(len(block.gold)), block.gold].astype(float))
    assert fit.class_weights and load_file(file)["a/dev/margins"] == pytest.approx(np.log(p / (1 - p)), abs=1e-3)


@pytest.mark.parametrize("at", ["at_step", "at_epoch"])
def test_want_of_memory_of_an_extra_is_told_as_its_own_and_the_fit_is_no_failed_one(
    at: str, tasks: dict[str, Task], settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Large(Extra):
        pass

    def fails(self: Large, *_: object) -> None:
        raise MemoryError

    setattr(Large, at, fails)
    monkeypatch.setattr("cotrain.training.worker.choose", lambda *_: Large)
    with pytest.raises(InputError, match="there is no memory for the extra Large beside the fit; train without it"):
        train([Group.of(tasks)], tasks, settings(epochs=1), [1], tmp_path, Options(workers=1, extras=("fisher",)))
    monkeypatch.undo()
    [fit] = train([Group.of(tasks)], tasks, settings(epochs=1), [1], tmp_path, Options(workers=1))
    assert not fit.failed
