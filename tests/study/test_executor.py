"""Where fits are made is said in the study file or on the command line, and is no change of the study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cotrain.errors import InputError
from cotrain.study.changes import changes
from cotrain.study.open import open_study
from cotrain.study.presets import Resolved


def test_the_command_line_goes_before_the_file(write: Callable[..., Path], tmp_path: Path) -> None:
    file = write("executor: ray\n")
    assert open_study(file, out=tmp_path / "run").executor == "ray"
    assert open_study(file, out=tmp_path / "run", executor="slurm").executor == "slurm"
    assert open_study(write(), out=tmp_path / "run").executor == "local"
    assert open_study(write("executor: my_cluster:run\n"), out=tmp_path / "run").executor == "my_cluster:run"


def test_an_unknown_executor_is_refused_wherever_it_stands(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 5: .*unknown executor 'rai'\. Did you mean 'ray'\?"):
        open_study(write("executor: rai\n"), out=tmp_path / "run")
    with pytest.raises(InputError, match=r"unknown executor 'slrum'\. Did you mean 'slurm'\?"):
        open_study(write(), out=tmp_path / "run", executor="slrum")
    assert not (tmp_path / "run").exists()


def test_another_executor_changes_no_fit(resolved: Callable[..., Resolved]) -> None:
    found = changes(resolved(), resolved("executor: ray\n"))
    assert found.changed == () and found.added == ("executor: local → ray",)
