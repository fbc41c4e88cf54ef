"""Pages of the docs: every verb has one with all its options, every link leads somewhere, every place that is named exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from cotrain.cli.app import app
from cotrain.demo.styles import CORPORA

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS: Any = typer.main.get_command(app).commands


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    found = set()
    for title in re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_and_picture_is_there(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|experiments|benchmarks)/[\w./-]+)`", prose(page))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_verb_has_a_page() -> None:
    assert [verb for verb in COMMANDS if not (ROOT / "docs" / f"{verb}.md").is_file()] == []


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_the_page_of_a_verb_names_all_its_options(verb: str) -> None:
    text = (ROOT / "docs" / f"{verb}.md").read_text(encoding="utf-8")
    options = [max(p.opts, key=len) for p in COMMANDS[verb].params if p.param_type_name == "option"]
    assert [option for option in options if f"`{option}`" not in text] == []


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_the_page_of_a_verb_begins_with_a_sentence_and_commands(verb: str) -> None:
    text = (ROOT / "docs" / f"{verb}.md").read_text(encoding="utf-8")
    assert re.match(rf"# {verb}\n\n[^\n]+(\n[^\n]+)?\n\n```sh", text)


def test_every_target_that_is_named_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^|\s)make ([a-z]+)(?:`|$|\s+#)", page.read_text(), flags=re.MULTILINE)}
    assert named
    assert named <= targets


def test_every_page_that_the_code_sends_people_to_exists() -> None:
    named = {name for file in (ROOT / "src").rglob("*.py") for name in re.findall(r"docs/[\w/-]+\.md", file.read_text(encoding="utf-8"))}
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_decision_is_listed_with_its_date_and_says_what_was_given_up() -> None:
    folder = ROOT / "docs" / "decisions"
    notes = sorted(set(folder.glob("*.md")) - {folder / "README.md"})
    assert notes
    listed = (folder / "README.md").read_text(encoding="utf-8")
    for note in notes:
        title, _, date = note.read_text(encoding="utf-8").splitlines()[:3]
        assert date == note.name[:10]
        assert f"- {date} [{title.removeprefix('# ')}]({note.name})" in listed
        assert "\nGiven up: " in note.read_text(encoding="utf-8")


def test_the_layout_in_the_architecture_is_that_of_the_package() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0]
    told = {line.split()[0].rstrip("/") for line in tree.splitlines() if line.startswith("  ")}
    package = ROOT / "src" / "cotrain"
    there = {path.name for path in package.iterdir() if path.is_dir() and (path / "__init__.py").is_file()}
    assert there <= told
    assert [name for name in told if not (package / name).exists()] == []


def test_what_is_said_of_the_corpora_of_the_demo_holds() -> None:
    text = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
    for corpus in CORPORA:
        noise = ", ".join(f"{100 * share:g} %" for share in corpus.noise)
        assert f"| {corpus.name} | {', '.join(corpus.columns)} | {noise} |" in text
        assert f"about {corpus.sentences}\nsentences each" in text
