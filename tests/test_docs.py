"""README and docs say what the code does: their blocks are run, and what they show is compared.

The first words after the fence say what a block is:

- ``sh``: commands, run in the folder of a small finished study; ``sh exit-2`` if they should fail.
- ``python``: run in one namespace per page.
- ``yaml``: a study file; sections that it leaves out are those of the small study. ``yaml plan``: a plan.
- ``text output``: what the block before it printed. ``…`` stands for anything; ``text output numbers-vary`` compares words alone.
- ``no-run: REASON`` at the end: not run.

With ``COTRAIN_DOCS=write`` in the environment, outputs without ``…`` are written into the pages.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml

from cotrain.cli import main
from cotrain.cli.app import app
from cotrain.grouping.plan import Plan
from cotrain.study.spec import read
from cotrain.training.calibrate import Rate

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
KINDS = {"sh", "sh exit-2", "python", "yaml", "yaml plan", "text", "text output", "text output numbers-vary", "bibtex"}
NOT_RUN = 16
"""Blocks that cannot be run here. Each says why; more of them need a better reason than that they fail."""


class Block(NamedTuple):
    """A fenced block: what it is, why it is not run, its text, its first line in the page."""

    kind: str
    reason: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    inside: list[str] | None = None
    kind = reason = ""
    start = 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if inside is None and line.startswith("```"):
            kind, _, reason = (part.strip() for part in line[3:].partition("no-run:"))
            inside, start = [], number + 1
        elif inside is not None and line.startswith("```"):
            yield Block(kind, reason, "\n".join(inside), start)
            inside = None
        elif inside is not None:
            inside.append(line)
    assert inside is None, f"{page}: a block is not closed"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_the_page_run_and_print_what_it_shows(page: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # fits in this process
    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
    names: dict[str, Any] = {"__name__": "docs"}
    printed = ""
    found: list[tuple[Block, str]] = []
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        assert block.kind in KINDS, f"{where}: a block of the kind '{block.kind}' is not known"
        if block.reason:
            continue
        if block.kind.startswith("sh"):
            printed = "".join(command(line, where, fails=block.kind == "sh exit-2") for line in lines(block.text))
        elif block.kind == "python":
            printed = python(block, where, names)
        elif block.kind.startswith("yaml"):
            study_or_plan(block)
        elif block.kind.startswith("text output"):
            found.append((block, printed))
    if os.environ.get("COTRAIN_DOCS") == "write":
        rewrite(page, [(block, text) for block, text in found if "…" not in block.text])
        return
    for block, text in found:
        if not shows(block, text):
            assert block.text == text, f"{page.relative_to(ROOT)}:{block.line} shows another output"


def lines(text: str) -> list[str]:
    """Return the commands of a block, each on one line."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def command(line: str, where: str, fails: bool) -> str:
    """Run a command; return its stdout, or its stderr where it should fail."""
    words = [
        found for word in shlex.split(line, comments=True) for found in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]
    if words[0] != "cotrain":
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", words)
        try:
            main()
            code: object = 0
        except SystemExit as left:
            code = left.code or 0
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    assert code == (2 if fails else 0), f"{where}: {line}\nexit code {code}\n{err.getvalue()}"
    return (err if fails else out).getvalue()


def python(block: Block, where: str, names: dict[str, Any]) -> str:
    """Run Python; return what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n" * (block.line - 1) + block.text, where, "exec"), names)  # so that errors name the line of the page
    return out.getvalue()


def study_or_plan(block: Block) -> None:
    """Read a study file, completed by the small study, or a plan."""
    if block.kind == "yaml plan":
        Plan.from_dict(yaml.safe_load(block.text))
        return
    here, whole = yaml.safe_load(block.text), yaml.safe_load(Path("study.yaml").read_text())
    file = Path("of-the-page.yaml")
    missing = {key: whole[key] for key in ("model", "tasks") if key not in here}
    file.write_text(block.text + "\n" + (yaml.safe_dump(missing) if missing else ""))
    read(file)


def shows(block: Block, printed: str) -> bool:
    """Whether a block shows what was printed."""
    return re.fullmatch(re.escape(told(block, block.text)).replace("…", "(?s:.*)"), told(block, printed)) is not None


def told(block: Block, text: str) -> str:
    """Return what of a text is compared: without blanks at the ends, and where numbers vary words alone."""
    if block.kind.endswith("numbers-vary"):
        text = re.sub(r"([<>] )?[−+-]?(\d[\d.,]*|\.\d+)", "0", text)
        text = re.sub(r"\b0 (?:s|min|h)\b(?: 0 (?:s|min)\b)?", "0 s", text)  # 2 min 41 s
        text = re.sub(r"[ ─]+", " ", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def rewrite(page: Path, found: list[tuple[Block, str]]) -> None:
    """Put what was printed into the page."""
    every = page.read_text(encoding="utf-8").splitlines()
    for block, text in reversed(found):
        shown = [line.rstrip() for line in text.strip("\n").splitlines()]
        every[block.line - 1 : block.line - 1 + len(block.text.splitlines())] = shown
    page.write_text("\n".join(every) + "\n", encoding="utf-8")


def test_blocks_that_are_not_run_say_why_and_are_counted() -> None:
    found = [f"{page.relative_to(ROOT)}:{b.line} {b.reason}" for page in PAGES for b in blocks(page) if b.reason]
    assert len(found) == NOT_RUN, "\n".join(found)


def test_commands_that_are_not_run_exist_with_their_options() -> None:
    known: Any = typer.main.get_command(app)
    for page in PAGES:
        for block in (b for b in blocks(page) if b.reason and b.kind == "sh"):
            for line in (line for line in lines(block.text) if line.startswith("cotrain ")):
                _, verb, *rest = shlex.split(line, comments=True)
                assert verb in known.commands, f"{page}: {line}"
                known.commands[verb].make_context(verb, rest)
