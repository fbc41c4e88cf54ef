"""The settings of a fit: everything that determines its numbers besides rows, members and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cotrain.errors import InputError

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Schedule = Literal["linear", "constant"]
LongTexts = Literal["beginning", "head_tail", "windows"]
Pooling = Literal["first", "entity"]
Sampling = Literal["proportional", "uniform", "sqrt", "temperature", "explicit"]
ClassWeights = Literal["none", "balanced"]
Tuning = Literal["full", "lora", "heads"]
OWN_TRAINER = "shared_encoder"
"""The trainer of this package: one encoder that the tasks of a group share, a head per task."""


@dataclass(frozen=True)
class Settings:
    """How a fit is trained. All of it is part of the key of a fit, after ``auto`` values are resolved.

    Attributes:
        model: a Hub id or a local folder of a pretrained encoder.
        learning_rate: peak learning rate of AdamW.
        batch_size: rows per forward pass; every batch holds rows of one task.
        accumulation: forward passes per update.
        epochs: passes over the rows of the group, at most.
        min_updates: at least so many updates per member (whole epochs are added until then); 0 for none.
        max_updates: where epochs are few: train up to the larger of ``epochs`` and so many updates per member; 0: none.
        evaluate_every: updates between evaluations, rounded up to whole epochs; 0 evaluates after each epoch.
        evaluate_from: the first epoch that is evaluated and so can be selected; 0: from the first on.
        patience: evaluations without improvement of the mean NLL/NLL_null over the members on dev before the fit
            stops; 0 trains to the end.
        schedule: ``linear`` decay to zero, or ``constant`` after the warm-up.
        warmup: share of the updates with a rising learning rate.
        weight_decay: of AdamW, not on biases and norms.
        max_grad_norm: gradient clipping.
        max_length: tokens per input, longer ones are truncated.
        long_texts: what is read of a longer text without an entity between markers: its ``beginning``; ``head_tail``, as much of its
            beginning as of its end; ``windows`` that overlap: one of them in each epoch in training, in turn, and the mean of the
            log-probabilities over all of them in scoring.
        special_tokens: tokens that the tokenizer gets; formats with entities between ``<e>`` and ``</e>`` ask for these two.
        pooling: what heads read: the ``first`` token (or what else the architecture has them read), or the mean over the
            ``entity`` of a row, where it has one between markers.
        precision: of training (``auto``: bf16 where the device is faster with it, else fp32). Scoring is in float32.
        attention: implementation in Transformers (``auto``: eager on the CPU, where it trains faster, else sdpa).
        threads: CPU threads per fit.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        sampling: how many batches of each member an epoch has: ``proportional`` (each row once), ``uniform``, ``sqrt``,
            ``temperature`` or ``explicit``; an epoch has as many batches in all.
        temperature: of ``temperature``: a share grows with n^(1/temperature); 1 is proportional, large ones are uniform.
        sampling_cap: of ``temperature``: rows of a task that count at most; 0: all.
        shares: of ``explicit``: task to its share of the batches, of any sum.
        task_weights: task to the factor of its loss; 1 where none is given.
        class_weights: ``balanced`` weighs a label in the loss of its task by rows / (labels · rows of the label); scores are
            corrected for it (METHOD, section 1).
        tuning: what is trained: ``full``, all of it; ``lora``, low-rank adapters of the linear layers of the encoder, and the heads
            (Hu et al. 2021); ``heads``, on an encoder that stays as it is.
        lora_rank: of the adapters of ``lora``, scaled by 2 (alpha is twice the rank).
        gradient_checkpointing: compute activations again instead of keeping them: less memory, more time, the same numbers.
        report_to: trackers that are told losses and dev metrics while a fit trains, as Transformers names them (``tensorboard``, …).
        trainer: what makes a fit: our own, or ``my_module:fit`` from outside, resolved with the hash of its file.
    """

    model: str
    learning_rate: float = 2e-5
    batch_size: int = 32
    accumulation: int = 1
    epochs: int = 10
    min_updates: int = 0
    max_updates: int = 0
    evaluate_every: int = 0
    evaluate_from: int = 0
    patience: int = 0
    schedule: Schedule = "linear"
    warmup: float = 0.06
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    max_length: int = 256
    long_texts: LongTexts = "beginning"
    special_tokens: tuple[str, ...] = ()
    pooling: Pooling = "first"
    precision: Precision = "auto"
    attention: str = "auto"
    threads: int = 1
    device: str = "auto"
    sampling: Sampling = "proportional"
    temperature: float = 2.0
    sampling_cap: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    task_weights: Mapping[str, float] = field(default_factory=dict)
    class_weights: ClassWeights = "none"
    tuning: Tuning = "full"
    lora_rank: int = 8
    gradient_checkpointing: bool = False
    report_to: tuple[str, ...] = ()
    trainer: str = OWN_TRAINER

    def __post_init__(self) -> None:
        faults = [
            f"setting {name} should be {rule}, found {getattr(self, name)}"
            for name, rule, good in (
                ("learning_rate", "above 0", self.learning_rate > 0),
                ("batch_size", "at least 1", self.batch_size >= 1),
                ("accumulation", "at least 1", self.accumulation >= 1),
                ("epochs", "at least 1", self.epochs >= 1),
                ("min_updates", "0 or more", self.min_updates >= 0),
                ("max_updates", "0 or more", self.max_updates >= 0),
                ("evaluate_every", "0 or more", self.evaluate_every >= 0),
                ("evaluate_from", "0 or more", self.evaluate_from >= 0),
                ("patience", "0 or more", self.patience >= 0),
                ("warmup", "in [0, 1)", 0 <= self.warmup < 1),
                ("weight_decay", "0 or more", self.weight_decay >= 0),
                ("max_grad_norm", "above 0", self.max_grad_norm > 0),
                ("max_length", "at least 3", self.max_length >= 3),
                ("special_tokens", "words without blanks", all(token and not set(token) & set(" \t\n") for token in self.special_tokens)),
                ("threads", "at least 1", self.threads >= 1),
                ("temperature", "at least 1", self.temperature >= 1),
                ("sampling_cap", "0 or more", self.sampling_cap >= 0),
                ("shares", "above 0", all(share > 0 for share in self.shares.values())),
                ("task_weights", "above 0", all(weight > 0 for weight in self.task_weights.values())),
                ("lora_rank", "at least 1", self.lora_rank >= 1),
                ("class_weights", "none with a trainer from outside", self.trainer == OWN_TRAINER or self.class_weights == "none"),
            )
            if not good
        ]
        if faults:
            raise InputError(faults)
