"""What a study file must make sense of beyond its keys and types: names that are known, numbers in range, tasks that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cotrain.affinity import GROUP_TESTS, METHODS, TESTS
from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.evaluation.metrics import METRICS
from cotrain.grouping import CONTROLS, OBJECTIVES, RULES, SELECTIONS
from cotrain.grouping.passing import Options
from cotrain.study.document import Document, Location
from cotrain.study.presets import NOT_YET, PRESETS, options, settings
from cotrain.tasks.readers import READERS
from cotrain.tasks.rendering import columns_of
from cotrain.tasks.source import Cut, Source
from cotrain.training.selection import SELECTIONS as EPOCHS
from cotrain.training.settings import Settings

_KNOWN: dict[Location, tuple[str, Any]] = {
    ("preset",): ("preset", PRESETS),
    ("goal",): ("goal", ("fewer", "better")),
    ("null",): ("null model", ("prior", "finetune")),
    ("score_by",): ("selection of epochs", EPOCHS),
    ("select",): ("selection of epochs", EPOCHS),
    ("metric",): ("metric", METRICS),
    ("plan", "by"): ("method", METHODS),
    ("plan", "test"): ("pair test", TESTS),
    ("plan", "group_test"): ("group test", GROUP_TESTS),
    ("plan", "rule"): ("rule", RULES),
    ("plan", "select"): ("selection", SELECTIONS),
    ("plan", "objective"): ("objective", OBJECTIVES),
    ("training", "device"): ("device", ("auto", "cpu", "cuda", "mps")),
}
_BAD = set('[]+@/\\:*?"<>|')  # in the names of groups, or not in the names of folders
Fault = tuple[Location, str]


def faults(document: Document, values: Mapping[str, Any]) -> list[str]:
    """Return the faults of values of the right types, in words; what is not of the right type is not among them."""
    parts = (_names, _seeds, _cut, _training, _tasks, _plan)
    return [f"{document.place(location)}: {words}" for part in parts for location, words in part(document, values)]


def _names(document: Document, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield names that are not among the known ones."""
    for location, (kind, known) in _KNOWN.items():
        found: Any = values
        for part in location:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found in NOT_YET and kind == "preset":
            yield location, f"preset '{found}' does not exist yet. Known: {', '.join(sorted(known))}"
        elif found is not None and found not in known:
            yield location, unknown(kind, found, known)
    for i, name in enumerate(values.get("controls", ())):
        if name not in CONTROLS:
            yield ("controls", i), unknown("control", name, CONTROLS)
        elif name in values["controls"][:i]:
            yield ("controls", i), f"control '{name}' is there twice"


def _seeds(document: Document, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield seeds that are there twice or are none."""
    seeds = values.get("seeds")
    if seeds == ():
        yield ("seeds",), "there should be at least one seed, such as [42, 52, 62]"
    for i, seed in enumerate(seeds or ()):
        if not 0 <= seed < 2**32:
            yield ("seeds", i), f"a seed should be between 0 and 4294967295, found {seed}"
        elif seed in seeds[:i]:
            yield ("seeds", i), f"seed {seed} is there twice; a fit with the same seed is the same fit"


def _share(value: float | str) -> str:
    """Return what is wrong with the size of a split, or nothing."""
    if isinstance(value, str):
        return "'train' cannot be held out; name another split or a share" if value.lower() in ("train", "training") else ""
    return "" if 0 < value < 1 else f"should be the name of a published split or a share between 0 and 1, found {value:g}"


def _cut(document: Document, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield sizes of splits that are none."""
    cut = values.get("splits", {})
    for key, value in cut.items():
        if key in ("test", "dev") and (words := _share(value)):
            yield ("splits", key), f"splits.{key}: {words}"
        if key in ("seed", "max_train", "max_held_out") and value < 0:
            yield ("splits", key), f"splits.{key} should be 0 or more, found {value}"
    if isinstance(cut.get("test"), str) and cut.get("test") == cut.get("dev"):
        yield ("splits", "dev"), f"the split '{cut['dev']}' cannot be test and dev at once"


def _training(document: Document, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield settings out of range, each judged alone."""
    for key, value in values.get("training", {}).items():
        try:
            Settings("", **{key: value})
        except InputError as error:
            yield from ((("training", key), fault) for fault in error.faults)


def _tasks(document: Document, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with each task, and with all of them."""
    if not document.values.get("tasks"):
        yield ("tasks",), "there should be at least one task, such as tasks: {cb: {path: data/cb, text: premise, label: label}}"
    if "delta" in values and not 0 < values["delta"] < float("inf"):
        yield ("delta",), f"delta should be above 0, found {values['delta']}"
    taken: dict[str, str] = {}
    for name, entry in values.get("tasks", {}).items():
        yield from ((("tasks", name, *key), f"task {name}: {words}") for key, words in _entry(entry, _raw(document, name)))
        for task in Source(name, labels=entry.get("labels", ())).tasks:
            if task in taken:
                yield ("tasks", name), f"task {task} is named twice, by {taken[task]} and {name}; rename one"
            if set(task) & _BAD or not task.isprintable() or task != task.strip(" .-"):
                yield (
                    ("tasks", name),
                    f"task {task!r}: the name should be without blanks, dots and dashes at its ends, and without {' '.join(sorted(_BAD))}",
                )
            taken[task] = name


def _raw(document: Document, name: str) -> Mapping[str, Any]:
    """Return an entry as it is written."""
    entry = document.values["tasks"][name]
    return entry if isinstance(entry, dict) else {}


def _entry(entry: Mapping[str, Any], written: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with one task."""
    places = [key for key in ("path", "hub") if written.get(key) is not None]
    if len(places) != 1:
        yield tuple(places[1:]), f"there should be a path or a hub, found {'both' if places else 'neither'}"
    for key in ("path", "hub", "label", "id", "group", "split_column"):
        if entry.get(key) == "":
            yield (key,), f"{key} should not be empty"
    form = entry.get("format", "tabular")
    if ":" not in form and form not in READERS:
        yield ("format",), unknown("format", form, READERS)
    elif form == "hub" and places == ["path"]:
        yield ("format",), "the format hub needs hub: a Hub id or a local folder in its layout, found path"
    for key in ("text", "pair"):
        try:
            columns_of(entry.get(key, "text"))
        except InputError as error:
            yield from (((key,), f"{key}: {fault}") for fault in error.faults)
    labels, names = entry.get("labels"), entry.get("names")
    if labels is not None and "label" in written:
        yield ("labels",), "there should be label (one column) or labels (several), found both"
    if labels is not None and (not labels or len(set(labels)) != len(labels)):
        yield ("labels",), "labels should be different columns, such as [negation, uncertainty]"
    if names is not None and (len(set(names)) != len(names) or len(names) < 2):
        yield ("names",), "names should be two different names or more, in the order of the integers"
    for key, value in entry.get("splits", {}).items():
        words = _share(value) if key in ("test", "dev") else unknown("key", key, ("test", "dev"))
        if words:
            yield ("splits", key), f"splits.{key}: {words}"
    if entry.get("metric", METRICS[0]) not in METRICS:
        yield ("metric",), unknown("metric", entry["metric"], METRICS)
    if "delta" in entry and not 0 < entry["delta"] < float("inf"):
        yield ("delta",), f"delta should be above 0, found {entry['delta']}"


def _plan(document: Document, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield options out of range, sets of tasks that are none, and keys that contradict each other."""
    preset = PRESETS.get(values.get("preset", "default"), PRESETS["default"])
    plan = dict(values.get("plan", {}))
    tasks = [t for name, entry in values.get("tasks", {}).items() for t in Source(name, labels=entry.get("labels", ())).tasks]
    tasks += [name for name in document.values.get("tasks") or () if name not in values.get("tasks", {})]
    for key in ("together", "apart"):
        for i, sets in enumerate(plan.get(key, ())):
            if len(set(sets)) < 2:
                yield ("plan", key, i), f"plan.{key}: each set should name two tasks or more"
            for name in sets:
                if name not in tasks:
                    yield ("plan", key, i), f"plan.{key}: {unknown('task', name, tasks)}"
    for key, least in (("largest", 2), ("models", 1)):
        if plan.get(key, least) < least:
            yield ("plan", key), f"plan.{key} should be {least} or more, found {plan.pop(key)}"
    good = dict(plan)
    for key in ("alpha", "margin", "margin_bits", "rule", "select", "objective"):
        if key in plan:
            try:
                Options(**{"select": "nested", **({key: plan[key]})})
            except InputError as error:
                del good[key]
                if ("plan", key) not in _KNOWN:
                    yield from ((("plan", key), f"plan: {fault}") for fault in error.faults)
    if good.get("select") == "nested" and good.get("rule", "any") != "any":
        yield ("plan", "rule"), "plan: the selection nested uses no rule; leave the rule out, or choose select: partition"
    try:
        Options(**options(preset, good))
    except InputError as error:
        yield from ((("plan",), f"plan: {fault}") for fault in error.faults)
