"""Shots are one training row of each class, drawn by seed; a query tells nothing of its text."""

from __future__ import annotations

from dataclasses import replace

from cotrain.prompting.form import Form
from cotrain.prompting.queries import queries, shots
from cotrain.tasks.source import Source
from cotrain.tasks.task import Task


def form(task: Task) -> Form:
    return Form.of(Source(task.name, text="sentence1", pair="sentence2"), task.labels)


def test_shots_are_a_training_row_of_each_class_in_label_order(task: Task) -> None:
    train = task.split("train").set_index("row")
    for seed in range(5):
        drawn = shots(task, seed)
        assert [shot["label"] for shot in drawn] == list(task.labels)
        assert [train.loc[shot["row"], "label"] for shot in drawn] == list(task.labels)


def test_shots_differ_between_seeds_and_tasks_and_are_the_same_again(task: Task) -> None:
    rows = {seed: tuple(shot["row"] for shot in shots(task, seed)) for seed in range(20)}
    assert len(set(rows.values())) > 10
    assert rows == {seed: tuple(shot["row"] for shot in shots(task, seed)) for seed in range(20)}
    other = replace(task, name="rte")
    assert {seed: tuple(shot["row"] for shot in shots(other, seed)) for seed in range(20)} != rows


def test_every_row_is_drawn_about_as_often_as_any_other(task: Task) -> None:
    of_class = [shots(task, seed)[0]["row"] for seed in range(160)]
    counts = [of_class.count(row) for row in set(of_class)]
    assert len(counts) == 8
    assert min(counts) > 5  # 20 are expected, the standard deviation is 4.2


def test_there_is_a_query_per_row_and_seed_and_one_blank_per_seed(task: Task) -> None:
    found = queries(task, form(task), "dev", (1, 2), blank=True)
    assert [(q.seed, q.row) for q in found] == [(s, r) for s in (1, 2) for r in [*(f"r{i}" for i in range(24, 36)), ""]]
    assert found[0].prompt.startswith(found[12].shots) and found[12].block.startswith("SENTENCE1:\n\nSENTENCE2:\n\n")
    held_out = task.split("dev")["text"]
    assert [sum(text in q.prompt for text in held_out) for q in found] == ([1] * 12 + [0]) * 2


def test_a_key_depends_on_model_prompt_and_options_alone(task: Task) -> None:
    [first, second, *_] = queries(task, form(task), "dev", (1,))
    same = replace(first, task="other", row="r99", seed=7)
    assert same.key("m") == first.key("m")
    assert len({first.key("m"), first.key("n"), second.key("m"), replace(first, labels=first.labels[::-1]).key("m")}) == 4
    assert len(first.key("m")) == 64


def test_a_query_does_not_show_its_text(task: Task) -> None:
    [query, *_] = queries(task, form(task), "dev", (1,))
    assert "premise" not in repr(query)
