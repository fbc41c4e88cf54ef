"""The topic ``serving`` of ``bench.py``: predict and serve, on the model of runs/demo (``make demo``).

Ratios of one run: six tasks of two groups to six pipelines, predict to the matrix products of this machine, the service under
64 clients to predict. On a busy machine those of CPU seconds are what to look at, with OMP_NUM_THREADS=1: threads that wait for
each other count as busy.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cotrain import load
from cotrain.serving.export import export
from cotrain.training.models import SharedModel

DEMO = Path(__file__).resolve().parents[1] / "runs" / "demo" / "models"
CLIENTS, LONGEST = 64, 96
ROWS = 384


class Spent(NamedTuple):
    """What something takes: seconds, and CPU seconds of its process."""

    wall: float
    cpu: float

    def times(self, factor: float) -> Spent:
        """Return what so many of it take."""
        return Spent(self.wall * factor, self.cpu * factor)


def groups(folder: Path) -> list[Path]:
    """Write two models of the demo's, each serving three of its six tasks, reading longer texts."""
    found = []
    [demo] = [path for path in DEMO.iterdir() if (path / "cotrain.json").is_file()]
    for number in range(2):
        to = Path(shutil.copytree(demo, folder / f"group{number}"))
        about = json.loads((to / "cotrain.json").read_text())
        tasks = list(about["tasks"])[3 * number : 3 * number + 3]
        (to / "cotrain.json").write_text(json.dumps({**about, "max_length": LONGEST, "group": "+".join(tasks), "serves": tasks}))
        found.append(to)
    return found


def texts(n: int) -> list[str]:
    """Return texts of mixed length: sentences of the demo's notes, as many as a lognormal draw says."""
    import pandas as pd

    sentences = pd.read_csv(DEMO.parent.with_name("demo-corpora") / "notes.csv")["text"].to_numpy()
    random = np.random.default_rng(0)
    counts = np.clip(random.lognormal(1.2, 0.7, n), 1, 20).astype(int)
    return [" ".join(random.choice(sentences, k)) for k in counts]


def predicted(models: list[SharedModel], rows: list[str], at_once: int = ROWS) -> Spent:
    """Return the seconds that all tasks of all rows take, so many rows at once, the better of two."""
    parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
    return min((_spent(lambda: [model.predict(part) for part in parts for model in models]) for _ in range(2)), key=lambda t: t.cpu)


def piped(folders: list[Path], models: list[SharedModel], rows: list[str], to: Path) -> tuple[Spent, int]:
    """Return the seconds that six pipelines take at their best batch size, and that size."""
    from transformers import pipeline

    plain = [export(f, task, to / task) for f, model in zip(folders, models, strict=True) for task in model.serves]
    classify = [pipeline("text-classification", str(path), truncation=True, top_k=None, device="cpu") for path in plain]
    sample = rows[:96]
    best = min((1, 4, 16, 64), key=lambda size: _spent(lambda: classify[0](sample, batch_size=size)).cpu)
    return _spent(lambda: [one(rows, batch_size=best) for one in classify]), best


def multiplied(precision: str) -> Spent:
    """Return the seconds that 10^9 operations take in matrix products of the encoder's shapes, the least of five."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    x, weight = torch.randn(1024, 384).to(kind), torch.randn(1536, 384).to(kind)
    torch.nn.functional.linear(x, weight)
    times = [_spent(lambda: [torch.nn.functional.linear(x, weight) for _ in range(40)]) for _ in range(5)]
    done = 40 * 2 * 1024 * 384 * 1536 / 1e9
    return Spent(min(t.wall for t in times) / done, min(t.cpu for t in times) / done)


def operations(models: list[SharedModel], rows: list[str]) -> float:
    """Return the 10^9 operations of predict that matter: two per weight of the layers and token, padding not counted."""
    done = 0
    for model in models:
        layers = sum(w.numel() for name, w in model.model.classifiers[0].named_parameters() if ".layer." in name and w.dim() == 2)
        done += 2 * layers * sum(len(ids) for ids in model.tokens(rows, truncation=True, max_length=LONGEST)["input_ids"])
    return done / 1e9


class Load(NamedTuple):
    """What many clients saw: what the service took, requests lost, answers that belong to another text, memory before and after in MB."""

    spent: Spent
    lost: int
    mixed: int
    before: float
    after: float


def under_load(folders: list[Path], rows: list[str], expected: np.ndarray, task: str, requests: int) -> Load:
    """Ask the service by 64 clients, one text a request, and compare every answer."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cotrain", "serve", *map(str, folders), "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    try:
        said = next(line for line in process.stderr if "until Ctrl-C" in line)
        port = int(said.rpartition("/ until")[0].rpartition(":")[2])
        silence = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        asyncio.run(_clients(port, rows, expected, task, min(requests, 1000)))
        before = _memory(process.pid)
        began, busy = time.perf_counter(), _cpu(process.pid)
        lost, mixed = asyncio.run(_clients(port, rows, expected, task, requests))
        spent = Spent(time.perf_counter() - began, _cpu(process.pid) - busy)
        after = _memory(process.pid)
    finally:
        process.terminate()
        process.wait()
    silence.wait()
    return Load(spent, lost, mixed, before, after)


async def _clients(port: int, rows: list[str], expected: np.ndarray, task: str, requests: int) -> tuple[int, int]:
    """Return how many requests were lost and how many answers belong to another text."""
    numbers = iter(range(requests))
    lost = mixed = 0

    async def client() -> None:
        nonlocal lost, mixed
        read, write = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            row = number % len(rows)
            body = json.dumps({"texts": [rows[row]]}).encode()
            write.write(
                b"POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            write.write(body)
            try:
                head = await read.readuntil(b"\r\n\r\n")
                length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
                answer: Any = json.loads(await read.readexactly(length))
                found = list(answer["predictions"][0][task]["probs"].values())
            except (OSError, EOFError, KeyError, ValueError):
                lost += 1
            else:
                mixed += bool(np.abs(np.array(found) - expected[row]).max() > 0.02)  # batches of other lengths move bf16 a little
        write.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return lost, mixed


def _memory(process: int) -> float:
    """Return the resident memory of a process in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def _cpu(process: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _spent(work: Any) -> Spent:
    """Return what something takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def main(requests: int = 20_000) -> None:
    """Print as JSON the lines of the topic (what, value, target, unit) and what they are made of."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if not DEMO.is_dir():
        raise SystemExit("the model of runs/demo is not there; first: make demo")
    with tempfile.TemporaryDirectory() as work:
        folders = groups(Path(work))
        models, single = [load(f) for f in folders], [load(f, precision="fp32") for f in folders]
        rows = texts(ROWS)
        fast, exact = predicted(models, rows), predicted(single, rows)
        few = predicted(models, rows, CLIENTS)  # more texts than there are clients are never there at once
        pipelines, size = piped(folders, models, rows, Path(work) / "plain")
        precision, done = models[0].precision, operations(models, rows)
        best, best32 = (multiplied(kind).times(done) for kind in (precision, "fp32"))
        task = models[0].serves[0]
        found = under_load(folders, rows, models[0].predict(rows)[task], task, requests)
    per_row, served = fast.times(1 / ROWS), found.spent.times(1 / requests)
    measured: list[tuple[str, float, float, str]] = [
        line
        for what, of, over, target in (
            (f"predict ({precision}) / six pipelines", fast, pipelines, 1 / 3),
            ("predict (fp32) / six pipelines", exact, pipelines, 1 / 3),
            (f"predict ({precision}) / its matrix products alone", fast, best, 1 / 0.6),
            ("predict (fp32) / its matrix products alone", exact, best32, 1 / 0.6),
            ("service under 64 clients / predict of 64 rows at once", served, few.times(1 / ROWS), 1 / 0.8),
            (f"service under 64 clients / predict of {ROWS} rows at once", served, per_row, 1 / 0.8),
        )
        for line in ((what, of.wall / over.wall, target, ""), (f"{what}, CPU seconds", of.cpu / over.cpu, target, ""))
    ]
    measured += [
        ("requests lost", found.lost, 0, "requests"), ("answers of another text", found.mixed, 0, "requests"),
        ("memory of the service after / before", found.after / found.before, 1.05, ""),
    ]  # fmt: skip
    text = (
        f"Seconds of one over those of the other. Six tasks in two groups of the demo's model, {ROWS} rows of up to {LONGEST} tokens. Rows "
        f"per CPU second: predict {ROWS / fast.cpu:.0f} ({precision}) and {ROWS / exact.cpu:.0f} (fp32); six pipelines in float32, at "
        f"their best batch size of {size}, {ROWS / pipelines.cpu:.0f}; the service {1 / served.cpu:.0f}, {requests:,} requests with one "
        f"text each. Its memory: {found.before:.0f}, then {found.after:.0f} MB."
    )
    print(json.dumps([measured, text]))


if __name__ == "__main__":
    main()
