"""One fit: a Transformers ``Trainer`` over one shared model."""

from __future__ import annotations

import math
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from cotrain.errors import InputError
from cotrain.training.budget import Budget
from cotrain.training.checkpoints import STATE, WEIGHTS, Checkpoints
from cotrain.training.evaluations import Data, Diverged, Evaluations, Record, Stream, streams
from cotrain.training.extras import Extra
from cotrain.training.long import shown
from cotrain.training.model import SharedClassifier, quiet
from cotrain.training.sampling import Batches, counts, derived_seed
from cotrain.training.scoring import pad
from cotrain.training.settings import Settings
from cotrain.training.together import Together
from cotrain.training.vocabulary import Narrow, decayed, narrowed, widened


class OutOfMemory(Exception):
    """The device has no room for so many rows at once."""


@dataclass(frozen=True)
class Watch:
    """What happens while a fit trains, besides training.

    Attributes:
        extras: what looks on.
        scratch: where scratch files may be; weights are as private as the rows.
        checkpoints: where a long fit is kept at the ends of epochs, to go on from there.
        tracking: the folder and the name of this fit for trackers.
    """

    extras: Sequence[Extra] = ()
    scratch: Path | None = None
    checkpoints: Checkpoints | None = None
    tracking: tuple[Path, str] | None = None


_NOTHING = Watch()


def run(model: SharedClassifier, data: Mapping[str, Data], plan: Budget, tokens: Any, settings: Settings, seed: int,
        shared: Sequence[Together] = (), watch: Watch = _NOTHING, rows_at_once: int = 0) -> tuple[Record, str]:  # fmt: skip
    """Train, score, and return the record with why it failed, or nothing.

    Args:
        settings: effective ones.
        shared: which members are on the same rows.
        rows_at_once: a batch goes through the model in parts of so many rows; 0: as a whole. The gradient is that of the batch.

    Raises:
        OutOfMemory: the device has no room for ``rows_at_once``.
    """
    failed = ""
    parameters = float(sum(w.numel() for w in model.parameters()))
    if settings.gradient_checkpointing:
        encoder = model.classifiers[0].base_model
        # the second name goes in Transformers 6
        enable = getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    with (tempfile.TemporaryDirectory(dir=watch.scratch) as scratch, quiet(), _own_randomness(settings.device),
          narrowed(model, data, tokens.pad_token_id) as narrow):  # fmt: skip
        marks = Evaluations(model, data, shared, plan, tokens, settings, Path(scratch))
        with _tracked(settings, watch):
            trainer = _trainer(model, data, shared, plan, settings, seed, marks, scratch, rows_at_once)
        trainer.add_callback(_AtEpochEnds(trainer, narrow, watch))
        torch.manual_seed(derived_seed(seed, "dropout", *sorted(data)))
        began = time.perf_counter()
        try:
            kept = watch.checkpoints and watch.checkpoints.find()
            trainer.train(resume_from_checkpoint=str(kept) if kept else None)
            trainer.optimizer = trainer.lr_scheduler = None  # half of the memory, and scoring needs none of it
            model.zero_grad()
            marks.finish(_whole(watch.extras, model, narrow))
        except (Diverged, torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            # shown in every table and never tried again with another seed
            failed = _why(error)
        marks.record.cost = {
            "seconds": time.perf_counter() - began + trainer.seconds_before,
            "scoring_seconds": marks.scoring,
            "updates": float(trainer.state.global_step),
            "tokens": float(trainer.seen_tokens),
            "parameters": parameters,
            "peak_bytes": float(_peak(settings.device)),
        }
    return marks.record, failed


def _whole(extras: Sequence[Extra], model: SharedClassifier, narrow: Narrow | None) -> Callable[[int, list[str]], None] | None:
    """Return what lets extras look on at an epoch, with the whole table of embeddings; None where there are none."""
    if not extras:
        return None

    def observe(epoch: int, picked_by: list[str]) -> None:
        with widened(model, narrow, epoch):
            for extra in extras:
                with _room_for(extra):
                    extra.at_epoch(epoch, picked_by)

    return observe


@contextmanager
def _room_for(extra: Extra) -> Iterator[None]:
    """Tell want of memory of an extra as its own: the fit is as good without it, and training it in smaller parts would change it."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        try:
            _why(error)
        except OutOfMemory:
            name = type(extra).__name__
            raise InputError(
                f"there is no memory for the extra {name} beside the fit; train without it, or give a smaller batch_size"
            ) from error


def _why(error: BaseException) -> str:
    """Return why a fit failed, or raise what is no failure of a fit but a defect, or no room for so many rows at once."""
    if isinstance(error, Diverged):
        return str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error):
        raise OutOfMemory from error
    raise error


@contextmanager
def _tracked(settings: Settings, watch: Watch) -> Iterator[None]:
    """Let TensorBoard write into the folder of this fit: Transformers takes it from the environment."""
    name, before = "TENSORBOARD_LOGGING_DIR", os.environ.get("TENSORBOARD_LOGGING_DIR")
    if settings.report_to and watch.tracking and before is None:
        os.environ[name] = str(watch.tracking[0] / watch.tracking[1])
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)


def _trainer(model: SharedClassifier, data: Mapping[str, Data], shared: Sequence[Together], plan: Budget, settings: Settings, seed: int,
             marks: Evaluations, scratch: str, rows_at_once: int) -> _SharedTrainer:  # fmt: skip
    """Return the Trainer of a fit, without saving, logging or bars."""
    arguments = TrainingArguments(
        output_dir=scratch, max_steps=plan.updates, per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation, learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay, max_grad_norm=settings.max_grad_norm,
        warmup_steps=math.ceil(settings.warmup * plan.updates),
        lr_scheduler_type="linear" if settings.schedule == "linear" else "constant_with_warmup",
        bf16=settings.precision == "bf16", fp16=settings.precision == "fp16", use_cpu=settings.device == "cpu",
        optim="adamw_torch_fused" if settings.device != "mps" else "adamw_torch",
        seed=derived_seed(seed, "dropout", *sorted(data)), report_to=list(settings.report_to) or "none", disable_tqdm=True,
        logging_strategy="no", save_strategy="no", eval_strategy="no", logging_nan_inf_filter=False,
        dataloader_pin_memory=False, remove_unused_columns=False, log_level="error",
    )  # fmt: skip
    through = streams(data, shared, "train")
    lengths = {name: [len(row["input_ids"]) for row in stream.rows] for name, stream in through.items()}
    batches = Batches(lengths, settings.batch_size, seed, counts({name: len(rows) for name, rows in lengths.items()}, settings))
    trainer = _SharedTrainer(model=model, args=arguments, data=data, streams=through, batches=batches, marks=marks, rows=rows_at_once)
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
    """The loop of Transformers over batches of one stream each."""

    def __init__(self, *, data: Mapping[str, Data], streams: Mapping[str, Stream], batches: Batches, marks: Evaluations, rows: int,
                 **rest: Any) -> None:  # fmt: skip
        self.task_data, self.streams, self.batches, self.marks = data, streams, batches, marks
        self.rows_at_once = rows or marks.settings.batch_size
        self.seen_tokens, self.seconds_before = 0, 0.0
        super().__init__(**rest)
        device = self.args.device
        self.weights = {t: torch.tensor(d.class_weights, device=device) for t, d in data.items() if d.class_weights}

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of batches of one stream."""
        # a generator of its own: a loader draws a number per epoch, which would shift the dropout
        return _Loader(_Index(), batch_sampler=self.batches, collate_fn=self.collate, generator=torch.Generator())

    def collate(self, items: list[tuple[str, int]]) -> dict[str, Any]:
        """Return padded tensors and, by task that has some of them, the labels of a batch; −1 where a row has none."""
        stream, positions = self.streams[items[0][0]], np.array([i for _, i in items])
        rows = [shown(stream.rows[i], self.batches.epoch) for i in positions]
        self.seen_tokens += sum(len(row["input_ids"]) for row in rows)
        gold = {}
        for task, places in stream.places.items():
            here = places[positions]
            if (here >= 0).any():
                gold[task] = torch.from_numpy(np.where(here >= 0, self.task_data[task].train_labels[here], -1))
        return {**pad(rows, self.marks.tokens), "gold": gold}

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Return the loss of a batch, its gradients added; in parts where it has more rows than fit at once."""
        whole, n = inputs["gold"], len(inputs["input_ids"])
        if n <= self.rows_at_once:
            return super().training_step(model, inputs, num_items_in_batch)
        before, losses = {task: len(self.marks.losses[task]) for task in whole}, []
        for rows in (slice(start, start + self.rows_at_once) for start in range(0, n, self.rows_at_once)):
            if gold := {task: y[rows] for task, y in whole.items() if (y[rows] >= 0).any()}:
                shares = {task: self._weight(task, y) / self._weight(task, whole[task]) for task, y in gold.items()}
                part = {**{k: v[rows] for k, v in inputs.items() if k != "gold"}, "gold": gold, "shares": shares, "tasks": len(whole)}
                losses.append(super().training_step(model, part, num_items_in_batch))
        for task, start in before.items():
            self.marks.losses[task][start:] = [torch.stack(self.marks.losses[task][start:]).sum()]
        return torch.stack(losses).sum()

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """Return the mean over tasks of the mean cross-entropy of their labelled rows, in nats, each task with its weight.

        That is what batches of the same rows, one per task, would give if their gradients were accumulated.
        """
        gold, shares, tasks = inputs.pop("gold"), inputs.pop("shares", {}), inputs.pop("tasks", 0)
        losses = []
        for task, logits in model(list(gold), **inputs).items():
            there = gold[task] >= 0
            loss = cross_entropy(logits.float()[there], gold[task][there], self.weights.get(task)) * shares.get(task, 1.0)
            self.marks.losses[task].append(loss.detach())
            losses.append(loss * self.marks.settings.task_weights.get(task, 1.0))
        return torch.stack(losses).sum() / (tasks or len(gold))

    def _weight(self, task: str, gold: torch.Tensor) -> float:
        """Return the sum of the class weights of labelled rows."""
        known = gold[gold >= 0].to(self.args.device)
        return float(self.weights[task][known].sum()) if task in self.weights else float(len(known))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write what training changes, every shared tensor once."""
        folder = Path(str(output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: w.detach().cpu().contiguous() for name, w in self.model.changing().items()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Set the model to what ``_save`` wrote."""
        self.model.restore(load_file(Path(resume_from_checkpoint) / WEIGHTS))


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
    """Evaluates at the ends of epochs that are far enough apart, stops early, and lets a long fit be kept."""

    def __init__(self, trainer: _SharedTrainer, narrow: Narrow | None, watch: Watch) -> None:
        self.trainer, self.marks, self.narrow = trainer, trainer.marks, narrow
        self.checkpoints, self.extras = watch.checkpoints, watch.extras
        self.epoch = self.last = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Go on from a checkpoint, where there is one."""
        if state.global_step and self.checkpoints and (kept := self.checkpoints.find()):
            there = torch.load(kept / STATE, weights_only=True)
            self.epoch, self.last = there["epoch"], there["last"]
            self.trainer.seen_tokens, self.trainer.seconds_before = there["tokens"], there["seconds"]
            self.marks.resume(there["marks"], kept)
            if self.narrow is not None:
                self.narrow.decay, self.narrow.at = there["decay"], there["decay_at"]

    def on_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        """Note what this update takes from the embeddings that no text uses."""
        if self.narrow is not None:
            self.narrow.decay *= decayed(optimizer, self.narrow.weight)

    def on_step_end(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **_: Any) -> None:
        """Let extras look on between two updates."""
        for extra in self.extras:
            with _room_for(extra):
                extra.at_step(state.global_step, lr_scheduler.get_last_lr()[0])

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Evaluate, unless the last evaluation was too few updates ago."""
        self.epoch += 1
        if self.narrow is not None:
            self.narrow.at[self.epoch] = self.narrow.decay
        if self.marks.due(self.epoch, state.global_step, self.last):
            self.last = state.global_step
            control.should_training_stop = self.marks.evaluate(self.epoch, state.global_step) or control.should_training_stop
            if args.report_to:
                self.trainer.log(self.marks.told())
        ends = control.should_training_stop or state.global_step >= args.max_steps
        control.should_save = bool(self.checkpoints and not ends and self.checkpoints.due())
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Put beside the weights what else the rest of the fit depends on, and let the checkpoint count."""
        assert self.checkpoints
        written = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        narrow = (self.narrow.decay, self.narrow.at) if self.narrow is not None else (1.0, {})
        torch.save({
            "epoch": self.epoch, "last": self.last, "tokens": self.trainer.seen_tokens, "marks": self.marks.state(written),
            "seconds": self.trainer.seconds_before + time.perf_counter() - self.marks.started, "decay": narrow[0], "decay_at": narrow[1],
        }, written / STATE)  # fmt: skip
        self.checkpoints.keep(written)
