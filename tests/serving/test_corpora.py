"""predict: rows of every reader, and predictions as Anafora XML that another program scores as we do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import parse

import numpy as np
import pandas as pd
import pytest

from cotrain import Group, Settings, Source, Task, load
from cotrain.demo.layouts import Mention, anafora, cnlpt, knowtator
from cotrain.errors import InputError
from cotrain.evaluation.metrics import value
from cotrain.serving import predict as verb
from cotrain.serving.corpora import read, reader_of
from cotrain.tasks.load import load as load_tasks
from cotrain.tasks.source import Cut
from cotrain.training.models import SharedModel

POLARITY = {"negated": "NEG", "not_negated": "POS"}
MODALITY = {"hedged": "HEDGED", "actual": "ACTUAL"}


class Thyme(NamedTuple):
    """A corpus of notes, the tasks on it, and a model that was trained on them."""

    root: Path
    tasks: dict[str, Task]
    model: SharedModel
    folder: Path


@pytest.fixture(scope="session")
def thyme(tmp_path_factory: pytest.TempPathFactory, kept: Callable[..., Any]) -> Thyme:
    """Notes of a few words: w03 before an event negates it, w04 hedges it, most of the time."""
    from cotrain.training.models import write
    from cotrain.training.train import Options, train

    root, random = tmp_path_factory.mktemp("thyme"), np.random.default_rng(3)
    for number in range(24):
        words: list[str] = []
        events = []
        for _ in range(6):
            negated, hedged, sure = random.random() < 0.5, random.random() < 0.4, random.random() < 0.8
            words += [
                *random.choice([f"w{i:02d}" for i in range(10, 40)], 4),
                "w03" if negated == sure else "w05",
                "w04" if hedged else "w06",
            ]
            begin = len(" ".join(words)) + 1
            words.append(f"w{random.integers(10, 40)}")
            events.append(Mention([(begin, begin + 3)], {"Polarity": "NEG" if negated else "POS",
                                                         "ContextualModality": "HEDGED" if hedged else "ACTUAL"}))  # fmt: skip
        name, split = f"ID{number:03d}_clinic_{number:03d}", ("Train", "Train", "Dev", "Test")[number % 4]
        anafora(root, name, " ".join(words), [*events, Mention([(0, 3)], {}, "TIMEX3")], split)
    source = Source("thyme", format="anafora", path=str(root), labels=("negation", "modality"), window="3 tokens", private=True)
    tasks = load_tasks([source], Cut(test="test", dev="validation"))
    folder = tmp_path_factory.mktemp("trained")
    settings = Settings(str(kept("bert").folder.parent / "encoder"), learning_rate=3e-3, batch_size=8, epochs=3, max_length=32,
                        precision="fp32", device="cpu", threads=1)  # fmt: skip
    [fit] = train([Group.of(tasks)], tasks, settings, [5], folder / "fits", Options(workers=1, extras=("weights",)))
    write(fit, int(fit.blocks["thyme.negation", "test"].epochs[-1]), tasks, settings, folder / "model", sources=[source])
    return Thyme(root, tasks, load(folder / "model", "cpu", "fp32"), folder / "model")


def test_a_corpus_is_read_as_the_study_read_it_whatever_its_labels(thyme: Thyme, tmp_path: Path) -> None:
    assert reader_of(thyme.model, thyme.root) == "anafora"
    found = read(thyme.model, str(thyme.root), "anafora")
    [part] = found.parts
    assert set(part.tasks) == set(thyme.tasks) and part.pairs is None
    rows = pd.concat([thyme.tasks["thyme.negation"].split(split) for split in ("train", "dev", "test")]).set_index("row")["text"]
    assert dict(zip(found.rows, part.texts, strict=True)) == rows.to_dict()
    anafora(tmp_path, "ID001_clinic_001", "w10 w03 w11 w12", [Mention([(8, 11)], {})])  # without labels, in no folder of a split
    bare = read(thyme.model, str(tmp_path), "anafora")
    assert bare.parts[0].texts == ["w10 w03 <e> w11 </e> w12"]


@pytest.mark.parametrize("reader", ["anafora", "knowtator", "cnlpt", "tabular", "hub"])
def test_every_reader_feeds_a_model(reader: str, thyme: Thyme, tmp_path: Path) -> None:
    text, row = "w10 w03 w11 w12", "w10 w03 <e> w11 </e> w12"
    if reader == "anafora":
        anafora(tmp_path, "d1", text, [Mention([(8, 11)], {})])
    elif reader == "knowtator":
        knowtator(tmp_path, "d1", text, [Mention([(8, 11)], {}, "Lab")], 1)
    elif reader == "cnlpt":
        cnlpt(tmp_path / "test.json", [{"text": row, "id": "1"}])
    else:
        pd.DataFrame({"text": [row]}).to_csv(tmp_path / "test.csv", index=False)
    found = read(thyme.model, str(tmp_path), reader)
    assert [part.texts for part in found.parts] == [[row]]
    [table] = verb.predict(thyme.model, found)
    expected = thyme.model.predict([row])["thyme.negation"][0]
    assert table[["thyme.negation:not_negated", "thyme.negation:negated"]].to_numpy()[0] == pytest.approx(expected, abs=1e-6)


def test_a_folder_of_tables_is_read_by_the_columns_of_the_study(kept: Callable[..., Any], tmp_path: Path) -> None:
    model = load(kept("bert").folder, "cpu", "fp32")
    pd.DataFrame({"note": ["w10", "w11"], "text": "w12"}).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"note": ["w13"], "text": "w12"}).to_csv(tmp_path / "test.csv", index=False)
    assert reader_of(model, tmp_path) == "tabular"
    found = read(model, str(tmp_path), "tabular", ["neg", "kind"])
    assert [(part.tasks, part.texts) for part in found.parts] == [(("neg", "kind"), ["w10", "w11", "w13"])]
    assert found.rows == ["train:1", "train:2", "test:1"]
    assert read(model, str(tmp_path), "tabular", ["neg"], text="text").parts[0].texts == ["w12"] * 3


def scores(gold: Path, predicted: Path) -> dict[tuple[str, ...], Any]:
    """Return what anaforatools says of predictions, over all documents."""
    evaluate = pytest.importorskip("anafora.evaluate")
    total: dict[tuple[str, ...], Any] = {}
    documents = 0
    for _, named in evaluate.score_dirs(str(gold), str(predicted), xml_name_regex=r"\.completed\.xml$"):
        documents += 1
        for name, found in named.items():
            total.setdefault(name, evaluate.Scores()).update(found)
    assert documents == 24
    return total


def test_anaforatools_scores_the_predictions_as_we_do(thyme: Thyme, tmp_path: Path, cotrain: Callable[..., Any]) -> None:
    out = tmp_path / "xml"
    done = cotrain("predict", thyme.folder, thyme.root, "--format", "anafora", "--out", out, "--precision", "fp32")
    assert (done.code, done.out) == (0, f"{out}\n"), done.err
    inputs = read(thyme.model, str(thyme.root), "anafora")
    said = pd.concat(verb.predict(thyme.model, inputs)).set_index("row")
    theirs = scores(thyme.root, out)
    # every annotation that was read is there, with its span and type; the TIMEX3 of each note was none
    assert (theirs["EVENT", "<span>"].precision(), theirs["EVENT", "<span>"].recall()) == (1, 1)
    assert theirs["TIMEX3"].recall() == 0
    for task, name, names in (("thyme.negation", "Polarity", POLARITY), ("thyme.modality", "ContextualModality", MODALITY)):
        of = thyme.tasks[task]
        rows = pd.concat([of.split(split) for split in ("train", "dev", "test")])
        gold = np.array([of.labels.index(label) for label in rows["label"]])
        guess = np.array([of.labels.index(said.loc[row, task]) for row in rows["row"]])
        one_hot = np.where(np.arange(len(of.labels)) == guess[:, None], 0.0, -np.inf)
        assert 0.5 < value("accuracy", gold, one_hot) < 1  # some are wrong, or nothing would be tested
        assert theirs["EVENT", name].f1() == pytest.approx(value("accuracy", gold, one_hot))
        assert set(of.labels) == set(names)
        each = [theirs["EVENT", name, names[label]].f1() for label in of.labels]
        assert np.mean(each) == pytest.approx(value("macro_f1", gold, one_hot))


def test_the_files_lie_as_those_of_the_corpus_and_hold_no_text(thyme: Thyme, tmp_path: Path) -> None:
    inputs = read(thyme.model, str(thyme.root), "anafora", keys={"on_error": "skip"})
    out = verb.save(thyme.model, inputs, tmp_path / "xml", form="anafora")
    gold = sorted(str(file.relative_to(thyme.root)) for file in thyme.root.rglob("*.xml"))
    found = sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())
    assert found == [file.replace(".gold.", ".cotrain.") for file in gold]
    [first, *_] = parse(out / found[0]).getroot().iterfind("annotations/entity")
    assert (first.findtext("id") or "").endswith("@cotrain") and first.findtext("type") == "EVENT"
    assert {one.tag for one in first.iterfind("properties/*")} == {"Polarity", "ContextualModality"}
    assert not any("w03" in (out / file).read_text() for file in found)


def test_what_cannot_be_written_or_read_is_told(thyme: Thyme, tmp_path: Path, cotrain: Callable[..., Any]) -> None:
    def refused(words: str, *arguments: object) -> None:
        said = cotrain("predict", thyme.folder, *arguments)
        assert (said.code, said.out) == (2, "") and words in said.err, said.err

    rows = tmp_path / "rows.csv"
    rows.write_text("text\nw10\n")
    refused("rows are from something else", rows, "--format", "anafora", "--out", tmp_path / "x")
    refused("Did you mean 'anafora'?", thyme.root, "--format", "anaphora", "--out", tmp_path / "x")
    refused("name the file or folder to write with --out", thyme.root, "--format", "anafora")
    refused("unknown reader 'anaphora'. Did you mean 'anafora'?", thyme.root, "--reader", "anaphora")
    refused("unknown key of a reader 'entity'. Did you mean 'entities'?", thyme.root, "--set", "entity=EVENT")
    refused("--set belongs to --reader", rows, "--set", "entities=EVENT")
    refused("annotations of LOCATION", thyme.root, "--set", "entities=LOCATION")
    assert not (tmp_path / "x").exists()
    two = replace(thyme.model, about=json.loads(json.dumps(thyme.model.about).replace('"modality"', '"negation"')))
    with pytest.raises(InputError) as told:
        verb.save(two, read(two, str(thyme.root), "anafora"), tmp_path / "x", form="anafora")
    assert "both predict Polarity; name one with --tasks" in str(told.value)
    assert "Polarity has no value for its label actual, hedged; known are not_negated, negated" in str(told.value)


def test_tasks_of_other_windows_stand_in_their_own_and_of_other_annotations_are_refused(thyme: Thyme) -> None:
    def of(**changes: Any) -> SharedModel:
        about = json.loads(json.dumps(thyme.model.about))
        entry = about["tasks"]["thyme.modality"]
        entry["window"], entry["reader"] = changes.get("window", entry["window"]), {**entry["reader"], **changes.get("reader", {})}
        return replace(thyme.model, about=about)

    wide = read(of(window="document"), str(thyme.root), "anafora")
    by_task = {part.tasks[0]: part.texts for part in wide.parts}
    assert len(by_task) == 2 and all(len(w) > len(n) for w, n in zip(by_task["thyme.modality"], by_task["thyme.negation"], strict=True))
    with pytest.raises(InputError, match="read other rows of it; name one with --tasks"):
        read(of(reader={"entities": ["TIMEX3"]}), str(thyme.root), "anafora")
    assert len(read(of(reader={"entities": ["TIMEX3"]}), str(thyme.root), "anafora", ["thyme.modality"]).rows) == 24
