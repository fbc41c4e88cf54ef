"""Classifiers that are trained already: their PVI is that of the fit they come from, and strangers are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.cli.models import export
from cotrain.errors import InputError
from cotrain.pvi.pvi import prior
from cotrain.pvi.trained import score_trained
from cotrain.tasks.task import Task
from cotrain.training.group import Group
from cotrain.training.model import quiet
from cotrain.training.models import write
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train

SETTINGS = Settings("", max_length=16, precision="fp32", device="cpu")
WORDS = ("denies", "has", "maybe", "no", "chills", "edema")
LABELS = {"negation": ("affirmed", "negated"), "uncertainty": ("certain", "uncertain")}
Classifier = Callable[..., str]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a BERT of one layer with random weights and a vocabulary of a few words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    BertTokenizer(vocab=vocab, model_max_length=32).save_pretrained(folder)
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(vocab_size=len(vocab), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                            max_position_embeddings=32)  # fmt: skip
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def tasks() -> dict[str, Task]:
    """Return two tasks whose training labels are 3 to 1; one text of train is scored too."""
    texts = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS][:80]
    found = {}
    for name, labels in LABELS.items():
        rows = pd.DataFrame({
            "row": [f"r{i}" for i in range(80)], "split": ["train"] * 40 + ["dev"] * 20 + ["test"] * 20, "text": texts, "pair": "",
            "label": [labels[i % 4 == 0] for i in range(80)], "cluster": [f"p{i // 2}" for i in range(80)],
        })  # fmt: skip
        rows.loc[59, "text"] = rows.loc[0, "text"]
        found[name] = Task(name, labels, rows, source="notes", facts={"cut_dev": 20} if name == "negation" else {})
    return found


@pytest.fixture
def classifier(encoder: Path, tmp_path: Path) -> Classifier:
    """Write a classifier with the encoder and a head drawn at random, always the same."""

    def make(name: str, labels: tuple[str, ...], **config: Any) -> str:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        with quiet(), torch.random.fork_rng():
            torch.manual_seed(1)
            model = AutoModelForSequenceClassification.from_pretrained(encoder, id2label=dict(enumerate(labels)), **config)
            model.save_pretrained(tmp_path / name)
        AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path / name)
        return str(tmp_path / name)

    return make


def test_an_exported_model_has_the_pvi_of_its_fit(tasks: dict[str, Task], encoder: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, model=str(encoder), epochs=3, learning_rate=1e-2)
    group = Group.of(tasks)
    [fit] = train([group], tasks, settings, [5], tmp_path / "fits", Options(workers=1, extras=("weights",)))
    epoch = int(fit.blocks["negation", "test"].epochs[0])
    model = write(fit, epoch, tasks, settings, tmp_path / "model")
    for task in tasks:
        export(model, task, tmp_path / task)
    table = score_trained(tasks, {task: str(tmp_path / task) for task in tasks}, SETTINGS).table
    for task in tasks:
        block, part = fit.blocks[task, "dev"], table[table["task"] == task]
        log2_p = block.at(epoch)[np.arange(20), block.gold]
        assert part["row"].tolist() == block.rows.tolist()
        assert part["pvi_bits"].to_numpy() == pytest.approx(log2_p - prior(fit.train_counts[task])[block.gold], abs=1e-4)
    assert np.ptp(table["pvi_bits"]) > 0.5, "a model that says the same of every row would pass whatever is read"
    assert set(table["estimator"]) == {"trained"} and set(table["epoch"]) == {-1} and set(table["source"]) == {"notes"}


def test_pvi_is_that_of_transformers_against_the_label_frequencies(tasks: dict[str, Task], classifier: Classifier) -> None:
    from transformers import pipeline

    models = {name: classifier(name, task.labels) for name, task in tasks.items()}
    table = score_trained(tasks, models, SETTINGS).table
    for name, task in tasks.items():
        dev = task.split("dev")
        classify = pipeline("text-classification", models[name], top_k=None)
        p = [{each["label"]: each["score"] for each in found} for found in classify(dev["text"].tolist())]
        frequency = dict(zip(task.labels, (30 / 40, 10 / 40), strict=True))
        expected = [np.log2(line[label] / frequency[label]) for line, label in zip(p, dev["label"], strict=True)]
        assert table.loc[table["task"] == name, "pvi_bits"].to_numpy() == pytest.approx(expected, abs=1e-4)


def test_labels_in_another_order_are_the_same_labels(tasks: dict[str, Task], classifier: Classifier) -> None:
    one = {"negation": tasks["negation"]}
    straight = score_trained(one, {"negation": classifier("n", ("affirmed", "negated"))}, SETTINGS).table
    turned = score_trained(one, {"negation": classifier("m", ("negated", "affirmed"))}, SETTINGS).table
    # one head, its outputs named the other way round: probabilities of the true label add up to 1
    added = 2 ** straight["log2_p_x"].to_numpy() + 2 ** turned["log2_p_x"].to_numpy()
    assert added == pytest.approx(np.ones(20), abs=1e-5)


def test_numbered_labels_are_taken_in_order_and_said(tasks: dict[str, Task], classifier: Classifier) -> None:
    one = {"negation": tasks["negation"]}
    named = score_trained(one, {"negation": classifier("n", ("affirmed", "negated"))}, SETTINGS)
    numbered = score_trained(one, {"negation": classifier("m", ("LABEL_0", "LABEL_1"))}, SETTINGS)
    pd.testing.assert_frame_equal(named.table, numbered.table)
    assert [note for note in numbered.notes if note not in named.notes] == [
        "negation: the labels of the model are numbers; they are taken to stand in the order of the task's."
    ]


def test_what_speaks_against_held_out_rows_is_counted(tasks: dict[str, Task], classifier: Classifier) -> None:
    notes = score_trained(tasks, {name: classifier(name, task.labels) for name, task in tasks.items()}, SETTINGS).notes
    assert "negation: 1 of the 20 texts scored stand in its training rows too." in notes
    assert any(note.startswith("negation: the rows scored were cut from train by this study") for note in notes)
    assert any("taken on trust" in note for note in notes)


@pytest.mark.parametrize(("change", "differ"), [({}, False), ({"num_hidden_layers": 2}, True), ({"seed": 7}, True)])
def test_encoders_that_differ_are_said(tasks: dict[str, Task], classifier: Classifier, change: dict[str, int], differ: bool) -> None:
    """The same encoder with two heads, another architecture, or the same architecture with other weights."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    models = {name: classifier(name, task.labels) for name, task in tasks.items()}
    for name, more in (("negation", {}), ("uncertainty", dict(change))):
        with torch.random.fork_rng():
            torch.manual_seed(more.pop("seed", 0))
            config = AutoConfig.from_pretrained(models[name], vocab_size=1500, **more)
            AutoModelForSequenceClassification.from_config(config).save_pretrained(models[name])
    notes = score_trained(tasks, models, SETTINGS).notes
    assert any("encoders differ: uncertainty from that of negation" in note for note in notes) is differ


def test_every_fault_is_told_before_anything_is_scored(tasks: dict[str, Task], classifier: Classifier, tmp_path: Path) -> None:
    three = {**tasks, "third": tasks["negation"], "fourth": tasks["negation"], "fifth": tasks["negation"], "sixth": tasks["negation"]}
    pickled = Path(classifier("pickled", LABELS["negation"]))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    bare = Path(shutil.copytree(classifier("bare", LABELS["negation"]), tmp_path / "gone"))
    (bare / "model.safetensors").unlink()
    models = {
        "negation": classifier("other", ("yes", "no")), "third": str(pickled), "fourth": str(bare), "negations": str(pickled),
        "fifth": classifier("three", ("LABEL_0", "LABEL_1", "LABEL_2")),
        "sixth": classifier("many", LABELS["negation"], problem_type="multi_label_classification"),
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        score_trained(three, models, SETTINGS)
    words = [
        "unknown task 'negations'. Did you mean 'negation'?", "found none for uncertainty",
        "should be those of the task, affirmed, negated; found yes, no", "cotrain convert", "there should be weights",
        "found LABEL_0, LABEL_1, LABEL_2", "multi_label_classification",
    ]  # fmt: skip
    assert [word for word in words if not any(word in fault for fault in caught.value.faults)] == []
    assert len(caught.value.faults) == len(words)


def test_an_encoder_without_a_head_is_no_classifier(tasks: dict[str, Task], encoder: Path) -> None:
    with pytest.raises(InputError, match=r"lack classifier\.bias, classifier\.weight.*encoder alone"):
        score_trained({"negation": tasks["negation"]}, {"negation": str(encoder)}, SETTINGS)


def test_how_far_it_is_is_told(tasks: dict[str, Task], classifier: Classifier) -> None:
    told: list[tuple[int, int]] = []
    models = {name: classifier(name, task.labels) for name, task in tasks.items()}
    score_trained(tasks, models, SETTINGS, tell=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
