"""A report for others: small counts are not told, places are left out, and the numbers that decide stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cotrain.reporting.content import Bullets, Cell, Section, Table, Text
from cotrain.reporting.report import report
from cotrain.reporting.sharing import suppressed, unlocated
from cotrain.reporting.tables import RunTables


@pytest.mark.parametrize(
    ("told", "shared"),
    [
        ("thyme: 3 rows left out of train by max_train", "thyme: <11 rows left out of train by max_train"),
        ("a and b share 10 texts between them; 11 texts more", "a and b share <11 texts between them; 11 texts more"),
        ("Fewer than 20 clusters in test: cb (7), rte (19).", "Fewer than 20 clusters in test: cb (<11), rte (19)."),
        ("thyme: 1 documents left out", "thyme: <11 documents left out"),
        ("2 models; Macro-F1 0.9 [0.85, 0.95], 1,010 rows, .3 rows", "2 models; Macro-F1 0.9 [0.85, 0.95], 1,010 rows, .3 rows"),
        ("read from /home/anna/THYME/Train, at ~/x/y.csv", "read from Train, at y.csv"),
        ("at ~anna/x/y.csv, file:///home/anna/z.csv and host:/home/anna/w", "at y.csv, z.csv and w"),
        ("see https://example.org/page", "see https://example.org/page"),
        ("Answers that name no label count as wrong: letters (3)", "Answers that name no label count as wrong: letters (<11)"),
        ("12 / 34 tokens, dev/test", "12 / 34 tokens, dev/test"),
    ],
)
def test_sentences_are_told_without_small_counts_and_paths(told: str, shared: str) -> None:
    assert suppressed(told) == shared
    assert suppressed(Section("a", "b", (Text(told), Bullets((told,))))) == Section("a", "b", (Text(shared), Bullets((shared,))))


def test_small_counts_of_a_table_are_not_told_in_columns_of_counts_alone() -> None:
    columns = ("task", "#train", "#clusters, test", "#models", "#shared", "#V-information, bits [95 %]")
    table = Table(columns, ((Cell("cb", "strong"), Cell("10"), Cell("0"), Cell("3"), Cell("7"), Cell("1")),))
    [row] = suppressed(table).rows
    assert [cell.text for cell in row] == ["cb", "<11", "0", "3", "7", "1"] and row[0].tone == "strong"


def test_places_are_left_out_of_what_a_report_is_made_of(run: RunTables) -> None:
    told = replace(
        run,
        spec={"model": "/home/anna/St Mary/encoder", "root": "/home/anna", "tasks": {"cb": {"path": "/home/anna/cb", "label": "y"}}},
        provenance={"command": "cotrain run /home/anna/study.yaml", "torch": "2.0"},
        prompted={
            "lm": {
                "model": "q",
                "address": "http://gpu7:8000",
                "tasks": {},
                "sent": {"cb": {"to": ["http://gpu7:8000"], "clinical": False}},
            }
        },
    )
    found = unlocated(told)
    assert found.spec == {"model": "encoder", "tasks": {"cb": {"label": "y"}}} and found.provenance == {"torch": "2.0"}
    assert "gpu7" not in str(found.prompted) and found.prompted["lm"]["address"] == "a server"


def test_a_report_for_others_has_every_part_of_the_report(run: RunTables, tmp_path: Path) -> None:
    report(run, tmp_path / "own")
    report(run, tmp_path / "others", share=True)
    names = [sorted(str(file.relative_to(tmp_path / who)) for file in (tmp_path / who).rglob("*")) for who in ("own", "others")]
    assert names[0] == names[1] and len(names[0]) > 20
    heads = [
        [line for line in (tmp_path / who / "report.md").read_text().splitlines() if line.startswith("#")] for who in ("own", "others")
    ]
    assert heads[0] == heads[1]
