"""``table``: gains of pairs that were measured elsewhere, from a file of losses of groups."""

from __future__ import annotations

from cotrain.affinity.method import Found, Ground, Method, pairs
from cotrain.errors import InputError

_CHOOSES = ("validation", "dev")


def relate(ground: Ground) -> Found:
    """Return loss alone − loss in the pair of each target with each helper, on validation or dev where the file has splits.

    Raises:
        InputError: no file, splits of which none is known to choose, and every group that is not there.
    """
    if ground.gains is None:
        raise InputError(
            "the method table needs a file of measured losses (group, task, loss): --gains FILE, or methods.table.path in the study"
        )
    table = ground.gains
    splits = table["split"].unique().tolist()
    usual = [split for split in splits if len(splits) == 1 or split in _CHOOSES]
    if len(usual) != 1:
        raise InputError(f"the file of gains has the splits {', '.join(splits)}; it should have one, or one named validation or dev")
    least = table[table["split"] == usual[0]].groupby(["group", "task"])["loss"].min().to_dict()
    wanted = {"+".join(sorted({a, b})): (a, b) for a in ground.names for b in ground.names}
    if lacking := sorted(name for name, both in wanted.items() if any((name, task) not in least for task in both)):
        raise InputError(f"the file of gains should have a line for each task of {', '.join(lacking)}; it lacks them")
    gain = pairs(ground.names, lambda i, j: least[i, i] - least["+".join(sorted((i, j))), i], directed=True)
    return Found(gain, "gain, as measured")


METHOD = Method(relate, sees="gains", options={"path": ""}, directed=True)
