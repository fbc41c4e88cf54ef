"""``oracle``: what two tasks truly gain together, by training every pair. The truth that other methods are judged by."""

from __future__ import annotations

from cotrain.affinity import losses
from cotrain.affinity.method import TRAINED, Found, Ground, Method


def relate(ground: Ground) -> Found:
    """Return Gain_ij = (NLL_alone − NLL_pair)/NLL_null of target i with helper j on test, temperature-scaled on dev."""
    return losses.pair_gains(ground, losses.test)


METHOD = Method(relate, sees="gains", groups=losses.singles_and_pairs, options=TRAINED, directed=True, test=True)
