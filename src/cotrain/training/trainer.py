"""One fit: a Transformers ``Trainer`` over one shared model."""

from __future__ import annotations

import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from cotrain.training.budget import Budget
from cotrain.training.evaluations import Data, Diverged, Evaluations, Record
from cotrain.training.model import SharedClassifier, quiet
from cotrain.training.sampling import Batches, counts, derived_seed
from cotrain.training.scoring import pad
from cotrain.training.settings import Settings
from cotrain.training.vocabulary import Narrow, decayed, narrowed, widened


def run(model: SharedClassifier, data: Mapping[str, Data], plan: Budget, tokens: Any, settings: Settings, seed: int,
        at_epoch: Callable[[int], None] | None = None, folder: Path | None = None) -> tuple[Record, str]:  # fmt: skip
    """Train, score, and return the record with why it failed, or nothing.

    Args:
        settings: effective ones.
        folder: where scratch files may be, while it trains; weights are as private as the rows.
        at_epoch: called at the end with the model set to each epoch that a selection of the group can pick.
    """
    failed = ""
    parameters = float(sum(w.numel() for w in model.parameters()))
    with (tempfile.TemporaryDirectory(dir=folder) as scratch, quiet(), _own_randomness(settings.device),
          narrowed(model, data, tokens.pad_token_id) as narrow):  # fmt: skip
        marks = Evaluations(model, data, plan, tokens, settings, Path(scratch))
        trainer = _trainer(model, data, plan, settings, seed, marks, scratch)
        trainer.add_callback(_AtEpochEnds(marks, narrow))
        torch.manual_seed(derived_seed(seed, "dropout", *sorted(data)))
        began = time.perf_counter()
        try:
            trainer.train()
            trainer.optimizer = trainer.lr_scheduler = None  # half of the memory, and scoring needs none of it
            model.zero_grad()
            marks.finish(_whole(at_epoch, model, narrow))
        except (Diverged, torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            # shown in every table and never tried again with another seed
            failed = _why(error)
        marks.record.cost = {
            "seconds": time.perf_counter() - began,
            "scoring_seconds": marks.scoring,
            "updates": float(trainer.state.global_step),
            "tokens": float(trainer.seen_tokens),
            "parameters": parameters,
            "peak_bytes": float(_peak(settings.device)),
        }
    return marks.record, failed


def _whole(at_epoch: Callable[[int], None] | None, model: SharedClassifier, narrow: Narrow | None) -> Callable[[int], None] | None:
    """Return an observer that sees the whole table of embeddings."""
    if at_epoch is None:
        return None

    def observe(epoch: int) -> None:
        with widened(model, narrow, epoch):
            at_epoch(epoch)

    return observe


def _why(error: BaseException) -> str:
    """Return why a fit failed, or raise what is no failure of a fit but a defect."""
    if isinstance(error, Diverged):
        return str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error):
        return "out of memory; a smaller batch_size (with more accumulation) or max_length needs less"
    raise error


def _trainer(model: SharedClassifier, data: Mapping[str, Data], plan: Budget, settings: Settings, seed: int, marks: Evaluations,
             scratch: str) -> _SharedTrainer:  # fmt: skip
    """Return the Trainer of a fit, without saving, logging or bars."""
    arguments = TrainingArguments(
        output_dir=scratch, max_steps=plan.updates, per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation, learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay, max_grad_norm=settings.max_grad_norm,
        warmup_steps=math.ceil(settings.warmup * plan.updates),
        lr_scheduler_type="linear" if settings.schedule == "linear" else "constant_with_warmup",
        bf16=settings.precision == "bf16", fp16=settings.precision == "fp16", use_cpu=settings.device == "cpu",
        optim="adamw_torch_fused" if settings.device != "mps" else "adamw_torch",
        seed=derived_seed(seed, "dropout", *sorted(data)), report_to="none", disable_tqdm=True,
        logging_strategy="no", save_strategy="no", eval_strategy="no", logging_nan_inf_filter=False,
        dataloader_pin_memory=False, remove_unused_columns=False, log_level="error",
    )  # fmt: skip
    lengths = {t: [len(x["input_ids"]) for x in d.train] for t, d in data.items()}
    batches = Batches(lengths, settings.batch_size, seed, counts({t: len(rows) for t, rows in lengths.items()}, settings))
    trainer = _SharedTrainer(model=model, args=arguments, data=data, batches=batches, marks=marks)
    trainer.remove_callback(PrinterCallback)
    return trainer


@contextmanager
def _own_randomness(device: str) -> Iterator[None]:
    """Give the random states of Python, NumPy and torch back as they were: the Trainer seeds all of them."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def _peak(device: str) -> int:
    """Return the peak memory in bytes: of the device, or of this process so far."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class _SharedTrainer(Trainer):
    """The loop of Transformers over batches of one task each."""

    def __init__(self, *, data: Mapping[str, Data], batches: Batches, marks: Evaluations, **rest: Any) -> None:
        self.task_data, self.batches, self.marks = data, batches, marks
        self.seen_tokens = 0
        super().__init__(**rest)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of one-task batches."""
        # a generator of its own: a loader draws a number per epoch, which would shift the dropout
        return _Loader(_Index(), batch_sampler=self.batches, collate_fn=self.collate, generator=torch.Generator())

    def collate(self, items: list[tuple[str, int]]) -> dict[str, Any]:
        """Return padded tensors, labels and the task of a batch."""
        task, positions = items[0][0], [i for _, i in items]
        data = self.task_data[task]
        rows = [data.train[i] for i in positions]
        self.seen_tokens += sum(len(row["input_ids"]) for row in rows)
        return {**pad(rows, self.marks.tokens), "labels": torch.from_numpy(data.train_labels[positions]), "task": task}

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """Return the mean cross-entropy of a batch, in nats."""
        labels, task = inputs.pop("labels"), inputs.pop("task")
        loss = torch.nn.functional.cross_entropy(model(task, **inputs).float(), labels)
        self.marks.losses[task].append(loss.detach())
        return loss


class _Loader(DataLoader[Any]):
    """A loader that tells its sampler the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Tell the batch sampler which epoch is next."""
        self.batch_sampler.set_epoch(epoch)


class _Index:
    """A data set whose items are their own indices: the sampler already says task and row."""

    def __getitem__(self, item: tuple[str, int]) -> tuple[str, int]:
        return item

    def __len__(self) -> int:
        return 1


class _AtEpochEnds(TrainerCallback):
    """Evaluates at the ends of epochs that are far enough apart, and stops early."""

    def __init__(self, marks: Evaluations, narrow: Narrow | None) -> None:
        self.marks, self.narrow = marks, narrow
        self.epoch = self.last = 0

    def on_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        """Note what this update takes from the embeddings that no text uses."""
        if self.narrow is not None:
            self.narrow.decay *= decayed(optimizer, self.narrow.weight)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Evaluate, unless the last evaluation was too few updates ago."""
        self.epoch += 1
        if self.narrow is not None:
            self.narrow.at[self.epoch] = self.narrow.decay
        if self.marks.due(state.global_step, self.last):
            self.last = state.global_step
            control.should_training_stop = self.marks.evaluate(self.epoch, state.global_step) or control.should_training_stop
        return control
