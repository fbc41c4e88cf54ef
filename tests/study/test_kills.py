"""A study that is killed at thirty random moments, or run by two processes at once, ends with the tables of one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cotrain import open_study

KILLS = 30
SCRIPT = """
# The process that is killed is forked from this one, which has imported everything: otherwise most of its short life would go into that.
import os, random, signal, sys, time
import torch, transformers, matplotlib.pyplot, sklearn, scipy.stats
import cotrain.study.cost, cotrain.study.run, cotrain.training.trainer, cotrain.training.model, cotrain.reporting.report
from cotrain.cli import main
from cotrain.training.calibrate import Rate

cotrain.study.cost.calibrate = lambda *_: Rate(2e-5, 1, 1.0)  # to measure the speed takes longer than all the rest

def start(name):
    child = os.fork()
    if not child:
        given = ["--out", f"runs/{name}", "--workers", "1", "--set", "training.epochs=1", "--set", "seeds=[1,2,3]"]
        sys.argv = ["cotrain", "run", "study.yaml", *given]
        try:
            main()
        except SystemExit as left:
            os._exit(left.code or 0)
        os._exit(0)
    return child

def run(name, seconds=None):
    child = start(name)
    until = time.monotonic() + (seconds or 1000)
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

began = time.monotonic()
assert run("undisturbed") == 0
whole = time.monotonic() - began
both = [start("both"), start("both")]
assert [os.waitpid(child, 0)[1] for child in both] == [0, 0]
kills, name = 0, 0
moments = random.Random(1)
while kills < int(sys.argv[1]):
    left = run(f"killed-{name}", moments.uniform(0, whole / 6))
    assert left in (0, -signal.SIGKILL), left
    kills += left != 0
    name += left == 0  # finished before it was killed: the next one begins anew
assert run(f"killed-{name}") == 0
print(kills, name + 1)
"""


def tables(run: Path) -> dict[str, pd.DataFrame]:
    """Every table of a run folder without its times."""
    found = {}
    for file in sorted(run.rglob("*.parquet")):
        table = pd.read_parquet(file)
        found[str(file.relative_to(run))] = table[[column for column in table if "second" not in str(column)]]
    return found


def facts(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def plans(run: Path) -> dict[str, Any]:
    return {file.name: yaml.safe_load(file.read_text()) for file in (run / "plans").glob("*.yaml")}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_thirty_kills_and_two_processes_at_once_change_no_table(small: Path) -> None:
    (small / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py", str(KILLS)], cwd=small, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    kills, finished = map(int, done.stdout.split()[-2:])
    assert kills == KILLS
    undisturbed = small / "runs" / "undisturbed"
    expected = tables(undisturbed)
    assert len(list((undisturbed / "fits").iterdir())) >= 12 and len(expected) > 30
    for name in ["both", *(f"killed-{number}" for number in range(finished))]:
        run = small / "runs" / name
        found = tables(run)
        assert found.keys() == expected.keys()
        for file, table in expected.items():
            pd.testing.assert_frame_equal(found[file], table, check_exact=True)
        assert plans(run) == plans(undisturbed)
        for file in ("fits.json", "looks.json"):
            assert facts(run / file) == facts(undisturbed / file)
        left = [f for f in run.rglob(".*") if f.is_dir()]
        assert left == [], "what killed processes left half-written is gone"


def test_a_file_that_a_killed_process_left_goes_with_the_next_of_its_name(small: Path) -> None:
    study = open_study(small / "runs" / "small")
    left, now = (study.path / f".looks.json-{name}" for name in ("left", "now"))
    for file in (left, now):
        file.write_text("half")
    os.utime(left, (0, 0))
    with study.writing("looks.json") as file:
        file.write_text("{}")
    assert now.exists() and not left.exists(), "another process may be writing the newer one"
