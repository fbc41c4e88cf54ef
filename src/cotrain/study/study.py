"""A Study: a resolved study file and its run folder, the only place that knows paths."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from cotrain.affinity import METHODS
from cotrain.affinity.affinity import Affinity, Resamples
from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.evaluation.comparison import Comparison
from cotrain.grouping.plan import Plan
from cotrain.pvi.scores import Scores
from cotrain.study.presets import WAYS, Resolved

FORMAT = 1
LEFT = 3600
"""Seconds after which a temporary file is what a killed process left: none takes so long."""
STUDY, PLACEMENT, INDEX, CHECK = "study.yaml", "placement.parquet", "fits.json", "check.json"


@dataclass(frozen=True)
class Study:
    """What is to be decided (``resolved``), and the run folder (``path``) that holds what is known of it so far.

    Attributes:
        resolved: the study file with its preset, every default written out.
        path: the run folder; nothing of the study lies outside it but the data, the encoder, and shared fits.
        workers: fits side by side; 0: as many as the executor has room for.
        update: data and settings may differ from those of the earlier run.
        executor: where fits are made.
    """

    resolved: Resolved
    path: Path
    workers: int = 0
    update: bool = False
    executor: str = "local"

    @property
    def fits(self) -> Path:
        """The folder of fits."""
        return Path(self.resolved.shared_fits) if self.resolved.shared_fits else self.path / "fits"

    @property
    def models(self) -> Path:
        """The folder of models ready to use."""
        return self.path / "models"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.path / "report"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks, in the order of the study file."""
        return tuple(task for source in self.resolved.sources for task in source.tasks)

    @property
    def private(self) -> bool:
        """Whether rows of a task are private; then the run folder is its owner's alone."""
        return any(source.private for source in self.resolved.sources)

    # -- rows ---------------------------------------------------------------------------------------------------------

    @cached_property
    def placement(self) -> pd.DataFrame | None:
        """Where each row went (``task``, ``row``, ``split``, ``cluster``, ``label``, ``source``), or None before the first read."""
        return _table(self.path / PLACEMENT)

    def save_placement(self, table: pd.DataFrame) -> None:
        """Keep where each row went; numbers, names and hashes only."""
        with self.writing(PLACEMENT) as file:
            table.to_parquet(file, index=False)
        self.__dict__["placement"] = table

    def clusters(self) -> dict[str, dict[str, str]]:
        """Return task to row to cluster, from the placement."""
        if self.placement is None:
            return {}
        kept = self.placement[self.placement["split"].isin(["train", "dev", "test"])]
        return {str(task): dict(zip(part["row"], part["cluster"], strict=True)) for task, part in kept.groupby("task")}

    # -- changes ------------------------------------------------------------------------------------------------------

    @property
    def changed(self) -> bool:
        """Whether a change was accepted, and the rows were not read since."""
        return "_changed" in self.__dict__

    def change(self, placement: pd.DataFrame | None) -> None:
        """Accept that rows or settings are others: only rows of ``placement`` stay where they are, and nothing is forgotten yet."""
        self.__dict__.update(_changed=True, placement=placement)

    def outdated(self) -> None:
        """Forget what was made of rows, settings or scores that are others now; fits that still hold are found again by their keys.

        Predictions from outside and of language models stay (they name their rows), plans as proposals, models until others are kept.
        """
        tables = ("comparison.parquet", "candidates.parquet", "comparison.json", "plans/recommended.yaml", "grid.parquet", "share.json")
        self.forget(INDEX, CHECK, "scores", "affinity", "report", *tables, *(f"arms/{way}.parquet" for way in WAYS))
        self.__dict__.pop("_changed", None)
        self.__dict__.pop("_fits", None)
        self.__dict__.pop("_remembered", None)

    # -- fits ---------------------------------------------------------------------------------------------------------

    @property
    def index(self) -> dict[str, str]:
        """Group name and seed (``cb+rte 42``) to the key of its fit, for everything that this study trained or found."""
        return dict(self._json(INDEX) or {})

    def remember(self, keys: Mapping[str, str]) -> None:
        """Add to the index; what another process wrote over meanwhile is added again."""
        mine = self.__dict__.setdefault("_remembered", {})
        mine |= keys
        before = self.index
        if (after := {**before, **mine}) != before:
            self._save_json(INDEX, after)
            self.close(*(folder for key in keys.values() if (folder := self.fits / key).is_dir()))

    # -- artefacts ----------------------------------------------------------------------------------------------------

    @property
    def checked(self) -> dict[str, Any]:
        """The result of ``check``, or nothing."""
        return dict(self._json(CHECK) or {})

    def save_check(self, result: Mapping[str, Any]) -> None:
        """Keep the result of ``check``."""
        self._save_json(CHECK, result)

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, hashes, device and command of the last training."""
        return dict(self._json("provenance.json") or {})

    def save_provenance(self, values: Mapping[str, Any]) -> None:
        """Keep where the numbers come from."""
        self._save_json("provenance.json", values)

    @property
    def known(self) -> dict[str, float]:
        """The true V-information in bits per task, where the corpora are generated; else nothing."""
        return dict(self._json("known.json") or {})

    def save_known(self, bits: Mapping[str, float]) -> None:
        """Keep the true V-information."""
        self._save_json("known.json", bits)

    @property
    def looks(self) -> list[str]:
        """What looked at test so far, in order."""
        return list((self._json("looks.json") or {}).get("looks", []))

    def look_at_test(self, what: str) -> None:
        """Count a look at test; the same look at the same numbers counts once."""
        if what not in self.looks:
            self._save_json("looks.json", {"looks": [*self.looks, what]})

    def look_at_scores(self, what: str, scores: Scores) -> None:
        """Count a look at scores on test: other fits, seeds or settings give other numbers, and are another look."""
        seen = hashlib.sha256(np.ascontiguousarray(scores.table["pvi_bits"].to_numpy(dtype=float)).tobytes())
        self.look_at_test(f"{what} {seen.hexdigest()[:12]}")

    def save_scores(self, scores: Scores, name: str) -> None:
        """Keep Scores as ``scores/NAME.parquet`` with the tables of tasks and epochs beside it."""
        for suffix, table in (("", scores.table), ("-tasks", scores.tasks), ("-epochs", scores.by_epoch)):
            with self.writing(f"scores/{name}{suffix}.parquet") as file:
                table.to_parquet(file, index=False)
        self._save_json(f"scores/{name}.json", {"notes": scores.notes})

    def find_scores(self, name: str) -> Scores | None:
        """Return the Scores of a name, or None where nothing was scored yet."""
        files = [self.path / "scores" / f"{name}{suffix}.parquet" for suffix in ("", "-tasks", "-epochs")]
        if not all(file.is_file() for file in files):
            return None
        table, tasks, by_epoch = map(pd.read_parquet, files)
        return Scores(table, tasks, by_epoch, tuple((self._json(f"scores/{name}.json") or {}).get("notes", ())))

    def load_scores(self, name: str) -> Scores:
        """Return the Scores of a name.

        Raises:
            InputError: nothing was scored yet.
        """
        if (found := self.find_scores(name)) is None:
            if there := [file.stem for file in (self.path / "scores").glob("*.json")]:
                estimator = f" --estimator {name.removeprefix('pvi-')}" if name != "pvi" else ""
                raise InputError(f"{self.path}: {unknown('scores', name, there)}; first: cotrain score {self.path}{estimator}")
            raise InputError(f"{self.path}: nothing is scored yet; first: cotrain score {self.path}")
        return found

    @property
    def arms(self) -> dict[str, Path]:
        """Predictions from outside that are compared, by name: ``arms/NAME.parquet``."""
        return {file.stem: file for file in sorted((self.path / "arms").glob("*.parquet"))}

    def save_arm(self, name: str, table: pd.DataFrame) -> None:
        """Keep predictions from outside as ``arms/NAME.parquet``."""
        with self.writing(f"arms/{name}.parquet") as file:
            table.to_parquet(file, index=False)

    @property
    def prompts(self) -> Path:
        """The folder of the answers of language models."""
        return self.path / "prompts"

    def save_prompted(self, name: str, table: pd.DataFrame, facts: Mapping[str, Any]) -> None:
        """Keep the predictions of a language model as ``arms/NAME.parquet``, tasks of earlier ones among them, and facts of it."""
        before = self.path / "arms" / f"{name}.parquet"
        if before.is_file():
            old = pd.read_parquet(before)
            table = pd.concat([old[~old["task"].isin(table["task"])], table], ignore_index=True)
        self.save_arm(name, table)
        self._save_facts(name, facts)

    def save_sent(self, name: str, address: str, clinical: Mapping[str, bool]) -> None:
        """Keep, before anything is sent, that rows of tasks leave this machine for an address; by task whether its format is clinical."""
        known = self.prompted.get(name, {}).get("sent", {})
        sent = {task: {"to": sorted({address, *known.get(task, {}).get("to", ())}), "clinical": of} for task, of in clinical.items()}
        self._save_facts(name, {"sent": sent})

    def _save_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Add facts of a language model to those that are known."""
        known = {"model": "", "address": "", "tasks": {}, "sent": {}, **self.prompted.get(name, {})}
        of_tasks = {key: {**known[key], **facts.get(key, {})} for key in ("tasks", "sent")}
        self._save_json(f"prompts/{name}.json", {**known, **facts, **of_tasks})

    @property
    def prompted(self) -> dict[str, dict[str, Any]]:
        """By the name of an arm the facts of its language model, as ``docs/artefacts.md`` has them."""
        return {file.stem: dict(self._json(f"prompts/{file.name}") or {}) for file in sorted(self.prompts.glob("*.json"))}

    def save_grid(self, table: pd.DataFrame) -> None:
        """Keep the dev table of a grid as ``grid.parquet``, with the groups and seeds of earlier ones."""
        if (old := self.grid) is not None:
            again = pd.MultiIndex.from_frame(old[["group", "seed"]]).isin(pd.MultiIndex.from_frame(table[["group", "seed"]]))
            table = pd.concat([old[~again], table], ignore_index=True)
        with self.writing("grid.parquet") as file:
            table.to_parquet(file, index=False)

    @property
    def grid(self) -> pd.DataFrame | None:
        """The dev table of a grid, or None."""
        return _table(self.path / "grid.parquet")

    @property
    def shared(self) -> dict[str, Any]:
        """Facts of other ways to share, as ``cotrain.study.ways`` has them, or nothing."""
        return dict(self._json("share.json") or {})

    def save_shared(self, facts: Mapping[str, Any]) -> None:
        """Keep facts of other ways to share."""
        self._save_json("share.json", facts)

    def save_affinity(self, affinity: Affinity, name: str) -> None:
        """Keep an Affinity as ``affinity/NAME/{tasks,pairs}.parquet``."""
        name = _folder(name)
        drawn = affinity.resamples
        kept = {"tasks": affinity.tasks, "pairs": affinity.pairs}
        kept |= {"resampled_tasks": drawn.tasks, "resampled_pairs": drawn.pairs} if drawn else {}
        for part, table in kept.items():
            with self.writing(f"affinity/{name}/{part}.parquet") as file:
                table.to_parquet(file, index=False)
        if drawn is None:
            self.forget(*(f"affinity/{name}/resampled_{part}.parquet" for part in ("tasks", "pairs")))
        facts = {"method": affinity.method, "test": affinity.test, "group_test": affinity.group_test, "cost": dict(affinity.cost)}
        self._save_json(f"affinity/{name}/affinity.json", facts)

    def load_affinity(self, name: str) -> Affinity:
        """Return the Affinity of a name.

        Raises:
            InputError: nothing was related yet, or nothing of this name (those that are there are listed).
        """
        if (found := self.find_affinity(name)) is None:
            there = sorted(file.parent.name for file in (self.path / "affinity").glob("*/affinity.json"))
            if there:
                first = f"; first: cotrain relate {self.path} --by {name}" if name in METHODS or ":" in name else ""
                raise InputError(f"{self.path}: {unknown('affinity', name, there)}{first}")
            raise InputError(f"{self.path}: the tasks are not related yet; first: cotrain relate {self.path}")
        return found

    def find_affinity(self, name: str) -> Affinity | None:
        """Return the Affinity of a name, or None where nothing was related yet."""
        name = _folder(name)
        if (facts := self._json(f"affinity/{name}/affinity.json")) is None:
            return None
        folder = self.path / "affinity" / name
        tasks, pairs = (pd.read_parquet(folder / f"{part}.parquet") for part in ("tasks", "pairs"))
        drawn = None
        if (folder / "resampled_pairs.parquet").is_file():
            drawn = Resamples(*(pd.read_parquet(folder / f"resampled_{part}.parquet") for part in ("tasks", "pairs")))
        return Affinity(facts["method"], facts["test"], facts["group_test"], tasks, pairs, facts["cost"], drawn)

    @property
    def affinities(self) -> dict[str, Affinity]:
        """Every Affinity of the run, by the name of its method."""
        names = sorted(file.parent.name for file in (self.path / "affinity").glob("*/affinity.json"))
        return {found.method: found for name in names if (found := self.find_affinity(name)) is not None}

    @property
    def made_for(self) -> dict[str, list[str]]:
        """Method to the fits that were trained for it, as the index calls them; others that it reads are re-used."""
        return dict((self._json("methods.json") or {}).get("made_for", {}))

    def save_made_for(self, method: str, fits: Sequence[str]) -> None:
        """Keep which fits are trained for a method."""
        self._save_json("methods.json", {"made_for": {**self.made_for, method: sorted(set(fits))}})

    def save_plans(self, plans: Iterable[Plan], instead_of: Sequence[str] = ()) -> None:
        """Keep plans as ``plans/NAME.yaml``; the plans named in ``instead_of`` go first."""
        for name in instead_of:
            (self.path / "plans" / f"{name}.yaml").unlink(missing_ok=True)
        for plan in plans:
            with self.writing(f"plans/{plan.name}.yaml") as file:
                file.write_text(yaml.safe_dump(plan.to_dict(), sort_keys=False, allow_unicode=True), encoding="utf-8")

    def plans(self) -> list[Plan]:
        """Return the plans of the run by name, those that a person wrote among them; the recommended one last.

        Plans of tasks that the study no longer has are left out.

        Raises:
            InputError: a plan that cannot be read (each file named).
        """
        found, faults = [], []
        for file in sorted((self.path / "plans").glob("*.yaml")):
            try:
                found.append(Plan.from_dict(yaml.safe_load(file.read_text(encoding="utf-8")) or {}))
            except (InputError, yaml.YAMLError, AttributeError) as error:
                why = error.faults[0] if isinstance(error, InputError) else "it is not a plan in YAML"
                faults.append(f"{file}: {why}")
        if faults:
            raise InputError(faults)
        there = [plan for plan in found if not self.tasks or {t for group in plan.groups for t in group.named} <= set(self.tasks)]
        return sorted(there, key=lambda plan: (plan.kind == "recommended", plan.kind == "control", plan.name))

    def save_comparison(self, comparison: Comparison) -> None:
        """Keep a Comparison as ``comparison.parquet``, ``candidates.parquet`` and its notes, and the recommended plan."""
        for name, table in (("comparison", comparison.table), ("candidates", comparison.candidates)):
            with self.writing(f"{name}.parquet") as file:
                table.to_parquet(file, index=False)
        self._save_json("comparison.json", comparison.notes)
        self.save_plans([comparison.recommended])

    def load_comparison(self) -> Comparison | None:
        """Return the Comparison, or None before the first."""
        notes = self._json("comparison.json")
        recommended = next((plan for plan in self.plans() if plan.kind == "recommended"), None)
        if notes is None or recommended is None:
            return None
        table, candidates = (_table(self.path / f"{name}.parquet") for name in ("comparison", "candidates"))
        return None if table is None or candidates is None else Comparison(table, candidates, recommended, notes)

    # -- files --------------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a temporary file that becomes ``name`` of the run folder when the block ends well."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.path, *(self.path / part for part in Path(name).parents if part.name)) if self.private else ():
            folder.chmod(0o700)
        for left in target.parent.glob(f".{target.name}-*"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > LEFT:
                    left.unlink()
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        os.close(handle)
        file = Path(temporary)
        try:
            yield file
            file.chmod(0o600 if self.private else 0o644)
            file.replace(target)
        finally:
            file.unlink(missing_ok=True)

    def close(self, *folders: Path) -> None:
        """Leave to its owner alone what others wrote into folders of a run with private tasks, as the run folder is already."""
        for folder in folders if self.private else ():
            for there in (folder, *folder.rglob("*")):
                there.chmod(0o700 if there.is_dir() else 0o600)

    def _json(self, name: str) -> Any:
        """Return a JSON artefact, or None where there is none.

        Raises:
            InputError: it cannot be read, or is of a newer format.
        """
        file = self.path / name
        if not file.is_file():
            return None
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            newer = found.pop("format") > FORMAT
        except (ValueError, KeyError, AttributeError, TypeError):
            raise InputError(f"{file}: should be JSON written by cotrain; it is damaged: remove it and run its verb again") from None
        if newer:
            raise InputError(f"{file}: written by a newer cotrain; this version reads format {FORMAT}: update cotrain")
        return found

    def _save_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep plain values."""
        with self.writing(name) as file:
            file.write_text(json.dumps({"format": FORMAT, **values}, indent=1, default=_plain), encoding="utf-8")

    def save_spec(self) -> None:
        """Keep the resolved study in the run folder; where a task became private, what is there is closed."""
        if self.private and self.path.is_dir() and self.path.stat().st_mode & 0o077:
            self.close(self.path)
        with self.writing(STUDY) as file:
            file.write_text(yaml.safe_dump({"format": FORMAT, **self.resolved.plain()}, sort_keys=False, allow_unicode=True), "utf-8")
        if self.private:
            self.fits.mkdir(mode=0o700, exist_ok=True)

    def forget(self, *names: str) -> None:
        """Remove artefacts that no longer hold."""
        for name in names:
            target = self.path / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)


def _folder(name: str) -> str:
    """Return the name of a method, perhaps one from outside, as that of a folder.

    >>> _folder("mine:CLOSE")
    'mine.CLOSE'
    """
    return name.replace(":", ".")


def _table(file: Path) -> pd.DataFrame | None:
    """Return a table of the run folder, or None where there is none.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return pd.read_parquet(file) if file.is_file() else None
    except (pa.ArrowException, OSError):
        raise InputError(f"{file}: should be a table written by cotrain; it is damaged: remove it and run its verb again") from None


def _plain(value: Any) -> Any:
    """Return NumPy scalars, tuples and nouns as JSON knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    return str(value)
