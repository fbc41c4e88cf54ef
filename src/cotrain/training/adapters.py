"""Low-rank adapters of an encoder (Hu et al. 2021), by peft."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch

from cotrain.errors import MissingExtra

_NAME = "default"


def adapt(encoder: Any, rank: int, seed: int, trained: Collection[str]) -> None:
    """Put an adapter beside every linear layer of ``encoder``; only adapters and what is ``trained`` as it is have gradients then.

    Args:
        rank: of each adapter; alpha is twice it, so that adapters are scaled by 2 whatever their rank.
        seed: of their first factors; the second ones begin at 0.

    Raises:
        MissingExtra: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise MissingExtra("lora", "peft") from None
    from transformers.pytorch_utils import Conv1D  # what GPT-2 calls a linear layer

    linear = [name for name, module in encoder.named_modules() if isinstance(module, torch.nn.Linear | Conv1D)]
    layers = [name for name in linear if f"{name}.weight" not in trained]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        turned = any(isinstance(module, Conv1D) for module in encoder.modules())
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers, fan_in_fan_out=turned), encoder, _NAME)
    for name, weight in encoder.named_parameters():
        weight.requires_grad_(".lora_" in name or name in trained)


def merged(weights: Mapping[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """Return the ``weights`` of ``model`` as those of a plain one: adapters added to the layers that they are beside."""
    if not any(".base_layer." in name for name in weights):
        return dict(weights)
    found = {name.replace(".base_layer.", "."): weight for name, weight in weights.items() if ".lora_" not in name}
    for name, module in model.named_modules():
        if hasattr(module, "base_layer"):
            found[f"{name}.weight"] = found[f"{name}.weight"] + module.get_delta_weight(_NAME)
    return found
