"""The pretrained encoder as files: where it is, whether it is fit for use, and the hash of its content."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cotrain.errors import InputError

_CONTENT = (
    "config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "*.model",
)  # fmt: skip
"""The files that make an encoder and its tokenizer what they are."""


@lru_cache(maxsize=8)
def folder(model: str) -> Path:
    """Return the local folder of a model: a folder, ``package:NAME/SUBFOLDER`` of an installed package, or a Hub id.

    Raises:
        InputError: nothing is there; no weights; pickle weights only.
    """
    if model.startswith("package:"):
        name, _, inside = model.removeprefix("package:").partition("/")
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(f"model {model}: the package {name} is not installed: pip install {name.replace('_', '-')}")
        path = Path(next(iter(spec.submodule_search_locations))) / inside
    elif Path(model).is_dir():
        path = Path(model)
    elif model.startswith((".", "/")):
        raise InputError(f"model {model}: there should be a folder with config.json and model.safetensors; found none")
    else:
        path = _from_hub(model)
    if not (path / "config.json").is_file():
        raise InputError(f"model {model}: there should be a config.json in {path}; found none")
    if not list(path.glob("*.safetensors")):
        if list(path.glob("*.bin")):
            raise InputError(
                f"model {model}: only pickle weights (.bin); turn them into safetensors with: cotrain convert {path} --to FOLDER"
            )
        raise InputError(f"model {model}: there should be weights (model.safetensors) in {path}; found none")
    return path


def _from_hub(model: str) -> Path:
    """Return the local snapshot of a Hub id, downloaded if the network may be used."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_CONTENT)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"model {model}: not a local folder, and the Hub cannot give it ({type(error).__name__}); name a folder with --model"
        ) from None


def content(path: Path) -> list[Path]:
    """Return the files of a folder that make its encoder and tokenizer what they are, by name."""
    return sorted({file for pattern in _CONTENT for file in path.glob(pattern)})


def content_hash(path: Path) -> str:
    """Return the sha256 over config, tokenizer and weights of an encoder folder; other files in it do not count."""
    return _hash(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in content(path)))


@lru_cache(maxsize=8)
def _hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Return the sha256 over names and contents of files, computed again when one of them has changed."""
    digest = hashlib.sha256()
    for file, _, _ in files:
        with file.open("rb") as data:
            digest.update(file.name.encode() + hashlib.file_digest(data, "sha256").digest())
    return digest.hexdigest()


class Shape(NamedTuple):
    """The size of an encoder: layers, width and attention heads."""

    layers: int
    width: int
    heads: int


def shape(path: Path) -> Shape:
    """Return the size of an encoder by its config, under the names that most architectures use."""
    config = json.loads((path / "config.json").read_text())
    sizes = (("num_hidden_layers", "n_layers"), ("hidden_size", "dim"), ("num_attention_heads", "n_heads"))
    return Shape(*(int(config.get(name, config.get(other, 12))) for name, other in sizes))


def parameters(path: Path) -> int:
    """Return the number of parameters in the safetensors files, from their headers alone."""
    total = 0
    for file in path.glob("*.safetensors"):
        with file.open("rb") as data:
            header = json.loads(data.read(int.from_bytes(data.read(8), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                size = 1
                for n in entry["shape"]:
                    size *= n
                total += size
    return total


def tokenizer(path: Path, max_length: int) -> Any:
    """Return the tokenizer of a folder.

    Raises:
        InputError: no pad token, or a ``max_length`` above what the model can read.
    """
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(path)
    config = json.loads((path / "config.json").read_text())
    faults = []
    if found.pad_token is None:
        faults.append(f"model {path.name}: its tokenizer has no pad token, so texts cannot be batched; choose another encoder")
    # RoBERTa keeps two positions for itself: 514 positions read 512 tokens
    offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert") else 0
    most = min(config.get("max_position_embeddings", max_length + offset) - offset, int(min(found.model_max_length, 10**9)))
    if max_length > most > 0 and max_length > config.get("max_position_embeddings", max_length + offset) - offset:
        faults.append(f"model {path.name}: reads at most {most} tokens, max_length is {max_length}; set max_length to {most} or less")
    if faults:
        raise InputError(faults)
    return found


def encode(task_rows: Any, has_pair: bool, tokens: Any, max_length: int) -> list[dict[str, list[int]]]:
    """Return the token ids of each row (table with ``text`` and ``pair``), truncated, unpadded."""
    texts = task_rows["text"].astype(str).tolist()
    pairs = task_rows["pair"].astype(str).tolist() if has_pair else None
    if not texts:
        return []
    batch = tokens(texts, pairs, truncation=True, max_length=max_length)
    return [{key: batch[key][i] for key in batch} for i in range(len(texts))]
