"""What a fit writes down: dev after epochs, test where a selection can pick the epoch, and when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cotrain.training.budget import Budget
from cotrain.training.model import SharedClassifier
from cotrain.training.scoring import Row, predict
from cotrain.training.selection import SELECTIONS, goodness
from cotrain.training.settings import Settings


class Diverged(Exception):
    """The loss or the predictions of a fit are not numbers."""


@dataclass(frozen=True)
class Data:
    """What one member gives to a fit: token ids and label indices per split.

    Attributes:
        train_labels: what is trained on; permuted for a placebo.
        dev_labels: the true labels of dev.
        stop_labels: the labels of dev that decide when to stop; permuted for a placebo.
        counts: training rows per label.
        variant: of the member.
    """

    train: list[Row]
    train_labels: np.ndarray
    dev: list[Row]
    dev_labels: np.ndarray
    test: list[Row]
    counts: tuple[int, ...]
    stop_labels: np.ndarray
    variant: str = "real"

    def predict(self, model: SharedClassifier, task: str, split: str, tokens: Any) -> np.ndarray:
        """Return (n, K) log2 p of dev or test; blank inputs are all alike, so one row's pass serves them all."""
        rows: list[Row] = getattr(self, split)
        if self.variant != "blank":
            log2_p = predict(model, task, rows, tokens)
        else:
            log2_p = np.repeat(predict(model, task, rows[:1], tokens), len(rows), axis=0)
        if not np.isfinite(log2_p).any(axis=1).all() or np.isnan(log2_p).any():
            raise Diverged(f"the predictions of {task} on {split} are not numbers")
        return log2_p


@dataclass
class Record:
    """What a fit writes down while it trains; predictions are {task: {epoch: (n, K) log2 p}}."""

    history: list[dict[str, Any]] = field(default_factory=list)
    dev: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    test: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)


class Snapshots:
    """Weights of earlier epochs in files of a scratch folder: memory is what limits how many fits run side by side."""

    def __init__(self, model: SharedClassifier, scratch: Path) -> None:
        self.model, self.scratch = model, scratch
        self.kept: set[int] = set()

    def keep(self, epoch: int) -> None:
        """Keep the present weights."""
        with (self.scratch / str(epoch)).open("wb") as file:
            for weight in self.model.weights().values():
                file.write(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        self.kept.add(epoch)

    def only(self, epochs: set[int]) -> None:
        """Forget the other epochs."""
        for epoch in self.kept - epochs:
            (self.scratch / str(epoch)).unlink()
        self.kept &= epochs

    @torch.no_grad()
    def restore(self, epoch: int) -> None:
        """Set the model to the weights of a kept epoch; nothing where it is the present one (not kept)."""
        if epoch not in self.kept:
            return
        with (self.scratch / str(epoch)).open("rb") as file:
            for weight in self.model.weights().values():
                if weight.numel():
                    values = torch.frombuffer(bytearray(file.read(weight.nbytes)), dtype=weight.dtype)
                    weight.copy_(values.reshape(weight.shape))


class Evaluations:
    """Scores dev when told to, knows which epochs a selection can still pick, scores test at those in the end."""

    def __init__(
        self, model: SharedClassifier, data: Mapping[str, Data], plan: Budget, tokens: Any, settings: Settings, scratch: Path
    ) -> None:
        self.model, self.data, self.plan, self.tokens, self.settings = model, data, plan, tokens, settings
        self.snapshots = Snapshots(model, scratch)
        self.record = Record(dev={t: {} for t in data}, test={t: {} for t in data})
        self.started = time.perf_counter()
        self.scoring = 0.0
        self.losses: dict[str, list[torch.Tensor]] = {task: [] for task in data}
        # the members whose mean a selection looks at: as selection.select_epoch has it
        self.leaders = [t for t, d in data.items() if d.variant == "real"] or list(data)
        self.best: dict[tuple[str, str], tuple[float, int]] = {}
        self.best_mean, self.stale = math.inf, 0
        self.epoch = 0

    def due(self, updates: int, last: int) -> bool:
        """Whether the end of an epoch is an evaluation: enough updates since ``last``, or the end of training."""
        return updates >= self.plan.updates or updates - last >= self.settings.evaluate_every

    def evaluate(self, epoch: int, updates: int) -> bool:
        """Score dev now; return whether to stop early."""
        began = time.perf_counter()
        self.epoch = epoch
        sums = dict.fromkeys(SELECTIONS[:3], 0.0)
        mean = 0.0
        better = False
        for task, data in self.data.items():
            log2_p = data.predict(self.model, task, "dev", self.tokens)
            self.record.dev[task][epoch] = log2_p
            values = {by: goodness(log2_p, data.dev_labels, data.counts, by) for by in sums}
            mean -= goodness(log2_p, data.stop_labels, data.counts, "log_loss") / len(self.data)
            if task in self.leaders:
                for by, value in values.items():
                    sums[by] += value
                    better |= self._picked((task, by), value)
            self._write(task, data, log2_p, updates, values)
        for by, value in sums.items():
            better |= self._picked(("", by), value)
        self.snapshots.only({at for _, at in self.best.values()})
        if better and updates < self.plan.updates:  # the weights of the end are there anyway
            self.snapshots.keep(epoch)
        self.model.train()
        self.stale = 0 if mean < self.best_mean - 1e-12 else self.stale + 1
        self.best_mean = min(mean, self.best_mean)
        self.scoring += time.perf_counter() - began
        return self.plan.early_stop and self.stale >= self.settings.patience

    def finish(self, at_epoch: Callable[[int], None] | None = None) -> None:
        """Score test at every epoch that a selection can pick.

        Args:
            at_epoch: called with the model set to each epoch that a selection of the whole group can pick.
        """
        began = time.perf_counter()
        group = {at for (who, _), (_, at) in self.best.items() if who == ""} | {self.epoch}
        wanted = {t: group | {at for (who, _), (_, at) in self.best.items() if who == t} for t in self.leaders}
        # the last epoch first: its weights are the present ones, unless a snapshot has them too
        for epoch in sorted(set().union(*wanted.values()), reverse=True):
            self.snapshots.restore(epoch)
            for task, data in self.data.items():
                if epoch in wanted.get(task, {self.epoch}):
                    self.record.test[task][epoch] = data.predict(self.model, task, "test", self.tokens)
            if at_epoch and epoch in group:
                at_epoch(epoch)
        self.scoring += time.perf_counter() - began

    def _picked(self, who: tuple[str, str], value: float) -> bool:
        """Whether this epoch is now the one that a selection would pick: the first of the best."""
        if who not in self.best or value > self.best[who][0]:
            self.best[who] = (value, self.epoch)
            return True
        return False

    def _write(self, task: str, data: Data, log2_p: np.ndarray, updates: int, values: Mapping[str, float]) -> None:
        """Add a line of history."""
        losses = torch.stack(self.losses[task]) if self.losses[task] else torch.full((1,), math.nan)
        if self.losses[task] and not bool(torch.isfinite(losses).all()):
            raise Diverged(f"the training loss of {task} is not a number before update {updates}")
        self.losses[task].clear()
        self.record.history.append({
            "epoch": self.epoch, "updates": updates, "seconds": time.perf_counter() - self.started, "task": task,
            "train_bits": float(losses.mean()) / math.log(2),
            "dev_bits": float(-log2_p[np.arange(len(log2_p)), data.stop_labels].mean(dtype=float)),
            "dev_accuracy": values["accuracy"], "dev_macro_f1": values["macro_f1"],
        })  # fmt: skip
