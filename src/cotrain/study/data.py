"""The rows and fits of a study: read once, remembered in the run folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from cotrain.errors import InputError
from cotrain.study.presets import with_encoder
from cotrain.study.study import Study
from cotrain.tasks.load import load, placement
from cotrain.tasks.readers.entities import has_entity
from cotrain.tasks.task import Split, Task
from cotrain.training import encoder, ledger
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.marked import lost
from cotrain.training.settings import Settings


def needs_rows(study: Study, verb: str) -> None:
    """Refuse a verb that reads rows or trains where there are scores from outside alone.

    Raises:
        InputError: the verb, why, and what can be done instead.
    """
    if study.resolved.outside:
        raise InputError(
            f"{study.path}: {verb} needs rows and an encoder; this run is made of scores from outside, so it has neither. It can be "
            f"related, grouped and reported; to train what it proposes, write a study file (cotrain init FOLDER) and cotrain run that"
        )


def needs_seeds(study: Study, verb: str) -> None:
    """Refuse a verb that trains, or needs fits, in a study that has no seeds: groups are only predicted there.

    Raises:
        InputError: the verb, why, and what can be done instead.
    """
    if not study.resolved.seeds:
        raise InputError(
            f"{study.path}: {verb} needs fits, and this study has no seeds to train with (preset {study.resolved.preset} only predicts "
            "groups); set preset: default in the study file, or name seeds"
        )


def tasks(study: Study) -> dict[str, Task]:
    """Return the tasks of a study; rows that an earlier run placed stay where they are.

    The first reading that succeeds makes the run folder; faults of the data and of the encoder leave nothing behind.

    Raises:
        InputError: every fault of the data; an encoder that cannot be used.
    """
    if (there := study.__dict__.get("_tasks")) is None:
        there = load(study.resolved.sources, study.resolved.cut, placed=study.placement, update=study.update)
        if study.placement is None:  # a new run folder would remember an encoder that cannot be used, and ask for --update later
            chosen = settings(study)
            encoder.tokenizer(encoder.folder(chosen.model), chosen.max_length, chosen.special_tokens)
        if study.changed:
            study.outdated()
        study.save_spec()
        study.save_placement(_placed(there))
        study.__dict__["_tasks"] = there
    return dict(there)


def _placed(found: Mapping[str, Task]) -> pd.DataFrame:
    """Return the placement with the label and source of each row: what a report needs to know of rows."""
    labels = pd.concat(
        [task.rows.assign(task=name, source=task.source)[["task", "row", "label", "source"]] for name, task in found.items()]
    )
    return placement(found).merge(labels, on=["task", "row"], how="left")


def settings(study: Study) -> Settings:
    """Return the settings of fits, with what depends on the size of the encoder filled in.

    Raises:
        InputError: an encoder that cannot be used.
    """
    path = encoder.folder(study.resolved.settings.model)
    return with_encoder(study.resolved, encoder.parameters(path)).settings


def points(study: Study) -> list[Settings]:
    """Return the settings that each group is trained with: those of every combination of the grid; one where there is no grid."""
    base, grid = settings(study), study.resolved.grid
    return [replace(base, **dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


def settings_of(study: Study, fit: Fit) -> Settings:
    """Return the settings that a fit of the study was trained with."""
    made: Any = fit.manifest.get("settings", {})
    return next((p for p in points(study) if all(made.get(key) == getattr(p, key) for key in study.resolved.grid)), settings(study))


def lengths(study: Study) -> dict[str, np.ndarray]:
    """Return the tokens of each row of each task, before truncation."""
    chosen = settings(study)
    tokens = encoder.tokenizer(encoder.folder(chosen.model), chosen.max_length, chosen.special_tokens)
    return {
        name: np.array([len(row["input_ids"]) for row in encoder.encode(task.rows, task.has_pair, tokens, 10**6)], dtype=np.int64)
        for name, task in tasks(study).items()
    }


def markers_lost(study: Study) -> dict[str, int]:
    """Return task to the rows with an entity between markers of which the encoder does not see both as tokens."""
    chosen = settings(study)
    tokens = encoder.tokenizer(encoder.folder(chosen.model), chosen.max_length, chosen.special_tokens)
    found = {}
    for name, task in tasks(study).items():
        there = task.rows[[has_entity(text) for text in task.rows["text"]]]
        found[name] = lost(encoder.encode(there, task.has_pair, tokens, chosen.max_length), there["text"], tokens)
    return found


def name_of(group: Group, seed: int) -> str:
    """Return how the index of a study calls a fit."""
    return f"{group.name} {seed}"


def remember(study: Study, found: Iterable[Fit]) -> None:
    """Add fits to the index of the study."""
    study.remember({name_of(fit.group, fit.seed): fit.key for fit in found})


def fits(study: Study, groups: Iterable[Group], seeds: Sequence[int] | None = None, of: Mapping[str, Task] | None = None) -> list[Fit]:
    """Return the fits of groups that are in the index, with the clusters of their rows; what is not there is left out.

    Args:
        of: the tasks that the groups name, where they are not those of the study.
    """
    index = study.index
    clusters = study.clusters() if of is None else {n: dict(zip(t.rows["row"], t.rows["cluster"], strict=True)) for n, t in of.items()}
    known = study.__dict__.setdefault("_fits", {}) if of is None else {}
    found = []
    for group in dict.fromkeys(groups):
        for seed in seeds or study.resolved.seeds:
            key = index.get(name_of(group, seed))
            if key is None:
                continue
            if key not in known:
                if (folder := ledger.find(study.fits, key)) is None:
                    continue
                known[key] = ledger.load(folder, clusters)
            # one key can stand for two groups: a budget by name and the same number of updates
            found.append(replace(known[key], group=group))
    return found


def complete(study: Study, group: Group) -> bool:
    """Whether every seed of a group is in the index."""
    index = study.index
    return all(name_of(group, seed) in index for seed in study.resolved.seeds)


def rows(study: Study, *splits: Split) -> pd.DataFrame:
    """Return ``task``, ``row``, ``split``, ``label``, ``cluster``, ``source`` of the rows of some splits; never a text.

    Raises:
        InputError: the data were not read yet.
    """
    if study.placement is None:
        raise InputError(f"{study.path}: the data are not read yet; first: cotrain check STUDY")
    return study.placement[study.placement["split"].isin(splits or ("train", "dev", "test"))].reset_index(drop=True)


def sources(study: Study) -> dict[str, str]:
    """Return task to the fingerprint of its source: equal ones with equal row ids are the same rows."""
    table = rows(study).drop_duplicates("task")
    return dict(zip(table["task"], table["source"], strict=True))


def capped(study: Study) -> dict[str, int]:
    """Return task to the rows that a cap left out of dev."""
    if study.placement is None:
        return {}
    counts = study.placement.loc[study.placement["split"] == "capped_dev", "task"].value_counts()
    return {str(task): int(n) for task, n in counts.items()}


def provenance(study: Study, found: Sequence[Fit], command: str) -> dict[str, Any]:
    """Return versions, hashes, device and command; ``mixed`` names what differs between the fits of the study."""
    from cotrain.training.train import effective
    from cotrain.training.worker import manifest

    manifests = [fit.manifest for fit in found if fit.manifest]
    mixed = sorted({what for what in ("versions", "host", "machine") if len({str(m.get(what)) for m in manifests}) > 1})
    first: dict[str, Any] = dict(manifests[0]) if manifests else manifest(effective(settings(study)))
    return {
        **dict(first.get("versions", {})),
        "device": dict(first.get("settings", {})).get("device"),
        "precision": dict(first.get("settings", {})).get("precision"),
        "machine": first.get("machine"),
        "command": command,
        **hashes(study),
        "mixed": mixed,
    }


def hashes(study: Study) -> dict[str, Any]:
    """Return the hashes of the encoder and of the rows of each task."""
    return {
        "model_sha256": encoder.content_hash(encoder.folder(study.resolved.settings.model)),
        "data_sha256": {name: task.content() for name, task in tasks(study).items()},
    }
