"""A small study on disk, and a run folder of it with made-up scores: enough for every verb that trains nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cotrain.cli import main
from cotrain.evaluation.comparison import CANDIDATE_COLUMNS, COLUMNS, Comparison
from cotrain.grouping.plan import Plan, Serving
from cotrain.pvi.scores import Scores
from cotrain.study.open import open_study
from cotrain.study.study import Study
from cotrain.training.fit import Fit
from cotrain.training.group import Group

SEEDS = (42, 52)
BITS = {"apple": 0.9, "birch": 0.85, "cedar": 0.3, "daisy": 0.0}


class Said(NamedTuple):
    """What a command left: its exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Cotrain = Callable[..., Said]


@pytest.fixture
def cotrain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cotrain:
    """Run the command in this process."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["cotrain", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        code = left.value.code
        return Said(code if isinstance(code, int) else 0 if code is None else 1, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a study file of four tasks with 60 rows each, and a run folder of it that is scored."""
    folder = tmp_path_factory.mktemp("made")
    random = np.random.default_rng(3)
    lines = [f"seeds: [{', '.join(map(str, SEEDS))}]", "model: nowhere", "tasks:"]
    for task in BITS:
        table = pd.DataFrame({"text": [f"{task} row {i}" for i in range(60)], "label": random.choice(["no", "yes"], 60)})
        table.to_csv(folder / f"{task}.csv", index=False)
        lines.append(f"  {task}: {{path: {task}.csv, text: text, label: label}}")
    path = folder / "trees.yaml"
    path.write_text("\n".join(lines) + "\n")
    found = open_study(path, out=folder / "run")
    found.save_spec()
    found.save_placement(placement())
    found.save_scores(scores(), "pvi")
    return folder


@pytest.fixture
def study_file(made: Path, tmp_path: Path) -> Path:
    """Return a study file of four tasks with 60 rows each."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run"))
    return tmp_path / "trees.yaml"


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    """Return a study whose rows are placed and scored; nothing was trained for it."""
    shutil.copytree(made / "run", tmp_path / "run")
    return open_study(tmp_path / "run")


def placement() -> pd.DataFrame:
    splits = np.repeat(["train", "dev", "test"], [60, 40, 40])
    parts = [
        pd.DataFrame({
            "task": task, "row": [f"{task}:{i}" for i in range(140)], "split": splits, "cluster": [f"{task}-{i}" for i in range(140)],
            "label": np.where(np.arange(140) % 3 == 0, "yes", "no"), "source": task,
        })
        for task in BITS
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def scores() -> Scores:
    random, rows, tables, facts = np.random.default_rng(5), placement(), [], []
    for task, bits in BITS.items():
        dev = rows[(rows["task"] == task) & (rows["split"] == "dev")]
        of_row = random.normal(bits, 0.3, len(dev))
        of_row += bits - of_row.mean()
        for seed in SEEDS:
            noise = random.normal(0, 0.02, len(dev))
            values = of_row + noise - noise.mean()
            tables.append(dev[["task", "row", "split", "cluster", "source"]].assign(
                seed=seed, estimator="finetune", null="prior", epoch=2, log2_p_x=values - 1, log2_p_null=-1.0, pvi_bits=values,
                gold=dev["label"], guess=dev["label"],
            ))  # fmt: skip
        learned = bits > 0.1
        facts.append({
            "task": task, "labels": 2, "n_train": 60, "entropy_bits": 0.92, "state": "ok" if learned else "not_learned",
            "state_reason": "" if learned else "its 95 % interval reaches −.01", "collapsed_seeds": "", "failed_seeds": "",
            "null_gap_bits": float("nan"),
        })  # fmt: skip
    epochs = pd.DataFrame(
        [(t, s, e, "dev", b, 1 - b, 0.8) for t, b in BITS.items() for s in SEEDS for e in (1, 2)],
        columns=["task", "seed", "epoch", "split", "v_information_bits", "nll_bits", "accuracy"],
    )
    return Scores(pd.concat(tables, ignore_index=True), pd.DataFrame(facts), epochs)


def plan(name: str, kind: str, *groups: str, why: tuple[str, ...] = ()) -> Plan:
    return Plan(name, kind, tuple(Serving(Group.parse(g), Group.parse(g).tasks) for g in groups), why=why)  # type: ignore[arg-type]


@pytest.fixture
def compared() -> Comparison:
    """Return a comparison of the plan {apple, birch} with the tasks alone."""
    every = [plan("pvi", "nominated", "apple+birch", "cedar", "daisy"), plan("alone", "control", *BITS)]
    best = plan("recommended", "recommended", "apple+birch", "cedar", "daisy", why=("fewest models that pass on dev",))
    lines = []
    for each in [*every, best]:
        for serving in each.servings:
            for task in serving.serves:
                for split in ("dev", "test"):
                    shared = len(serving.group.tasks) > 1
                    gap = 0.01 if shared else 0.0
                    line = dict.fromkeys(COLUMNS, float("nan"))
                    lines.append(line | {
                        "plan": each.name, "kind": each.kind, "task": task, "served_by": serving.group.name, "split": split,
                        "metric": "macro_f1", "primary": True, "n": 40, "clusters": 40, "rarest_class": 13, "seeds": 2,
                        "failed_seeds": 0, "collapsed_seeds": 0, "value": 0.8 + gap, "alone": 0.8, "difference": gap,
                        "low95": gap - 0.01 * shared, "high95": gap + 0.01 * shared, "delta": 0.02, "p_loss": 0.01,
                        "verdict": "equivalent" if shared else "alone",
                    })  # fmt: skip
    candidates = pd.DataFrame(
        [("apple+birch", ("apple", "birch"), 2, True, "", 0.01, 0.0, 0.02, 0.5, "birch", 0.01, np.nan)], columns=list(CANDIDATE_COLUMNS)
    )
    notes = {"undecided": (), "claims": (), "best_control": "", "needed_rows": float("nan"), "distrust": ()}
    return Comparison(pd.DataFrame(lines, columns=list(COLUMNS)), candidates, best, notes)


def fit(group: str, seed: int, failed: str = "") -> Fit:
    """Return a fit without predictions."""
    cost = {"seconds": 30.0, "updates": 100.0, "tokens": 1e5, "parameters": 22e6}
    return Fit(f"{group}-{seed}", Group.parse(group), seed, {}, {}, {}, pd.DataFrame(), cost, failed=failed)


@pytest.fixture
def fits() -> Callable[[str], list[Fit]]:
    """Return two fits of a group, the second failed for the reason given, if any."""
    return lambda failed: [fit("apple+birch", 42), fit("apple+birch", 52, failed)]


@pytest.fixture
def checked() -> dict[str, Any]:
    """Return what ``check`` found of two tasks; the rows of one cannot decide."""
    return {
        "tasks": {
            name: {
                "rows": {"train": 4800, "dev": 1200, "test": 872}, "clusters": {"train": 4800, "dev": 1200, "test": 872},
                "labels": ["no", "yes"], "label_counts": {s: {"no": 30, "yes": 12} for s in ("train", "dev", "test")}, "empty_texts": 0,
                "duplicates_within_splits": 2, "duplicates_across_splits": 0, "contradicting_duplicates": 0, "context_across_splits": {},
                "clusters_across_splits": 0, "private": False, "facts": {}, "tokens": {"median": 12, "p95": 40, "max": 99},
                "truncated_share": 0.08,
            }
            for name in ("apple", "cedar")
        },
        "shared": [{"a": "apple", "b": "cedar", "texts": 7, "leaks": 0, "contexts": 1}],
        "warnings": ["apple: 3 rows are odd"],
        "smallest_delta": {"apple": 0.031, "cedar": float("nan")}, "delta": {"apple": 0.02, "cedar": 0.02}, "seeds": [42, 52],
        "cost": {
            "fits": 8, "tokens": 12.3e6, "seconds": 400.0, "seconds_most": 900.0, "workers": 2, "tokens_per_second": 2000.0,
            "memory_bytes": 2.1e9, "disk_bytes": 5e6, "parts": {"alone": {"fits": 4, "tokens": 6.15e6}},
        },
    }  # fmt: skip
