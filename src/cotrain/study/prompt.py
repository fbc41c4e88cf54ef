"""``prompt``: a language model answers the rows of a study from a few examples; its predictions are an arm beside the fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.prompting import guard
from cotrain.prompting.answers import Reply
from cotrain.prompting.ask import Show, ask, missing
from cotrain.prompting.form import Form
from cotrain.prompting.journal import Journal
from cotrain.prompting.meter import Limits, Meter, Spent
from cotrain.prompting.queries import BLANK, Query, queries
from cotrain.study import data
from cotrain.study.arms import wrong_arm
from cotrain.study.study import Study
from cotrain.tasks.source import CLINICAL
from cotrain.tasks.task import Split, Task

if TYPE_CHECKING:
    from cotrain.pvi.scores import Scores


@dataclass(frozen=True)
class Asked:
    """Who is asked, about what, and how much that may take.

    Attributes:
        lm: the name of a model at ``base_url``, else a folder or a Hub id.
        base_url: where the model is, or nothing: on this machine, by Transformers.
        tasks: all where none is named.
        shot_sets: how many of the study's seeds draw shots; 0: all.
        splits: whose rows are asked about.
        api: a name of ``cotrain.prompting.APIS``.
        key_from: the variable of the environment that holds the key.
        answer_tokens: of an answer at most.
        at_once: requests at the same time.
        limits: what may be spent.
        name: of the arm; the last part of the model's name where there is none.
    """

    lm: str
    base_url: str = ""
    tasks: tuple[str, ...] = ()
    shot_sets: int = 0
    splits: tuple[Split, ...] = ("test",)
    api: str = "chat"
    key_from: str = "OPENAI_API_KEY"
    answer_tokens: int = 16
    at_once: int = 8
    limits: Limits = field(default_factory=Limits)
    name: str = ""

    @property
    def arm(self) -> str:
        """The name of the arm."""
        return self.name or re.sub(r"[^\w.-]+", "-", self.lm.rstrip("/").rpartition("/")[2]).strip("-.") or "lm"


@dataclass(frozen=True)
class Expected:
    """What would be asked: prompts, those answered already, requests to come, and about how many tokens they have."""

    prompts: int
    there: int
    requests: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Prompted:
    """What was answered.

    Attributes:
        arm: the name of the arm.
        table: one line per task, row and seed: ``task``, ``row``, ``seed``, ``guess`` (null where the answer names no option),
            ``log2_p`` (in label order, where every answer has them).
        tasks: one line per task: ``task``, ``rows``, ``seeds``, ``unanswered`` (answers that name no option).
        spent: by this command.
    """

    arm: str
    table: pd.DataFrame = field(repr=False)
    tasks: pd.DataFrame
    spent: Spent

    @property
    def unanswered(self) -> dict[str, list[str]]:
        """By task the rows that have an answer which names no option."""
        return _unanswered(self.table)


def sample(study: Study, task: str) -> str:
    """Return the prompt of a task, its rows described instead of shown.

    Raises:
        InputError: a task that the study does not have.
    """
    return _forms(study, (task,))[0][1].placeholders()


def expected(study: Study, asked: Asked) -> Expected:
    """Return what ``prompt`` would ask; nothing is sent, no model is loaded.

    Raises:
        InputError: unknown tasks, private ones that would leave this machine.
    """
    wanted = _queries(study, asked)
    todo = missing(wanted, _identity(asked), _journal(study, asked))
    prompts = len({query.key("") for query in wanted})
    out = asked.answer_tokens * len(todo) if asked.base_url else 0
    return Expected(prompts, prompts - len(todo), len(todo), sum(query.tokens for query in todo.values()), out)


def prompt(study: Study, asked: Asked, show: Show | None = None) -> Prompted:
    """Return what a language model answers, kept as ``arms/NAME.parquet``; answers of an earlier, killed run are not asked again.

    Raises:
        InputError: unknown tasks, private ones that would leave this machine, a model that cannot be asked; what was answered
            until then is kept.
    """
    wanted = _queries(study, asked)
    replies, spent = _replies(study, asked, wanted, show)
    table = pd.DataFrame({
        "task": [query.task for query in wanted], "row": [query.row for query in wanted], "seed": [query.seed for query in wanted],
        "guess": pd.Series([None if r.option is None else q.labels[r.option] for q, r in zip(wanted, replies, strict=True)], dtype=object),
    })  # fmt: skip
    if all(reply.log2_p for reply in replies):
        table["log2_p"] = [list(reply.log2_p or ()) for reply in replies]
    lines = (
        table.assign(answers=1, unanswered=table["guess"].isna())
        .groupby("task", sort=False, as_index=False)
        .agg(rows=("row", "nunique"), seeds=("seed", "nunique"), answers=("answers", "sum"), unanswered=("unanswered", "sum"))
    )
    drawn = table.groupby("task")["seed"].unique()
    facts = {
        line["task"]: {"splits": list(asked.splits), "seeds": sorted(map(int, drawn[line["task"]])), "answers": line["answers"],
                       "unanswered": line["unanswered"]}
        for line in lines.to_dict("records")
    }  # fmt: skip
    study.save_prompted(asked.arm, table, {"model": asked.lm, "address": asked.base_url, "tasks": facts})
    return Prompted(asked.arm, table, lines.drop(columns="answers"), spent)


def score(study: Study, asked: Asked, show: Show | None = None) -> Scores:
    """Return the Scores in context of every task on the rows that the study scores, kept as ``scores/pvi-incontext``.

    Raises:
        InputError: answers without log-probabilities, and what ``prompt`` refuses.
    """
    from cotrain.pvi.incontext import Answered
    from cotrain.pvi.incontext import score as pvi

    split: Split = "test" if study.resolved.paper else "dev"
    wanted = _queries(study, replace(asked, splits=(split,)), blank=True)
    replies, _ = _replies(study, asked, wanted, show)
    found = {(q.task, q.seed, q.row): r.log2_p for q, r in zip(wanted, replies, strict=True)}
    if lacking := {
        task: n for task in {q.task for q in wanted} if (n := sum(log2_p is None for (t, *_), log2_p in found.items() if t == task))
    }:
        raise InputError(
            f"task {task}: PVI needs log-probabilities of the options, {n} answers have none; ask a model on this machine (--lm FOLDER "
            "without --base-url), or a server that gives them"
            for task, n in sorted(lacking.items())
        )
    tasks, answered = data.tasks(study), {}
    for task in dict.fromkeys(query.task for query in wanted):
        seeds = list(dict.fromkeys(query.seed for query in wanted if query.task == task))
        rows = tasks[task].split(split)["row"]
        answered[task] = Answered(
            np.array([[found[task, seed, row] for row in rows] for seed in seeds], dtype=float),
            np.array([found[task, seed, BLANK] for seed in seeds], dtype=float), seeds,
        )  # fmt: skip
    scores = pvi(tasks, answered, split)
    if split == "test":
        study.look_at_scores(f"score incontext {asked.lm}", scores)
    study.save_scores(scores, "pvi-incontext")
    return scores


def _forms(study: Study, names: Sequence[str]) -> list[tuple[Task, Form]]:
    """Return the tasks of these names, or all, each with its form.

    Raises:
        InputError: tasks that the study does not have.
    """
    data.needs_rows(study, "prompt")
    if strange := [unknown("task", name, study.tasks) for name in names if name not in study.tasks]:
        raise InputError(strange)
    tasks, sources = data.tasks(study), {task: source for source in study.resolved.sources for task in source.tasks}
    return [(tasks[name], Form.of(sources[name], tasks[name].labels)) for name in (names or study.tasks)]


def _queries(study: Study, asked: Asked, blank: bool = False) -> list[Query]:
    """Return what is asked, after the guard has let it pass."""
    if words := wrong_arm(study, asked.arm):
        raise InputError(words.replace("arm", "--name", 1))
    if (other := study.prompted.get(asked.arm, {}).get("model")) and other != asked.lm:
        raise InputError(f"arm {asked.arm} has the answers of {other}; give those of {asked.lm} another name with --name")
    forms = _forms(study, asked.tasks)
    if asked.base_url:
        guard.refuse(asked.base_url, [task.name for task, _ in forms if task.private])
    seeds = (study.resolved.seeds or (0,))[: asked.shot_sets or None]
    if len(seeds) < asked.shot_sets:
        raise InputError(f"--shot-sets should be at most {len(seeds)}, the seeds of the study; add seeds to it for more")
    return [query for task, form in forms for split in asked.splits for query in queries(task, form, split, seeds, blank)]


def _journal(study: Study, asked: Asked) -> Journal:
    """Return the answers of a model so far."""
    return Journal(study.prompts / f"{asked.arm}.jsonl")


def _identity(asked: Asked) -> str:
    """Return what the answers depend on besides the prompt."""
    if asked.base_url:
        from cotrain.prompting.server import identity

        return identity(asked.lm, asked.api, asked.answer_tokens)
    from cotrain.prompting.local import identity as of_weights

    return of_weights(asked.lm)


def _replies(study: Study, asked: Asked, wanted: Sequence[Query], show: Show | None) -> tuple[list[Reply], Spent]:
    """Return the answers, and what they took; a model is made only where one is missing."""
    journal, meter, identity = _journal(study, asked), Meter(asked.limits), _identity(asked)
    if not missing(wanted, identity, journal):
        return [reply for query in wanted if (reply := journal.find(query.key(identity)))], meter.spent
    if not asked.base_url:
        from cotrain.prompting.local import LocalModel

        local = LocalModel(asked.lm)
        local.refuse_long(wanted)
        return ask(wanted, local, journal, meter, show), meter.spent
    from cotrain.prompting.server import Server

    private = any(task.private for task, _ in _forms(study, asked.tasks))
    server = Server(asked.lm, asked.base_url, asked.api, asked.key_from, asked.answer_tokens, asked.at_once, guarded=private)
    _sent(study, asked, wanted)
    try:
        return ask(wanted, server, journal, meter, show), meter.spent
    finally:
        server.close()


def _sent(study: Study, asked: Asked, wanted: Sequence[Query]) -> None:
    """Keep which tasks are about to leave this machine, if they do."""
    if guard.is_here(guard.host_of(asked.base_url)):
        return
    clinical = {task: source.format in CLINICAL for source in study.resolved.sources for task in source.tasks}
    study.save_sent(asked.arm, asked.base_url, {task: clinical[task] for task in dict.fromkeys(query.task for query in wanted)})


def _unanswered(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return by task the rows that have an answer which names no option."""
    empty = table[table["guess"].isna()]
    return {str(task): list(dict.fromkeys(part["row"])) for task, part in empty.groupby("task", sort=False)}
