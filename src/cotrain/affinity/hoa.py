"""``hoa``: gains of pairs on dev, from which those of larger groups follow (Standley et al. 2020, higher-order approximation)."""

from __future__ import annotations

from cotrain.affinity import losses
from cotrain.affinity.method import TRAINED, Found, Ground, Method


def relate(ground: Ground) -> Found:
    """Return (NLL_alone − NLL_pair)/NLL_null of each target with each helper on dev, cross-selected.

    The gain of a task in a group is the mean of its values over the others: so groupers read gains.
    """
    return losses.pair_gains(ground, losses.dev)


METHOD = Method(relate, sees="gains", groups=losses.singles_and_pairs, options={**TRAINED, "repeats": 1}, directed=True)
