"""The probe: a logistic regression on features of an encoder that nobody trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from cotrain.pvi import ESTIMATORS
from cotrain.pvi.basis import Basis
from cotrain.pvi.folds import deal
from cotrain.pvi.probe import STRENGTHS, log2_p, probe, strength
from cotrain.pvi.scores import COLUMNS
from cotrain.tasks.task import Task
from cotrain.training.settings import Settings

WORDS = ("fever", "cough", "rash", "pain", "denies", "reports")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer with random weights that knows six words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    BertTokenizer(vocab=vocab, model_max_length=16).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocab), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=16, initializer_range=0.5,
        )  # fmt: skip
        BertModel(config).save_pretrained(folder)
    return folder


def task(name: str, n: int = 240, noise: float = 0.0, source: str = "", seed: int = 0) -> Task:
    """A task whose label is whether the finding is denied, wrong for a share of the rows."""
    random = np.random.default_rng(seed)
    denied = random.random(n) < 0.5
    text = [f"{'denies' if no else 'reports'} {' '.join(random.choice(WORDS[:4], random.integers(1, 5)))}" for no in denied]
    label = np.where(denied ^ (random.random(n) < noise), "negated", "affirmed")
    rows = pd.DataFrame({
        "row": [f"{source or name}:{i}" for i in range(n)], "split": np.repeat(["train", "dev", "test"], n // 3), "text": text, "pair": "",
        "label": label, "cluster": [f"c{i}" for i in range(n)],
    })  # fmt: skip
    return Task(name, ("affirmed", "negated"), rows, source=source)


def basis(encoder: Path, *tasks: Task, **more: str) -> Basis:
    settings = Settings(str(encoder), max_length=16, precision="fp32", device="cpu")
    return Basis({one.name: one for one in tasks}, settings, lambda groups, of: [], **more)  # type: ignore[arg-type]


def test_a_cue_that_the_frozen_encoder_shows_is_learned_and_labels_by_chance_are_not(encoder: Path) -> None:
    scores = probe(basis(encoder, task("cue"), task("chance", noise=0.5, seed=1)))
    lines = scores.tasks.set_index("task")
    assert lines["state"].to_dict() == {"cue": "ok", "chance": "not_learned"}
    assert lines.loc["cue", "v_bits"] > 0.25 > 0.05 > lines.loc["chance", "v_bits"]


def test_the_table_is_that_of_every_estimator(encoder: Path) -> None:
    one = task("cue", source="notes")
    scores = probe(basis(encoder, one))
    assert tuple(scores.table.columns) == COLUMNS
    for column, value in {"estimator": "probe", "null": "prior", "epoch": -1, "seed": 0, "split": "dev", "source": "notes"}.items():
        assert (scores.table[column] == value).all()
    assert scores.table[["row", "gold", "cluster"]].equals(one.split("dev")[["row", "label", "cluster"]].rename(columns={"label": "gold"}))
    assert len(scores.by_epoch) == 0 and len(scores.notes) == 1
    assert probe(basis(encoder, one, split="test")).table["row"].tolist() == one.split("test")["row"].tolist()


def test_the_same_rows_give_the_same_numbers_whatever_else_is_scored(encoder: Path) -> None:
    one, other = task("cue"), task("other", seed=3)
    bits = [probe(basis(encoder, *tasks)).table.query("task == 'cue'")["pvi_bits"].to_numpy() for tasks in ((one,), (other, one))]
    np.testing.assert_array_equal(*bits)


def test_rows_that_are_scored_are_not_learned_from(encoder: Path) -> None:
    """Other labels of dev change its PVI, never what the probe predicts there."""
    one = task("cue")
    turned = one.rows.assign(label=np.where(one.rows["split"] == "dev", "negated", one.rows["label"]))
    before, after = (probe(basis(encoder, Task("cue", one.labels, rows))).table for rows in (one.rows, turned))
    assert before["guess"].tolist() == after["guess"].tolist() and before["pvi_bits"].tolist() != after["pvi_bits"].tolist()


def test_texts_of_one_source_are_encoded_once(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cotrain.training.features import Encoder

    sizes = []
    whole = Encoder.features
    monkeypatch.setattr(Encoder, "features", lambda self, rows: sizes.append(len(rows)) or whole(self, rows))
    a, b, c = task("a", source="notes"), task("b", source="notes"), task("c", seed=2)
    probe(basis(encoder, a, b, c))
    texts = {name: set(one.rows.loc[one.rows["split"] != "test", "text"]) for name, one in (("a", a), ("c", c))}
    assert sizes == [len(texts["a"]), len(texts["c"])]


def test_features_are_the_mean_over_the_tokens_of_the_last_layer(encoder: Path) -> None:
    """Against the encoder itself, row by row and without padding."""
    import torch
    from transformers import AutoTokenizer, BertModel

    from cotrain.training.features import Encoder
    from cotrain.training.train import effective

    tokens = AutoTokenizer.from_pretrained(encoder)
    texts = ["fever", "denies pain rash cough fever", "reports cough"]
    rows = [dict(tokens(text)) for text in texts]
    found = Encoder(encoder, tokens, effective(Settings(str(encoder), precision="fp32", device="cpu"))).features(rows)
    model = BertModel.from_pretrained(encoder).eval()
    with torch.no_grad():
        for text, row in zip(texts, found, strict=True):
            last = model(**tokens(text, return_tensors="pt")).last_hidden_state[0]
            np.testing.assert_allclose(row, last.mean(dim=0).numpy(), atol=1e-5)


@pytest.mark.parametrize("labels", [2, 3])
def test_probabilities_are_those_of_scikit_learn(labels: int) -> None:
    random = np.random.default_rng(labels)
    x, held_out, y = random.normal(size=(90, 5)), random.normal(size=(40, 5)), random.integers(0, labels, 90)
    scaler = StandardScaler().fit(x)
    expected = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(x), y).predict_proba(scaler.transform(held_out))
    np.testing.assert_allclose(np.exp2(log2_p(x, y, held_out, labels, 0.1)), expected, atol=1e-9)


def test_a_label_that_train_lacks_has_probability_0() -> None:
    random = np.random.default_rng(0)
    found = log2_p(random.normal(size=(20, 2)), np.tile([0, 2], 10), random.normal(size=(3, 2)), 3, 1.0)
    assert np.isneginf(found[:, 1]).all()
    np.testing.assert_allclose(np.exp2(found).sum(axis=1), 1)


def test_the_strength_is_the_best_on_folds_of_train() -> None:
    random = np.random.default_rng(1)
    for signal in (0.0, 1.5):
        x, y = random.normal(size=(150, 30)), random.integers(0, 2, 150)
        x[:, 0] += signal * (2 * y - 1)
        clusters = [f"c{i // 2:03d}" for i in range(150)]
        fold, losses = deal(clusters, y.tolist(), 3), []
        for c in STRENGTHS:
            parts = [(y[fold == k], np.exp2(log2_p(x[fold != k], y[fold != k], x[fold == k], 2, c))) for k in range(3)]
            losses.append(log_loss(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])))
        assert strength(x, y, clusters) == STRENGTHS[int(np.argmin(losses))]
    assert strength(random.normal(size=(150, 30)), random.integers(0, 2, 150), clusters) < strength(x, y, clusters)


def test_few_rows_have_a_strength_too() -> None:
    assert strength(np.eye(3), np.array([0, 0, 1]), ["a", "b", "c"]) in STRENGTHS


def test_estimators_are_listed_by_name() -> None:
    from cotrain.choose import choose

    assert {name: choose("estimator", name, ESTIMATORS).__name__ for name in ESTIMATORS} == {name: name for name in ESTIMATORS}
