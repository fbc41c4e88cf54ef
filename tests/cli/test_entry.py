"""How the command ends: signals, a full disk, a reader that is gone, defects; and that it starts without heavy libraries."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cotrain.study.study import Study

HEAVY = ("torch", "pandas", "scipy", "numpy", "transformers", "sklearn", "matplotlib", "pydantic")
SLOW = """
import sys, time
from cotrain.cli import main
from cotrain.study import steps
from cotrain.training.train import Progress

def train(study, groups, show, seeds):
    show(Progress(5, 12, 2, ("cb+rte (42)",)))
    print("ready", flush=True)
    time.sleep(60)

steps.train = train
sys.argv = ["cotrain", "train", sys.argv[1], "apple", "birch"]
main()
"""


@pytest.mark.parametrize("what", ["import cotrain", "from cotrain.cli import app", "import sys; sys.argv = ['cotrain', '--help']; HELP"])
def test_starting_loads_nothing_heavy(what: str) -> None:
    run = "from cotrain.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    code = f"{what.replace('HELP', chr(10) + run)}\nimport sys\nprint('HEAVY', [m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_one_line_that_says_what_is_done_and_how_to_go_on(study: Study, number: int, code: int) -> None:
    command = [sys.executable, "-c", SLOW, str(study.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == ""
    assert err.splitlines()[-1] == (f"stopped: 5 of 12 fits are done and kept. Continue with: cotrain train {study.path} apple birch")
    assert "Traceback" not in err


def test_a_second_signal_while_it_leaves_changes_nothing(study: Study) -> None:
    command = [sys.executable, "-c", f"import atexit, time\natexit.register(time.sleep, 1)\n{SLOW}", str(study.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        said = next(line for line in process.stderr if line.startswith("stopped"))
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=30)
    assert (process.returncode, rest) == (130, "") and "5 of 12" in said


def test_a_reader_that_is_gone_is_no_defect(study: Study) -> None:
    command = f"{sys.executable} -m cotrain status {study.path} | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_letters_that_the_terminal_lacks_are_replaced(study: Study) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "cotrain", "relate", study.path], env=environment, check=True, capture_output=True)
    assert b"?" in done.stdout and done.stdout.isascii() and b"apple" in done.stdout


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EACCES, "no permission"), (errno.EROFS, "read-only")],
)
def test_a_disk_that_refuses_is_a_fault_that_a_person_can_mend(
    cotrain: Any, study: Study, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(study: Study, *given: object) -> Path:
        raise OSError(number, os.strerror(number), "somewhere")

    monkeypatch.setattr("cotrain.study.steps.report", refuse)
    said = cotrain("report", study.path)
    assert (said.code, said.out) == (2, "")
    assert words in said.err and "somewhere" in said.err


def test_a_defect_keeps_its_traceback(cotrain: Any, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(study: Study, *given: object) -> Path:
        raise ZeroDivisionError

    monkeypatch.setattr("cotrain.study.steps.report", broken)
    with pytest.raises(ZeroDivisionError):
        cotrain("report", study.path)
