"""The studies of experiments/ can be read without data, and their results are what their runs say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

from cotrain.study import steps
from cotrain.study.open import open_study
from cotrain.study.spec import read

ROOT = Path(__file__).resolve().parents[1]
STUDIES = sorted((ROOT / "experiments").glob("*/study*.yaml"))
PLANS = [file for file in STUDIES if file.parent.name in ("clinical", "general9", "public8")]
"""Studies of plans: three seeds, held against ``together``. The others judge methods."""
HARM = -2.0  # log-odds that sharing takes from every task


def _module(path: Path):
    """Return a script as Python runs it: what lies beside it can be imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


generated = _module(ROOT / "benchmarks" / "generated.py")
results = _module(ROOT / "experiments" / "results.py")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run, drawn instead of trained, in which sharing costs every task a lot."""
    study = generated.generate(tmp_path_factory.mktemp("run") / "general9", most=60, seeds=(1, 2), gain=HARM)
    steps.compare(study)
    return study.path


@pytest.fixture(scope="module")
def made(run, tmp_path_factory) -> Path:
    return results.results(run, tmp_path_factory.mktemp("results")).parent


def test_there_are_four_studies_of_plans_and_three_of_methods():
    assert [f"{file.parent.name}/{file.name}" for file in PLANS] == [
        "clinical/study.yaml", "general9/study-hub.yaml", "general9/study.yaml", "public8/study.yaml",
    ]  # fmt: skip
    assert [file.parent.name for file in STUDIES if file not in PLANS] == ["halves", "methods", "worlds"]


@pytest.mark.parametrize("file", PLANS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_study_is_read_without_faults_where_its_data_are_not(file):
    study = read(file)
    assert study.seeds == (42, 52, 62)
    assert {"alone", "together"} <= set(study.controls)
    assert 0 < study.cut.max_train <= 600
    assert study.goal == "fewer" and study.preset == "default" and not study.paper


@pytest.mark.parametrize("file", [file for file in STUDIES if file not in PLANS], ids=lambda file: file.parent.name)
def test_gains_that_methods_are_judged_by_have_seeds_of_their_own(file):
    study = read(file)
    of = {name: set(options["seeds"]) for name, options in study.methods.items()}
    gains = of.pop("oracle")
    assert len(gains) >= 3 and not gains & {*study.seeds, *set().union(*of.values())}
    assert {"hoa", "surrogate", "etap", "tag", "gradients", "taskemb"} <= set(of)
    assert study.score_by == study.select == "log_loss" and study.settings.patience == 0


def test_the_tasks_of_the_study_of_methods_are_read_as_its_candidates_are():
    study, gate = (read(ROOT / "experiments" / "methods" / name) for name in ("study.yaml", "gate.yaml"))
    candidates = {source.name: source for source in gate.sources}
    assert len(candidates) == 17 and len(study.sources) >= 5 and gate.seeds == study.seeds
    assert all(source == candidates[source.name] for source in study.sources)
    for key in ("model", "learning_rate", "batch_size", "epochs", "max_length"):
        assert getattr(study.settings, key) == getattr(gate.settings, key), key


def test_the_two_files_of_general9_name_the_same_tasks_and_the_same_budget():
    here, hub = (read(ROOT / "experiments" / "general9" / name) for name in ("study.yaml", "study-hub.yaml"))
    nine = {"boolq", "cb", "rte", "copa", "wic", "cola", "sst2", "health_advice", "causal_language"}
    assert {source.name for source in here.sources} == {source.name for source in hub.sources} == nine
    for part in ("cut", "seeds", "controls", "plan", "goal", "null", "score_by", "select", "light_learning_rate"):
        assert getattr(here, part) == getattr(hub, part), part
    ours, theirs = here.settings.__dict__, hub.settings.__dict__
    assert {key for key in ours if ours[key] != theirs[key]} == {"model"}
    templates = {source.name: (source.text, source.pair) for source in hub.sources}
    assert {s.name: (s.text, s.pair) for s in here.sources if s.name in ("copa", "wic")} == {n: templates[n] for n in ("copa", "wic")}


def test_the_two_studies_have_one_budget_so_that_they_can_be_read_side_by_side():
    nine, eight = (read(ROOT / "experiments" / name / "study.yaml") for name in ("general9", "public8"))
    assert nine.settings == eight.settings and nine.cut == eight.cut


def test_sentences_of_the_clinical_study_have_their_phrase_between_markers(tmp_path):
    prepare = _module(ROOT / "experiments" / "clinical" / "prepare.py")
    for sentence, phrase, expected in (
        ("No  wheezes or  RALES.", "rales", "No wheezes or <e> RALES </e>."),
        ("Fever was denied, FEVER today.", "fever", "Fever was denied, <e> FEVER </e> today."),
        ("Chest  pain (severe).", "chest pain (severe)", "<e> Chest pain (severe) </e>."),
        ("No rales.", "fever", None),
    ):
        assert prepare.marked(sentence, phrase) == expected
    rows = pd.DataFrame({"sentence1": ["No RALES.", "no rales.", "NONE"], "sentence2": ["rales", "rales", "fever"], "id": ["1", "2", "3"]})
    for name, labels in (("negex_negation", [1, 0, 1]), ("negex_temporality", [0, 1, 2])):
        (tmp_path / name).mkdir()
        rows.assign(label=labels).to_parquet(tmp_path / name / "train.parquet")
    found = prepare.negex(tmp_path)
    assert found["sentence"].tolist() == ["no rales."] * 2, "one cluster, whatever the case"
    assert found["Negation"].tolist() == ["1", "-1"] and found["Temporality"].tolist() == ["recent", "historical"]
    rows.iloc[:2].assign(label=0).to_parquet(tmp_path / "negex_negation" / "train.parquet")
    with pytest.raises(SystemExit, match="should have the same rows"):
        prepare.negex(tmp_path)


def test_a_drawn_run_is_drawn_again_alike(run, tmp_path):
    again = generated.generate(tmp_path / "again", most=60, seeds=(1, 2), gain=HARM)
    assert again.index == open_study(run).index
    first = pd.read_parquet(run / "scores" / "pvi.parquet")
    pd.testing.assert_frame_equal(first, pd.read_parquet(again.path / "scores" / "pvi.parquet"))


def test_losses_stand_as_plainly_as_gains(run, made):
    """Counted again from the run's own table, plan by plan."""
    table = pd.read_parquet(run / "comparison.parquet")
    mine = table[table["primary"].astype(bool) & (table["split"] == "test") & (table["verdict"] != "alone")]
    text = (made / "RESULTS.md").read_text(encoding="utf-8")
    heads, lines = _table(text, "## Gains and losses")
    told = {line[0]: dict(zip(heads, line, strict=True)) for line in lines}
    assert told["together"]["tasks that share"] == "9" and told["together"]["worse"] == "9" and told["together"]["better"] == "0"
    for plan, part in mine.groupby("plan"):
        assert int(told[plan]["worse"]) == int((part["difference"] < 0).sum())
        assert int(told[plan]["harm"]) == int((part["verdict"] == "harm").sum())
        worst = part.loc[part["difference"].astype(float).idxmin()]
        assert told[plan]["largest loss"].startswith(f"{worst['task']} −")
    assert sum(int(line["harm"]) for line in told.values()) > 0
    assert "9 → 9 models" in text and told["recommended"]["tasks that share"] == "0"


def test_the_page_says_how_many_tasks_were_learned_and_how_often_test_was_seen(run, made):
    states = pd.read_parquet(run / "scores" / "pvi-tasks.parquet")
    learned = int((states["state"] == "ok").sum())
    text = (made / "RESULTS.md").read_text(encoding="utf-8")
    assert 0 < learned < 9 and f"{learned} of 9 tasks were learned" in text
    assert "Test was looked at 1 time." in text


def test_the_same_run_gives_the_same_bytes(run, made, tmp_path):
    results.results(run, tmp_path)
    files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    assert len(files) == 9
    for file in files:
        assert (tmp_path / file).read_bytes() == (made / file).read_bytes(), file


def test_tables_are_numbers_without_paths_and_equal_those_of_the_run(run, made):
    for file in made.rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert str(ROOT) not in text and str(run) not in text and "/" + run.name not in text
    written = pd.read_csv(made / "tables" / "comparison.csv").set_index(["plan", "task", "split", "metric"])["difference"]
    table = pd.read_parquet(run / "comparison.parquet").set_index(["plan", "task", "split", "metric"])["difference"]
    pd.testing.assert_series_equal(written.sort_index(), table.sort_index().astype(float), rtol=1e-4, atol=1e-9)
    plans = pd.read_csv(made / "tables" / "plans.csv")
    assert set(plans.loc[plans["plan"] == "together", "serves"]) == {"+".join(sorted(generated.TASKS))}


def _table(text: str, after: str) -> tuple[list[str], list[list[str]]]:
    """Return head and lines of the first Markdown table after a heading."""
    lines = [line for line in text.partition(after)[2].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    width = len(cells[0])
    body = []
    for line in cells[2:]:
        if len(line) != width or line[0] == "task":
            break
        body.append(line)
    return cells[0], body


def test_a_run_without_comparison_is_refused(run, tmp_path):
    study = generated.generate(tmp_path / "early", most=60, seeds=(1,))
    with pytest.raises(SystemExit, match="nothing is compared yet"):
        results.results(study.path, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_the_benchmark_has_the_topics_of_its_page_and_prints_ratios():
    bench = _module(ROOT / "benchmarks" / "bench.py")
    assert set(bench.TOPICS) == {
        "start",
        "memory",
        "notes",
        "relations",
        "verbs",
        "nulls",
        "limit",
        "gradients",
        "recipe",
        "incumbent",
        "demo",
        "serving",
    }
    assert bench.table([bench.Line("import", 0.15, 0.3, "s", 0.1)]).splitlines()[-1] == "| import | 0.150 s | 0.3 s | 0.50 | 0.1 s |"
