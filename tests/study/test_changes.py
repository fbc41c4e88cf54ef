from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cotrain.study.changes import Changes, changes, kept
from cotrain.study.presets import LIGHT, Resolved, with_encoder
from cotrain.study.spec import read

Read = Callable[..., Resolved]
Write = Callable[..., Path]

TASKS = """\
model: some/encoder
preset: fast
tasks:
  cb: {path: data/cb, text: premise, pair: hypothesis, label: label}
  notes: {path: data/notes.csv, labels: [negation, uncertainty], names: [absent, present]}
seeds: [1, 2]
controls: [alone]
"""

# (--set of the new study, what is added)
ADDED = {
    "a task": ("tasks.rte={hub: glue, config: rte}", "task rte"),
    "a label column": ("tasks.notes.labels=[negation, uncertainty, family]", "task notes.family"),
    "a seed": ("seeds=[1, 2, 3]", "seed 3"),
    "a seed less": ("seeds=[1]", "seed 2 is left out"),
    "a control": ("controls=[alone, random]", "control random"),
    "a rule": ("plan.rule=clique", "plan.rule: not_different → clique"),
    "a level": ("plan.alpha=0.05", "plan.alpha: 0.01 → 0.05"),
    "a constraint": ("plan.apart=[[cb, notes.negation]]", "plan.apart: [] → [[cb, notes.negation]]"),
    "a test": ("plan.test=student", "plan.test: welch → student"),
    "a metric": ("tasks.cb.metric=accuracy", "task cb: metric: macro_f1 → accuracy"),
    "a delta": ("tasks.cb.delta=0.01", "task cb: delta: 0.02 → 0.01"),
    "privacy": ("tasks.cb.private=true", "task cb: private: false → true"),
    "the goal": ("goal=better", "goal: fewer → better"),
    "the epoch compared": ("select=last", "select: log_loss → last"),
    "the thresholds": ("thresholds=dev", "thresholds: half → dev"),
    "the epoch scored": ("score_by=last", "score_by: log_loss → last"),
    "the null model": ("null=finetune", "null: prior → finetune"),
}
# (--set of the new study, what is changed)
CHANGED = {
    "a setting": ("training.batch_size=8", "training.batch_size: 16 → 8"),
    "the learning rate": ("training.learning_rate=1e-5", "training.learning_rate: 5e-05 → 1e-05"),
    "the model": ("model=other/encoder", "model: some/encoder → other/encoder"),
    "the cut": ("splits.dev=0.3", "splits.dev: 0.2 → 0.3"),
    "a cap": ("splits.max_train=100", "splits.max_train: 500 → 100"),
    "a template": ('tasks.cb.text="{premise}!"', "task cb: text: premise → {premise}!"),
    "a pair": ("tasks.cb.pair=null", "task cb: pair: hypothesis → none"),
    "a label column": ("tasks.cb.label=gold", "task cb: label: label → gold"),
    "names": ("tasks.cb.names=[a, b]", "task cb: names: none → [a, b]"),
    "the splits of a task": ("tasks.cb.splits={test: test}", "task cb: splits: {} → {test: test}"),
    "a group": ("tasks.cb.group=pmid", "task cb: group: none → pmid"),
    "the file of a task": ("tasks.cb.path=data/cb2", "task cb: path: data/cb → data/cb2"),
}


@pytest.fixture
def both(write: Write) -> Callable[..., tuple[Resolved, Resolved]]:
    """Read the study without and with a ``--set``."""

    def make(*sets: str) -> tuple[Resolved, Resolved]:
        file = write(text=TASKS)
        return read(file), read(file, sets)

    return make


def test_the_same_study_has_no_changes(both: Callable[..., tuple[Resolved, Resolved]]) -> None:
    assert changes(*both()) == Changes()


@pytest.mark.parametrize("case", ADDED)
def test_what_leaves_rows_and_fits_alone_is_free(both: Callable[..., tuple[Resolved, Resolved]], case: str) -> None:
    force, words = ADDED[case]
    old, new = both(force)
    assert changes(old, new) == Changes(added=(words,))
    assert set(kept(old, new)) == {"cb", "notes.negation", "notes.uncertainty"}


@pytest.mark.parametrize("case", CHANGED)
def test_what_alters_rows_or_fits_is_listed(both: Callable[..., tuple[Resolved, Resolved]], case: str) -> None:
    force, words = CHANGED[case]
    assert changes(*both(force)) == Changes(changed=(words,))


def test_a_removed_task_is_listed(both: Callable[..., tuple[Resolved, Resolved]]) -> None:
    one, two = both("tasks.rte={hub: glue, config: rte}")
    assert changes(two, one) == Changes(changed=("task rte is gone",))
    one, two = both("tasks.notes.labels=[negation]")
    assert changes(one, two) == Changes(changed=("task notes.uncertainty is gone",))


def test_a_changed_task_is_not_kept(both: Callable[..., tuple[Resolved, Resolved]]) -> None:
    assert kept(*both("tasks.cb.text=other", "tasks.notes.delta=0.1")) == ("notes.negation", "notes.uncertainty")


def test_moved_data_are_the_same_data(write: Write, tmp_path: Path) -> None:
    file = write(text=TASKS)
    (tmp_path / "moved").mkdir()
    found = changes(read(file), read(file, data_root=tmp_path / "moved"))
    assert found == Changes(added=(f"folder of the data: {tmp_path}/demo → {tmp_path}/moved",))


def test_a_rate_by_the_size_of_the_encoder_is_the_same_rule_before_and_after(resolved: Read) -> None:
    study = resolved()
    light = with_encoder(study, LIGHT - 1)
    assert light.settings != study.settings
    assert changes(study, light) == changes(light, study) == Changes()
    forced = resolved("training: {learning_rate: 5e-5}\n")
    words = "training.learning_rate: by the encoder (5e-05 for a light one) → 5e-05"
    assert changes(study, forced) == changes(light, forced) == Changes(changed=(words,))


def test_another_preset_is_the_sum_of_its_differences(resolved: Read) -> None:
    found = changes(resolved(), resolved("preset: paper\n"))
    assert "training.max_length: 256 → 512" in found.changed
    assert "plan.select: nested → max_abs_t" in found.added
    assert "scores on test, as the paper: false → true" in found.added
    assert not any("preset" in words for words in (*found.added, *found.changed))
