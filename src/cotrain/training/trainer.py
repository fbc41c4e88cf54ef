"""One fit: a Transformers ``Trainer`` over one shared model, with dev and test scored in float32."""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from cotrain.training.model import SharedClassifier, derived_seed
from cotrain.training.sampling import ProportionalBatches
from cotrain.training.selection import macro_f1, null_bits
from cotrain.training.settings import Settings

_SCORING_BATCH = 64


class Diverged(Exception):
    """The loss of a fit is not a number."""


@dataclass
class Data:
    """What one member gives to a fit: token ids and label indices per split."""

    train: list[dict[str, list[int]]]
    train_labels: np.ndarray
    dev: list[dict[str, list[int]]]
    dev_labels: np.ndarray
    test: list[dict[str, list[int]]]
    counts: tuple[int, ...]
    stop_labels: np.ndarray
    blank: bool = False


@dataclass
class Record:
    """What a fit writes down while it trains."""

    history: list[dict[str, Any]] = field(default_factory=list)
    dev: dict[str, list[np.ndarray]] = field(default_factory=dict)
    test: dict[str, list[np.ndarray]] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    test_epochs: list[int] = field(default_factory=list)
    tokens: int = 0


@dataclass(frozen=True)
class Budget:
    """How long a fit trains: updates in all, updates of an epoch, whether it may stop early."""

    updates: int
    per_epoch: int
    early_stop: bool


def budget(settings: Settings, rows: Mapping[str, int], updates: int | None) -> Budget:
    """Return the budget of a group: whole epochs by the settings, or exactly ``updates``."""
    batches = sum(-(-n // settings.batch_size) for n in rows.values())
    per_epoch = max(1, -(-batches // settings.accumulation))
    if updates is not None:
        return Budget(updates, per_epoch, early_stop=False)
    # minima count per member, so that sharing never shortens a task's own training
    least = max(settings.min_updates, settings.max_updates) * len(rows)
    epochs = max(settings.epochs, -(-least // per_epoch))
    return Budget(epochs * per_epoch, per_epoch, early_stop=settings.patience > 0)


def run(model: SharedClassifier, data: Mapping[str, Data], plan: Budget, tokens: Any, settings: Settings, seed: int,
        at_epoch: Callable[[int], None] | None = None) -> tuple[Record, dict[str, float]]:  # fmt: skip
    """Train and return the record and the cost.

    Args:
        settings: effective ones.
        at_epoch: called with the epoch after each evaluation, to keep weights.

    Raises:
        Diverged: the loss is not a number.
    """
    started = time.perf_counter()
    torch.manual_seed(derived_seed(seed, "dropout", *sorted(data)))
    batches = ProportionalBatches({t: [len(x["input_ids"]) for x in d.train] for t, d in data.items()}, settings.batch_size, seed)
    record = Record(dev={t: [] for t in data}, test={t: [] for t in data})
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, max_steps=plan.updates, per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=settings.accumulation, learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay, max_grad_norm=settings.max_grad_norm, warmup_steps=math.ceil(settings.warmup * plan.updates),
            lr_scheduler_type="linear" if settings.schedule == "linear" else "constant_with_warmup",
            bf16=settings.precision == "bf16", fp16=settings.precision == "fp16", use_cpu=settings.device == "cpu",
            optim="adamw_torch_fused", seed=derived_seed(seed, "trainer"), report_to="none", disable_tqdm=True,
            logging_strategy="no", save_strategy="no", eval_strategy="no", dataloader_pin_memory=False,
            remove_unused_columns=False, log_level="error",
        )  # fmt: skip
        trainer = _SharedTrainer(model=model, args=arguments, data=data, batches=batches, tokens=tokens, record=record)
        trainer.remove_callback(PrinterCallback)
        watch = _Evaluations(trainer, data, plan, settings, started, at_epoch)
        trainer.add_callback(watch)
        trainer.train()
        watch.finish()
    cost = {
        "seconds": time.perf_counter() - started,
        "updates": float(trainer.state.global_step),
        "tokens": float(record.tokens),
        "parameters": float(sum(p.numel() for p in model.parameters())),
        "peak_bytes": float(_peak(settings.device)),
    }
    return record, cost


def _peak(device: str) -> int:
    """Return the peak memory in bytes: of the device, or of this process."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _SharedTrainer(Trainer):
    """The loop of Transformers over batches of one task each."""

    def __init__(self, *, data: Mapping[str, Data], batches: ProportionalBatches, tokens: Any, record: Record, **rest: Any) -> None:
        self.task_data, self.batches, self.tokens, self.record = data, batches, tokens, record
        self.losses: dict[str, list[float]] = {task: [] for task in data}
        super().__init__(**rest)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of one-task batches."""
        return DataLoader(_Index(), batch_sampler=self.batches, collate_fn=self.collate)

    def collate(self, items: list[tuple[str, int]]) -> dict[str, Any]:
        """Return padded tensors, labels and the task of a batch."""
        task = items[0][0]
        data = self.task_data[task]
        batch = dict(self.tokens.pad([data.train[i] for _, i in items], return_tensors="pt"))
        batch["labels"] = torch.from_numpy(data.train_labels[[i for _, i in items]])
        self.record.tokens += int(batch["attention_mask"].sum())
        batch["task"] = task
        return batch

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """Return the mean cross-entropy of a batch, in nats."""
        labels, task = inputs.pop("labels"), inputs.pop("task")
        logits = model(task, **inputs).float()
        loss = torch.nn.functional.cross_entropy(logits, labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"the training loss of {task} is not a number after {self.state.global_step} updates")
        self.losses[task].append(value / math.log(2))
        return loss / self.args.gradient_accumulation_steps if num_items_in_batch is not None else loss


class _Index:
    """A data set whose items are their own indices: the sampler already says task and row."""

    def __getitem__(self, item: tuple[str, int]) -> tuple[str, int]:
        return item

    def __len__(self) -> int:
        return 1


class _Evaluations(TrainerCallback):
    """Scores dev at the end of epochs, test where a selection could pick the epoch, and stops early."""

    def __init__(self, trainer: _SharedTrainer, data: Mapping[str, Data], plan: Budget, settings: Settings, started: float,
                 at_epoch: Callable[[int], None] | None) -> None:  # fmt: skip
        self.trainer, self.data, self.plan, self.settings = trainer, data, plan, settings
        self.started, self.at_epoch = started, at_epoch
        self.epoch = 0
        self.last_updates = 0
        self.best: dict[Any, float] = {}
        self.best_mean, self.stale = math.inf, 0

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Evaluate, unless the last evaluation was too few updates ago."""
        self.epoch += 1
        if state.global_step < self.plan.updates and state.global_step - self.last_updates < self.settings.evaluate_every:
            return control
        if self.evaluate(final=state.global_step >= self.plan.updates):
            control.should_training_stop = True
        return control

    def finish(self) -> None:
        """Make sure that the last state is evaluated."""
        if self.trainer.state.global_step != self.last_updates:
            self.epoch += 1
            self.evaluate(final=True)

    def evaluate(self, final: bool) -> bool:
        """Score dev (and test) now; return whether to stop."""
        model, record = self.trainer.model, self.trainer.record
        updates = self.trainer.state.global_step
        model.eval()
        mean, records_best = 0.0, False
        sums: dict[str, float] = {}
        for task, data in self.data.items():
            log2_p = predict(model, task, data.dev, self.trainer.tokens, len(data.dev_labels), data.blank)
            record.dev[task].append(log2_p)
            bits = float(-log2_p[np.arange(len(log2_p)), data.stop_labels].mean())
            guess = log2_p.argmax(axis=1)
            facts = {
                "log_loss": -bits, "accuracy": float((guess == data.dev_labels).mean()),
                "macro_f1": macro_f1(data.dev_labels, guess, log2_p.shape[1]),
            }  # fmt: skip
            relative = bits / null_bits(data.counts, data.stop_labels)
            mean += relative / len(self.data)
            for name, value in {**facts, "log_loss": -relative}.items():
                records_best |= self._better((task, name), value)
                sums[name] = sums.get(name, 0.0) + value
            losses = self.trainer.losses[task]
            record.history.append({
                "epoch": self.epoch, "updates": updates, "seconds": time.perf_counter() - self.started, "task": task,
                "train_bits": float(np.mean(losses)) if losses else math.nan, "dev_bits": bits,
                "dev_accuracy": facts["accuracy"], "dev_macro_f1": facts["macro_f1"],
            })  # fmt: skip
            losses.clear()
        for name, value in sums.items():
            records_best |= self._better(("group", name), value)
        self.stale = 0 if mean < self.best_mean - 1e-12 else self.stale + 1
        self.best_mean = min(mean, self.best_mean)
        stop = self.plan.early_stop and self.stale >= self.settings.patience
        record.epochs.append(self.epoch)
        if records_best or final or stop:
            record.test_epochs.append(self.epoch)
            for task, data in self.data.items():
                record.test[task].append(predict(model, task, data.test, self.trainer.tokens, len(data.test), data.blank))
        if self.at_epoch:
            self.at_epoch(self.epoch)
        self.last_updates = updates
        model.train()
        return stop

    def _better(self, what: Any, value: float) -> bool:
        """Whether ``value`` is the best of its kind so far."""
        if value > self.best.get(what, -math.inf):
            self.best[what] = value
            return True
        return False


@torch.no_grad()
def predict(model: SharedClassifier, task: str, rows: list[dict[str, list[int]]], tokens: Any, n: int, blank: bool = False) -> np.ndarray:
    """Return (n, K) log2 probabilities in float32; blank inputs are all alike, so one forward pass serves every row."""
    if blank:
        rows = rows[:1]
    device = next(model.parameters()).device
    order = np.argsort([len(row["input_ids"]) for row in rows], kind="stable")
    parts = []
    for start in range(0, len(order), _SCORING_BATCH):
        batch = tokens.pad([rows[i] for i in order[start : start + _SCORING_BATCH]], return_tensors="pt")
        logits = model(task, **{k: v.to(device) for k, v in batch.items()}).float()
        parts.append((torch.log_softmax(logits, dim=-1) / math.log(2)).cpu().numpy())
    scored = np.concatenate(parts)
    values = np.empty_like(scored)
    values[order] = scored
    return np.repeat(values, n, axis=0) if blank else values
