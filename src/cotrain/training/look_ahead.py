"""The look-ahead of TAG: what an update by one task alone would do to the loss of each (Fifty et al. 2021), and how gradients agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from cotrain.training.evaluations import Data
from cotrain.training.extras import Extra, Seen
from cotrain.training.gradients import linears, room
from cotrain.training.long import shown
from cotrain.training.sampling import derived_seed
from cotrain.training.scoring import pad

EVERY = 10
"""Updates between looks."""
FILE = "looks.parquet"


class LookAhead(Extra):
    """After every tenth update, each with a batch of its own per task: ``looks.parquet``.

    Columns ``update``, ``source`` and ``target`` (tasks), ``before`` and ``after`` (loss of the target on its batch, in nats, at θ and at
    θ − η∇L_source of the shared weights, η the learning rate), ``product`` (of the gradients of source and target).
    """

    steps: ClassVar[bool] = True

    def __init__(self, seen: Seen) -> None:
        super().__init__(seen)
        self.lines: list[dict[str, Any]] = []
        linears(seen.model.classifiers[0].base_model)  # refuses an encoder that is not trained
        room(4.0 * sum(w.numel() for w in self._shared()) * (len(seen.data) + 1), "the look-ahead", seen.settings.device)

    def at_step(self, updates: int, learning_rate: float) -> None:
        """Look ahead after the first of every ten updates, so that a short fit has a look too."""
        if (updates - 1) % EVERY == 0 and learning_rate > 0:
            losses = {task: self._loss(task, data, updates) for task, data in self.seen.data.items()}
            self.lines += [{"update": updates, **line} for line in looked(self.seen.model, self._shared(), losses, learning_rate)]

    def at_epoch(self, epoch: int, picked_by: Sequence[str]) -> None:
        """Write what was seen."""
        pd.DataFrame(self.lines, columns=["update", "source", "target", "before", "after", "product"]).to_parquet(self.seen.folder / FILE)

    def _shared(self) -> list[torch.Tensor]:
        """Return the weights of the encoder that are trained; during training not those that were there before."""
        return [w for w in self.seen.model.classifiers[0].base_model.parameters() if w.requires_grad]

    def _loss(self, task: str, data: Data, updates: int) -> Callable[[], torch.Tensor]:
        """Return the loss that is trained on random rows of a task, as a function; the rows follow the name of the task and the update."""
        random = np.random.default_rng(derived_seed(self.seen.seed, "look-ahead", task, str(updates)))
        rows = random.permutation(len(data.train))[: min(self.seen.settings.batch_size, self.seen.rows_at_once)]
        device = self.seen.model.device
        inputs = {k: v.to(device) for k, v in pad([shown(data.train[i], updates) for i in rows], self.seen.tokens).items()}
        gold = torch.from_numpy(data.train_labels[rows])
        weights = torch.tensor(data.class_weights, dtype=torch.float64) if data.class_weights else None
        # a step can change a loss by less than float32 tells
        return lambda: cross_entropy(self.seen.model.logits(task, **inputs).cpu().double(), gold, weights)


def looked(
    model: Any, shared: Sequence[torch.Tensor], losses: Mapping[str, Callable[[], torch.Tensor]], step: float
) -> list[dict[str, Any]]:
    """Return source, target, loss before and after, and product of gradients of all ordered pairs of tasks; without dropout.

    The weights are afterwards what they were, bit by bit.

    Args:
        shared: the weights that a source updates; the heads stay.
        losses: of each task at the present weights.
        step: η.
    """
    was = model.training
    model.eval()
    before, gradients = dict[str, float](), dict[str, list[torch.Tensor]]()
    for task, loss in losses.items():
        now = loss()
        # a weight that no head reads, as a pooler of another architecture, has none
        found = torch.autograd.grad(now, shared, allow_unused=True)
        gradients[task] = [torch.zeros_like(w) if g is None else g for w, g in zip(shared, found, strict=True)]
        before[task] = float(now.detach())
    lines = []
    with torch.no_grad():
        own = [w.clone() for w in shared]
        for source, gradient in gradients.items():
            for weight, value, g in zip(shared, own, gradient, strict=True):
                weight.copy_(value - step * g)
            for target, loss in losses.items():
                product = sum(float((a * b).sum()) for a, b in zip(gradient, gradients[target], strict=True))
                lines.append({"source": source, "target": target, "before": before[target], "after": float(loss()), "product": product})
        for weight, value in zip(shared, own, strict=True):
            weight.copy_(value)
    model.train(was)
    return lines
