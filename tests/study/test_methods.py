"""Methods on a run folder: what is missing is said, trained once, counted, and nominates."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cotrain import InputError, Study, open_study, run, steps
from cotrain.study import data, methods
from cotrain.study.cost import cost
from cotrain.study.spec import read
from cotrain.training.calibrate import Rate
from cotrain.training.group import Group


@pytest.fixture
def study(small: Path) -> Study:
    """The finished small study: four tasks, two seeds."""
    return open_study(small / "runs" / "small", workers=1)


def test_hoa_says_what_is_missing_trains_it_once_and_nominates_by_gains(study: Study) -> None:
    there = [name for name in study.index if re.fullmatch(r"[^+\[]+\+[^+\[]+ 1", name) and "@" not in name]
    missing = 6 - len(there)
    with pytest.raises(InputError, match=rf"the method hoa needs {missing} fits? that .* first: cotrain train .* --for hoa"):
        methods.relate(study, "hoa")
    assert not (study.path / "affinity" / "hoa").exists() and not study.made_for
    one = methods.chosen(study, "hoa")
    methods.train(study, one)
    assert len(study.made_for["hoa"]) == missing
    found, made = methods.relate(study, "hoa"), dict(study.made_for)
    assert (found.cost["fits"], found.cost["reused"]) == (missing, 10 - missing) and found.cost["fit_seconds"] > 0
    methods.train(study, one)
    assert study.made_for == made, "nothing is made twice"
    fits = {fit.group.name: fit for fit in data.fits(study, one.groups, one.seeds)}
    value = found.pairs.set_index(["target", "helper"])["value"]
    block = fits["letters+reports"].blocks["reports", "dev"]
    assert len(value) == 12 and value.abs().max() < 2 and len(block.gold)
    [plan] = steps.group(study, {"select": "partition", "objective": "gain", "paper": True}, of="hoa")
    assert plan.name == "hoa-any-partition" and plan.settings["by"] == "hoa" and sorted(plan.tasks) == sorted(study.tasks)
    with pytest.raises(InputError, match=r"the method oracle needs \d+ fits that are not there"):
        methods.relate(study, "oracle")
    assert not any("oracle" in look for look in study.looks)


def test_what_needs_no_fits_is_related_at_once_and_kept_beside_pvi(study: Study) -> None:
    before = study.load_affinity("pvi").pairs
    for name in ("entropy", "textemb"):
        found = methods.relate(study, name)
        assert found.cost["fits"] == found.cost["reused"] == 0 and not study.made_for
        pd.testing.assert_frame_equal(study.load_affinity(name).pairs, found.pairs)
    assert study.load_affinity("pvi").pairs.equals(before)
    [plan] = steps.group(study, {"select": "top1_per_target"}, of="textemb")
    assert plan.settings["rule"] == "any"
    with pytest.raises(InputError, match="the rule 'clique' needs tests of pairs"):
        steps.group(study, {"rule": "clique", "select": "partition"}, of="textemb")


def test_measured_losses_are_an_affinity(study: Study, tmp_path: Path) -> None:
    names = sorted(study.tasks)
    lines = [{"group": name, "task": name, "loss": 1.0} for name in names]
    lines += [{"group": f"{a}+{b}", "task": t, "loss": 0.9 if t == a else 1.2} for a in names for b in names if a < b for t in (a, b)]
    file = tmp_path / "losses.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    found = methods.relate(study, "table", file).pairs.set_index(["target", "helper"])["value"]
    assert found[names[0], names[1]] == pytest.approx(0.1) and found[names[1], names[0]] == pytest.approx(-0.2)
    pd.DataFrame(lines[1:-1]).to_csv(file, index=False)
    with pytest.raises(InputError, match=rf"losses\.csv: there should be a line for each task of {names[0]}, .*it lacks them"):
        methods.relate(study, "table", file)
    pd.DataFrame([*lines, {"group": "bogus", "task": "bogus", "loss": 1.0}]).to_csv(file, index=False)
    with pytest.raises(InputError, match=r"tasks should be those of the study, .*found bogus too"):
        methods.relate(study, "table", file)
    pd.DataFrame(lines).assign(split="test").to_csv(file, index=False)
    with pytest.raises(InputError, match="should be measured on validation or dev, or have no split; found test alone"):
        methods.relate(study, "table", file)
    with pytest.raises(InputError, match="needs a file of measured losses"):
        methods.relate(study, "table")


def test_a_method_from_outside(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "liking.py").write_text(
        "from cotrain.affinity.method import Found, Method, pairs\n"
        "CLOSE = Method(lambda ground: Found(pairs(ground.names, lambda a, b: float(a < b)), 'likes'), sees='content')\n"
        "HALF = Method(lambda ground: Found(pairs(ground.names[:2], lambda a, b: 1.0), 'likes'), sees='content')\n"
        "def wrong(): pass\n"
        "def raises(ground): raise ValueError('words of a row')\n"
        "RAISES = Method(raises, sees='content')\n"
        "NONE = Method(lambda ground: None, sees='content')\n"
        "GROUPS = Method(raises, sees='content', groups=lambda tasks, options: tuple(tasks))\n"
        "COLOUR = Method(raises, sees='colour')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert methods.relate(study, "liking:CLOSE").method == study.load_affinity("liking:CLOSE").method == "liking:CLOSE"
    assert study.load_affinity("liking.CLOSE").pairs["unit"].eq("likes").all(), "the name of its folder"
    for name, words in {
        "HALF": r"should give one finite value of each pair of tasks; it does not for letters with notes.uncertainty, .* and 2 more",
        "RAISES": r"method liking:RAISES raised ValueError in relate, line 5 of liking\.py: words of a row",
        "NONE": "relate should return a Found, .*; found a NoneType",
        "GROUPS": "groups should return a list of Group, found a tuple with a str",
        "COLOUR": "unknown kind of what it sees 'colour'",
        "NOWHERE": "It should be my_module:name, in a folder that PYTHONPATH names",
    }.items():
        with pytest.raises(InputError, match=words):
            methods.relate(study, f"liking:{name}")
    study.__dict__["_tasks"] = {name: replace(task, private=True) for name, task in data.tasks(study).items()}
    with pytest.raises(InputError, match=r"liking\.py$"):
        methods.relate(study, "liking:RAISES")
    with pytest.raises(InputError, match=r"should be a cotrain\.affinity\.method\.Method, found a function"):
        methods.relate(study, "liking:wrong")
    with pytest.raises(InputError, match="unknown method 'hao'"):
        methods.relate(study, "hao")


def test_fits_that_lack_what_a_method_needs_are_made_again_and_counted(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "heavy.py").write_text(
        "from cotrain.affinity.losses import singles as alone\n"
        "from cotrain.affinity.method import TRAINED, Found, Method, pairs\n"
        "def relate(ground):\n"
        "    fits = ground.fits(alone(ground.names, {}))\n"
        "    kept = {f.group.tasks[0]: len(list((f.path / 'extras' / 'weights').iterdir())) for f in fits}\n"
        "    return Found(pairs(kept, lambda a, b: float(min(kept[a], kept[b]))), 'files')\n"
        "FILES = Method(relate, sees='content', groups=alone, extras=lambda *_: ('weights',), options={**TRAINED, 'repeats': 1})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"needs what 4 fits did not leave \(.* and 1 more; made once more for it\)"):
        methods.relate(study, "heavy:FILES")
    methods.train(study, methods.chosen(study, "heavy:FILES"))
    found = methods.relate(study, "heavy:FILES")
    assert found.pairs["value"].min() >= 1 and found.cost["fits"] == 4 and found.cost["reused"] == 0


@pytest.mark.parametrize(("added", "words"), [
    ("plan: {by: oracle, select: partition, rule: any}", ["oracle looks at test, and dev decides"]),
    ("plan: {by: textemb, rule: clique}", ["plan.by: textemb has values of pairs alone, no tests"]),
    ("methods: {surrogate: {subsets: many, fit: 3, sizes: 3}}",
     ["unknown option 'sizes'. Did you mean 'size'?", "surrogate.subsets should be like 40", "surrogate.fit should be like 'ridge'"]),
    ("methods: {oracle: {repeats: 5}, surrogate: {subsets: 1}}",
     ["oracle.repeats: 5 seeds are asked for, the study has 2", "1 groups of 3 leave 3 pairs of tasks that are in none"]),
    ("methods: {surrogate: {size: 9, fit: foo}, gradients: {at: top}, taskemb: {fisher: x}, etap: {size: 1}}",
     ["groups should be 1 or more of 2 to 3 tasks, found 40 of 9", "fit should be ridge or", "gradients.at should be joint or base",
      "taskemb.fisher should be per_example or", "etap: there should be 2 or more groups of 2 tasks or more"]),
    ("methods: {surogate: {}}", ["unknown method 'surogate'. Did you mean 'surrogate'?"]),
])  # fmt: skip
def test_faults_of_the_study_file(small: Path, added: str, words: list[str]) -> None:
    key = added.partition(":")[0]
    text = "\n".join(line for line in (small / "study.yaml").read_text().splitlines() if not line.startswith(f"{key}:"))
    (small / "other.yaml").write_text(f"{text}\n{added}\n")
    with pytest.raises(InputError) as refused:
        read(small / "other.yaml")
    assert len(refused.value.faults) == len(words)
    assert all(any(word in fault for fault in refused.value.faults) for word in words)


def test_options_seeds_and_too_few_tasks_are_told_before_anything_is_trained(small: Path) -> None:
    text = (small / "study.yaml").read_text()
    (small / "seeded.yaml").write_text(text + "methods: {hoa: {seeds: [7]}}\n")
    study = open_study(small / "seeded.yaml", out=small / "runs" / "seeded", workers=1)
    assert methods.chosen(study, "hoa").seeds == (7,)
    assert next(iter(methods.chosen(study, "hoa").groups)) == Group.of([sorted(study.tasks)[0]])
    with pytest.raises(InputError, match=r"oracle\.repeats: 5 seeds are asked for, the study has 2"):
        methods.chosen(study, "oracle", {"repeats": 5})
    with pytest.raises(InputError, match="1 groups of 3 leave 3 pairs of tasks that are in none; raise subsets"):
        methods.chosen(study, "surrogate", {"subsets": 1})


def test_a_study_whose_file_names_a_method_nominates_by_it(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits are those of the small study; the report is written, and PVI stands beside."""
    monkeypatch.setattr("cotrain.study.run.models", lambda *_: {})
    text = (small / "study.yaml").read_text().replace("plan: {select: partition}", "plan: {by: textemb, rule: any, models: 2}")
    (small / "named.yaml").write_text(text)
    study = open_study(small / "named.yaml", out=small / "runs" / "named", workers=1)
    shutil.copytree(small / "runs" / "small" / "fits", study.fits)
    outcome = run(study)
    [plan] = [plan for plan in study.plans() if plan.kind == "nominated"]
    assert plan.name == plan.settings["by"] == "textemb" and plan.models == 2 and outcome.report.is_file()
    assert study.load_affinity("pvi").pairs["p"].notna().all() and study.load_affinity("textemb").pairs["p"].isna().all()
    study.save_affinity(replace(found := study.load_affinity("textemb"), tasks=found.tasks[1:], pairs=found.pairs[:0]), "textemb")
    with pytest.raises(InputError, match=r"was made of other tasks .*; first: cotrain relate .* --by textemb"):
        steps.group(study)


def test_check_counts_the_fits_of_the_method_that_nominates(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
    text = (small / "study.yaml").read_text()
    found = {}
    for name, more in (("pvi", ""), ("hoa", "by: hoa, "), ("own", "by: hoa, ")):
        methods_of = "methods: {hoa: {seeds: [7]}}\n" if name == "own" else ""
        plan = f"plan: {{{more}rule: any, select: partition}}"
        (small / f"{name}.yaml").write_text(text.replace("plan: {select: partition}", plan) + methods_of)
        study = open_study(small / f"{name}.yaml", out=small / "runs" / name)
        found[name] = cost(study, data.tasks(study))
    assert found["hoa"]["fits"] - found["pvi"]["fits"] == 6, "every pair of four tasks at one seed of two"
    assert found["own"]["fits"] - found["pvi"]["fits"] == 6 + 4, "seeds of its own need the tasks alone too"
    assert found["hoa"]["tokens"] > found["pvi"]["tokens"]


def test_every_draw_of_a_control_is_budgeted(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotrain.study.cost.calibrate", lambda *_: Rate(2e-5, 1, 1.0))
    text = (small / "study.yaml").read_text()
    found = []
    for name in ("random", "random:3", "mine:control"):
        (small / "draws.yaml").write_text(text.replace("controls: [alone, together]", f'controls: [alone, "{name}"]'))
        study = open_study(small / "draws.yaml", out=small / "runs" / name)
        found.append(cost(study, data.tasks(study))["parts"][name])
    assert found[1] == {key: 3 * value for key, value in found[0].items()}
    assert found[2] == found[0], "the colon of one from outside asks for no draws"


def test_methods_that_are_trained_for_at_once_share_their_fits(study: Study) -> None:
    tag, gradients, taskemb = methods.at_once([methods.chosen(study, name) for name in ("tag", "gradients", "taskemb")])
    joint = Group.of(study.tasks)
    assert tag.groups == gradients.groups == {joint: ("looks", "projected")}
    assert set(taskemb.groups.values()) == {("fisher",)}
    methods.train(study, tag)
    made = len(study.made_for["tag"])
    methods.train(study, gradients)
    assert made == 1 and not study.made_for["gradients"]
    assert methods.relate(study, "gradients").cost["reused"] == 1


def test_tasks_alone_are_the_baselines_whoever_trains_them_first(small: Path, tmp_path: Path) -> None:
    study = open_study(small / "study.yaml", out=tmp_path / "anew", workers=1)
    taskemb = methods.chosen(study, "taskemb")
    assert methods._to_be_made(study, taskemb) == []
    methods.train(study, taskemb._replace(groups=dict.fromkeys(taskemb.groups, ())))
    assert study.made_for["taskemb"] == []
    assert len(methods._to_be_made(study, taskemb)) == len(taskemb.groups) * 2, "what is there, and is made again for it, is its own"


def test_etap_learns_from_what_a_study_trains(study: Study) -> None:
    """It reads groups in two steps, each of which is there."""
    one = methods.chosen(study, "etap", {"subsets": 2})
    methods.train(study, one)
    found = methods.relate(replace(study, resolved=replace(study.resolved, methods={"etap": {"subsets": 2}})), "etap")
    assert len(found.pairs) == 12 and found.cost["gradient_passes"] > 0
