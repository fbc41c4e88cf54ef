"""A shared model as a folder: the encoder once, a head per task, and everything that turns a text into probabilities."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cotrain.choose import unknown
from cotrain.errors import InputError, MissingExtra
from cotrain.tasks.source import Source
from cotrain.tasks.task import Task
from cotrain.training import encoder, ledger
from cotrain.training.fit import Fit
from cotrain.training.folders import appearing
from cotrain.training.settings import Settings

FORMAT = 1
ABOUT = "cotrain.json"
HEADS = "heads.safetensors"
_LONGEST = 80


@dataclass(frozen=True)
class SharedModel:
    """One encoder with a head per task, ready to predict.

    Attributes:
        about: what ``cotrain.json`` says: ``group``, ``seed``, ``epoch``, ``key``, ``max_length`` and, per task,
            ``labels``, ``has_pair``, ``served``, ``text`` and ``pair`` (templates), ``content`` (hash of its rows).
        model: the SharedClassifier.
        tokens: the tokenizer.
    """

    about: Mapping[str, Any]
    model: Any = field(repr=False)
    tokens: Any = field(repr=False)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a head."""
        return tuple(self.about["tasks"])

    def labels(self, task: str) -> tuple[str, ...]:
        """Return the K label names of a task, in the order of the columns of ``predict``."""
        return tuple(self._about(task)["labels"])

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, task: str) -> np.ndarray:
        """Return the (n, K) probabilities of one task, in the order of the texts.

        Raises:
            InputError: a task without a head here; second texts that are missing, too many, or not wanted.
        """
        return self._predict([task], texts, pairs)[task]

    def predict_all(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Return the (n, K) probabilities of every task that reads such inputs (pairs or not), from one encoder pass.

        Raises:
            InputError: no task reads such inputs.
        """
        fitting = [task for task in self.tasks if self._about(task)["has_pair"] == (pairs is not None)]
        if not fitting:
            raise InputError(f"model {self.about['group']}: every task reads {'one text' if pairs is not None else 'a pair of texts'}")
        return self._predict(fitting, texts, pairs)

    def _predict(self, tasks: list[str], texts: Sequence[str], pairs: Sequence[str] | None) -> dict[str, np.ndarray]:
        from cotrain.training.scoring import predict_several

        for task in tasks:
            if self._about(task)["has_pair"] != (pairs is not None):
                raise InputError(f"task {task} reads {'a pair of texts: give pairs' if pairs is None else 'one text: give no pairs'}")
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"there should be a second text for each of the {len(texts)} texts, found {len(pairs)}")
        table = pd.DataFrame({"text": list(texts), "pair": list(pairs or [""] * len(texts))}, dtype=object)
        rows = encoder.encode(table, pairs is not None, self.tokens, self.about["max_length"])
        if not rows:
            return {task: np.empty((0, len(self.labels(task)))) for task in tasks}
        return {task: np.exp2(log2_p.astype(float)) for task, log2_p in predict_several(self.model, tasks, rows, self.tokens).items()}

    def _about(self, task: str) -> Mapping[str, Any]:
        if task not in self.about["tasks"]:
            raise InputError(unknown(f"task of the model {self.about['group']}", task, self.tasks))
        found: Mapping[str, Any] = self.about["tasks"][task]
        return found


def folder_name(group: str) -> str:
    """Return the name of a group as the name of a folder: safe for file systems, short, and its own.

    >>> folder_name("cb+rte")
    'cb+rte'
    >>> folder_name("notes/a+b")
    'notes_a+b-ff622a64'
    """
    safe = re.sub(r"[^A-Za-z0-9+_.-]", "_", group)
    safe = re.sub(r"^[.-]", "_", safe)
    if safe == group and len(safe) <= _LONGEST:
        return safe
    return f"{safe[: _LONGEST - 9]}-{hashlib.sha256(group.encode()).hexdigest()[:8]}"


def made_of(folder: Path) -> tuple[str, int, tuple[str, ...]] | None:
    """Return the key of the fit, the epoch and the served tasks of a model folder; None where there is no whole model."""
    try:
        about = json.loads((folder / ABOUT).read_text())
        return (about["key"], about["epoch"], tuple(about["serves"])) if not _damage(folder, about, contents=False) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(
    fit: Fit, epoch: int, tasks: Mapping[str, Task], settings: Settings, to: Path, *, serves: Iterable[str] | None = None,
    sources: Sequence[Source] = (), card: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Return the folder ``to`` with the model of one epoch of ``fit``, which has the extra ``weights``.

    An earlier model there is replaced when the new one is complete.

    Args:
        serves: the tasks that the model is meant for; all real members by default. Every real member keeps its head.
        sources: of the tasks, for their templates.
        card: what the model card says: ``study``, ``seed``, ``results`` (records of one line per task), ``why`` (sentences).

    Raises:
        InputError: no weights of that epoch; files of the fit that are damaged; a full disk.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from cotrain.training.model import build, load_base, quiet

    if fit.path is None or not (file := fit.path / "extras" / "weights" / f"{epoch}.safetensors").is_file():
        raise InputError(f"fit {fit.group.name} seed {fit.seed} has no weights of epoch {epoch}; train it with the extra 'weights'")
    if wrong := ledger.damage(fit.path, extras=True):
        raise InputError(f"fit {fit.group.name} seed {fit.seed}: {wrong}; remove its folder {fit.path} and train it again")
    path = encoder.folder(settings.model)
    model = build(load_base(path, "eager"), fit.labels, fit.seed)
    model.restore(load_file(file))
    served = list(fit.group.real if serves is None else serves)
    with appearing(to, over=True) as folder, quiet(), torch.no_grad():
        first = model.classifier(fit.group.tasks[0])
        first.base_model.save_pretrained(folder)
        _config(path, folder)
        heads = {
            f"{task}/{name}": weight.contiguous()
            for task in fit.group.real
            for name, weight in model.classifier(task).named_parameters()
            if not name.startswith(first.base_model_prefix + ".")
        }
        save_file(heads, folder / HEADS)
        _copy_tokenizer(path, folder)
        about = {
            "format": FORMAT, "group": fit.group.name, "seed": fit.seed, "epoch": epoch, "key": fit.key,
            "encoder": {"name": _shown(settings.model), "sha256": encoder.content_hash(path)},
            "max_length": settings.max_length, "special_tokens": [],
            "tasks": {task: _about(tasks[task], fit, task in served, sources) for task in fit.group.real},
            "serves": served, "made_with": fit.manifest.get("versions", {}),
        }  # fmt: skip
        (folder / "README.md").write_text(_card(about, card or {}, to.name))
        about["files"] = {f.name: ledger.sha256(f) for f in sorted(folder.iterdir()) if f.name != "README.md"}  # a card may be edited
        (folder / ABOUT).write_text(json.dumps(about, indent=1))
    return to


def load(folder: Path, device: str = "cpu") -> SharedModel:
    """Return the model of a folder.

    Raises:
        InputError: no model there, one of a newer format, files that are not what was written.
        MissingExtra: torch is not installed.
    """
    about = _read(folder)
    try:
        from safetensors.torch import load_file

        from cotrain.training.model import build, load_base
    except ImportError as error:
        raise MissingExtra("train", error.name or "torch") from None
    labels = {task: tuple(entry["labels"]) for task, entry in about["tasks"].items()}
    model = build(load_base(folder, "eager" if device == "cpu" else "sdpa"), labels, seed=0)
    heads = load_file(folder / HEADS)
    for task in labels:
        classifier = model.classifier(task)
        prefix = classifier.base_model_prefix + "."
        own = {name: weight for name, weight in classifier.named_parameters() if not name.startswith(prefix)}
        there = {name: heads[f"{task}/{name}"] for name in own if f"{task}/{name}" in heads}
        if there.keys() != own.keys():
            raise InputError(f"model {folder}: there should be a head of task {task} in {HEADS}, found none; make the model again")
        classifier.load_state_dict(there, strict=False)
    model.to(device).eval()
    return SharedModel(about, model, encoder.tokenizer(folder, about["max_length"]))


def export(folder: Path, task: str, to: Path) -> Path:
    """Return the folder ``to`` with one task of a shared model as an ordinary classifier of Transformers.

    ``pipeline("text-classification", to)`` gives the probabilities of the shared model, with its label names.

    Raises:
        InputError: as ``load``; a task without a head there; a folder ``to`` that is not empty; a full disk.
    """
    shared = load(folder)
    shared.labels(task)
    with appearing(to) as work:
        from cotrain.training.model import quiet

        with quiet():
            shared.model.classifier(task).save_pretrained(work)
        _copy_tokenizer(folder, work)
        file = work / "tokenizer_config.json"
        config = json.loads(file.read_text()) if file.is_file() else {}
        # truncation of a pipeline then cuts where training cut
        file.write_text(json.dumps({**config, "model_max_length": shared.about["max_length"]}, indent=2))
        (work / "README.md").write_text(_exported(shared, task))
    return to


def _read(folder: Path) -> dict[str, Any]:
    """Return what ``cotrain.json`` says, its files checked."""
    if not folder.is_dir():
        raise InputError(f"model {folder}: there should be a folder of models/ of a run; found none")
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
        if about["format"] > FORMAT:
            raise InputError(f"model {folder}: of format {about['format']}; this version reads up to {FORMAT}: update cotrain")
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
    return ""


def _config(path: Path, folder: Path) -> None:
    """Write the config of the encoder as its publisher has it, without the labels of a head."""
    config = json.loads((path / "config.json").read_text())
    for key in ("id2label", "label2id", "num_labels", "_num_labels", "problem_type", "architectures"):
        config.pop(key, None)
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def _copy_tokenizer(path: Path, folder: Path) -> None:
    """Copy the tokenizer files of a folder as they are."""
    for file in encoder.content(path):
        if file.name != "config.json" and ".safetensors" not in file.name:
            shutil.copyfile(file, folder / file.name)


def _about(task: Task, fit: Fit, served: bool, sources: Sequence[Source]) -> dict[str, Any]:
    """Return what is kept of a task: enough to build its inputs and to name its outputs, no text of a row."""
    source = next((s for s in sources if task.name in s.tasks), None)
    return {
        "labels": list(fit.labels[task.name]), "has_pair": task.has_pair, "served": served,
        "text": source.text if source else None, "pair": source.pair if source else None, "content": task.content(),
    }  # fmt: skip


def _shown(model: str) -> str:
    """Return the name of an encoder, not the folder where this machine has it."""
    return Path(model).name if Path(model).is_dir() else model


def _card(about: Mapping[str, Any], card: Mapping[str, Any], name: str) -> str:
    """Return the model card: tasks, labels, results that the caller gives, how it is used."""
    tasks = about["tasks"]
    heads = "a classification head" if len(tasks) == 1 else f"a classification head for each of {len(tasks)} tasks"
    lines = [
        f"# {about['group']}", "",
        f"One encoder ({about['encoder']['name']}) with {heads}, made by cotrain"
        + (f" in the study {card['study']}" if card.get("study") else "") + f" (seed {about['seed']}, epoch {about['epoch']}).", "",
        "| task | labels | input | meant to serve it |", "|---|---|---|---|",
        *(f"| {t} | {', '.join(e['labels'])} | {'a pair of texts' if e['has_pair'] else 'a text'} | {'yes' if e['served'] else 'no'} |"
          for t, e in tasks.items()), "",
        *(f"- {sentence}" for sentence in card.get("why", ())),
    ]  # fmt: skip
    if results := card.get("results"):
        columns = list(results[0])
        lines += ["", "## Results", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(_cell(line.get(column)) for column in columns) + " |" for line in results]
    first = next((t for t, e in tasks.items() if e["served"]), next(iter(tasks)))
    lines += [
        "", "## Use", "", f"Inputs are cut after {about['max_length']} tokens. One task as an ordinary classifier of Transformers:", "",
        "```", f"cotrain export {name} --task {first} --to FOLDER", "```", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _cell(value: Any) -> str:
    """Return a value of a table in few characters."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3f}"
    return "" if value is None else str(value)


def _exported(shared: SharedModel, task: str) -> str:
    """Return the card of an exported classifier."""
    about = shared.about
    call = '{"text": "...", "text_pair": "..."}' if about["tasks"][task]["has_pair"] else '"..."'
    return "\n".join([
        f"# {task}", "", f"A classifier of {', '.join(shared.labels(task))}: the head of task {task} on the encoder of the shared model",
        f"{about['group']} (seed {about['seed']}, epoch {about['epoch']}), exported by cotrain.", "", "```python",
        "from transformers import pipeline", "", 'classify = pipeline("text-classification", "FOLDER", truncation=True)',
        f"classify({call})", "```", "",
    ])  # fmt: skip
