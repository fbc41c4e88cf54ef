"""From a study file to a Resolved study: every fault of the file at once, with its line and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotrain.errors import InputError
from cotrain.grouping.options import Options
from cotrain.study import checks
from cotrain.study.document import Fault, document
from cotrain.study.presets import PRESETS, Resolved, options, settings
from cotrain.study.schema import given
from cotrain.tasks.readers import cnlpt
from cotrain.tasks.readers.entities import MARKERS
from cotrain.tasks.source import CLINICAL, Source
from cotrain.training.settings import OWN_TRAINER, Settings


def read(path: Path, sets: Sequence[str] = (), model: str | None = None, data_root: Path | None = None) -> Resolved:
    """Return the study of a file, its preset and every default written out.

    Args:
        sets: ``KEY=VALUE``: as if the file had VALUE (YAML) at KEY (``plan.alpha``, ``tasks.cb.delta``).
        model: replaces ``model``; a local folder is looked for in the working directory.
        data_root: where relative ``path:`` and local ``hub:`` begin, instead of the folder of the file.

    Raises:
        InputError: every fault of the file and of ``sets``.
    """
    found = document(path, sets)
    if {"format", "overrides"} <= found.values.keys():
        raise InputError(
            f"{path}: a study file should be given; this one is of a run folder, every default and path written out. Go on with that run "
            "(cotrain run FOLDER), or begin from the file that it was made of"
        )
    values, faults = given(found)
    faults += [*found.faults, *checks.faults(found, values)]
    if data_root is not None and not data_root.is_dir():
        faults.append(Fault(True, 0, f"--data-root {data_root}: there should be a folder, found none"))
    if model is None and not found.values.get("model"):
        faults.append(found.fault(("model",), "model should be there: a Hub id or a local folder; or name one with --model"))
    if faults:
        raise InputError(dict.fromkeys(fault.words for fault in sorted(faults)))
    here = path.absolute().parent
    root = (data_root or here).absolute()
    preset = PRESETS[values.get("preset", "default")]
    encoder = _local(Path.cwd(), model) if model is not None else _local(here, values["model"])
    training = values.get("training", {})
    sources = tuple(_source(name, entry, values, root) for name, entry in values["tasks"].items())
    marked = {"special_tokens": MARKERS} if any(source.format in CLINICAL for source in sources) else {}
    plan = values.get("plan", {})
    return Resolved(
        name=study_name(path),
        preset=values.get("preset", "default"),
        settings=Settings(
            encoder, **{**marked, **settings(preset, training, values.get("grid", ()))}, trainer=values.get("trainer", OWN_TRAINER)
        ),
        sources=sources,
        cut=replace(preset.cut, **values.get("splits", {})),
        seeds=values.get("seeds", preset.seeds),
        goal=values.get("goal", "fewer"),
        estimator=values.get("estimator", preset.estimator),
        null=values.get("null", preset.null),
        score_by=values.get("score_by", preset.score_by),
        select=values.get("select", preset.select),
        share=values.get("share", ()),
        thresholds=values.get("thresholds", "half"),
        executor=values.get("executor", "local"),
        by=plan.get("by", "pvi"),
        test=plan.get("test", preset.test),
        group_test=plan.get("group_test", preset.group_test),
        plan=Options(**options(preset.plan, plan)),
        controls=values.get("controls", preset.controls),
        paper=preset.paper,
        light_learning_rate=None if "learning_rate" in training else preset.light_learning_rate,
        grid=values.get("grid", {key: several for key, several in preset.grid.items() if key not in training}),
        methods={name: {k: _below(root, v) if k == "path" else v for k, v in of.items()} for name, of in values.get("methods", {}).items()},
        root=str(root),
        overrides=(*(f"{one.replace('=', ' = ', 1)} (--set)" for one in sets), *([f"model = {model} (--model)"] if model else [])),
    )


def study_name(path: Path) -> str:
    """Return the name of the study of a file: that of its folder where the file is called study, else its own.

    >>> study_name(Path("experiments/general9/study.yaml")), study_name(Path("experiments/general9/study-hub.yaml"))
    ('general9', 'general9-hub')
    """
    found = re.fullmatch(r"study(?:[-_.](.+))?", path.stem)
    folder = path.absolute().parent.name
    if not found or not folder:
        return path.stem
    return f"{folder}-{found[1]}" if found[1] else folder


def _source(name: str, entry: Mapping[str, Any], values: Mapping[str, Any], root: Path) -> Source:
    """Return the source of an entry, its place found, the study's metric and delta where it has none of its own."""
    fields = {key: values[key] for key in ("metric", "delta") if key in values} | dict(entry)
    for key in ("path", "texts"):
        if key in fields:
            fields[key] = _below(root, fields[key])
    if "hub" in fields:
        fields["hub"] = _local(root, fields["hub"])
    source = Source(name, **fields)
    return cnlpt.whole(source) if source.format == "cnlpt" else source


def _local(root: Path, name: str) -> str:
    """Return a local folder below ``root`` where there is one, else the name: a Hub id or a package."""
    if name.startswith("package:"):
        return name
    return _below(root, name) if name.startswith((".", "/", "~")) or (root / name).is_dir() else name


def _below(root: Path, name: str) -> str:
    """Return the absolute path of a name."""
    place = Path(name).expanduser()
    # above a linked folder is what is above the folder that it leads to
    return os.path.normpath((root.resolve() if ".." in place.parts else root) / place)
