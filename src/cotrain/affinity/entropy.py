"""``entropy``: tasks are alike whose training labels are as uncertain. Difficulty only."""

from __future__ import annotations

from cotrain.affinity.method import Found, Ground, Method, apart


def relate(ground: Ground) -> Found:
    """Return −|H_i − H_j|, H the entropy of the training labels in bits."""
    return Found(apart(ground.facts("entropy_bits")), "bits")


METHOD = Method(relate, sees="difficulty")
