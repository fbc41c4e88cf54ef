"""``score_trained``: PVI of classifiers that somebody trained already: forward passes only, against the prior null."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.pvi.arrays import Predictions, scores_of
from cotrain.pvi.scores import Scores
from cotrain.tasks.task import Split, Task
from cotrain.tasks.texts import text_keys
from cotrain.training import encoder
from cotrain.training.room import room
from cotrain.training.settings import Settings

ATTESTED = (
    "The models were trained elsewhere: that the rows scored were held out from that training is taken on trust. "
    "On rows that it saw a model knows far too much."
)
_NUMBERED = re.compile(r"LABEL_\d+")
_ALIKE = 0.99
_TOKENS = 1000
_loading = Lock()  # while Transformers loads a model, the default precision of the process is that of its weights

Tell = Callable[[int, int], None]


class _Model(NamedTuple):
    """A folder that is fit for use: its tokenizer, and the column of its output for each label of the task."""

    path: Path
    tokens: Any
    columns: list[int]
    numbered: bool


def score_trained(tasks: Mapping[str, Task], models: Mapping[str, str], settings: Settings, split: Split = "dev",
                  workers: int = 0, tell: Tell = lambda done, total: None) -> Scores:  # fmt: skip
    """Return the Scores of every task by its model, on the rows of ``split``; the null is that of the study's training rows.

    Inputs are rendered as in training and cut after ``settings.max_length`` tokens. With ``settings.precision`` auto the
    passes are in bf16 where the machine is faster with it: that moved single rows by up to .05 bit, means by .0002.

    Args:
        models: task to a folder that Transformers loads as a classifier (config, safetensors, tokenizer), or a Hub id.
        settings: ``max_length``, ``device``, ``precision`` and ``threads`` count; its encoder is not used.
        workers: models side by side on the CPU; 0: one per ``threads`` cores.
        tell: is told how many models are done, of how many.

    Raises:
        InputError: tasks without a model and models without a task; folders without config, safetensors or tokenizer;
            labels that differ from those of the task; a model without a classification head; every fault at once.
        MissingExtra: torch is not installed.
    """
    from cotrain.training.train import effective

    settings = effective(settings)
    import torch

    faults = [unknown("task", task, tasks) for task in models if task not in tasks]
    if missing := [task for task in tasks if task not in models]:
        faults.append(f"every task of the study should have a model, found none for {', '.join(missing)}")
    ready: dict[str, _Model] = {}
    for task in (task for task in tasks if task in models):
        try:
            ready[task] = _ready(tasks[task], models[task], settings.max_length)
        except InputError as error:
            faults += [f"task {task}: {fault}" for fault in error.faults]
    if faults:
        raise InputError(faults)
    found, bases = dict[str, Predictions](), dict[str, _Base]()
    at_once = (workers or room(settings)) if settings.device == "cpu" else 1
    with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(settings.threads,)) as pool:
        scored = pool.map(lambda task: _predicted(ready[task], tasks[task], split, settings), ready)
        for done, (task, (log2_p, base)) in enumerate(zip(ready, scored, strict=True), 1):
            found[task], bases[task] = Predictions.of(tasks[task], split, log2_p), base
            tell(done, len(ready))
    return scores_of(found, split, "trained", (ATTESTED, *_seen(tasks, split), *_numbered(ready), *_unlike(bases)))


def _ready(task: Task, model: str, max_length: int) -> _Model:
    """Return a model whose folder, tokenizer and labels are right for a task, without loading its weights."""
    path = encoder.folder(model)
    tokens = encoder.tokenizer(path, max_length)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(path)
    if config.problem_type not in (None, "single_label_classification"):
        raise InputError(f"model {model}: should choose one label per row, its config says {config.problem_type}; PVI needs one label")
    names = [str(config.id2label[i]) for i in sorted(config.id2label)]
    numbered = all(_NUMBERED.fullmatch(name) for name in names)
    if set(names) == set(task.labels):
        return _Model(path, tokens, [names.index(label) for label in task.labels], False)
    if numbered and len(names) == len(task.labels):
        return _Model(path, tokens, list(range(len(names))), True)
    raise InputError(
        f"model {model}: its labels should be those of the task, {', '.join(task.labels)}; found {', '.join(names)}. Name them so in "
        "id2label of its config.json, or name the task's as the model does"
    )


def _predicted(model: _Model, task: Task, split: Split, settings: Settings) -> tuple[np.ndarray, _Base]:
    """Return the (n, K) log2 probabilities of the rows of a split, columns in the order of the task's labels, and the base."""
    from cotrain.training.model import SharedClassifier, load_classifier
    from cotrain.training.scoring import lowered, predict

    with _loading:
        classifier = load_classifier(model.path, settings.attention)
    rows = encoder.encode(task.split(split), task.has_pair, model.tokens, settings.max_length)
    with lowered(settings.device, settings.precision):
        found = predict(SharedClassifier({task.name: classifier.to(settings.device)}), task.name, rows, model.tokens)
    return found[:, model.columns], _base(classifier)


class _Base(NamedTuple):
    """What tells the encoder that a classifier came from: its architecture, and (m, d) embeddings of some of its tokens.

    A vocabulary of fewer tokens tells nothing (m = 0): fine-tuning may turn all of them.
    """

    kind: tuple[object, ...]
    embeddings: np.ndarray


def _base(classifier: Any) -> _Base:
    """Return the base of a classifier."""
    config, table = classifier.config, classifier.get_input_embeddings().weight.detach()
    chosen = np.linspace(0, len(table) - 1, _TOKENS if len(table) >= _TOKENS else 0).astype(int)
    return _Base((config.model_type, config.num_hidden_layers, *table.shape), table[chosen].float().cpu().numpy())


def _unlike(bases: Mapping[str, _Base]) -> Iterator[str]:
    """Yield a warning where models do not come from one encoder: their PVI is not comparable.

    Fine-tuning hardly turns the embeddings of the many tokens that a task lacks, so the median cosine of models of one
    encoder is about 1; of others of the same architecture it is not.
    """
    [(first, base), *others] = bases.items()
    unlike = [task for task, other in others if other.kind != base.kind or _cosine(base.embeddings, other.embeddings) < _ALIKE]
    if unlike:
        yield (
            f"The encoders differ: {', '.join(unlike)} from that of {first}. PVI is never compared across encoders, so differences here "
            "are also those of encoders."
        )


def _cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Return the median cosine of the rows of two (m, d) arrays; 1 where there are none to tell them apart."""
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    told = norms > 0
    return float(np.median((x * y).sum(axis=1)[told] / norms[told])) if told.any() else 1.0


def _seen(tasks: Mapping[str, Task], split: Split) -> Iterator[str]:
    """Yield what speaks against the rows being held out: cut from train by us, or the same text in train."""
    if cut := [name for name, task in tasks.items() if task.facts.get(f"cut_{split}")]:
        yield (
            f"{', '.join(cut)}: the rows scored were cut from train by this study. A model that was trained on all of train elsewhere "
            f"has seen them; then name the split that it did not see, as splits: {{{split}: validation}}."
        )
    for name, task in tasks.items():
        train, held = (set(text_keys(rows["text"], rows["pair"])) for rows in (task.split("train"), task.split(split)))
        if both := len(train & held):
            yield f"{name}: {both} of the {len(held)} texts scored stand in its training rows too."


def _numbered(ready: Mapping[str, _Model]) -> Iterator[str]:
    """Yield which models do not name their labels."""
    if tasks := [task for task, model in ready.items() if model.numbered]:
        yield f"{', '.join(tasks)}: the labels of the model are numbers; they are taken to stand in the order of the task's."
