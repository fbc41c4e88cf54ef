"""``table``: gains of pairs that were measured elsewhere, from a file of losses of groups."""

from __future__ import annotations

from cotrain.affinity.method import Found, Ground, Method, pairs
from cotrain.errors import InputError, few

_CHOOSES = ("validation", "dev")


def relate(ground: Ground) -> Found:
    """Return loss alone − loss in the pair of each target with each helper, on validation or dev where the file has splits.

    Raises:
        InputError: no file, splits of which none is known to choose, groups that are not there, tasks that are none.
    """
    if ground.gains is None:
        raise InputError(
            "the method table needs a file of measured losses (group, task, loss): --gains FILE, or methods.table.path in the study"
        )
    table, file = ground.gains, ground.options.get("path") or "the file of gains"
    splits = table["split"].unique().tolist()
    if splits and set(splits) <= {"test", "train"}:
        raise InputError(
            f"{file}: what nominates should be measured on validation or dev, or have no split; found {' and '.join(splits)} alone"
        )
    usual = [split for split in splits if len(splits) == 1 or split in _CHOOSES]
    if len(usual) != 1:
        raise InputError(f"{file}: there should be one split, or one named validation or dev; found {', '.join(splits)}")
    least = table[table["split"] == usual[0]].groupby(["group", "task"])["loss"].min().to_dict()
    wanted = {"+".join(sorted({a, b})): (a, b) for a in ground.names for b in ground.names}
    faults = []
    if lacking := sorted(name for name, both in wanted.items() if any((name, task) not in least for task in both)):
        faults.append(f"{file}: there should be a line for each task of {few(lacking)}; it lacks them")
    if strange := sorted({task for _, task in least} - set(ground.names)):
        faults.append(f"{file}: tasks should be those of the study, {', '.join(ground.names)}; found {few(strange)} too")
    if faults:
        raise InputError(faults)
    gain = pairs(ground.names, lambda i, j: least[i, i] - least["+".join(sorted((i, j))), i], directed=True)
    return Found(gain, "gain, as measured")


METHOD = Method(relate, sees="gains", options={"path": ""}, directed=True)
