"""Progress: lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from cotrain.cli import progress
from cotrain.cli.progress import Stopped, fits_progress, waiting
from cotrain.training.train import Progress


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_training_has_a_line_at_its_start_and_one_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with fits_progress() as show:
        for done in range(3, 13):
            show(Progress(done, 12, 3, ("cb+rte (42)",), 100.0))
    first, last = lines(capsys.readouterr().err)
    assert first == "training: 12 fits, 3 of them there already"
    assert last.startswith("training: 12 fits done in ")


def test_a_minute_of_silence_is_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.02)
    with fits_progress() as show:
        show(Progress(5, 12, 3, ("cb+rte (42)", "a_very_long_name_of_a_task+another_long_name (52)"), 754.0))
        time.sleep(0.3)
        show(Progress(12, 12, 3))
        said = len(lines(capsys.readouterr().err))
        time.sleep(0.1)
    assert 3 <= said <= 20
    assert capsys.readouterr().err == ""


def test_a_reminder_says_what_runs_and_how_long_it_takes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.02)
    with fits_progress() as show:
        show(Progress(5, 12, 3, ("cb+rte (42)", "a_very_long_name_of_a_task+another_long_name (52)"), 754.0))
        time.sleep(0.1)
    assert lines(capsys.readouterr().err)[1] == "training: 5 of 12 fits, 13 min left; now cb+rte (42), a_very_long_name_of_…me (52)"


def test_where_nothing_is_trained_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with fits_progress() as show:
        for done in (0, 4, 12):
            show(Progress(done, 12, done))
    assert capsys.readouterr() == ("", "")


def test_every_training_of_a_run_has_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with fits_progress() as show:
        for total in (4, 8):
            for done in range(total + 1):
                show(Progress(done, total, 0, ("a (1)",) if done < total else ()))
    assert [line.split(" fits")[0] for line in lines(capsys.readouterr().err)] == ["training: 4"] * 2 + ["training: 8"] * 2


def test_a_message_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with fits_progress() as show:
        for _ in range(3):
            show(Progress(0, 2, 0, message="fit [cb] is damaged and set aside"))
    assert capsys.readouterr().err.count("fit [cb] is damaged and set aside") == 1


def test_the_last_state_is_remembered() -> None:
    with fits_progress() as show:
        show(Progress(1, 2, 1))
    assert show.last == Progress(1, 2, 1)


def test_who_stops_it_learns_what_is_done() -> None:
    with pytest.raises(Stopped) as stopped, fits_progress() as show:
        show(Progress(1, 2, 1))
        raise Stopped(15)
    assert (stopped.value.code, stopped.value.done) == (143, "1 of 2 fits are done and kept")


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_terminal_gets_a_bar_that_fits_and_goes_away(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, width=width, highlight=False)
    monkeypatch.setattr(progress, "console", terminal)
    with fits_progress() as show:
        show(Progress(5, 12, 3, ("cb+rte (42)", "a_very_long_name_of_a_task+another_long_name (52)"), 754.0))
        time.sleep(0.3)
        progress.say("said above the bar")
    text = written.getvalue()
    assert "5/12" in text and "13 min left" in text and "said above the bar" in text
    assert text.count("\x1b[2K") > 0  # the line is erased


def test_waiting_is_a_line_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("drawing"):
        pass
    assert capsys.readouterr() == ("", "drawing\n")
