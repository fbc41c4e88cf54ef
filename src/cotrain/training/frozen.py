"""Features of the rows of tasks by the encoder as it was published: each text is read once, however many tasks have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cotrain.tasks.task import Split, Task
from cotrain.training import encoder
from cotrain.training.settings import Settings


def features(tasks: Mapping[str, Task], settings: Settings, splits: Sequence[Split]) -> dict[tuple[str, Split], np.ndarray]:
    """Return (task, split) to (n, d) float32: per row the mean over tokens of the last layer, in the precision of training.

    Raises:
        InputError: an encoder that cannot be used.
        MissingExtra: torch is not installed.
    """
    from cotrain.training.train import effective

    resolved = effective(settings)
    path = encoder.folder(resolved.model)
    tokens = encoder.tokenizer(path, resolved.max_length, resolved.special_tokens)
    from cotrain.training.features import Encoder

    frozen, found = Encoder(path, tokens, resolved), dict[tuple[str, Split], np.ndarray]()
    sources: dict[tuple[str, bool], list[Task]] = {}
    for task in tasks.values():
        sources.setdefault((task.source or task.name, task.has_pair), []).append(task)
    for (_, has_pair), group in sources.items():
        needed = pd.concat([task.split(split) for task in group for split in splits]).drop_duplicates(["text", "pair"])
        known = frozen.features(encoder.encode(needed, has_pair, tokens, resolved.max_length, resolved.long_texts))
        place = {text: i for i, text in enumerate(zip(needed["text"], needed["pair"], strict=True))}
        for task in group:
            for split in splits:
                rows = task.split(split)
                found[task.name, split] = known[[place[text] for text in zip(rows["text"], rows["pair"], strict=True)]]
    return found
