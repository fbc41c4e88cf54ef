"""A run folder remembers where its fits are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cotrain import InputError, open_study
from cotrain.study import steps
from cotrain.study.pack import pack, unpack


def test_fits_that_are_shared_are_found_by_every_later_verb_and_by_another_study(small: Path, tmp_path: Path) -> None:
    shared, run = tmp_path / "fits", small / "runs" / "sharing"
    study = open_study(small / "study.yaml", out=run, workers=1, fits=shared)
    steps.score(study)
    assert study.fits == shared and not (run / "fits").exists() and len(list(shared.iterdir())) >= 8
    for again in (open_study(run), open_study(small / "study.yaml", out=run)):
        assert again.fits == shared
    made = {folder.name: folder.stat().st_mtime_ns for folder in shared.iterdir()}
    steps.score(open_study(small / "study.yaml", out=small / "runs" / "second", workers=1, fits=shared))
    assert {folder.name: folder.stat().st_mtime_ns for folder in shared.iterdir()} == made
    packed = pack(open_study(run), tmp_path / "study.tar.xz")
    assert unpack(packed.file, tmp_path / "elsewhere").fits == tmp_path / "elsewhere" / "fits"


def test_a_folder_of_shared_fits_can_be_named_later_and_is_refused_for_private_tasks(small: Path, tmp_path: Path) -> None:
    run = small / "runs" / "small"
    assert open_study(run).fits == run / "fits"
    assert open_study(run, fits=tmp_path / "fits").fits == open_study(run).fits == tmp_path / "fits"
    text = (small / "study.yaml").read_text()
    (small / "private.yaml").write_text(text.replace("reports: {", "reports: {private: true, "))
    with pytest.raises(InputError, match="--fits shares fits between studies; not with private tasks"):
        open_study(small / "private.yaml", out=small / "runs" / "private", fits=tmp_path / "fits")
