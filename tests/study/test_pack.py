"""A study as one file: what is in it, what is refused, and that it goes on where it is opened."""

from __future__ import annotations

import io
import json
import lzma
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cotrain.errors import InputError
from cotrain.study import data, steps
from cotrain.study.open import open_study
from cotrain.study.pack import CONTENTS, not_here, pack, unpack
from cotrain.study.study import STUDY, Study
from cotrain.training.train import Progress


@pytest.fixture
def study(small: Path) -> Study:
    return open_study(small / "runs" / "small")


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def private(study: Study) -> Study:
    """The study with notes and letters as private tasks."""
    sources = tuple(replace(s, private=s.name != "reports") for s in study.resolved.sources)
    return replace(study, resolved=replace(study.resolved, sources=sources))


def test_a_study_goes_on_where_it_is_opened(study: Study, small: Path, tmp_path: Path) -> None:
    keys = set(study.index.values())
    packed = pack(study, tmp_path / "small.tar.xz")
    assert packed.fits == len(keys) and not packed.left_out
    elsewhere = tmp_path / "elsewhere"
    for part in ("data", "encoder"):
        shutil.move(small / part, elsewhere / part)
    there = unpack(packed.file, elsewhere / "run", elsewhere, str(elsewhere / "encoder"))
    assert there.resolved.root == str(elsewhere) and not_here(there) == []
    told: list[Progress] = []
    groups = steps.trained_groups(there)
    fits = steps.train(there, groups, told.append)
    assert {fit.key for fit in fits} == keys and told[-1].reused == told[-1].total == len(keys), "nothing is trained again"
    assert steps.compare(there, look=False).recommended == there.load_comparison().recommended
    assert not [f for f in there.path.rglob("*") if f.name.startswith(".")]


def test_it_has_no_text_no_weights_and_no_report(study: Study, tmp_path: Path) -> None:
    with_extra = study.fits / next(iter(study.index.values()))
    sums = json.loads((with_extra / "checksums.json").read_text())
    (with_extra / "extras" / "weights").mkdir(parents=True)
    (with_extra / "extras" / "weights" / "1.safetensors").write_bytes(b"heavy")
    (with_extra / "checksums.json").write_text(json.dumps({**sums, "extras/weights/1.safetensors": "0" * 64}))
    (study.fits / ".away-1").mkdir()
    (study.fits / ".away-1" / "parcel.pkl").write_bytes(b"rows")
    files = members(pack(study, tmp_path / "p.tar.xz").file)
    assert not [name for name in files if name.startswith(("models/", "report/")) or "extras" in name or "/." in name]
    assert json.loads(files[f"fits/{with_extra.name}/checksums.json"]) == sums
    texts = [text.encode() for task in data.tasks(study).values() for text in task.rows["text"] if len(text) > 20]
    assert len(texts) > 100
    assert not any(text in content for content in files.values() for text in texts[:50])
    assert unpack(tmp_path / "p.tar.xz", tmp_path / "run").fits.joinpath(with_extra.name).is_dir()


def test_the_same_study_makes_the_same_file_for_its_owner_alone(study: Study, tmp_path: Path) -> None:
    one, two = (pack(study, tmp_path / name).file for name in ("one.tar.xz", "two.tar.xz"))
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob(".*")) == []


def test_what_was_auto_is_packed_as_it_was_trained(study: Study, tmp_path: Path) -> None:
    auto = replace(study, resolved=replace(study.resolved, settings=replace(study.resolved.settings, precision="auto", attention="auto")))
    there = unpack(pack(auto, tmp_path / "p.tar.xz").file, tmp_path / "run")
    assert (there.resolved.settings.precision, there.resolved.settings.attention) == ("fp32", "eager")


def test_private_tasks_are_packed_when_each_is_asked_for_by_name(study: Study, tmp_path: Path) -> None:
    closed = private(study)
    for named, words in (
        ((), ["letters, notes", "--private letters --private notes"]),
        (("notes",), ["letters: private"]),
        (("notes", "leters"), ["unknown private task 'leters'. Did you mean 'letters'?", "letters: private"]),
        (("notes", "letters", "reports"), ["unknown private task 'reports'"]),
    ):
        with pytest.raises(InputError) as wrong:
            pack(closed, tmp_path / "p.tar.xz", named)
        found = " ".join(sorted(str(wrong.value).split("\n"))).replace("notes, letters", "letters, notes")
        found = found.replace("--private notes --private letters", "--private letters --private notes")
        assert all(word in found for word in words), found
    assert list(tmp_path.iterdir()) == []
    there = unpack(pack(closed, tmp_path / "p.tar.xz", ("notes", "letters")).file, tmp_path / "run")
    assert there.private
    assert {f.stat().st_mode & 0o077 for f in (there.path, *there.path.rglob("*"))} == {0}


def test_a_damaged_fit_stays_behind_and_is_named(study: Study, tmp_path: Path) -> None:
    key = next(iter(study.index.values()))
    (study.fits / key / "history.parquet").write_bytes(b"")
    packed = pack(study, tmp_path / "p.tar.xz")
    assert packed.left_out == (key,)
    assert not [name for name in members(packed.file) if key in name]


def test_a_file_that_is_there_is_not_written_over(study: Study, tmp_path: Path) -> None:
    (tmp_path / "p.tar.xz").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        pack(study, tmp_path / "p.tar.xz")
    with pytest.raises(InputError, match="there is none"):
        pack(study, tmp_path / "no" / "p.tar.xz")
    assert (tmp_path / "p.tar.xz").read_text() == "mine"


def repacked(file: Path, change: Callable[[dict[str, bytes]], Any], links: tuple[tuple[str, str], ...] = ()) -> Path:
    """The pack with its members changed."""
    files = members(file)
    change(files)
    with tarfile.open(file, "w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, to in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            archive.addfile(entry)
    return file


def listed(files: dict[str, bytes], name: str, content: bytes) -> None:
    """Add a file that the contents know."""
    import hashlib

    contents = json.loads(files[CONTENTS])
    contents["files"][name] = [len(content), hashlib.sha256(content).hexdigest()]
    files[CONTENTS] = json.dumps(contents).encode()
    files[name] = content


FAULTS: dict[str, tuple[Callable[[dict[str, bytes]], Any], list[str]]] = {
    "an altered table": (lambda files: files.update({"fits.json": files["fits.json"] + b" "}), ["fits.json is not what was packed"]),
    "several at once": (
        lambda files: (files.pop("looks.json"), files.update({STUDY: b"x", "more.txt": b"y"})),
        ["looks.json is not in it", "study.yaml is not what was packed", "'more.txt' does not belong to it", "nothing was written"],
    ),
    "a way out": (lambda files: listed(files, "../../out.txt", b"out"), ["'../../out.txt' leads out of the run folder"]),
    "an absolute way out": (lambda files: listed(files, "/tmp/out.txt", b"out"), ["'/tmp/out.txt' leads out"]),
    "a hidden file": (lambda files: listed(files, "fits/.x.lease", b"out"), ["hides in it"]),
    "a newer format": (
        lambda files: files.update({CONTENTS: files[CONTENTS].replace(b'"format": 1', b'"format": 2')}), ["update cotrain"],
    ),
    "no contents": (lambda files: files.pop(CONTENTS), ["with pack.json first"]),
    "no study": (lambda files: listed_without_study(files), ["study.yaml is not in it"]),
}  # fmt: skip


def listed_without_study(files: dict[str, bytes]) -> None:
    contents = json.loads(files[CONTENTS])
    del contents["files"][STUDY], files[STUDY]
    files[CONTENTS] = json.dumps(contents).encode()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_as_it_was_packed_is_refused_whole(fault: str, study: Study, tmp_path: Path) -> None:
    change, words = FAULTS[fault]
    file = repacked(pack(study, tmp_path / "p.tar.xz").file, change)
    with pytest.raises(InputError) as wrong:
        unpack(file, tmp_path / "run")
    assert all(word in str(wrong.value) for word in words), str(wrong.value)
    assert [f.name for f in tmp_path.iterdir()] == ["p.tar.xz"]


def test_a_link_is_no_file(study: Study, tmp_path: Path) -> None:
    file = repacked(pack(study, tmp_path / "p.tar.xz").file, lambda files: files.pop("looks.json"), (("looks.json", "/etc/passwd"),))
    with pytest.raises(InputError, match=r"'looks.json' does not belong to it"):
        unpack(file, tmp_path / "run")
    assert [f.name for f in tmp_path.iterdir()] == ["p.tar.xz"]


@pytest.mark.parametrize("content", [b"", b"text", lzma.compress(b"text"), "cut"])
def test_something_else_or_half_of_it_is_no_pack(content: bytes | str, study: Study, tmp_path: Path) -> None:
    file = tmp_path / "p.tar.xz"
    if isinstance(content, str):
        pack(study, file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"written by cotrain pack"):
        unpack(file, tmp_path / "run")
    assert [f.name for f in tmp_path.iterdir()] == ["p.tar.xz"]


def test_a_folder_with_files_and_a_missing_file_are_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    with pytest.raises(InputError, match="not empty"):
        unpack(tmp_path / "none.tar.xz", tmp_path / "run")
    with pytest.raises(InputError, match="no such file"):
        unpack(tmp_path / "none.tar.xz", tmp_path / "other")
    with pytest.raises(InputError, match="should be a folder"):
        unpack(pack(study, tmp_path / "p.tar.xz").file, tmp_path / "other", tmp_path / "nowhere")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["p.tar.xz", "run"]


def test_data_and_encoder_that_are_not_here_are_told(study: Study, small: Path, tmp_path: Path) -> None:
    file = pack(study, tmp_path / "p.tar.xz").file
    assert not_here(unpack(file, tmp_path / "here")) == []
    there = unpack(file, tmp_path / "run", data_root=tmp_path)
    assert [Path(p).relative_to(tmp_path).as_posix() for p in not_here(there)] == ["data/notes.csv", "data/reports.csv", "data/letters.csv"]
    written = yaml.safe_load((there.path / STUDY).read_text())
    assert str(small / "data") not in json.dumps(written), "no path of the other machine is left"
