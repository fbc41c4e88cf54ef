"""The format ``transformers``: an ordinary classifier that ``pipeline("text-classification")`` loads."""

from __future__ import annotations

import json
from pathlib import Path

from cotrain.training.cards import export_card
from cotrain.training.models import CARD, SharedModel, copy_tokenizer

_USE = """from transformers import pipeline

classify = pipeline("text-classification", "FOLDER", truncation=True)
classify({call})"""


def write(shared: SharedModel, task: str, folder: Path, to: Path) -> None:
    """Write weights, config, tokenizer and card of one task into ``to``."""
    from cotrain.training.model import quiet

    with quiet():
        shared.model.classifier(task).save_pretrained(to)
    call = '{"text": "...", "text_pair": "..."}' if shared.entry(task)["has_pair"] else '"..."'
    beside(shared, task, folder, to, _USE.format(call=call))


def beside(shared: SharedModel, task: str, folder: Path, to: Path, use: str) -> None:
    """Write what stands beside the weights of every format: the tokenizer, cutting where training cut, and the card."""
    copy_tokenizer(folder, to)
    file = to / "tokenizer_config.json"
    config = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**config, "model_max_length": shared.about["max_length"]}, indent=2))
    (to / CARD).write_text(export_card(shared.about, task, shared.labels(task), use), encoding="utf-8")
