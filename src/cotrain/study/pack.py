"""A study as one file: its spec, tables and fits without weights; opened elsewhere, it goes on there."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import os
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.study.open import of_run, open_study
from cotrain.study.presets import Resolved
from cotrain.study.study import FORMAT, STUDY, Study
from cotrain.tasks.source import Source
from cotrain.training import ledger
from cotrain.training.folders import appearing, told

CONTENTS = "pack.json"
"""The first file of a pack: by name the size and sha256 of every other one."""
_TABLES = ("*.json", "*.parquet", "scores/**/*", "affinity/**/*", "plans/*", "arms/*", "prompts/*")
_PLACES = ("path", "hub", "texts")


class Packed(NamedTuple):
    """What lies in a pack: how many fits of them, how many bytes, and the fits that are not complete and stayed behind."""

    file: Path
    fits: int
    size: int
    left_out: tuple[str, ...]


def pack(study: Study, to: Path, private: Collection[str] = ()) -> Packed:
    """Write the spec, the tables and every whole fit of a study, without weights, into the file ``to``, for its owner alone.

    Settings that were ``auto`` are written as the fits were trained, so that another machine finds these.

    Args:
        private: the entries of the study file with private rows, each by name: their row ids, labels and predictions are packed.

    Raises:
        InputError: private tasks that are not named, others that are, a file that is there already, a full disk.
    """
    closed = [source.name for source in study.resolved.sources if source.private]
    faults = [unknown("private task", name, closed) for name in private if name not in closed] if closed else []
    if private and not closed:
        faults.append("no task of this study is private; leave out --private")
    if missing := [name for name in closed if name not in private]:
        faults.append(
            f"{', '.join(missing)}: private; the file would hold row ids, labels and predictions of them (no text). If it may leave, ask "
            f"for each by name: {' '.join(f'--private {name}' for name in missing)}"
        )
    if to.exists():
        faults.append(f"{to} exists already; remove it, or name another file with --to")
    if faults:
        raise InputError(faults)
    left_out = [folder.name for folder in _fits(study) if ledger.damage(folder)]
    fits = [folder for folder in _fits(study) if folder.name not in left_out]
    try:
        handle, name = tempfile.mkstemp(prefix=f".{to.name}-", dir=to.absolute().parent)
    except FileNotFoundError:
        raise InputError(f"{to.parent}: should be a folder to write the file into; there is none") from None
    try:
        with os.fdopen(handle, "wb") as out:
            _write(out, dict(_files(study, fits)))
        Path(name).rename(to)
    except OSError as error:
        raise told(error, to.parent) from error
    finally:
        Path(name).unlink(missing_ok=True)
    return Packed(to, len(fits), to.stat().st_size, tuple(left_out))


def unpack(file: Path, to: Path, data_root: Path | None = None, model: str | None = None) -> Study:
    """Return the study of a pack, its run folder made in ``to``; nothing is there where the pack is not whole.

    Args:
        data_root: where the data lie here, instead of where relative paths of the study file began.
        model: the encoder here; a local folder is looked for in the working directory.

    Raises:
        InputError: every file that is missing, altered or foreign, something else than a pack, a folder that is not empty.
    """
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"--data-root {data_root}: there should be a folder, found none")
    with appearing(to) as folder:
        usual = folder.stat().st_mode & 0o777
        folder.chmod(0o700)
        _extract(file, folder)
        study = Study(_moved(of_run(folder), data_root, model), folder)
        study.save_spec()
        study.close(folder)
        if not study.private:
            folder.chmod(usual)
    return open_study(to)


def not_here(study: Study) -> list[str]:
    """Return what a study needs for training and this machine does not have: places of its rows and its encoder."""
    found = [getattr(source, key) for source in study.resolved.sources for key in _PLACES]
    model = study.resolved.settings.model
    places = [place for place in dict.fromkeys([*found, model]) if place and Path(place).is_absolute()]
    # a path can be the common beginning of several files
    return [place for place in places if not Path(place).exists() and not any(Path(place).parent.glob(f"{Path(place).name}*"))]


def _fits(study: Study) -> list[Path]:
    """Return the folders of fits: those that the study names, and what else lies in its own folder."""
    keys = set(study.index.values())
    if not study.resolved.shared_fits and study.fits.is_dir():
        keys |= {folder.name for folder in study.fits.iterdir() if (folder / ledger.CHECKSUMS).is_file() and "." not in folder.name}
    return [study.fits / key for key in sorted(keys)]


def _files(study: Study, fits: Sequence[Path]) -> Iterator[tuple[str, Path | bytes]]:
    """Yield what is packed: its name in the run folder, and where it is or what it holds."""
    resolved = {"format": FORMAT, **_as_trained(study.resolved, fits).plain()}
    yield STUDY, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True).encode()
    for pattern in _TABLES:
        for path in study.path.glob(pattern):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(study.path).parts):
                yield path.relative_to(study.path).as_posix(), path
    for folder in fits:
        sums = json.loads((folder / ledger.CHECKSUMS).read_text())
        kept = {name: digest for name, digest in sums.items() if not name.startswith("extras/")}
        yield f"fits/{folder.name}/{ledger.CHECKSUMS}", json.dumps(kept, indent=1).encode()
        for name in kept:
            yield f"fits/{folder.name}/{name}", folder / name


def _as_trained(resolved: Resolved, fits: Sequence[Path]) -> Resolved:
    """Return the study with what ``auto`` was when its fits were trained, where it was one thing."""
    made = [json.loads((folder / "manifest.json").read_text()).get("settings", {}) for folder in fits]
    known: dict[str, Any] = {}
    for key in ("precision", "attention"):
        found = {one.get(key) for one in made}
        if getattr(resolved.settings, key) == "auto" and len(found) == 1 and None not in found:
            [known[key]] = found
    return replace(resolved, settings=replace(resolved.settings, **known))


def _write(out: Any, files: Mapping[str, Path | bytes]) -> None:
    """Write a pack; equal files make an equal pack."""
    contents: dict[str, tuple[int, str]] = {}
    for name, what in sorted(files.items()):
        size = len(what) if isinstance(what, bytes) else what.stat().st_size
        contents[name] = (size, hashlib.sha256(what).hexdigest() if isinstance(what, bytes) else ledger.sha256(what))
    first = json.dumps({"format": FORMAT, "files": contents}, indent=1).encode()
    # xz, not gzip: its window reaches over many fits, whose row ids are alike
    with tarfile.open(fileobj=out, mode="w:xz", format=tarfile.PAX_FORMAT) as archive:
        for name, what in [(CONTENTS, first), *sorted(files.items())]:
            entry = tarfile.TarInfo(name)
            entry.mode = 0o600
            with io.BytesIO(what) if isinstance(what, bytes) else what.open("rb") as data:
                entry.size = len(first) if name == CONTENTS else contents[name][0]
                archive.addfile(entry, data)


def _extract(file: Path, folder: Path) -> None:
    """Write the files of a pack into a folder, each as its contents say.

    Raises:
        InputError: something else than a pack, or every fault of it.
    """
    faults: list[str] = []
    if file.is_dir():
        raise InputError(f"{file}: should be a file written by cotrain pack, found a folder")
    try:
        with tarfile.open(file, "r:xz") as archive:
            files = _contents(file, archive)
            left = dict(files)
            for entry in islice(archive, 1, None):
                if entry.name not in left or not entry.isfile():
                    faults.append(f"{file}: {entry.name!r} does not belong to it")
                    continue
                size, digest = left.pop(entry.name)
                data = archive.extractfile(entry)
                content = data.read(size + 1) if data else b""
                if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
                    faults.append(f"{file}: {entry.name} is not what was packed")
                    continue
                target = folder / entry.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            faults += [f"{file}: {name} is not in it" for name in left]
    except (tarfile.TarError, EOFError, lzma.LZMAError) as error:
        faults.append(f"{file}: should be a file written by cotrain pack; it is damaged or something else ({type(error).__name__})")
    except FileNotFoundError:
        faults.append(f"{file}: there is no such file")
    if faults:
        raise InputError([*faults, f"nothing was written; get {file.name} again, or pack the study again"])


def _contents(file: Path, archive: tarfile.TarFile) -> dict[str, tuple[int, str]]:
    """Return by name the size and sha256 of the files of a pack.

    Raises:
        InputError: something else, a newer format, names that lead out of the folder.
    """
    entry = archive.next()
    data = archive.extractfile(entry) if entry is not None and entry.name == CONTENTS and entry.isfile() else None
    try:
        found = json.loads(data.read() if data else b"")
        newer = found["format"] > FORMAT
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in found["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{file}: should be a file written by cotrain pack, with {CONTENTS} first; found something else") from None
    if newer:
        raise InputError(f"{file}: packed by a newer cotrain; this version reads format {FORMAT}: update cotrain")
    outside = [
        name for name in files if Path(name).is_absolute() or not Path(name).parts or any(p.startswith(".") for p in Path(name).parts)
    ]
    if outside:
        raise InputError(
            [f"{file}: {name!r} leads out of the run folder, or hides in it; this file is not from cotrain" for name in outside]
        )
    if STUDY not in files:
        raise InputError(f"{file}: {STUDY} is not in it; this file is not from cotrain")
    return files


def _moved(resolved: Resolved, data_root: Path | None, model: str | None) -> Resolved:
    """Return the study with its own fits, with its data below ``data_root`` and with the encoder ``model``, where they are given."""
    resolved = replace(resolved, shared_fits="")
    if data_root is not None:
        root = str(data_root.absolute())
        rebased: list[Source] = []
        for source in resolved.sources:
            places: dict[str, Any] = {key: _below(root, resolved.root, place) for key in _PLACES if (place := getattr(source, key))}
            rebased.append(replace(source, **places))
        resolved = replace(resolved, sources=tuple(rebased), root=root)
    if model is not None:
        local = os.path.normpath(Path(model).expanduser().absolute()) if Path(model).expanduser().is_dir() else model
        resolved = replace(resolved, settings=replace(resolved.settings, model=local))
    return resolved


def _below(root: str, before: str, place: str) -> str:
    """Return a place below the folder of the data, as it was below the one before; a Hub id stays what it is."""
    if not before or not Path(place).is_absolute():
        return place
    return os.path.normpath(Path(root) / os.path.relpath(place, before))
