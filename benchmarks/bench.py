"""Speed and memory, measured: ``python benchmarks/bench.py [TOPIC]...``; all of them by default.

Topics: start, memory, notes, relations, verbs, nulls, limit, gradients, recipe, incumbent, demo, serving. ``recipe`` and ``incumbent``
read real data, laid out as for ``experiments/general9``, from the folder that the variable DATA names (``make bench DATA=...``).

Prints one Markdown table per topic; a ratio above 1 misses its target. Measured is wall clock, so a busy machine makes it
worse; CPU seconds beside it hardly change. Where it says "best of", the least of several is taken. Targets are for two cores.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
COTRAIN = [sys.executable, "-m", "cotrain"]
GIB = 2**30


class Failed(Exception):
    """A measured command failed."""


class Left(Exception):
    """A topic cannot be measured here."""


class Line(NamedTuple):
    """One measurement: what, value and target in the unit (None: no target), CPU seconds of user and system."""

    what: str
    value: float
    target: float | None
    unit: str
    cpu: float | None = None


class Spent(NamedTuple):
    """Seconds of a command: on the wall, and of all its processors."""

    wall: float
    cpu: float


def start() -> tuple[list[Line], str]:
    """Import and help, in fresh processes."""
    heavy = ["torch", "transformers", "pandas", "scipy", "pyarrow"]
    code = f"import json, sys, cotrain; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    loaded = json.loads(_output([sys.executable, "-c", code]))
    lines = [
        _line("python alone", min(_spent([sys.executable, "-c", "pass"]) for _ in range(5)), None),
        _line("import cotrain", min(_spent([sys.executable, "-c", "import cotrain"]) for _ in range(5)), 0.3),
        _line("cotrain --help", min(_spent([*COTRAIN, "--help"]) for _ in range(5)), 0.5),
        Line("heavy libraries after import cotrain", len(loaded), 0, "libraries"),
    ]
    return lines, f"Whole processes, best of five. Loaded by the import: {', '.join(loaded) or 'nothing heavy'}."


def memory() -> tuple[list[Line], str]:
    """Read a task of a million rows in a child process, and ask that process for its peak."""
    rows = 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "million.jsonl"
        with file.open("w", encoding="utf-8") as lines:
            for i in range(rows):
                text = f"Row {i} says that finding {i % 977} was {'not ' if i % 3 else ''}seen in report {i // 7} on day {i % 365}."
                lines.write(json.dumps({"text": text, "label": "absent" if i % 3 else "present"}) + "\n")
        code = (
            "import json, resource, time; from cotrain.tasks.load import load; from cotrain.tasks.source import Cut, Source\n"
            f"began = time.process_time(); tasks = load([Source('million', path={str(file)!r})], Cut())\n"
            "spent, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "print(json.dumps([len(tasks['million'].rows), spent, peak]))"
        )
        kept, seconds, peak = json.loads(_output([sys.executable, "-c", code]))
        size = file.stat().st_size / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    lines = [Line("peak memory", peak * unit / GIB, 2, "GiB"), Line("CPU time", seconds, None, "s")]
    return lines, f"jsonl, {rows:,} rows, {size:.0f} MB, read, cut and kept ({kept:,}): peak resident memory of the process."


def notes() -> tuple[list[Line], str]:
    """Read ten thousand notes of either annotated format, and as many rows of cnlpt, in child processes, asked for time and peak."""
    from cotrain.demo.layouts import Mention, anafora, cnlpt, knowtator

    code = (
        "import json, resource, sys, time; from cotrain.tasks.load import load; from cotrain.tasks.source import Cut, Source\n"
        "name, path, *labels = sys.argv[1:]; source = Source('t', format=name, path=path, labels=tuple(labels), split_by='none')\n"
        "began = time.process_time(); tasks = load([source], Cut())\n"
        "spent, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(json.dumps([sum(len(task.rows) for task in tasks.values()), spent, peak]))"
    )
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(10_000):
            sentences = [f"Row {k} of note {i} says that finding {k * i % 977} was seen on day {k}.\r\n" for k in range(50)]
            begins = [sum(map(len, sentences[:k])) for k in range(0, 50, 5)]
            text = "".join(sentences)
            events = [{"Polarity": ("POS", "NEG")[b % 2], "ContextualModality": ("ACTUAL", "HEDGED")[b % 3 == 0]} for b in begins]
            signs = [({"negation": ""}, {"uncertainty": "indicator_present"}, {})[b % 3] for b in begins]
            anafora(
                Path(folder, "thyme"),
                f"ID{i // 10:03d}_clinic_{i % 10:03d}",
                text,
                [Mention([(b, b + 5)], v) for b, v in zip(begins, events, strict=True)],
            )
            knowtator(
                Path(folder, "sharp"),
                f"note{i}",
                text,
                [Mention([(b, b + 5)], v, "Lab") for b, v in zip(begins, signs, strict=True)],
                1 + i % 18,
            )
        found = [
            {
                "text": f"row {i} has <e> finding {i % 977} </e> on day {i % 50}",
                "Negation": ("1", "-1")[i % 2],
                "dtr": str(i % 3),
            }
            for i in range(100_000)
        ]
        cnlpt(Path(folder, "consults", "train.tsv"), found)
        for name, path, *labels in (
            ("anafora", "thyme", "negation", "modality"), ("knowtator", "sharp", "negation", "uncertainty"),
            ("cnlpt", "consults", "Negation", "dtr"),
        ):  # fmt: skip
            rows, seconds, peak = json.loads(_output([sys.executable, "-c", code, name, str(Path(folder, path)), *labels]))
            lines += [Line(f"{name}: {rows:,} rows of two tasks", seconds, 60, "s", seconds)]
            lines += [Line(f"{name}: peak memory", peak * (1 if sys.platform == "darwin" else 1024) / GIB, 2, "GiB")]
    return lines, "10,000 notes with ten entities each, or 100,000 rows, read, cut and kept; CPU seconds, and peak memory of the process."


def relations() -> tuple[list[Line], str]:
    """Relate and group many tasks in child processes, and ask these for their time and peak."""
    lines = []
    for what, words, tasks, rows, most in (
        ("listing", "all pairs and all 32,752 sets", 15, 19_240, 1.0), ("bootstrap", "1,000 resamples", 15, 19_240, 10.0),
        ("partition", "relate and partition", 10, 1_000, None), ("partition", "relate and partition", 100, 1_000, None),
        ("partition", "relate and partition", 1_000, 1_000, 20.0),
    ):  # fmt: skip
        spent = json.loads(_output([sys.executable, str(HERE / "relations.py"), what, str(tasks), str(rows)]))
        lines.append(Line(f"{words}, {tasks:,} tasks × {rows:,} rows", spent["wall"], most, "s", spent["cpu"]))
        if tasks == 1_000:
            lines.append(Line("its peak memory", spent["peak"] / GIB, 1.0, "GiB"))
    return lines, "Made-up scores, one seed, every row its own cluster; imports and reading are not in it."


def verbs() -> tuple[list[Line], str]:
    """Time the verbs that do not train, as commands, on a copy of runs/general9 or on a drawn study of its size."""
    with _study() as (run, what):
        lines = [
            _line(f"cotrain {' '.join(command)}", _spent([*COTRAIN, command[0], str(run), *command[1:]]), target)
            for command, target in (
                (["relate"], 3), (["group"], 3), (["group", "--rule", "not_different", "--alpha", "0.01", "--select", "max_abs_t"], 3),
                (["compare"], 3), (["report"], 10),
            )
        ]  # fmt: skip
    return lines, f"Whole commands, once each, imports included, on {what}."


@contextmanager
def _study() -> Iterator[tuple[Path, str]]:
    """Yield a run folder that may be changed, and what it is."""
    there = Path("runs/general9")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "general9"
        if (there / "comparison.parquet").is_file():
            shutil.copytree(there, run, ignore=shutil.ignore_patterns("models", "report"))
            yield run, "a copy of runs/general9"
        else:
            sys.path.insert(0, str(HERE))
            from generated import generate

            study = generate(run)
            yield run, f"a drawn study of the size of general9 ({len(study.index)} fits, 5 seeds)"


def nulls() -> tuple[list[Line], str]:
    """Compare the fits of blank inputs with those of real ones, at preset paper with two epochs and few rows."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from null_models import main; main()"
    seconds = json.loads(_output([sys.executable, "-c", code, str(HERE)]).splitlines()[-1])
    lines = [Line(f"{task}: null / fit", null / real, None, "") for task, (null, real) in seconds.items()]
    total = sum(null for null, _ in seconds.values()) / sum(real for _, real in seconds.values())
    lines.append(Line("all nine together", total, 0.15, ""))
    text = ("CPU seconds of the null model's fit over those of the task alone, training and scoring, one thread. Texts as long as those "
            "of the nine tasks in the mean, 96 training rows, 24 of dev and of test, two epochs of the ten: more rows and epochs lengthen "
            "both alike.")  # fmt: skip
    return lines, text


def demo() -> tuple[list[Line], str]:
    """Run the demo twice in a new folder; memory is that of all its processes together."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*COTRAIN, "demo", "--out", str(Path(folder) / "demo")]
        first, peak = _watched(command)
        second = _spent(command)
    lines = [_line("first run", first, 300), Line("peak memory", peak / GIB, 3, "GiB"), _line("second run", second, 15)]
    how = "proportional set size of all its processes together, five times a second" if Path("/proc").is_dir() else "not measured here"
    return lines, f"Whole command without installation. Memory: {how}."


def limit() -> tuple[list[Line], str]:
    """Compare training with matrix products, and many small fits with a process for each."""
    return _told("limit.py")


def recipe() -> tuple[list[Line], str]:
    """Compare the nomination of groups with the published recipe of PVI."""
    return _told("recipe.py", _data())


def gradients() -> tuple[list[Line], str]:
    """Compare gradients of rows with a training step."""
    return _told("gradients.py")


def incumbent() -> tuple[list[Line], str]:
    """Compare an epoch with one of cnlp-transformers."""
    return _told("incumbent.py", _data())


def serving() -> tuple[list[Line], str]:
    """Compare predict with pipelines and with matrix products, and the service with predict."""
    return _told("serving.py")


def _told(file: str, *words: str) -> tuple[list[Line], str]:
    """Return what a program beside this one measured: the JSON of its last line."""
    lines, text = json.loads(_output([sys.executable, str(HERE / file), *words]).splitlines()[-1])
    return [Line(*line) for line in lines], text


def _data() -> str:
    """Return the folder of real data."""
    if not (found := os.environ.get("DATA")):
        raise Left("it reads real data: make bench DATA=FOLDER")
    return found


TOPICS: dict[str, Callable[[], tuple[list[Line], str]]] = {
    "start": start, "memory": memory, "notes": notes, "relations": relations, "verbs": verbs, "nulls": nulls, "limit": limit,
    "gradients": gradients, "recipe": recipe, "incumbent": incumbent, "demo": demo, "serving": serving,
}  # fmt: skip


def _line(what: str, spent: Spent, target: float | None) -> Line:
    """Return the line of a command."""
    return Line(what, spent.wall, target, "s", spent.cpu)


def _output(command: list[str]) -> str:
    """Return what a command prints; what it says to people is kept back unless it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command[:4])} … ended with exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _spent(command: list[str]) -> Spent:
    """Return what a command takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _output(command)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _watched(command: list[str]) -> tuple[Spent, float]:
    """Return what a command takes, and the peak bytes of it and its descendants (nan without /proc)."""
    peak, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.2):
            peak = max(peak, sum(map(_held, _tree(os.getpid())[1:])))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return _spent(command), peak or float("nan")
    finally:
        over.set()
        watcher.join()


def _tree(root: int) -> list[int]:
    """Return a process and its descendants, by the parents in /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it is over
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, waiting = [], [root]
    while waiting:
        found.append(process := waiting.pop())
        waiting += parents.get(process, [])
    return found


def _held(process: int) -> int:
    """Return the proportional set size of a process in bytes: shared pages count once over all processes."""
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it has ended since it was listed, and holds nothing
        return 0
    return 0


def machine() -> str:
    """Return the machine in words."""
    model = platform.processor() or platform.machine()
    if (file := Path("/proc/cpuinfo")).is_file():
        model = next((line.partition(":")[2].strip() for line in file.read_text().splitlines() if line.startswith("model name")), model)
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "pandas"))
    return f"{model}, {os.cpu_count()} cores{load}; Python {platform.python_version()}, {libraries}."


def table(lines: list[Line]) -> str:
    """Return measurements as Markdown."""
    rows = ["| what | measured | target | ratio | CPU |", "| --- | ---: | ---: | ---: | ---: |"]
    for line in lines:
        digits = 0 if line.unit == "libraries" else 3 if line.value < 1 else 1
        target = f"{line.target:g} {line.unit}".strip() if line.target is not None else "–"
        ratio = f"{line.value / line.target:.2f}" if line.target else "–"
        cpu = f"{line.cpu:.1f} s" if line.cpu is not None else "–"
        rows.append(f"| {line.what} | {line.value:.{digits}f} {line.unit} | {target} | {ratio} | {cpu} |")
    return "\n".join(rows)


def main(names: list[str]) -> None:
    """Measure the topics named; one that fails says so and the others go on."""
    if strangers := [name for name in names if name not in TOPICS]:
        raise SystemExit(f"unknown topic {', '.join(strangers)}. Known: {', '.join(TOPICS)}")
    print(f"{machine()}\n", flush=True)
    failed = False
    for name in names or TOPICS:
        began = time.perf_counter()
        print(f"## {name}\n", flush=True)
        try:
            lines, text = TOPICS[name]()
        except (Failed, Left) as error:
            failed |= isinstance(error, Failed)
            print(f"Not measured: {error}\n", flush=True)
            continue
        print(f"{table(lines)}\n\n{text} ({time.perf_counter() - began:.0f} s)\n", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
