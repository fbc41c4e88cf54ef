"""What the writers of results share: tables as text that is the same twice, figures, and with what a run was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cotrain.reporting import style
from cotrain.reporting.words import listing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAID = ("batch_size", "epochs", "max_updates", "patience", "schedule", "learning_rate", "max_length")


def write_tables(to: Path, tables: Iterable[tuple[str, pd.DataFrame]], digits: int = 5) -> None:
    """Write ``to/tables/NAME.csv`` of named tables; where ranks are made of them few digits would break ties, or make them."""
    (to / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in tables:
        table.map(partial(plain, digits=digits)).to_csv(to / "tables" / f"{name}.csv", index=False, lineterminator="\n")


def write_figure(to: Path, name: str, figure: Figure) -> None:
    """Write ``to/figures/NAME.svg`` and ``.png``."""
    (to / "figures").mkdir(parents=True, exist_ok=True)
    (to / "figures" / f"{name}.svg").write_text(style.svg(figure, name), encoding="utf-8")
    (to / "figures" / f"{name}.png").write_bytes(style.png(figure))


def plain(value: object, digits: int) -> object:
    """Return a cell as text: so many digits, whole numbers whole, lists joined by +."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return "+".join(map(str, value))
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else str(int(value)) if float(value).is_integer() else f"{value:.{digits}g}"
    return value


def settings(training: Mapping[str, Any]) -> str:
    """Return the settings of training that a reader asks for first, in words."""
    return ", ".join(f"{key.replace('_', ' ')} {training[key]}" for key in SAID if training.get(key) not in (None, ""))


def made_with(provenance: Mapping[str, Any]) -> str:
    """Return device and versions in words."""
    device = [str(provenance[key]) for key in ("device", "precision", "machine") if provenance.get(key)]
    versions = [f"{name} {provenance[name]}" for name in ("torch", "transformers", "cotrain") if name in provenance]
    return ", ".join([*device, *versions]) or "on an unknown machine"


def rows_and_seeds(spec: Mapping[str, Any]) -> str:
    """Return the caps of rows and the seeds of a study in words."""
    splits = spec["splits"]
    return (
        f"At most {splits['max_train']:,} training rows and {splits['max_held_out']:,} rows of dev and of test per task (0: all); "
        f"seeds {listing(map(str, spec['seeds']))}; preset {spec['preset']} with {settings(spec['training'])}."
    )
