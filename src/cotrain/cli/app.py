"""The command ``cotrain``: one command per verb, in the order of the help; libraries are imported inside the commands."""

from __future__ import annotations

from cotrain.cli.options import app

from cotrain.cli import whole, verbs, models  # isort: skip

__all__ = ["app", "models", "verbs", "whole"]
