"""A long fit as it was at the end of an epoch, so that a killed one goes on from there to the same numbers."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cotrain.training import ledger

EVERY = 120.0
"""Seconds of training between checkpoints, at least: most fits are over before the first."""
WEIGHTS = "model.safetensors"
STATE = "marks.pt"
_SUMS = "sums.json"


@dataclass
class Checkpoints:
    """The checkpoint of one fit, in a folder that outlives its process; only whoever holds the lease of the fit touches it.

    Attributes:
        folder: where the checkpoint is.
        made_with: what must be the same to go on from it: versions, device, rows at once.
        last: when the last one was made, or training began.
    """

    folder: Path
    made_with: Mapping[str, object]
    last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether so much was trained since the last one that it is worth one."""
        return time.monotonic() - self.last >= EVERY

    def keep(self, written: Path) -> None:
        """Let the folder ``written``, on the same disk, be the checkpoint; the one before it goes when it is complete."""
        sums = {file.name: ledger.sha256(file) for file in sorted(written.iterdir())}
        (written / _SUMS).write_text(json.dumps({"files": sums, "made_with": self.made_with}))
        before = self.folder.with_name(self.folder.name + "-before")
        shutil.rmtree(before, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(before)
        written.rename(self.folder)
        shutil.rmtree(before, ignore_errors=True)
        self.last = time.monotonic()

    def find(self) -> Path | None:
        """Return the checkpoint; None where there is none that is whole and was made with the same."""
        for folder in (self.folder, self.folder.with_name(self.folder.name + "-before")):
            try:
                there = json.loads((folder / _SUMS).read_text())
                whole = all(ledger.sha256(folder / name) == digest for name, digest in there["files"].items())
            except (OSError, ValueError, KeyError):
                continue
            if whole and there["made_with"] == json.loads(json.dumps(self.made_with)):
                return folder
        return None

    def forget(self) -> None:
        """Remove what there is: the fit is written."""
        for folder in (self.folder, self.folder.with_name(self.folder.name + "-before")):
            shutil.rmtree(folder, ignore_errors=True)
