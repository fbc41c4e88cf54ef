"""A trainer from outside: what it is asked, that its answer is the fit, and what is refused."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain import Group, Rows, Settings, Task
from cotrain.errors import InputError
from cotrain.training import ledger, outside, worker
from cotrain.training.group import Member
from cotrain.training.sampling import derived_seed
from cotrain.training.train import Options, effective, missing, train

Make = Callable[..., Any]
ONE = Options(workers=1)

# naive Bayes over words, a model per task
BAYES = """
import numpy as np

from cotrain import Answer


def fit(asked):
    (asked.scratch / "notes").write_text("gone afterwards")
    log2_p = {}
    for name, rows in asked.tasks.items():
        words = {w: i for i, w in enumerate(sorted({w for text in rows.train["text"] for w in text.split()}))}
        counted = np.ones((len(rows.labels), len(words)))
        for text, label in zip(rows.train["text"], rows.train["label"]):
            for w in text.split():
                counted[rows.labels.index(label), words[w]] += 1
        weight = np.log2(counted / counted.sum(axis=1, keepdims=True))
        for split in ("dev", "test"):
            scores = np.zeros((len(getattr(rows, split)), len(rows.labels)))
            for i, text in enumerate(getattr(rows, split)["text"]):
                for w in text.split():
                    scores[i] += weight[:, words[w]] if w in words else 0
            scores -= scores.max(axis=1, keepdims=True)
            log2_p[name, split] = scores - np.log2(np.exp2(scores).sum(axis=1, keepdims=True))
    return Answer(log2_p, updates=asked.updates or 7, parameters=counted.size)
"""
CONSTANT = """
import numpy as np

from cotrain import Answer


def even(asked):
    def p(rows, k):
        return np.full((len(rows), k), -np.log2(k))

    return {(t, s): p(getattr(r, s), len(r.labels)) for t, r in asked.tasks.items() for s in ("dev", "test")}
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Write a module that this process and its workers can import."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    names: list[str] = []

    def write(name: str, text: str) -> Path:
        names.append(name)
        file = folder / f"{name}.py"
        file.write_text(text)
        return file

    yield write
    for name in names:
        sys.modules.pop(name, None)
        outside._read.pop(name, None)


def one_fit(tasks: dict[str, Task], settings: Settings, fits: Path, group: str = "a", seed: int = 1) -> Any:
    [found] = train([Group.parse(group)], tasks, settings, [seed], fits, ONE)
    return found


def test_a_fit_is_what_the_function_returned(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("bayes", BAYES)
    tasks = {"a": task("a"), "b": task("b", labels=("x", "y", "z"), dev=11)}
    found = one_fit(tasks, settings(trainer="bayes:fit"), tmp_path / "fits", "a+b")
    asked = outside.Asked(
        found.group, {t: outside.rows_of(Member(t), tasks[t]) for t in "ab"}, effective(settings(trainer="bayes:fit")), 1, None, tmp_path
    )
    again = outside.loaded("bayes:fit")(asked)
    for (name, split), block in found.blocks.items():
        np.testing.assert_allclose(block.log2_p[0], again.log2_p[name, split], rtol=1e-6)
        gold, rows = tasks[name].gold(split), tasks[name].split(split)["row"]
        assert block.epochs.tolist() == [1] and block.gold.tolist() == gold.tolist() and list(block.rows) == list(rows)
    assert set(found.blocks) == {(t, s) for t in "ab" for s in ("dev", "test")}
    assert found.updates == 7 and found.cost["parameters"] > 0 and found.cost["seconds"] > 0 and found.cost["peak_bytes"] > 1e6
    assert "tokens" not in found.cost
    [line] = found.history.query("task == 'a'").to_dict("records")
    dev = found.blocks["a", "dev"]
    assert line["dev_accuracy"] == (dev.log2_p[0].argmax(axis=1) == dev.gold).mean() > 0.8, "the word that says the label is found"
    assert line["dev_bits"] == pytest.approx(-dev.log2_p[0][np.arange(20), dev.gold].mean(), rel=1e-6)
    assert line["updates"] == 7 and np.isnan(line["train_bits"])
    assert not ledger.damage(found.path) and "scratch" not in str(list(found.path.rglob("*")))
    assert sorted(f.name for f in found.path.iterdir()) == ["checksums.json", "history.parquet", "manifest.json", "predictions.parquet"]
    assert found.manifest["settings"]["trainer"].startswith("bayes:fit@")


def test_epochs_are_kept_in_the_order_of_their_names(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("epochs", CONSTANT + '''

def fit(asked):
    sharper = {at: np.stack([p, np.log2(np.r_[0.9, 0.1]) + 0 * p]) for at, p in even(asked).items()}
    return Answer(sharper, epochs=[2, 5])
''')  # fmt: skip
    found = one_fit({"a": task("a")}, settings(trainer="epochs:fit"), tmp_path / "fits")
    dev, test = (found.blocks["a", split] for split in ("dev", "test"))
    assert dev.epochs.tolist() == test.epochs.tolist() == found.history["epoch"].tolist() == [2, 5]
    np.testing.assert_allclose(found.blocks["a", "test"].at(2), -1)
    np.testing.assert_allclose(np.exp2(found.blocks["a", "test"].at(5)[0]), [0.9, 0.1], rtol=1e-6)
    assert np.isnan(found.history["seconds"][0]) and found.history["seconds"][1] == found.cost["seconds"]
    assert found.history["dev_bits"][0] == 1 and "updates" not in found.cost


def test_nothing_that_it_gets_depends_on_the_labels_of_test(task: Make) -> None:
    """The bytes of all that is given are equal where test has all labels the other way round, and those of dev are not."""
    one = task("a")

    def turned(split: str) -> Task:
        rows = one.rows.copy()
        here = rows["split"] == split
        rows.loc[here, "label"] = rows.loc[here, "label"].map({"no": "yes", "yes": "no"})
        return replace(one, rows=rows)

    for name in ("a", "a[blank]", "a[permuted:3]"):
        [member] = Group.parse(name).members
        first, test, dev = (pickle.dumps(outside.rows_of(member, t)) for t in (one, turned("test"), turned("dev")))
        assert first == test != dev
    rows = outside.rows_of(Member("a"), one)
    assert list(rows.test.columns) == ["row", "text", "pair"] and list(rows.dev.columns) == ["row", "text", "pair", "label"]
    assert {f.name for f in fields(Rows)} == {"labels", "has_pair", "train", "dev", "test"}


def test_blank_and_permuted_members_are_given_as_such(task: Make) -> None:
    one = task("a", pair=True)
    plain, blank, permuted = (outside.rows_of(Group.parse(n).members[0], one) for n in ("a", "a[blank]", "a[permuted:7]"))
    assert plain.train["text"].tolist() == one.split("train")["text"].tolist() and plain.train["pair"].str.len().gt(0).all()
    for split in ("train", "dev", "test"):
        assert set(getattr(blank, split)["text"]) == set(getattr(blank, split)["pair"]) == {""}
    assert blank.train["label"].tolist() == plain.train["label"].tolist()
    for split in ("train", "dev"):
        gold = one.split(split)["label"].to_numpy(dtype=object)
        order = np.random.default_rng(derived_seed(7, "permuted", "a", split)).permutation(len(gold))
        assert getattr(permuted, split)["label"].tolist() == gold[order].tolist() != gold.tolist()
    assert permuted.train["text"].equals(plain.train["text"])


def test_a_permuted_member_is_judged_by_its_true_labels(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("bayes", BAYES)
    one = task("a", train=60, dev=40)
    found = one_fit({"a": one}, settings(trainer="bayes:fit"), tmp_path / "fits", "a[permuted:1]")
    dev = found.blocks["a", "dev"]
    assert dev.gold.tolist() == one.gold("dev").tolist()
    assert found.history["dev_accuracy"].item() == (dev.log2_p[0].argmax(axis=1) == dev.gold).mean()
    assert found.train_counts["a"] == one.train_counts


def test_a_trainer_that_was_edited_makes_another_fit(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    file, tasks, chosen = written("bayes", BAYES), {"a": task("a")}, settings(trainer="bayes:fit")
    first = one_fit(tasks, chosen, tmp_path / "fits")
    assert missing([Group.of("a")], tasks, chosen, [1], tmp_path / "fits") == []
    assert one_fit(tasks, chosen, tmp_path / "fits").key == first.key
    file.write_text(BAYES.replace("asked.updates or 7", "asked.updates or 1000"))
    assert missing([Group.of("a")], tasks, chosen, [1], tmp_path / "fits") == [(Group.of("a"), 1)]
    second = one_fit(tasks, chosen, tmp_path / "fits")
    assert second.key != first.key and (first.updates, second.updates) == (7, 1000), "the edited file is what runs"
    other = one_fit(tasks, settings(), tmp_path / "fits")
    assert len({first.key, second.key, other.key}) == 3
    file.write_text(BAYES)
    assert one_fit(tasks, chosen, tmp_path / "fits").key == first.key


def test_a_worker_refuses_another_file_than_the_key_was_made_of(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    file = written("bayes", BAYES)
    chosen = effective(settings(trainer="bayes:fit"))
    assert effective(chosen) == chosen
    file.write_text(BAYES + "# edited while it trains\n")
    worker.prepare({"a": task("a")}, chosen, tmp_path)
    try:
        with pytest.raises(InputError, match=r"bayes\.py is not the file that this training began with"):
            worker.fit(worker.Job("k" * 32, Group.of("a"), 1, None), tmp_path / "fits")
    finally:
        worker.release()
    assert not [f for f in (tmp_path / "fits").iterdir() if "k" * 32 in f.name and f.is_dir()]


def test_two_processes_do_not_make_a_fit_twice(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    """Two workers, and beside them this process, on the same six fits: each is made once."""
    log = tmp_path / "log"
    written("slow", CONSTANT + f'''

def fit(asked):
    import os, time
    with open({str(log)!r}, "a") as file:
        file.write(f"{{os.getpid()}} {{asked.group.name}} {{asked.seed}}\\n")
    time.sleep(0.3)
    return Answer(even(asked))
''')  # fmt: skip
    tasks, chosen = {name: task(name) for name in "abc"}, settings(trainer="slow:fit")
    found = train([Group.of(name) for name in "abc"], tasks, chosen, [1, 2], tmp_path / "fits", Options(workers=2))
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len(found) == len(lines) == 6 and len({tuple(line[1:]) for line in lines}) == 6
    assert len({line[0] for line in lines}) == 2 and str(os.getpid()) not in {line[0] for line in lines}
    train([Group.of(name) for name in "abc"], tasks, chosen, [1, 2], tmp_path / "fits", ONE)
    assert len(log.read_text().splitlines()) == 6


def test_predictions_that_are_not_numbers_are_a_failed_fit(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("diverged", CONSTANT + '''

def fit(asked):
    found = even(asked)
    found["b", "test"][3, 0] = np.nan if asked.seed == 1 else -np.inf
    found["b", "test"][3, 1] = -np.inf
    return Answer(found, updates=3)
''')  # fmt: skip
    tasks = {name: task(name) for name in "ab"}
    for seed in (1, 2):
        found = one_fit(tasks, settings(trainer="diverged:fit"), tmp_path / "fits", "a+b", seed)
        assert found.failed == "the predictions of b on test are not numbers" and not found.blocks and found.updates == 3
        assert ledger.load(found.path).failed == found.failed and not len(found.history)


@pytest.mark.parametrize(("body", "faults"), [
    ("Answer({('a', 'dev'): even(asked)['a', 'dev']})", ["task a, test: there are no predictions", "task b, dev: there are no predictions",
                                                         "task b, test: there are no predictions"]),
    ("Answer({**even(asked), ('c', 'dev'): [[0]]})", [r"log2_p has \('c', 'dev'\), which is not asked for"]),
    ("Answer({**even(asked), ('a', 'dev'): np.zeros((20, 3)), ('b', 'test'): np.zeros(20)})",
     [r"task a, dev: log2_p should have the shape \(20, 2\) or \(epochs, 20, 2\).*found \(20, 3\)", r"task b, test: .*found \(20,\)"]),
    ("Answer({**even(asked), ('a', 'dev'): 'none'})", ["task a, dev: log2_p should be an array of numbers, found a str"]),
    ("Answer({at: p * np.log(2) for at, p in even(asked).items()})",
     [f"task {t}, {s}: probabilities of 20 of 20 predictions do not sum to 1, the worst to 1.237; .* base 2"
      for t in "ab" for s in ("dev", "test")]),
    ("Answer({**even(asked), ('a', 'dev'): np.full((20, 2), np.log2(0.4994))})",
     ["task a, dev: probabilities of 20 of 20 predictions do not sum to 1, the worst to 0.9988"]),
    ("Answer({**even(asked), ('a', 'dev'): np.full((2, 20, 2), -1.0)})", ["same number of epochs, found a, dev: 2, a, test: 1"]),
    ("Answer(even(asked), epochs=[1, 2], updates=-1, parameters='many')",
     ["epochs should be as many as log2_p has, 1, found 2", "updates should be a number, 0 or more, found -1", "parameters should be"]),
    ("Answer(even(asked), epochs=[1.5])", [r"epochs should be whole numbers that ascend, found \[1.5\]"]),
    ("Answer({at: np.stack([p, p]) for at, p in even(asked).items()}, epochs=[3, 2])", [r"that ascend, found \[3, 2\]"]),
    ("even(asked)", ["should return a cotrain.Answer, whose log2_p is by .*; found a dict"]),
    ("None", ["found a NoneType"]),
])  # fmt: skip
def test_every_fault_of_an_answer_is_told(written: Make, task: Make, settings: Make, tmp_path: Path, body: str, faults: list[str]) -> None:
    written("wrong", f"{CONSTANT}\n\ndef fit(asked):\n    return {body}\n")
    tasks = {name: task(name) for name in "ab"}
    with pytest.raises(InputError) as refused:
        one_fit(tasks, settings(trainer="wrong:fit"), tmp_path / "fits", "a+b")
    assert len(refused.value.faults) == len(faults)
    for fault, words in zip(refused.value.faults, faults, strict=True):
        assert fault.startswith("trainer wrong:fit, a+b (1): ")
        assert re.search(words, fault), fault
    assert not list((tmp_path / "fits").glob("*/manifest.json")), "nothing half-written"


def test_sums_within_a_thousandth_pass(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("near", CONSTANT + "\n\ndef fit(asked):\n    return Answer({at: p + np.log2(0.9995) for at, p in even(asked).items()})\n")
    found = one_fit({"a": task("a")}, settings(trainer="near:fit"), tmp_path / "fits")
    assert np.exp2(found.blocks["a", "dev"].log2_p).sum(axis=2) == pytest.approx(0.9995, abs=1e-6), "as they were returned"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_trainer_names_it_and_its_place(written: Make, task: Make, settings: Make, tmp_path: Path, workers: int) -> None:
    written("broken", "def fit(asked):\n    inside(asked.tasks)\n\n\ndef inside(tasks):\n    raise KeyError(tasks['a'].train['text'][0])\n")
    tasks = {"a": task("a")}
    text = tasks["a"].split("train")["text"][0]
    words = r"trainer broken:fit raised KeyError for a \(\d\), line 6 of broken\.py"
    how = Options(workers=workers)
    with pytest.raises(InputError, match=f"{words}: '{text}'"):
        train([Group.of("a")], tasks, settings(trainer="broken:fit"), [1, 2], tmp_path / "fits", how)
    with pytest.raises(InputError, match=f"{words}$") as refused:
        train([Group.of("a")], {"a": replace(tasks["a"], private=True)}, settings(trainer="broken:fit"), [1, 2], tmp_path / "fits", how)
    assert text not in str(refused.value), "what it says may quote a private row"
    assert not list((tmp_path / "fits").glob("*/manifest.json"))


@pytest.mark.parametrize(("trainer", "words"), [
    ("nowhere_at_all:fit", "trainer 'nowhere_at_all:fit' cannot be imported: .*It should be my_module:name, in a folder that PYTHONPATH"),
    ("bayes:fti", "trainer 'bayes:fti' cannot be imported"),
    ("bayes:np", "should be a function of a cotrain.Asked, found a module"),
    ("shared_encodr", "unknown trainer 'shared_encodr'. Did you mean 'shared_encoder'?"),
    ("sys:exit", "should be in a module with a file"),
    ("__main__:fit", "cannot be imported|should be in a module with a file"),
])  # fmt: skip
def test_a_trainer_that_is_none_is_refused(written: Make, task: Make, settings: Make, tmp_path: Path, trainer: str, words: str) -> None:
    written("bayes", BAYES)
    with pytest.raises(InputError, match=words):
        one_fit({"a": task("a")}, settings(trainer=trainer), tmp_path / "fits")


def test_budgets_are_passed_on_and_a_budget_of_a_group_needs_a_count(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("bayes", BAYES)
    written("mute", CONSTANT + "\n\ndef fit(asked):\n    return Answer(even(asked))\n")
    tasks = {name: task(name) for name in "ab"}
    groups = [Group.of("ab"), Group.parse("a@12"), Group.parse("a@a+b")]
    assert [fit.updates for fit in train(groups, tasks, settings(trainer="bayes:fit"), [1], tmp_path / "fits", ONE)] == [7, 12, 7]
    with pytest.raises(InputError, match=r"a@a\+b takes its budget from a\+b, and the trainer mute:fit does not say how many updates"):
        train(groups, tasks, settings(trainer="mute:fit"), [1], tmp_path / "fits", ONE)


def test_what_only_our_own_training_gives_is_refused(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("bayes", BAYES)
    with pytest.raises(InputError, match=r"the extra weights is what a fit keeps beside .* bayes:fit is from outside"):
        train([Group.of("a")], {"a": task("a")}, settings(trainer="bayes:fit"), [1], tmp_path, Options(workers=1, extras=("weights",)))
    with pytest.raises(InputError, match="setting class_weights should be none with a trainer from outside, found balanced"):
        settings(trainer="bayes:fit", class_weights="balanced")


def test_an_empty_test_as_that_of_a_fold_is_asked_for_and_answered(written: Make, task: Make, settings: Make, tmp_path: Path) -> None:
    written("bayes", BAYES)
    found = one_fit({"a": task("a", test=0)}, settings(trainer="bayes:fit"), tmp_path / "fits")
    assert found.blocks["a", "dev"].log2_p.shape == (1, 20, 2) and not found.failed


def test_the_nouns_of_a_trainer_need_no_torch() -> None:
    code = "import sys; from cotrain import Answer, Asked, Rows; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
