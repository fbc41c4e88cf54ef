"""What a comparison with other options than the study's leaves behind."""

from __future__ import annotations

from pathlib import Path

from cotrain import open_study
from cotrain.study import steps


def test_a_comparison_with_another_goal_or_metric_is_shown_and_counted_but_the_kept_one_stays(small: Path) -> None:
    study = open_study(small / "runs" / "small", workers=1)
    files = [study.path / "comparison.parquet", *sorted((study.path / "plans").glob("*recommended*"))]
    before, looks = [file.read_bytes() for file in files], len(study.looks)
    found = steps.compare(study, metric="accuracy", goal="better")
    primary = found.table[found.table["primary"].astype(bool)]
    assert set(primary["metric"]) == {"accuracy"}
    assert [file.read_bytes() for file in files] == before and len(files) > 1
    assert len(study.looks) == looks + 1
