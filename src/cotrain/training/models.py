"""A shared model as a folder: the encoder once, a head per task, and everything that turns a text into probabilities."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.tasks.rendering import listed
from cotrain.tasks.source import ANNOTATED, Source, reading
from cotrain.tasks.task import Task
from cotrain.training import encoder, ledger
from cotrain.training.cards import model_card
from cotrain.training.fit import Fit
from cotrain.training.folders import appearing
from cotrain.training.settings import Precision, Settings
from cotrain.training.train import effective
from cotrain.training.worker import keep_few_kernels

FORMAT = 1
ABOUT = "cotrain.json"
HEADS = "heads.safetensors"
CARD = "README.md"
_UNSAID = {"private": True, "window": None, "reader": None, "threshold": None}
"""What a task is that a model of an earlier version does not say; nobody said that it is not private."""
_BATCH_TOKENS = {"cpu": 1024, "cuda": 32768}
"""Tokens of a batch: 1,024 fill the caches of a core best; beyond 2,048 a CPU was a fifth slower."""


@dataclass(frozen=True)
class SharedModel:
    """One encoder with a head per task, ready to predict.

    Attributes:
        about: what ``cotrain.json`` says: ``group``, ``seed``, ``epoch``, ``key``, ``max_length``, ``long_texts``,
            ``special_tokens``, ``pooling``, ``serves`` and, per task, ``labels``, ``has_pair``, ``served``, ``private``, ``text``
            and ``pair`` (templates), ``window`` (around an entity between markers), ``reader`` (how its rows were read, without places),
            ``content`` (hash of its rows), ``threshold`` (of the second of two labels, or None).
        model: the SharedClassifier.
        tokens: the tokenizer.
        precision: ``fp32`` gives the numbers of the study, ``bf16`` about the same sooner.
    """

    about: Mapping[str, Any]
    model: Any = field(repr=False)
    tokens: Any = field(repr=False)
    precision: str = "fp32"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a head."""
        return tuple(self.about["tasks"])

    @property
    def serves(self) -> tuple[str, ...]:
        """The tasks that the model is meant for; the other ones helped to train it."""
        return tuple(self.about["serves"])

    @property
    def private(self) -> bool:
        """Whether rows of a task are private, of whichever: they all shaped the encoder."""
        return any(entry["private"] for entry in self.about["tasks"].values())

    def labels(self, task: str) -> tuple[str, ...]:
        """Return the K label names of a task, in the order of the columns of ``predict``."""
        return tuple(self.entry(task)["labels"])

    def decide(self, task: str, p: np.ndarray) -> np.ndarray:
        """Return the (n,) places of the labels that (n, K) probabilities of a task give: the likeliest, or the second of two where it is
        above the threshold of the task."""
        at = self.entry(task)["threshold"]
        return np.asarray(p.argmax(axis=1) if at is None else (p[:, 1] > at).astype(int))

    def entry(self, task: str) -> Mapping[str, Any]:
        """Return what is known of a task.

        Raises:
            InputError: a task without a head here.
        """
        if task not in self.about["tasks"]:
            raise InputError(unknown(f"task of the model {self.about['group']}", task, self.tasks))
        found: Mapping[str, Any] = self.about["tasks"][task]
        return found

    def predict(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, tasks: Iterable[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the (n, K) probabilities of each task, in the order of the texts, from one pass of the encoder.

        Args:
            pairs: the second texts, for tasks that read two.
            tasks: those wanted; all that the model serves and that read such inputs by default.

        Raises:
            InputError: a task without a head here; second texts that are missing, too many, or not wanted; texts that are none.
        """
        from cotrain.training.scoring import lowered, predict_several

        chosen = list(dict.fromkeys(tasks)) if tasks is not None else self.reading(pairs is not None)
        faults = [
            f"task {task} reads {'a pair of texts: give pairs' if pairs is None else 'one text: give no pairs'}"
            for task in chosen
            if self.entry(task)["has_pair"] != (pairs is not None)
        ]
        if not chosen:
            faults.append(f"model {self.about['group']}: every task reads {'one text' if pairs is not None else 'a pair of texts'}")
        if pairs is not None and len(pairs) != len(texts):
            faults.append(f"there should be a second text for each of the {len(texts)} texts, found {len(pairs)}")
        for name, given in (("texts", texts), ("pairs", pairs or ())):
            if isinstance(given, str):
                faults.append(f"{name} should be a list of texts, found one text")
            elif wrong := [number for number, text in enumerate(given, 1) if not isinstance(text, str) or not text.strip()]:
                faults.append(f"{name} should be texts with words, found something else or nothing at {listed(map(str, wrong))}")
        if faults:
            raise InputError(faults)
        table = pd.DataFrame({"text": list(texts), "pair": list(pairs or [""] * len(texts))}, dtype=object)
        rows = encoder.encode(table, pairs is not None, self.tokens, self.about["max_length"], self.about["long_texts"])
        if not rows:
            return {task: np.empty((0, len(self.labels(task)))) for task in chosen}
        device = self.model.device
        with lowered(device, self.precision):
            found = predict_several(self.model, chosen, rows, self.tokens, _BATCH_TOKENS.get(device, 4096))
        return {task: np.exp2(log2_p.astype(float)) for task, log2_p in found.items()}

    def reading(self, pairs: bool) -> list[str]:
        """Return the tasks served that read pairs of texts, or one text."""
        return [task for task in self.serves if self.entry(task)["has_pair"] == pairs]


def made_of(folder: Path) -> tuple[str, int, dict[str, float | None]] | None:
    """Return the key of the fit, the epoch and the served tasks with their thresholds; None where there is no whole model."""
    try:
        about = json.loads((folder / ABOUT).read_text())
        served = {task: about["tasks"][task].get("threshold") for task in about["serves"]}
        return (about["key"], about["epoch"], served) if not _damage(folder, about, contents=False) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(
    fit: Fit, epoch: int, tasks: Mapping[str, Task], settings: Settings, to: Path, *, serves: Iterable[str] | None = None,
    sources: Sequence[Source] = (), card: Mapping[str, Any] | None = None, thresholds: Mapping[str, float | None] | None = None,
) -> Path:  # fmt: skip
    """Return the folder ``to`` with the model of one epoch of ``fit``, which has the extra ``weights``.

    An earlier model there is replaced when the new one is complete.

    Args:
        serves: the tasks that the model is meant for; all real members by default. Every real member keeps its head.
        sources: of the tasks, for their templates.
        card: what the model card says besides, as ``cotrain.training.cards`` takes it.
        thresholds: of tasks of two labels the probability above which the second one is given, instead of the likeliest.

    Raises:
        InputError: no weights of that epoch; files of the fit that are damaged; a full disk.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from cotrain.training.model import build, load_base, quiet

    file = ledger.extra(fit, "weights", f"{epoch}.safetensors")
    path = encoder.folder(settings.model)
    model = build(load_base(path, "eager", settings.special_tokens, settings.pooling), fit.labels, fit.seed)
    model.restore(load_file(file))
    served = list(fit.group.real if serves is None else serves)
    with appearing(to, over=True) as folder, quiet(), torch.no_grad():
        first = model.classifier(fit.group.tasks[0])
        first.base_model.save_pretrained(folder)
        _config(path, folder, first.get_input_embeddings().num_embeddings)
        save_file({f"{task}/{name}": w.contiguous() for task in fit.group.real for name, w in model.head(task).items()}, folder / HEADS)
        if settings.special_tokens:
            encoder.tokenizer(path, settings.max_length, settings.special_tokens).save_pretrained(folder)
        else:
            copy_tokenizer(path, folder)
        about = {
            "format": FORMAT, "group": fit.group.name, "seed": fit.seed, "epoch": epoch, "key": fit.key,
            "encoder": {"name": _shown(settings.model), "sha256": encoder.content_hash(path)},
            "max_length": settings.max_length, "long_texts": settings.long_texts,
            "special_tokens": list(settings.special_tokens), "pooling": settings.pooling,
            "tasks": {
                task: {**_about(tasks[task], fit, task in served, sources), "threshold": (thresholds or {}).get(task)}
                for task in fit.group.real
            },
            "serves": served, "made_with": fit.manifest.get("versions", {}),
        }  # fmt: skip
        (folder / CARD).write_text(model_card(about, card or {}, to.name), encoding="utf-8")
        about["files"] = {f.name: ledger.sha256(f) for f in sorted(folder.iterdir()) if f.name != CARD}  # a card may be edited
        (folder / ABOUT).write_text(json.dumps(about, indent=1))
    return to


def load(folder: str | Path, device: str = "auto", precision: str = "auto") -> SharedModel:
    """Return the model of a folder.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32`` gives the numbers of the study; ``auto`` is bf16 where the device is faster with it.

    Raises:
        InputError: no model there, one of a newer format, files that are not what was written; a device or a precision
            that this machine does not have.
        MissingExtra: torch is not installed.
    """
    folder = Path(folder)
    about = read_about(folder)
    if precision not in get_args(Precision):
        raise InputError(unknown("precision", precision, get_args(Precision)))
    keep_few_kernels()
    how = effective(Settings(str(folder), max_length=about["max_length"], device=device, precision=cast(Precision, precision)))
    from safetensors.torch import load_file

    from cotrain.training.model import build, load_base

    labels = {task: tuple(entry["labels"]) for task, entry in about["tasks"].items()}
    model = build(load_base(folder, how.attention, about["special_tokens"], about["pooling"]), labels, seed=0)
    heads = load_file(folder / HEADS)
    for task in labels:
        own = model.head(task)
        there = {name: heads[f"{task}/{name}"] for name in own if f"{task}/{name}" in heads}
        if there.keys() != own.keys():
            raise InputError(f"model {folder}: there should be a head of task {task} in {HEADS}, found none; make the model again")
        model.classifier(task).load_state_dict(there, strict=False)
    model.to(how.device).eval()
    return SharedModel(about, model, encoder.tokenizer(folder, about["max_length"]), how.precision)


def read_about(folder: Path) -> dict[str, Any]:
    """Return what ``cotrain.json`` of a model says, its files checked.

    Raises:
        InputError: no model there, one of a newer format, files that are not what was written.
    """
    if not folder.is_dir():
        raise InputError(f"model {folder}: there should be a folder of models/ of a run; found none (a trainer from outside leaves none)")
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
        if about["format"] > FORMAT:
            raise InputError(f"model {folder}: of format {about['format']}; this version reads up to {FORMAT}: update cotrain")
        about = {"pooling": "first", "long_texts": "beginning", **about}
        about["tasks"] = {task: {**_UNSAID, **entry} for task, entry in about["tasks"].items()}
        wrong = _damage(folder, about)
    except FileNotFoundError:
        raise InputError(f"model {folder}: there should be a {ABOUT}; found none, so it is no model of cotrain") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"model {folder}: {ABOUT} cannot be read ({type(error).__name__}); make the model again") from None
    if wrong:
        raise InputError(f"model {folder}: {wrong}; make the model again")
    return about


def _damage(folder: Path, about: Mapping[str, Any], contents: bool = True) -> str:
    """Return which file of a model is missing or altered; empty where none is."""
    for name, digest in about["files"].items():
        if not (folder / name).is_file():
            return f"{name} is not there"
        if contents and ledger.sha256(folder / name) != digest:
            return f"{name} is not what was written"
    weights = (f.name for pattern in ("*.safetensors", "*.bin") for f in folder.glob(pattern))
    return next((f"{name} is not of this model" for name in sorted(weights) if name not in about["files"]), "")


def _config(path: Path, folder: Path, vocabulary: int) -> None:
    """Write the config of the encoder as its publisher has it, without the labels of a head; special tokens lengthen its vocabulary."""
    config = json.loads((path / "config.json").read_text())
    for key in ("id2label", "label2id", "num_labels", "_num_labels", "problem_type", "architectures"):
        config.pop(key, None)
    if "vocab_size" in config:
        config["vocab_size"] = vocabulary
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def copy_tokenizer(path: Path, folder: Path) -> None:
    """Copy the tokenizer files of a folder as they are."""
    for file in encoder.content(path):
        if file.name != "config.json" and ".safetensors" not in file.name:
            shutil.copyfile(file, folder / file.name)


def _about(task: Task, fit: Fit, served: bool, sources: Sequence[Source]) -> dict[str, Any]:
    """Return what is kept of a task: enough to build its inputs and to name its outputs, no text of a row."""
    source = next((s for s in sources if task.name in s.tasks), None)
    return {
        "labels": list(fit.labels[task.name]), "has_pair": task.has_pair, "served": served, "private": task.private,
        "text": source.text if source else None, "pair": source.pair if source else None,
        "window": source.window if source and source.format in ANNOTATED else None,
        "reader": reading(source, task.name) if source else None, "content": task.content(),
    }  # fmt: skip


def _shown(model: str) -> str:
    """Return the name of an encoder, not the folder where this machine has it."""
    return Path(model).name if Path(model).is_dir() else model
