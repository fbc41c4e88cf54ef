"""Ordinary Hugging Face classifiers that share one encoder by reference."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cotrain.errors import InputError
from cotrain.training.adapters import adapt
from cotrain.training.marked import Marks, embed, pool
from cotrain.training.sampling import derived_seed

_NOBODY_HAS = 97
"""A number of labels that no published head has, so that no published output layer is ever taken over."""


@dataclass(frozen=True)
class Base:
    """A pretrained classifier that fits start from.

    Attributes:
        model: the classifier.
        pretrained_head: which of its parameters outside the encoder are pretrained.
        fresh: those of the encoder that no file has: a pooler that was not published.
        entity: the markers of the entity that heads read; None: they read what the architecture has them read.
    """

    model: Any
    pretrained_head: frozenset[str]
    fresh: frozenset[str] = frozenset()
    entity: Marks | None = None

    @property
    def prefix(self) -> str:
        """The attribute of the classifier that holds the encoder."""
        return str(self.model.base_model_prefix)


class SharedClassifier(nn.Module):
    """One encoder, a classification head per task: every head is what the architecture itself would put there."""

    # the loss is averaged over the passes of an update by the Trainer, not by the model
    accepts_loss_kwargs = False

    def __init__(self, classifiers: Mapping[str, Any]) -> None:
        super().__init__()
        self.names = tuple(classifiers)
        self.classifiers = nn.ModuleList(classifiers.values())

    def classifier(self, task: str) -> Any:
        """Return the ordinary classifier of one task."""
        return self.classifiers[self.names.index(task)]

    def head(self, task: str) -> dict[str, torch.Tensor]:
        """Return the parameters of one task that are not the encoder's, by their names in its classifier."""
        classifier = self.classifier(task)
        prefix = classifier.base_model_prefix + "."
        return {name: weight for name, weight in classifier.named_parameters() if not name.startswith(prefix)}

    @property
    def device(self) -> str:
        """The kind of device that the weights are on."""
        return str(next(self.parameters()).device.type)

    def logits(self, task: str, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the (batch, K) logits of one task's head, in the precision of the caller."""
        found: torch.Tensor = self.classifier(task)(**inputs).logits
        return found

    def forward(self, tasks: Sequence[str], **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of each task for the same inputs; the Trainer wraps this method with its precision, ``logits`` is as it is."""
        with self.encoded_once() if len(tasks) > 1 else nullcontext():
            return {task: self.logits(task, **inputs) for task in tasks}

    @contextmanager
    def encoded_once(self) -> Iterator[None]:
        """Let all heads read the first pass of the encoder: for one batch."""
        encoder = self.classifiers[0].base_model
        through, own = encoder.forward, encoder.__dict__.get("forward")
        kept: list[Any] = []

        def forward(*args: Any, **inputs: Any) -> Any:
            if not kept:
                kept.append(through(*args, **inputs))
            return kept[0]

        encoder.forward = forward
        try:
            yield
        finally:
            if own is None:
                del encoder.forward
            else:
                encoder.forward = own

    def weights(self) -> dict[str, torch.Tensor]:
        """Return every parameter and buffer once, by name, sharing memory with the model."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def changing(self) -> dict[str, torch.Tensor]:
        """Return what training can change: the parameters with gradients, and buffers."""
        return {name: w for name, w in self.weights().items() if w.requires_grad or not isinstance(w, nn.Parameter)}

    @torch.no_grad()
    def restore(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Set parameters and buffers to the values of ``weights``, which has at least all that training can change."""
        own = self.weights()
        if lacking := sorted(self.changing().keys() - weights.keys()):
            raise KeyError(f"there should be weights for {', '.join(lacking[:4])}")
        for name, value in weights.items():
            own[name].copy_(value)


def build(base: Base, labels: Mapping[str, tuple[str, ...]], seed: int, tuning: str = "full", rank: int = 8) -> SharedClassifier:
    """Return a fresh shared model: a copy of the encoder of ``base`` and new heads.

    Args:
        base: is not changed.
        labels: label names of each task.
        seed: heads derive from (seed, task name), adapters from the seed.
        tuning, rank: what of the encoder is trained, as ``tuning`` and ``lora_rank`` of Settings.
    """
    encoder = copy.deepcopy(base.model.base_model)
    if tuning != "full":
        fresh = {name.removeprefix(base.prefix + ".") for name in base.fresh}
        for name, weight in encoder.named_parameters():
            weight.requires_grad_(name in fresh)
        if tuning == "lora":
            adapt(encoder, rank, derived_seed(seed, "lora"), fresh)
    if base.entity:
        pool(encoder, base.entity)
    ready = base.model.state_dict()
    classifiers = {}
    for task, names in labels.items():
        config = copy.deepcopy(base.model.config)
        config.num_labels = len(names)
        config.id2label = dict(enumerate(names))
        config.label2id = {name: i for i, name in enumerate(names)}
        config.problem_type = "single_label_classification"
        with torch.device("meta"):  # no second encoder is allocated
            model = type(base.model)(config)
        setattr(model, base.prefix, encoder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, "head", task))
            for name, child in model.named_children():
                if name != base.prefix:
                    _initialise(model, name, child, base, ready)
        classifiers[task] = model
    return SharedClassifier(classifiers)


@torch.no_grad()
def _initialise(model: Any, name: str, child: nn.Module, base: Base, ready: Mapping[str, torch.Tensor]) -> None:
    """Give a part of a head the pretrained weights where there are some, else those that Transformers gives new heads."""
    child.to_empty(device="cpu")
    for inner, module in child.named_modules(prefix=name):
        own = {f"{inner}.{key}": value for key, value in module.named_parameters(recurse=False)}
        if not own.keys() <= base.pretrained_head or not own:
            model._init_weights(module)
        for full in own.keys() & base.pretrained_head:
            own[full].copy_(ready[full])


def refuse_attention(path: Path, attention: str) -> None:
    """Refuse an implementation of attention that Transformers does not have, or not for this encoder, or not here.

    Raises:
        InputError: it, and what to set.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    if attention in ("eager", "sdpa"):
        return
    try:
        with quiet(), torch.device("meta"):
            AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(path), attn_implementation=attention)
    except (ValueError, ImportError) as error:
        raise InputError(f"training.attention {attention} cannot be used here ({type(error).__name__}); set attention: auto") from None


def load_base(path: Path, attention: str, special: Sequence[str] = (), pooling: str = "first") -> Base:
    """Return the pretrained encoder of ``path`` as a classifier; its own output layer is never used.

    Args:
        special, pooling: as in Settings.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # what no file has is drawn, and alike in every process
        model, report = AutoModelForSequenceClassification.from_pretrained(
            path, attn_implementation=attention, dtype=torch.float32, num_labels=_NOBODY_HAS, ignore_mismatched_sizes=True,
            output_loading_info=True,
        )  # fmt: skip
    if model.config.pad_token_id is None:  # decoders look for the last token before the padding
        model.config.pad_token_id = AutoTokenizer.from_pretrained(path).pad_token_id
    changed = {entry if isinstance(entry, str) else entry[0] for entry in report["mismatched_keys"]}
    new = set(report["missing_keys"]) | changed
    outside = {name for name, _ in model.named_parameters() if not name.startswith(model.base_model_prefix + ".")}
    found = embed(model, path, special) if special else None
    return Base(model, frozenset(outside - new), frozenset(new - outside), found if pooling == "entity" else None)


def load_classifier(path: Path, attention: str) -> Any:
    """Return the classifier of ``path`` as it was trained, in float32.

    Raises:
        InputError: weights that are not there: a folder of an encoder alone, without its classification head.
    """
    from transformers import AutoModelForSequenceClassification

    with quiet(), torch.random.fork_rng(devices=[]):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            path, attn_implementation=attention, dtype=torch.float32, output_loading_info=True
        )
    if lacking := sorted(report["missing_keys"]):
        raise InputError(
            f"model {path}: there should be a trained classifier; its weights lack {', '.join(lacking[:4])}, so it is an encoder alone"
        )
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the log and the bars of Transformers inside the block only."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
