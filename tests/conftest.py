"""A small study that has run to its end: an encoder of one layer, four tasks of a few words, a real run folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FINDINGS = ["fever", "cough", "nausea", "rash", "pain", "swelling", "dizziness", "fatigue", "chills", "edema"]
AROUND = [
    "today", "again", "now", "since", "monday", "at", "night", "mild", "severe", "marked", "in", "the", "left", "right", "arm", "leg",
    "chest",
]  # fmt: skip
CUES = {
    ("affirmed", "certain"): ("has", "reports", "with", "shows", "confirmed"),
    ("negated", "certain"): ("denies", "no", "without", "never", "absent"),
    ("affirmed", "uncertain"): ("possible", "maybe", "suspected", "likely", "perhaps"),
    ("negated", "uncertain"): ("unlikely", "doubtful", "hardly", "improbable", "questionable"),
}
COLUMNS = {"negation": ("affirmed", "negated"), "uncertainty": ("certain", "uncertain")}
STUDY = """\
model: encoder
tasks:
  notes: {path: data/notes.csv, labels: [negation, uncertainty], id: id, group: patient}
  reports: {path: data/reports.csv}
  letters: {path: data/letters.csv, delta: 0.02}
splits: {test: 0.25, dev: 0.25}
preset: fast
plan: {select: partition}
training: {learning_rate: 5e-3, epochs: 8, batch_size: 32, max_length: 16, precision: fp32, device: cpu}
metric: accuracy
delta: 0.05
controls: [alone, together]
seeds: [1, 2]
"""


@pytest.fixture(scope="session")
def small_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make the study and run it; return the folder where it was made, and a copy of it that nobody changes."""
    from cotrain import open_study, run
    from cotrain.training.calibrate import Rate

    folder = tmp_path_factory.mktemp("study") / "small"
    _encoder(folder / "encoder", folder / "published")
    _data(folder / "data")
    (folder / "study.yaml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        # to measure the speed takes longer than all the rest
        patch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
        run(open_study(folder / "study.yaml", out=folder / "runs" / "small", workers=1))
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    return folder, kept


@pytest.fixture
def small(small_made: tuple[Path, Path]) -> Path:
    """Return a folder with ``study.yaml``, ``data``, ``encoder`` and the finished run ``runs/small``; a test may change it."""
    folder, kept = small_made
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)  # always to the same place: a run folder remembers where its encoder is
    return folder


def _data(folder: Path) -> None:
    """Write notes with two labels, reports with the first of them, and letters whose label has nothing to do with the text."""
    folder.mkdir()
    random = np.random.default_rng(0)
    notes = _table(random, 480, noise=0.04)
    notes.insert(0, "patient", [f"p{i // 3}" for i in range(len(notes))])
    notes.insert(0, "id", [f"n{i}" for i in range(len(notes))])
    notes.to_csv(folder / "notes.csv", index=False)
    reports = _table(random, 400, noise=0.04).rename(columns={"negation": "label"})
    reports[["text", "label"]].to_csv(folder / "reports.csv", index=False)
    letters = _table(random, 200, noise=0.0)[["text"]]
    letters.assign(label=random.choice(["routine", "urgent"], len(letters))).to_csv(folder / "letters.csv", index=False)


def _table(random: np.random.Generator, n: int, noise: float) -> pd.DataFrame:
    """Return texts in which one word says both labels, and the labels, some of them wrong."""
    lines = []
    for _ in range(n):
        true = list(CUES)[random.integers(len(CUES))]
        words = [*random.choice(AROUND, random.integers(1, 4)), random.choice(CUES[true]), random.choice(FINDINGS)]
        line = {"text": " ".join([*words, *random.choice(AROUND, random.integers(1, 4))])}
        for (column, names), name in zip(COLUMNS.items(), true, strict=True):
            line[column] = name if random.random() >= noise else names[1 - names.index(name)]
        lines.append(line)
    return pd.DataFrame(lines).drop_duplicates("text")


def _encoder(folder: Path, published: Path) -> None:
    """Write a BERT of one layer of width 32 with random weights, that knows the words of the tasks; and with pickle weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = sorted({*FINDINGS, *AROUND, *(word for cues in CUES.values() for word in cues)})
    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
    BertTokenizer(vocab=vocab, model_max_length=32).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocab), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=32, initializer_range=0.05, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        model = BertModel(config)
    model.save_pretrained(folder)
    shutil.copytree(folder, published)
    (published / "model.safetensors").unlink()
    torch.save(model.state_dict(), published / "pytorch_model.bin")
