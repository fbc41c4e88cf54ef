"""The cards of models: README.md with the metadata of the Hub, for people and for catalogues."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from cotrain.tasks.readers.entities import MARKERS

LICENCE = "unknown"
"""Until the owner writes another one: data and encoder have licences, and neither is known here."""


_LONG = {
    "beginning": "Inputs are cut after {} tokens.",
    "head_tail": "Of inputs above {} tokens the beginning and the end are read. Other programs cut them at their end.",
    "windows": "Inputs above {} tokens are read in windows, whose log-probabilities are averaged. Other programs cut them at their end.",
}
"""What becomes of long inputs, by how the model was trained."""


def model_card(about: Mapping[str, Any], card: Mapping[str, Any], name: str) -> str:
    """Return the card of a shared model: what it is, its data, its numbers beside others, its limits, how it is used.

    Args:
        about: what ``cotrain.json`` says.
        card: what is known besides, each part optional: ``study``; ``why`` (sentences); ``rows`` (task to split to rows);
            ``results`` and ``controls``, records with ``task``, ``metric``, ``value`` and its interval (``value_low``,
            ``value_high``), ``difference`` from the task alone (``low95``, ``high95``); of results also ``alone``
            (``alone_low``, ``alone_high``), ``delta``, ``verdict`` and ``seeds``; of controls the ``plan``.
        name: of the folder.
    """
    tasks = about["tasks"]
    results = card.get("results", ())
    heads = "a classification head" if len(tasks) == 1 else f"a classification head for each of {len(tasks)} tasks"
    study = f" in the study {card['study']}" if card.get("study") else ""
    first = next((t for t, e in tasks.items() if e["served"]), next(iter(tasks)))
    parts = [
        _metadata(_hub(about), results), [f"# {about['group']}"],
        [f"One encoder ({about['encoder']['name']}) with {heads}, made by cotrain{study} (seed {about['seed']}, epoch {about['epoch']})."],
        _table(("task", "labels", "input", "meant to serve it"), (
            (t, ", ".join(e["labels"]), "a pair of texts" if e["has_pair"] else "a text", "yes" if e["served"] else "no")
            for t, e in tasks.items()
        )),
        *_part("How the group was chosen", [f"- {sentence}" for sentence in card.get("why", ())]),
        *_part("Results", _results(results)), *_part("", _controls(card.get("controls", ()))),
        *_part("Data", _table(("task", "rows of train, dev, test", "private", "sha256 of its rows"), (
            (t, _rows(card.get("rows", {}).get(t, {})), "yes" if e["private"] else "no", f"`{e['content']}`") for t, e in tasks.items()
        ))),
        *_part("Limits", [f"- {sentence}" for sentence in (*_limits(about, results), *_thresholds(tasks))]),
        *_part("Use", [
            "```", f"cotrain predict {name} rows.jsonl --out predictions.parquet",
            f"cotrain export {name} --task {first} --to FOLDER", "```",
        ]),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def export_card(about: Mapping[str, Any], task: str, labels: Sequence[str], use: str) -> str:
    """Return the card of one task as an ordinary classifier; ``use`` is what a person types."""
    parts = [
        _metadata(_hub(about), ()), [f"# {task}"],
        [f"A classifier of {', '.join(labels)}: the head of task {task} on the encoder of the shared model",
         f"{about['group']} (seed {about['seed']}, epoch {about['epoch']}), exported by cotrain."],
        ["```python", use, "```"],
        *_part("Limits", [f"- {sentence}" for sentence in (*_limits(about, ()), *_thresholds({task: about["tasks"][task]}))]),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _hub(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that the Hub reads, without results."""
    encoder = about["encoder"]["name"]
    base = {"base_model": encoder} if encoder.count("/") == 1 and ":" not in encoder else {}
    return {"license": LICENCE, "library_name": "transformers", "pipeline_tag": "text-classification", **base,
            "tags": ["cotrain", "multi-task-learning"]}  # fmt: skip


def _metadata(values: dict[str, Any], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the front matter of a card, the mean of each task on test in it."""
    measured = [line for line in results if {"task", "metric", "value"} <= line.keys() and math.isfinite(line["value"])]
    if measured:
        values["model-index"] = [{"name": "cotrain", "results": [
            {
                "task": {"type": "text-classification"}, "dataset": {"name": line["task"], "type": line["task"], "split": "test"},
                "metrics": [{"type": line["metric"], "value": round(float(line["value"]), 6)}],
            }
            for line in measured
        ]}]  # fmt: skip
    written = yaml.safe_dump(values, sort_keys=False, allow_unicode=True).strip()
    return ["---", written.replace(f"license: {LICENCE}", f"license: {LICENCE} # yours to say: data and encoder have licences"), "---"]


def _results(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the results of the tasks served, beside the tasks alone."""
    if not lines:
        return []
    head = ("task", "metric", "this group", "alone", "difference", "δ", "verdict", "seeds")
    return [
        "On test: means over the seeds with intervals of 95 %. The weights here are those of the seed that is best on dev.", "",
        *_table(head, (
            (
                line["task"], str(line.get("metric", "")), _estimate(line, "value", "value_low", "value_high"),
                _estimate(line, "alone", "alone_low", "alone_high"), _estimate(line, "difference", "low95", "high95"),
                _number(line.get("delta")), str(line.get("verdict", "")), str(line.get("seeds", "")),
            )
            for line in lines
        )),
    ]  # fmt: skip


def _controls(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the controls reached for the same tasks."""
    if not lines:
        return []
    return ["The controls, for the same tasks:", "", *_table(("control", "task", "value", "difference from alone"), (
        (line["plan"], line["task"], _estimate(line, "value", "value_low", "value_high"), _estimate(line, "difference", "low95", "high95"))
        for line in lines
    ))]  # fmt: skip


def _limits(about: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the model cannot do, or was not shown to."""
    private = [task for task, entry in about["tasks"].items() if entry["private"]]
    yield _LONG[about["long_texts"]].format(about["max_length"])
    if set(MARKERS) <= set(about["special_tokens"]):
        before, after = MARKERS
        yield f"What is judged stands between {before} and {after} in the text. Other programs cut long texts at their end, not around it."
    yield "It was tested on rows of the sources that it was trained on; how it does on others is not known."
    yield "Every input gets one of the labels, a strange one too. Probabilities are not calibrated."
    if unsure := [line["task"] for line in results if line.get("verdict") in ("undecided", "harm")]:
        yield f"That sharing did no harm is not shown for {', '.join(unsure)}."
    if private:
        yield f"The rows of {', '.join(private)} are private, and weights can hold traces of rows: do not publish the model."


def _thresholds(tasks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the thresholds of tasks, and that they are not what was tested."""
    for task, entry in tasks.items():
        if entry["threshold"] is not None:
            yield (
                f"cotrain predict and serve say {entry['labels'][1]} for {task} where its probability is above {entry['threshold']:g}, "
                "chosen on dev. The study tested the likeliest label, which is what other programs say."
            )


def _part(heading: str, lines: list[str]) -> list[list[str]]:
    """Return a heading and its lines, nothing where there are none."""
    return [*([[f"## {heading}"]] if heading else []), lines] if lines else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _estimate(line: Mapping[str, Any], value: str, low: str, high: str) -> str:
    """Return a number with its interval."""
    inside = [_number(line.get(low)), _number(line.get(high))]
    return f"{_number(line.get(value))} [{', '.join(inside)}]" if all(inside) else _number(line.get(value))


def _number(value: Any) -> str:
    """Return a number in few characters, nothing where it is not known."""
    return "" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _rows(splits: Mapping[str, int]) -> str:
    """Return the rows of each split."""
    return ", ".join(f"{splits[split]:,}" for split in ("train", "dev", "test") if split in splits)
