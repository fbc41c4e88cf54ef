"""``convert``: a publisher's pickle weights as safetensors, without running anything that stands in them."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

from cotrain.errors import InputError, MissingExtra
from cotrain.training import encoder
from cotrain.training.folders import appearing

_INDEX = "pytorch_model.bin.index.json"


def convert(folder: Path, to: Path) -> Path:
    """Return the folder ``to`` with config, tokenizer and, as ``model.safetensors``, the weights of ``folder``.

    Tensors that share memory are written once each, as equal copies: whoever loads them ties them again.

    Raises:
        InputError: no such folder, config or weights; a part that is missing; a file that holds more than weights, or is
            damaged; a folder ``to`` that is not empty; a full disk.
        MissingExtra: torch is not installed.
    """
    files = _files(folder)
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise MissingExtra("train", error.name or "torch") from None
    with appearing(to) as work:
        weights: dict[str, Any] = {}
        for file in files:
            weights |= _weights(file)
        seen: set[int] = set()
        for name, weight in weights.items():
            place = weight.untyped_storage().data_ptr()
            weights[name] = weight.clone() if place in seen else weight.contiguous()
            seen.add(place)
        # the mark that Transformers looks for
        save_file(weights, work / "model.safetensors", metadata={"format": "pt"})
        for extra in (*encoder.content(folder), *folder.glob("LICENSE*"), *folder.glob("README.md")):
            shutil.copyfile(extra, work / extra.name)
    return to


def _files(folder: Path) -> list[Path]:
    """Return the pickle files of a folder: one, or the parts that an index names."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there should be a folder with config.json and pytorch_model.bin; found none")
    faults = []
    if not (folder / "config.json").is_file():
        faults.append(f"{folder}: there should be a config.json; found none")
    if list(folder.glob("*.safetensors")):
        faults.append(f"{folder}: its weights are safetensors already; use it as it is")
        raise InputError(faults)
    files = [folder / "pytorch_model.bin"]
    if not files[0].is_file() and (folder / _INDEX).is_file():
        try:
            files = [folder / name for name in sorted(set(json.loads((folder / _INDEX).read_text())["weight_map"].values()))]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{folder}: {_INDEX} should name the file of each weight; it cannot be read ({type(error).__name__})"
            ) from None
        if strange := [file.name for file in files if file.parent != folder]:
            faults.append(f"{folder}: {_INDEX} names files elsewhere: {', '.join(strange)}")
    if gone := [file.name for file in files if not file.is_file()]:
        faults.append(f"{folder}: there should be {', '.join(gone)}; found none")
    if faults:
        raise InputError(faults)
    return files


def _weights(file: Path) -> dict[str, Any]:
    """Return the tensors of a pickle file by name; nothing but tensors is unpickled."""
    import torch

    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{file}: it should hold weights only; it holds other Python objects, or is damaged. Nothing of it was run. "
            "Get the weights from a publisher that you trust, as safetensors where there are some"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{file}: it should be weights saved by torch; it cannot be read ({type(error).__name__}), fetch it again"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{file}: it should hold tensors by name, found {type(found).__name__} of something else")
    return dict(found)
