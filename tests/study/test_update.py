"""What an accepted change forgets, when it does, and what cannot stand beside what it is no longer like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cotrain import Group, open_study
from cotrain.errors import ChangedStudy, InputError
from cotrain.study import data, steps
from cotrain.study.status import status, unchecked
from cotrain.study.study import Study

DONE = {"score", "relate", "group", "train", "compare", "models", "report"}


def again(small: Path, *sets: str, update: bool = True) -> Study:
    return open_study(small / "study.yaml", out=small / "runs" / "small", sets=sets, update=update, workers=1)


def done(study: Study) -> set[str]:
    return {verb for verb, there in status(study)["verbs"].items() if there} & DONE


def test_what_was_made_of_other_settings_is_forgotten_and_files_of_people_stay(small: Path) -> None:
    before = again(small)
    assert done(before) == DONE
    before.save_arm("mine", before.placement.head())
    before.save_arm("frozen", before.placement.head())
    study = again(small, "training.learning_rate=1e-4")
    assert unchecked(study) and done(study) == DONE, "nothing is forgotten before the rows are read"
    data.tasks(study)
    assert not done(study) and not study.index and not study.changed and list(study.arms) == ["mine"]
    assert status(study)["models"] and {p.kind for p in study.plans()} == {"nominated", "control"}
    with pytest.raises(InputError, match="first: cotrain score"):
        steps.relate(study)


def test_a_change_that_cannot_be_read_changes_nothing(small: Path) -> None:
    study = again(small, "tasks.letters.path=data/nowhere.csv")
    with pytest.raises(InputError, match=r"nowhere.csv should be a file"):
        data.tasks(study)
    after = open_study(small / "runs" / "small")
    assert done(after) == DONE and len(after.index) == 12 and set(after.placement["task"]) == set(after.tasks)


def test_a_task_that_is_gone_takes_its_plans_with_it(small: Path) -> None:
    text = (small / "study.yaml").read_text()
    (small / "study.yaml").write_text("".join(line for line in text.splitlines(keepends=True) if "letters" not in line))
    study = again(small)
    data.tasks(study)
    assert all("letters" not in plan.tasks for plan in study.plans())
    assert status(study)["fits"]["wanted"] and "letters" not in {t for g in steps.alone(study) for t in g.tasks}


def test_fits_of_other_rows_or_another_encoder_do_not_stand_beside_those_of_today(small: Path) -> None:
    file = small / "data" / "letters.csv"
    text = file.read_text()
    file.write_text(text.replace("routine", "routine indeed"))
    with pytest.raises(ChangedStudy, match=r"rows of letters differ from what its fits were trained on.*--update"):
        steps.train(again(small, update=False), [Group.of(["letters"])])
    study = again(small)
    steps.train(study, [Group.of(["letters"])])
    assert set(study.index) == {"letters 1", "letters 2"} and study.load_comparison() is None and study.checked
    file.write_text(text)
    weights = small / "encoder" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + bytes([whole[-4] ^ 1]) + whole[-3:])
    with pytest.raises(ChangedStudy, match="rows of letters and the encoder differ"):
        steps.train(again(small, update=False), [Group.of(["letters"])])


def test_a_task_that_becomes_private_closes_what_is_there(small: Path) -> None:
    study = again(small, "tasks.letters.private=true", update=False)
    study.save_spec()
    assert not [file for file in study.path.rglob("*") if file.stat().st_mode & 0o077]


@pytest.mark.parametrize(("value", "words"), [("abc", "a whole number"), ("2.5", "a whole number"), ("[1]", "a whole number")])
def test_values_of_a_plan_from_the_terminal_have_their_type(small: Path, value: str, words: str) -> None:
    with pytest.raises(InputError, match=f"plan.largest should be {words}"):
        steps.group(again(small, update=False), sets=[f"plan.largest={value}"])


def test_a_damaged_table_is_told(small: Path) -> None:
    study: Any = again(small, update=False)
    (study.path / "comparison.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"comparison.parquet: should be a table written by cotrain; it is damaged"):
        study.load_comparison()
