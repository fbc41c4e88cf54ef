"""Gradients of single rows in batches, and what two extras of fits keep of them: Fisher information and random projections.

Of the encoder the linear layers are looked at: they are nearly all of its parameters besides the table of embeddings. What a layer
was given and the gradient of what it gave are enough for the gradient of each row, which is only ever made for one layer at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from cotrain.errors import InputError
from cotrain.training.extras import Extra, Seen
from cotrain.training.long import Row, shown
from cotrain.training.sampling import derived_seed
from cotrain.training.scoring import pad

DIMENSIONS = 256
"""Of a random projection; Grad-TAG takes 200 to 400."""
EPOCH_OF = "log_loss"
"""The selection whose epoch is looked at."""

Of = Literal["log_p", "margin"]


class Passed(NamedTuple):
    """A batch that went through the model, forward and backward.

    Attributes:
        rows: (B,) which rows it has.
        values: (B,) what was differentiated, in nats.
        layers: by layer its inputs (B, T, in) and the gradients of its outputs (B, T, out), one pair for each time it was used.
    """

    rows: np.ndarray
    values: np.ndarray
    layers: dict[str, list[tuple[torch.Tensor, torch.Tensor]]]


def linears(encoder: nn.Module) -> dict[str, nn.Linear]:
    """Return the linear layers of an encoder that are trained, by name.

    Raises:
        InputError: there are none.
    """
    found = {name: m for name, m in encoder.named_modules() if isinstance(m, nn.Linear) and m.weight.requires_grad}
    if not found:
        raise InputError(
            "methods that read gradients need linear layers of the encoder that are trained; this encoder has none: its layers are "
            "of another kind, or the study has tuning: heads"
        )
    return found


def passes(logits: Any, layers: dict[str, nn.Linear], rows: Sequence[Row], gold: np.ndarray, tokens: Any, of: Of, size: int,
           device: str) -> Iterator[Passed]:  # fmt: skip
    """Yield batches of ``size`` rows, with the gradients of ``of`` of each row with respect to what the layers gave.

    Args:
        logits: from padded inputs to (B, K) logits, without dropout.
        of: ``log_p`` of the gold label, or its ``margin`` log p/(1 − p), of which −log p = log(1 + exp(−margin)).
    """
    order = np.argsort([len(row["input_ids"]) for row in rows], kind="stable")
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        inputs = {k: v.to(device) for k, v in pad([shown(rows[i], 0) for i in chosen], tokens).items()}
        y = torch.from_numpy(gold[chosen]).to(device)
        with _kept(layers) as kept:
            found = logits(**inputs).float()
            _refuse_shared(kept, len(chosen), inputs["input_ids"].shape[1])
            own = found.gather(1, y[:, None])[:, 0]
            others = found.scatter(1, y[:, None], -torch.inf) if of == "margin" else found
            values = own - others.logsumexp(dim=1)
            uses = [(name, given, gave) for name, used in kept.items() for given, gave in used]
            # a pooler that the head does not read has none
            gradients = torch.autograd.grad(values.sum(), [gave for *_, gave in uses], allow_unused=True)
        by_layer: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for (name, given, _), gradient in zip(uses, gradients, strict=True):
            if gradient is not None:
                by_layer.setdefault(name, []).append((_tokenwise(given), _tokenwise(gradient)))
        yield Passed(chosen, values.detach().cpu().double().numpy(), by_layer)


@contextmanager
def _kept(layers: dict[str, nn.Linear]) -> Iterator[dict[str, list[tuple[torch.Tensor, torch.Tensor]]]]:
    """Keep what the layers are given and give during the block."""
    kept: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: tuple[torch.Tensor, ...], gave: torch.Tensor) -> None:
            kept.setdefault(name, []).append((given[0].detach(), gave))

        return hook

    handles = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def _refuse_shared(kept: dict[str, list[tuple[torch.Tensor, torch.Tensor]]], rows: int, length: int) -> None:
    """Refuse layers that read something else than the rows one by one: then the gradient of a row is not to be seen there.

    Raises:
        InputError: a layer whose input is not (rows, width) or (rows, tokens, width).
    """
    for name, used in kept.items():
        if any(len(given) != rows or (given.dim() == 3 and given.shape[1] not in (1, length)) or given.dim() > 3 for given, _ in used):
            raise InputError(
                f"methods that read gradients of rows need layers that read each row by itself; {name} of this encoder reads what all "
                "rows have in common, or has them in another order"
            )


def _tokenwise(values: torch.Tensor) -> torch.Tensor:
    """Return (B, T, width) float32; what has no tokens, as what a pooler reads, counts as one."""
    return values.float().reshape(len(values), -1, values.shape[-1])


def room(needed: float, what: str, device: str) -> None:
    """Refuse what there is no memory for.

    Raises:
        InputError: fewer bytes are free than ``needed``.
    """
    free = _free()
    if device == "cuda":
        free = float(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    if needed > free:
        raise InputError(f"{what} needs {needed / 2**30:.1f} GiB for gradients, there are {free / 2**30:.1f} GiB; take a smaller encoder")


def _free() -> float:
    """Return the bytes of memory that are available here; as many as anybody wants where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))) * 1024
    except (OSError, StopIteration):
        return float("inf")


def fisher(logits: Any, layers: dict[str, nn.Linear], rows: Sequence[Row], gold: np.ndarray, tokens: Any, size: int, device: str,
           per_example: bool = True) -> dict[str, torch.Tensor]:  # fmt: skip
    """Return the diagonal of the empirical Fisher information of each parameter of the layers.

    ``per_example``: the mean over rows of the squared gradient of log p(gold label). Else the mean over batches of ``size`` rows of the
    squared gradient of their mean, as the code that Vu et al. released does: it depends on the size of the batches.
    """
    found = {f"{name}.{part}": torch.zeros_like(w) for name, layer in layers.items() for part, w in layer.named_parameters()}
    batches = 0
    for passed in passes(logits, layers, rows, gold, tokens, "log_p", size, device):
        batches += 1
        for name, uses in passed.layers.items():
            each = {"weight": sum(torch.einsum("bto,bti->boi", d, a) for a, d in uses), "bias": sum(d.sum(dim=1) for _, d in uses)}
            for part, gradient in each.items():
                if f"{name}.{part}" in found:
                    assert isinstance(gradient, torch.Tensor)
                    found[f"{name}.{part}"] += gradient.square().sum(dim=0) if per_example else gradient.mean(dim=0).square()
    return {name: total / (len(rows) if per_example else batches) for name, total in found.items()}


def projected(logits: Any, layers: dict[str, nn.Linear], rows: Sequence[Row], gold: np.ndarray, tokens: Any, size: int,
              device: str) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return (n,) margins and (n, ``DIMENSIONS``) random projections of their gradients with respect to the layers.

    Direction k of a layer is the outer product of two vectors of random signs u_k and v_k, so that the product with the gradient
    Σ_t δ_t a_tᵀ is Σ_t (u_k·δ_t)(v_k·a_t): neither gradient nor projection is ever made. Signs follow the name of the layer, so that
    all rows, tasks and fits of one encoder are projected alike. In the mean over directions products of gradients are kept.
    """
    signs = {name: _signs(name, layer) for name, layer in layers.items()}
    margins, found = np.empty(len(rows)), np.empty((len(rows), DIMENSIONS), dtype=np.float32)
    for passed in passes(logits, layers, rows, gold, tokens, "margin", size, device):
        total = torch.zeros(len(passed.rows), DIMENSIONS, device=device)
        for name, uses in passed.layers.items():
            u, v, b = (s.to(device) for s in signs[name])
            for a, d in uses:
                total += ((d @ u) * (a @ v)).sum(dim=1)
                if layers[name].bias is not None:
                    total += d.sum(dim=1) @ b
        margins[passed.rows] = passed.values
        found[passed.rows] = (total / DIMENSIONS**0.5).cpu().numpy()
    return margins, found


def room_for_projections(layers: dict[str, nn.Linear], rows: int, device: str) -> None:
    """Refuse projections of the gradients of ``rows`` that there is no memory for, beside that of a training step.

    Raises:
        InputError: fewer bytes are free than signs, and projections of all rows, take.
    """
    widths = sum(2 * layer.out_features + layer.in_features for layer in layers.values())
    room(4.0 * DIMENSIONS * (widths + rows), "a random projection", device)


def _signs(name: str, layer: nn.Linear) -> tuple[torch.Tensor, ...]:
    """Return the random signs (out, D) and (in, D) for the weight of a layer, and (out, D) for its bias."""
    generator = torch.Generator().manual_seed(derived_seed(0, "projection", name))
    widths = (layer.out_features, layer.in_features, layer.out_features)
    return tuple(torch.randint(0, 2, (width, DIMENSIONS), generator=generator).float() * 2 - 1 for width in widths)


class Fisher(Extra):
    """The Fisher information of a task's training rows at the epoch that is best by log-loss: ``EPOCH.safetensors``, TASK/LAYER.weight."""

    per_example: ClassVar[bool] = True

    def __init__(self, seen: Seen) -> None:
        super().__init__(seen)
        layers = linears(seen.model.classifiers[0].base_model)
        weights = sum(w.numel() for layer in layers.values() for w in layer.parameters())
        tasks = 1 if seen.settings.device == "cuda" else len(seen.data)  # there one at a time
        room(4.0 * tasks * weights, "Fisher information", seen.settings.device)

    def at_epoch(self, epoch: int, picked_by: Sequence[str]) -> None:
        """Write it, if this is the epoch."""
        if EPOCH_OF not in picked_by:
            return
        seen, layers = self.seen, linears(self.seen.model.classifiers[0].base_model)
        seen.model.eval()
        found: dict[str, torch.Tensor] = {}
        for task, data in seen.data.items():
            size = _fewer(seen) if self.per_example else seen.settings.batch_size
            of_task = fisher(seen.head(task), layers, data.train, data.train_labels, seen.tokens, size, seen.model.device, self.per_example)
            found |= {f"{task}/{name}": values.cpu().contiguous() for name, values in of_task.items()}
        save_file(found, seen.folder / f"{epoch}.safetensors")


class FisherOfBatches(Fisher):
    """The same from the gradients of batches, as it was released."""

    per_example = False


class Projected(Extra):
    """Margins and projected gradients of the rows of train and dev at the epoch best by log-loss: TASK/SPLIT/margins, …/gradients."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(seen)
        rows = sum(len(data.train) + len(data.dev) for data in seen.data.values())
        room_for_projections(linears(seen.model.classifiers[0].base_model), rows, seen.settings.device)

    def at_epoch(self, epoch: int, picked_by: Sequence[str]) -> None:
        """Write them, if this is the epoch."""
        if EPOCH_OF not in picked_by:
            return
        seen, layers = self.seen, linears(self.seen.model.classifiers[0].base_model)
        seen.model.eval()
        found = dict[str, torch.Tensor]()
        for task, data in seen.data.items():
            for split, rows, gold in (("train", data.train, data.train_labels), ("dev", data.dev, data.dev_labels)):
                made = projected(seen.head(task), layers, rows, gold, seen.tokens, _fewer(seen), seen.model.device)
                for name, values in zip(("margins", "gradients"), made, strict=True):
                    found[f"{task}/{split}/{name}"] = torch.from_numpy(values)
        save_file(found, seen.folder / f"{epoch}.safetensors")


def _fewer(seen: Seen) -> int:
    """Return how many rows go at once where it changes nothing: half of what trains at once takes about the memory of a training step."""
    return max(1, seen.rows_at_once // 2)
