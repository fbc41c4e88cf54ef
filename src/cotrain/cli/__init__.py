"""The terminal: the only place that parses arguments, prints and exits."""

from cotrain.cli.entry import main

__all__ = ["main"]
