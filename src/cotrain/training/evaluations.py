"""What a fit writes down: dev after epochs, test where a selection can pick the epoch, and when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cotrain.tasks.task import Split
from cotrain.training.budget import Budget
from cotrain.training.fit import unweighted
from cotrain.training.long import Row
from cotrain.training.model import SharedClassifier
from cotrain.training.scoring import predict, predict_several
from cotrain.training.selection import SELECTIONS, goodness
from cotrain.training.settings import Settings
from cotrain.training.together import Together


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
        class_weights: (K,) of the labels in the loss; none where all weigh 1.
    """

    train: list[Row]
    train_labels: np.ndarray
    dev: list[Row]
    dev_labels: np.ndarray
    test: list[Row]
    counts: tuple[int, ...]
    stop_labels: np.ndarray
    variant: str = "real"
    class_weights: tuple[float, ...] = ()

    def rows(self, split: Split) -> list[Row]:
        """Return the token ids of a split."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]


@dataclass(frozen=True)
class Stream:
    """Inputs that go through the encoder together: those of one member, or the distinct ones of members on the same rows.

    Attributes:
        rows: (N,) token ids.
        places: by task, (N,) where each input stands among the rows of the task; −1 where it has no label for it.
    """

    rows: list[Row]
    places: Mapping[str, np.ndarray]


def streams(data: Mapping[str, Data], shared: Sequence[Together], split: Split) -> dict[str, Stream]:
    """Return the streams of a split by name: a task, or ``a+b`` of tasks on the same rows."""
    found = {}
    for one in shared:
        places = one.places[split]
        first = [next(t for t in places if places[t][i] >= 0) for i in range(len(places[one.tasks[0]]))]
        found["+".join(one.tasks)] = Stream([data[t].rows(split)[places[t][i]] for i, t in enumerate(first)], places)
    several = {task for one in shared for task in one.tasks}
    return found | {t: Stream(d.rows(split), {t: np.arange(len(d.rows(split)))}) for t, d in data.items() if t not in several}


def predicted(stream: Stream, model: SharedClassifier, data: Mapping[str, Data], split: Split, tokens: Any) -> dict[str, np.ndarray]:
    """Return by task (n, K) log2 p of the rows of a split; blank inputs are all alike, so one row's pass serves them all.

    Raises:
        Diverged: they are not numbers.
    """
    tasks = list(stream.places)
    if data[tasks[0]].variant == "blank":
        one = predict(model, tasks[0], stream.rows[:1], tokens)
        found = {tasks[0]: np.repeat(one, len(stream.rows), axis=0)}
    else:
        every = predict_several(model, tasks, stream.rows, tokens)
        found = {t: every[t][np.argsort(place, kind="stable")[(place < 0).sum() :]] for t, place in stream.places.items()}
    for task, log2_p in found.items():
        if not np.isfinite(log2_p).any(axis=1).all() or np.isnan(log2_p).any():
            raise Diverged(f"the predictions of {task} on {split} are not numbers")
    return found


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
            for weight in self.model.changing().values():
                file.write(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        self.kept.add(epoch)

    def link(self, folder: Path) -> None:
        """Give ``folder``, on the same disk, the files that are kept; no file is ever changed once it is written."""
        for epoch in self.kept:
            (folder / f"snapshot-{epoch}").hardlink_to(self.scratch / str(epoch))

    def take(self, epochs: Iterable[int], folder: Path) -> None:
        """Keep what ``link`` left."""
        self.kept = set(epochs)
        for epoch in self.kept:
            (self.scratch / str(epoch)).hardlink_to(folder / f"snapshot-{epoch}")

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
            for weight in self.model.changing().values():
                if weight.numel():
                    values = torch.frombuffer(bytearray(file.read(weight.nbytes)), dtype=weight.dtype)
                    weight.copy_(values.reshape(weight.shape))


class Evaluations:
    """Scores dev when told to, knows which epochs a selection can still pick, scores test at those in the end."""

    def __init__(self, model: SharedClassifier, data: Mapping[str, Data], shared: Sequence[Together], plan: Budget, tokens: Any,
                 settings: Settings, scratch: Path) -> None:  # fmt: skip
        self.model, self.data, self.plan, self.tokens, self.settings = model, data, plan, tokens, settings
        self.dev, self.test = (streams(data, shared, split).values() for split in ("dev", "test"))
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

    def due(self, epoch: int, updates: int, last: int) -> bool:
        """Whether the end of an epoch is an evaluation: enough updates since ``last``, or the end of training."""
        early = epoch < self.settings.evaluate_from or updates - last < self.settings.evaluate_every
        return updates >= self.plan.updates or not early

    def evaluate(self, epoch: int, updates: int) -> bool:
        """Score dev now; return whether to stop early."""
        began = time.perf_counter()
        self.epoch = epoch
        sums = dict.fromkeys(SELECTIONS[:3], 0.0)
        mean = 0.0
        better = False
        found: dict[str, np.ndarray] = {}
        for stream in self.dev:
            found |= predicted(stream, self.model, self.data, "dev", self.tokens)
        for task, data in self.data.items():
            log2_p = self.record.dev[task][epoch] = found[task]
            values = {by: goodness(log2_p, data.dev_labels, data.counts, by, data.class_weights) for by in sums}
            mean -= goodness(log2_p, data.stop_labels, data.counts, "log_loss", data.class_weights) / len(self.data)
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

    def finish(self, at_epoch: Callable[[int, list[str]], None] | None = None) -> None:
        """Score test at every epoch that a selection can pick.

        Args:
            at_epoch: called with the model set to each epoch that a selection of the whole group can pick, and which ones pick it.
        """
        began = time.perf_counter()
        group = {at for (who, _), (_, at) in self.best.items() if who == ""} | {self.epoch}
        wanted = {t: group | {at for (who, _), (_, at) in self.best.items() if who == t} for t in self.leaders}
        # the last epoch first: its weights are the present ones, unless a snapshot has them too
        for epoch in sorted(set().union(*wanted.values()), reverse=True):
            self.snapshots.restore(epoch)
            for stream in self.test:
                if picked := [task for task in stream.places if epoch in wanted.get(task, {self.epoch})]:
                    found = predicted(stream, self.model, self.data, "test", self.tokens)
                    for task in picked:
                        self.record.test[task][epoch] = found[task]
            if at_epoch and epoch in group:
                at_epoch(epoch, [by for (who, by), (_, at) in self.best.items() if who == "" and at == epoch])
        self.scoring += time.perf_counter() - began

    def told(self) -> dict[str, float]:
        """Return the last lines of history for trackers, by ``task/value``."""
        lines, names = self.record.history[-len(self.data) :], ("train_bits", "dev_bits", "dev_accuracy", "dev_macro_f1")
        return {f"{line['task']}/{name}": line[name] for line in lines for name in names}

    def state(self, folder: Path) -> dict[str, Any]:
        """Return all of this in plain values and tensors; snapshots are linked into ``folder``."""
        self.snapshots.link(folder)
        return {
            "history": self.record.history, "scoring": self.scoring, "best_mean": self.best_mean, "stale": self.stale, "epoch": self.epoch,
            "best": [(who, by, value, at) for (who, by), (value, at) in self.best.items()], "kept": sorted(self.snapshots.kept),
            "dev": {t: {e: torch.from_numpy(p) for e, p in by_epoch.items()} for t, by_epoch in self.record.dev.items()},
            "losses": {t: [loss.cpu() for loss in losses] for t, losses in self.losses.items()},
        }  # fmt: skip

    def resume(self, state: Mapping[str, Any], folder: Path) -> None:
        """Be as it was at :meth:`state`."""
        self.record.history = state["history"]
        self.record.dev = {t: {e: p.numpy() for e, p in by_epoch.items()} for t, by_epoch in state["dev"].items()}
        self.scoring, self.best_mean, self.stale, self.epoch = (state[k] for k in ("scoring", "best_mean", "stale", "epoch"))
        self.best = {(who, by): (value, at) for who, by, value, at in state["best"]}
        device = next(self.model.parameters()).device
        self.losses = {t: [loss.to(device) for loss in losses] for t, losses in state["losses"].items()}
        self.snapshots.take(state["kept"], folder)

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
            "dev_bits": float(-unweighted(log2_p, data.class_weights)[np.arange(len(log2_p)), data.stop_labels].mean(dtype=float)),
            "dev_accuracy": values["accuracy"], "dev_macro_f1": values["macro_f1"],
        })  # fmt: skip
