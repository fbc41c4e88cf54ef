"""What a study file must make sense of beyond its keys and types: names that are known, numbers in range, tasks that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from cotrain.affinity import GROUP_TESTS, METHODS, TESTS
from cotrain.affinity.method import TRAINED, named
from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.evaluation.metrics import METRICS
from cotrain.evaluation.thresholds import CHOSEN as THRESHOLDS
from cotrain.grouping import SELECTIONS, UNTESTED
from cotrain.grouping.controls import wrong
from cotrain.grouping.options import Options
from cotrain.prompting.form import wrong_template
from cotrain.pvi import ESTIMATORS
from cotrain.study.document import Document, Fault, Location
from cotrain.study.presets import PRESETS, WAYS, Goal, Null, options
from cotrain.tasks.readers import READERS
from cotrain.tasks.readers.entities import MARKERS, window
from cotrain.tasks.rendering import columns_of
from cotrain.tasks.source import ANNOTATED, CLINICAL, SPANS, SPLIT_NAMES, Source
from cotrain.tasks.task import wrong_name
from cotrain.training.executors import EXECUTORS
from cotrain.training.outside import is_outside, loaded, refuse
from cotrain.training.selection import SELECTIONS as EPOCHS
from cotrain.training.settings import OWN_TRAINER, Settings

_KNOWN: dict[Location, tuple[str, Any]] = {
    ("preset",): ("preset", PRESETS),
    ("goal",): ("goal", get_args(Goal)),
    ("estimator",): ("estimator", ESTIMATORS),
    ("executor",): ("executor", EXECUTORS),
    ("null",): ("null model", get_args(Null)),
    ("score_by",): ("selection of epochs", EPOCHS),
    ("select",): ("selection of epochs", EPOCHS),
    ("thresholds",): ("way to choose thresholds", THRESHOLDS),
    ("metric",): ("metric", METRICS),
    ("plan", "by"): ("method", METHODS),
    ("plan", "test"): ("pair test", TESTS),
    ("plan", "group_test"): ("group test", GROUP_TESTS),
    ("training", "device"): ("device", ("auto", "cpu", "cuda", "mps")),
}
_MODELS = {("models", "overlapping"), ("models", "spectral")}
"""Selections besides ``partition`` that read ``models``."""
_Found = Iterator[tuple[Location, str]]


def faults(document: Document, values: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of ``values``, which have the right types; ``document`` says what else the file has, and where."""
    written = document.values.get("tasks")
    entries = written if isinstance(written, dict) else {}
    found: list[tuple[Location, str]] = []
    if not written:
        found.append((("tasks",), "there should be at least one task, such as tasks: {cb: {path: data/cb, text: premise}}"))
    for part in (
        _names(values),
        _controls(document.values),
        _seeds(document.values),
        _splits(values),
        _training(values),
        _trainer(values),
        _grid(values),
        _share(document.values),
        _tasks(values, entries),
        _plan(values, entries),
        _by(values),
        _methods(values, entries),
    ):
        found += part
    return [document.fault(location, words) for location, words in found]


def _names(values: Mapping[str, Any]) -> _Found:
    """Yield names that are not among the known ones."""
    for location, (kind, known) in _KNOWN.items():
        found: Any = values
        for part in location:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is not None and found not in known and not (kind in ("executor", "method") and ":" in found):
            yield location, unknown(kind, found, known)


def _items(written: Mapping[str, Any], key: str, kind: type) -> list[tuple[int, Any]]:
    """Return the items of a list that have the right type, with their places, also where another item has not."""
    found = written.get(key)
    return [(i, item) for i, item in enumerate(found) if type(item) is kind] if isinstance(found, tuple) else []


def _controls(written: Mapping[str, Any]) -> _Found:
    """Yield controls that are unknown or there twice."""
    for i, name in _items(written, "controls", str):
        if fault := wrong(name):
            yield ("controls", i), fault
        elif name in written["controls"][:i]:
            yield ("controls", i), f"control '{name}' is there twice; name it once"


def _share(written: Mapping[str, Any]) -> _Found:
    """Yield ways to share that are unknown or there twice."""
    for i, name in _items(written, "share", str):
        if name not in WAYS:
            yield ("share", i), unknown("way to share", name, WAYS)
        elif name in written["share"][:i]:
            yield ("share", i), f"way to share '{name}' is there twice; name it once"


def _seeds(written: Mapping[str, Any]) -> _Found:
    """Yield seeds that are out of range or there twice."""
    if written.get("seeds") == ():
        yield ("seeds",), "there should be at least one seed, such as seeds: [42, 52, 62]"
    elif "seeds" not in written and written.get("preset") == "instant" and written.get("estimator", "probe") != "probe":
        named = written["estimator"]
        yield ("estimator",), f"the estimator {named} trains, and the preset instant has no seeds: name some, or use the probe"
    for i, seed in _items(written, "seeds", int):
        if not 0 <= seed < 2**32:
            yield ("seeds", i), f"a seed should be between 0 and {2**32 - 1}, found {seed}"
        elif seed in written["seeds"][:i]:
            yield ("seeds", i), f"seed {seed} is there twice; a fit with the same seed is the same fit"


def _splits(values: Mapping[str, Any]) -> _Found:
    """Yield what is wrong with the cut of all tasks."""
    cut = values.get("splits", {})
    for key, words in _sizes({key: cut[key] for key in ("test", "dev") if key in cut}):
        yield ("splits", key), words
    for key in ("seed", "max_train", "max_held_out"):
        if cut.get(key, 0) < 0:
            yield ("splits", key), f"splits.{key} should be 0 or more, found {cut[key]}"


def _sizes(splits: Mapping[str, float | str]) -> Iterator[tuple[str, str]]:
    """Yield the sides of a cut that are no split and no share."""
    for side, size in splits.items():
        if side not in ("test", "dev"):
            yield side, unknown("key", side, ("test", "dev"))
        elif isinstance(size, str):
            if SPLIT_NAMES.get(size.lower()) == "train":
                yield side, f"splits.{side}: the split '{size}' cannot be held out; name another split or a share"
        elif not 0 < size < 1:
            yield side, f"splits.{side} should be a published split or a share between 0 and 1, found {size:g}"
    if isinstance(splits.get("test"), str) and splits.get("test") == splits.get("dev"):
        yield "dev", f"the split '{splits['dev']}' cannot be test and dev at once"


def _training(values: Mapping[str, Any]) -> _Found:
    """Yield settings out of range, each judged alone."""
    for key, value in values.get("training", {}).items():
        try:
            Settings("", **{key: value})
        except InputError as error:
            yield ("training", key), " ".join(error.faults)
    training = values.get("training", {})
    special = training.get("special_tokens", MARKERS if any(e.get("format") in CLINICAL for e in values.get("tasks", {}).values()) else ())
    if training.get("pooling") == "entity" and not set(MARKERS) <= set(special):
        yield ("training", "pooling"), 'pooling entity needs markers: training.special_tokens should have "<e>" and "</e>"'
    names = [task for name, entry in values.get("tasks", {}).items() for task in Source(name, labels=entry.get("labels", ())).tasks]
    if training.get("sampling") == "explicit" and (lacking := sorted(set(names) - set(training.get("shares", {})))):
        yield ("training", "sampling"), f"sampling explicit needs training.shares of every task, it lacks {', '.join(lacking)}"
    for key in ("shares", "task_weights"):
        for task in sorted(set(training.get(key, {})) - set(names)) if names else ():
            yield ("training", key), unknown("task", task, names)


def _trainer(values: Mapping[str, Any]) -> _Found:
    """Yield what is wrong with a trainer from outside, and what goes with our own alone."""
    name = values.get("trainer", OWN_TRAINER)
    if not is_outside(name):
        return
    try:
        loaded(name)
    except InputError as error:
        yield from ((("trainer",), words) for words in error.faults)
    weighted = f"class_weights should be none with a trainer from outside ({name}), found balanced; leave it out"
    if values.get("training", {}).get("class_weights", "none") != "none":
        yield ("training", "class_weights"), f"training.{weighted}"
    if "balanced" in values.get("grid", {}).get("class_weights", ()):
        yield ("grid", "class_weights"), f"grid.{weighted}"
    try:
        refuse(name, "other ways to share (share) need")
    except InputError as error:
        yield from ((("share",), words) for words in error.faults if values.get("share"))


def _grid(values: Mapping[str, Any]) -> _Found:
    """Yield settings of the grid that are unknown, without values, or out of range."""
    known = [f.name for f in fields(Settings) if f.name not in ("model", "trainer")]
    kinds = get_type_hints(Settings)
    for key, several in values.get("grid", {}).items():
        if key not in known:
            yield ("grid", key), unknown("setting of the grid", key, known)
            continue
        if len(set(several)) < max(2, len(several)):
            yield ("grid", key), f"grid.{key} should be two values or more, each once; put a single one in training"
        for i, value in enumerate(several):
            if type(value) is not (kind := type(getattr(Settings(""), key))) and not (kind is float and type(value) is int):
                yield ("grid", key, i), f"grid.{key} should have values such as {getattr(Settings(''), key)!r}, found {value!r}"
                continue
            if (names := get_args(kinds[key])) and isinstance(value, str) and value not in names:
                yield ("grid", key, i), unknown(f"value of grid.{key}", value, names)
                continue
            # what it needs beside it is looked for as in training
            with_it = {**values, "training": {**values.get("training", {}), key: value}}
            yield from ((("grid", key, i), words) for location, words in _training(with_it) if location == ("training", key))


def _tasks(values: Mapping[str, Any], entries: Mapping[str, Any]) -> _Found:
    """Yield what is wrong with each task, and names that two entries make."""
    yield from ((("delta",), words) for words in _delta(values))
    taken: dict[str, str] = {}
    for name, entry in values.get("tasks", {}).items():
        yield from (
            (("tasks", name, key) if key else ("tasks", name), f"task {name}: {words}") for key, words in _entry(entry, entries[name])
        )
        for task in Source(name, labels=entry.get("labels", ())).tasks:
            if task in taken:
                yield ("tasks", name), f"task {task} is made twice, by {taken[task]} and by {name}; rename one"
            if words := wrong_name(task):
                yield ("tasks", name), words
            taken[task] = name


def _delta(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a delta."""
    if not 0 < fields.get("delta", 1) < float("inf"):
        yield f"delta should be above 0, found {fields['delta']}: how much of the metric may be lost?"


def _entry(entry: Mapping[str, Any], written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with one task, by key; ``written`` has the keys that are at fault already, too."""
    named = [key for key in ("path", "hub", "label", "labels") if written.get(key) is not None]
    places = [key for key in named if key in ("path", "hub")]
    if len(places) != 1:
        yield "", f"there should be a path or a hub, found {'both' if places else 'neither'}"
    for key, value in entry.items():
        if value == "":
            yield key, f"{key} should not be empty"
    form = entry.get("format", "tabular")
    if ":" not in form and form not in READERS:
        yield "format", unknown("format", form, READERS)
    elif form == "hub" and places == ["path"]:
        yield "format", "the format hub reads hub: a Hub id or a local folder in its layout; found path"
    elif form in CLINICAL and places == ["hub"]:
        yield "hub", f"the format {form} reads a folder; name it with path"
    yield from _spans(entry, form, named)
    for key in ("text", "pair"):
        try:
            columns_of(entry.get(key, "text"))
        except InputError as error:
            yield key, f"{key}: {' '.join(error.faults)}"
    if words := wrong_template(entry.get("prompt", "{text} {options}")):
        yield "prompt", words
    labels, names = entry.get("labels", ("one",)), entry.get("names", ("one", "two"))
    if "label" in named and "labels" in named:
        yield "labels", "there should be label (one column) or labels (several), found both"
    if not labels or len(set(labels)) < len(labels):
        yield "labels", "labels should be different columns, such as [negation, uncertainty]"
    if len(names) < 2 or len(set(names)) < len(names):
        yield "names", "names should be two or more that differ, in the order of the integers"
    yield from (("splits", words) for _, words in _sizes(entry.get("splits", {})))
    if (metric := entry.get("metric", METRICS[0])) not in METRICS:
        yield "metric", unknown("metric", metric, METRICS)
    yield from (("delta", words) for words in _delta(entry))


def _spans(entry: Mapping[str, Any], form: str, named: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the keys of annotated spans, by key."""
    if form not in ANNOTATED:
        if ":" not in form and (idle := [key for key in SPANS if key in entry]):
            yield idle[0], f"{', '.join(idle)} should go with the format {' or '.join(ANNOTATED)}, found the format {form}"
        return
    if "label" in named:
        yield "label", f"the format {form} has attributes instead of label: write attribute, or labels for several"
    elif ("attribute" in entry) == ("labels" in named):
        yield "", "there should be attribute (what is classified, such as negation) or labels (several attributes)"
    try:
        window(entry.get("window", 0))
    except InputError as error:
        yield "window", " ".join(error.faults)


def _plan(values: Mapping[str, Any], entries: Mapping[str, Any]) -> _Found:
    """Yield options out of range, sets of tasks that are none, and keys that contradict each other."""
    plan = {key: value for key, value in values.get("plan", {}).items() if key not in ("by", "test", "group_test")}
    for key in ("together", "apart"):
        for i, names in enumerate(plan.get(key, ())):
            yield from ((("plan", key, i), f"plan.{key}: {words}") for words in _strangers(names, values, entries))
    yield from ((("plan", "alone"), f"plan.alone: {words}") for words in _strangers(plan.get("alone", ()), values, entries))
    for key, value in list(plan.items()):
        try:
            Options(**{"select": "nested", key: value})  # nested needs nothing else, so that each key is judged alone
        except InputError as error:
            del plan[key]
            yield from ((("plan", key), f"plan: {words}") for words in error.faults)
    select = plan.get("select", "")
    if select in UNTESTED and plan.get("rule", "any") != "any":
        yield ("plan", "rule"), f"plan: the selection {select} uses no rule; leave out the rule, or choose select: partition"
    if (
        select in SELECTIONS
        and select != "partition"
        and (idle := [key for key in ("objective", "models", "budget", "cost") if plan.get(key) and (key, select) not in _MODELS])
    ):
        yield ("plan", idle[0]), f"plan: {idle[0]} belongs to select: partition, found select: {select}; leave one out"
        return
    try:
        Options(**options(PRESETS.get(values.get("preset", ""), PRESETS["default"]).plan, plan))
    except InputError as error:
        yield from ((("plan",), f"plan: {words}") for words in error.faults)


def _by(values: Mapping[str, Any]) -> _Found:
    """Yield what a method that nominates cannot do in this study."""
    plan, preset = values.get("plan", {}), PRESETS.get(values.get("preset", ""), PRESETS["default"])
    name = plan.get("by", "pvi")
    if name == "pvi" or (name not in METHODS and ":" not in name):
        return
    try:
        method, how = named(name), Options(**options(preset.plan, {k: v for k, v in plan.items() if k not in ("by", "test", "group_test")}))
    except InputError as error:
        yield from ((("plan", "by"), words) for words in error.faults if ":" in name)
        return
    if method.test:
        yield ("plan", "by"), f"plan.by: {name} looks at test, and dev decides; choose another, and relate by it to judge that one"
    if how.rule != "any" or how.select in ("max_abs_t", "min_gap"):
        found = f"found rule: {how.rule}, select: {how.select}"
        yield ("plan", "by"), f"plan.by: {name} has values of pairs alone, no tests; it needs rule: any and another select, {found}"
    if not values.get("seeds", preset.seeds) and method.options.keys() & TRAINED.keys():
        yield ("plan", "by"), f"plan.by: {name} needs fits, and this study has no seeds; name some, or choose another method"


def _methods(values: Mapping[str, Any], entries: Mapping[str, Any]) -> _Found:
    """Yield methods that are unknown, options that are none, and those that make no groups of the tasks."""
    tasks, unclear = _known(values, entries)
    seeds = values.get("seeds", PRESETS.get(values.get("preset", ""), PRESETS["default"]).seeds)
    for name, given in values.get("methods", {}).items():
        try:
            method = named(name)
            chosen = method.chosen(name, given)
            if not unclear and len(tasks) >= method.least:
                for group in method.groups(tasks, chosen):
                    method.extras(group, tasks, chosen)
            if seeds:  # without any it is told when the method trains
                method.seeds(name, chosen, seeds)
        except InputError as error:
            yield from ((("methods", name), words) for words in error.faults)


def _known(values: Mapping[str, Any], entries: Mapping[str, Any]) -> tuple[list[str], set[str]]:
    """Return the tasks that the file makes, and entries that are at fault or have to be read: which tasks they make is not known."""
    tasks: list[str] = []
    unclear: set[str] = set()
    for name in entries:
        entry = values.get("tasks", {}).get(name)
        if entry is None or ("labels" in entries[name] and "labels" not in entry) or entry.get("format") == "cnlpt":
            unclear.add(name)
        else:
            tasks += Source(name, labels=entry.get("labels", ())).tasks
    return tasks, unclear


def _strangers(names: tuple[str, ...], values: Mapping[str, Any], entries: Mapping[str, Any]) -> Iterator[str]:
    """Yield names that are no tasks."""
    tasks, unclear = _known(values, entries)
    for name in names:
        if name not in tasks and name.partition(".")[0] not in unclear and name not in unclear:
            yield unknown("task", name, dict.fromkeys(tasks))
