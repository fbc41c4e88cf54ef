"""What a report says of language models."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from cotrain.evaluation.comparison import Comparison
from cotrain.reporting.content import Table
from cotrain.reporting.sections.prompting import section
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import number


@pytest.fixture
def asked(run: RunTables) -> RunTables:
    """Return a run whose control ``together`` is also the answers of a language model, of two tasks."""
    assert run.comparison is not None
    known = run.comparison.table
    lines = known[(known["plan"] == "together") & known["task"].isin(["cb", "rte"])].assign(plan="lm", kind="outside", served_by="lm")
    facts = {"seeds": [1, 2], "answers": 112, "unanswered": 3, "splits": ["test"]}
    notes = {**run.comparison.notes, "arms": {"lm": {"seeds": {"cb": 2, "rte": 2}, "labels_only": [], "unanswered": {}, "unused": {}}}}
    comparison = Comparison(
        table=pd.concat([known, lines], ignore_index=True),
        candidates=run.comparison.candidates,
        recommended=run.comparison.recommended,
        notes=notes,
    )
    told = {"lm": {"model": "q", "address": "", "tasks": {"cb": facts, "rte": facts}, "sent": {}}}
    return replace(run, comparison=comparison, prompted=told)


def test_a_model_stands_beside_the_fits_with_accuracy_and_macro_f1(asked: RunTables) -> None:
    found = section(asked)
    assert found is not None and asked.comparison is not None
    tables = [block for block in found.blocks if isinstance(block, Table)]
    assert [cell.text for cell in tables[0].rows[0]] == ["lm", "this machine", "cb", "2", "112", "3"]
    beside = tables[1]
    assert beside.heads[:4] == ("task", "alone, accuracy", "shared, accuracy", "lm, accuracy")
    lines = asked.comparison.table.query("split == 'test' and plan == 'lm'").set_index(["task", "metric"])
    served = asked.comparison.table.query("split == 'test' and plan == 'recommended'").set_index(["task", "metric"])
    for cells in beside.rows:
        task = cells[0].text
        for metric, (alone, shared, value, gap) in zip(("accuracy", "macro_f1"), (cells[1:5], cells[5:]), strict=True):
            line = lines.loc[task, metric]
            assert (alone.text, value.text) == (number(line["alone"]), number(line["value"]))
            assert gap.text.startswith(number(line["difference"], sign=True)) and "[" in gap.text
            together = served.loc[task, metric]
            assert shared.text == ("–" if together["served_by"] == task else number(together["value"]))
    assert {cells[0].text for cells in beside.rows} == {"cb", "rte"}
