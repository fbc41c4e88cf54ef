"""A finished study without training: the run folder of general9 with fits that are drawn, not trained; needs no data, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from cotrain.evaluation.compare import compare
from cotrain.grouping.controls import on_demand
from cotrain.pvi.finetune import score
from cotrain.study import data, steps
from cotrain.study.spec import read
from cotrain.study.study import Study
from cotrain.tasks.source import Source
from cotrain.training import ledger
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group

SPEC = Path(__file__).resolve().parents[1] / "experiments" / "general9" / "study.yaml"
# training rows, published dev (a fifth of train) and test rows, mean log-odds of the true label: what MiniLM may learn
TASKS = {
    "boolq": (2263, 566, 3270, 0.3), "cb": (200, 50, 56, 1.0), "rte": (1992, 498, 277, 0.0), "copa": (320, 80, 100, 0.0),
    "wic": (4342, 1086, 638, 0.0), "cola": (6821, 1706, 1043, 0.8), "sst2": (53874, 13470, 872, 1.9),
    "health_advice": (3821, 957, 1204, 1.7), "causal_language": (1943, 499, 619, 1.5),
}  # fmt: skip
EPOCHS = (2, 4, 6, 8, 10)
SPREAD = 0.05
"""Standard deviation, in log-odds, of what a task gains by sharing; of what a seed adds or takes, half of it."""


def generate(folder: Path, most: int = 500, seeds: tuple[int, ...] = (42, 52, 62, 72, 82), gain: float = 0.0) -> Study:
    """Return a study in ``folder`` that is scored, related, grouped and trained, ready to be compared.

    Args:
        most: rows of train, dev and test kept per task; 0: all that are published.
        seeds: of the fits; equal arguments give equal numbers.
        gain: log-odds of the true label that sharing adds to every task, on average.
    """
    resolved = read(SPEC, (f"seeds={list(seeds)}", f"splits.max_train={most}", f"splits.max_held_out={most}"))
    study = Study(resolved, folder)
    rows = {source.name: _rows(source, most) for source in resolved.sources}
    study.save_spec()
    study.save_placement(pd.concat(rows.values(), ignore_index=True))
    study.save_check({"warnings": [], "tasks": {}, "shared": []})
    singles = steps.alone(study)
    _write(study, singles, rows, gain)
    study.save_scores(score(data.fits(study, singles), sources=data.sources(study)), "pvi")
    steps.relate(study)
    plans = steps.group(study)
    _write(study, [group for plan in plans for group in plan.groups], rows, gain)
    # as a run does, controls that separate a claimed gain from more training
    found = compare(
        data.fits(study, [g for p in plans for g in p.groups]), plans,
        {s.name: s.metric for s in resolved.sources}, {s.name: s.delta for s in resolved.sources},
    )  # fmt: skip
    claims = [t for t in found.notes.get("claims", ()) if len(found.recommended.serving(t).group.tasks) > 1]
    extra = on_demand(found.recommended, claims)
    _write(study, [group for plan in extra for group in plan.groups], rows, gain)
    study.save_plans([plan for plan in extra if plan.name not in {p.name for p in plans}])
    return study


def _rows(source: Source, most: int) -> pd.DataFrame:
    """Return the placement of one task: ids, splits, labels, clusters of two rows on average; no text."""
    generator = np.random.default_rng(_number(source.name))
    names = np.array(source.names, dtype=object)
    parts = []
    for split, n in zip(("train", "dev", "test"), TASKS[source.name], strict=False):
        kept = min(n, most) if most else n
        label = names[np.minimum(generator.geometric(0.55, kept) - 1, len(names) - 1)]
        label[: 2 * len(names)] = np.repeat(names, 2)[:kept]
        cluster = [f"{source.name}-{split}-{c}" for c in generator.integers(0, max(1, kept // 2), kept)]
        parts.append(pd.DataFrame({
            "task": source.name, "row": [f"{split}:{i}" for i in range(kept)], "split": split, "cluster": cluster,
            "label": label, "source": source.name,
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _number(*parts: object) -> int:
    """Return a seed from names."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def _write(study: Study, groups: Iterable[Group], rows: dict[str, pd.DataFrame], gain: float) -> None:
    """Write a fit for each group and seed that is not there yet."""
    for group in dict.fromkeys(groups):
        for seed in study.resolved.seeds:
            if data.name_of(group, seed) in study.index:
                continue
            fit = _fit(study, group, seed, rows, gain)
            with ledger.being_written(study.fits, fit.key) as folder:
                ledger.write(fit, folder)
            data.remember(study, [fit])


def _fit(study: Study, group: Group, seed: int, rows: dict[str, pd.DataFrame], gain: float) -> Fit:
    """Return a drawn fit; what is easy in a task is easy in every fit of it."""
    labels = {s.name: tuple(map(str, s.names or ())) for s in study.resolved.sources}
    blocks, history, counts = {}, [], {}
    shared = len(group.tasks) > 1
    for member in group.members:
        table = rows[member.task]
        train = table.loc[table["split"] == "train", "label"]
        counts[member.task] = tuple(int((train == name).sum()) for name in labels[member.task])
        shift = gain + SPREAD * np.random.default_rng(_number(group.name, member.task)).normal() if shared else 0.0
        shift += SPREAD / 2 * np.random.default_rng(_number(group.name, member.task, seed)).normal()
        for split in ("dev", "test"):
            side = table[table["split"] == split]
            blocks[member.task, split] = _block(side, member.task, split, labels[member.task], shift, (group.name, seed))
        for epoch in EPOCHS:
            history.append({"epoch": epoch, "updates": 25 * epoch, "seconds": 4.0 * epoch, "task": member.task, "train_bits": 1.5 / epoch,
                            "dev_bits": 0.8, "dev_accuracy": 0.7, "dev_macro_f1": 0.65})  # fmt: skip
    size = len(group.members)
    return Fit(
        hashlib.sha256(f"{group.name} {seed}".encode()).hexdigest()[:32], group, seed, {t: labels[t] for t in group.tasks}, counts, blocks,
        pd.DataFrame(history),
        {"seconds": 40.0 * size, "updates": 125.0 * size, "tokens": 60000.0 * size, "parameters": 22.7e6, "peak_bytes": 2e9},
        {"settings": {"device": "drawn, not trained"}, "versions": {}, "host": "", "machine": ""},
    )  # fmt: skip


def _block(table: pd.DataFrame, task: str, split: str, labels: tuple[str, ...], shift: float, fit: tuple[str, int]) -> Block:
    """Return predictions that sharpen with the epochs, and over-fit a little at the end."""
    rows, k = len(table), len(labels)
    index = {name: i for i, name in enumerate(labels)}
    gold = np.array([index[name] for name in table["label"]], dtype=np.int64)
    ease = np.random.default_rng(_number(task, split)).normal(TASKS[task][3], 1.0, rows)
    noise = np.random.default_rng(_number(task, split, *fit)).normal(0, 0.5, (rows, k))
    logits = noise + np.log(np.bincount(gold, minlength=k) + 1.0)
    logits[np.arange(rows), gold] += ease + shift
    log2_p = np.stack([_log2_softmax(logits * sharp) for sharp in (0.5, 0.8, 1.0, 1.2, 1.3)])
    ids, clusters = (table[c].to_numpy(dtype=object) for c in ("row", "cluster"))
    return Block(ids, clusters, gold, np.array(EPOCHS, dtype=np.int64), log2_p.astype(np.float32))


def _log2_softmax(logits: np.ndarray) -> np.ndarray:
    """Return (n, K) log2 probabilities."""
    top = logits - logits.max(axis=1, keepdims=True)
    return (top - np.log(np.exp(top).sum(axis=1, keepdims=True))) / np.log(2)
