r"""LaTeX tables in the form of the paper's Tables 1-6 (arXiv 2410.12774), for ``\input`` with the package booktabs."""

from __future__ import annotations

import pandas as pd

from cotrain.grouping.plan import Plan
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import known
from cotrain.training.outside import is_outside
from cotrain.training.settings import OWN_TRAINER

_SPECIAL = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
})  # fmt: skip
METRICS = ("accuracy", "macro_f1")
HEADS = {"accuracy": "acc.", "macro_f1": "f1"}


def tables(run: RunTables) -> dict[str, str]:
    """Return file name to LaTeX: pairs (Table 1), larger groups (2), nominated plans (3, 4), ``different`` (5, 6).

    The paper splits its results by domain into two tables each; here a study is one suite and has one.
    """
    found = {}
    if run.affinity is not None:
        found["table1_pairs.tex"] = _pairs(run)
    if run.passing is not None:
        found["table2_groups.tex"] = _groups(run)
    if run.comparison is not None:
        similar = [plan for plan in run.plans if plan.kind == "nominated"]
        names = [("table3_similar", plan) for plan in similar[:1]] + [("table4_similar", plan) for plan in similar[1:2]]
        names += [("table5_different", plan) for plan in run.plans if plan.name == "different"]
        names.append(("table6_recommended", run.comparison.recommended))
        for name, plan in names:
            if text := _results(run, plan):
                found[f"{name}.tex"] = text
    return found


def escape(text: str) -> str:
    """Return ``text`` with LaTeX's special characters escaped."""
    return str(text).translate(_SPECIAL)


def _wrap(lines: list[str], columns: str, caption: str, label: str) -> str:
    """Return a floating table."""
    body = "\n".join(lines)
    return (
        f"\\begin{{table}}[t]\n\\centering\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n"
        f"\\end{{tabular}}\n\\caption{{{caption}}}\n\\label{{tab:{label}}}\n\\end{{table}}\n"
    )


def _p(value: float) -> str:
    """Return a p-value with three digits, as the paper prints it."""
    return "$<$0.001" if value < 0.001 else f"{value:.3f}"


def _alpha(run: RunTables) -> float:
    """Return the level of the first nominated plan, .01 as in the paper where none is given."""
    return next((float(p.settings["alpha"]) for p in run.plans if known(p.settings.get("alpha"))), 0.01)


def _pairs(run: RunTables) -> str:
    """Return Table 1: pairs whose PVI is not significantly different."""
    assert run.affinity is not None
    alpha = _alpha(run)
    kept = run.affinity.pairs[run.affinity.pairs["p"] > alpha].sort_values("p", ascending=False)
    lines = ["Task Group & \\textit{T}-statistic & \\textit{P}-value \\\\", "\\midrule"]
    for _, pair in kept.iterrows():
        name = escape(f"{pair['target']}-{pair['helper']}") + ("$^*$" if pair["state"] == "shared rows" else "")
        lines.append(f"{name} & {pair['statistic']:.3f} & {_p(pair['p'])} \\\\")
    starred = " $^*$: shared rows, tested as if independent." if (kept["state"] == "shared rows").any() else ""
    caption = (f"Task groupings (group size = 2) with PVI estimates that are not significantly different, "
               f"{escape(run.affinity.test)} test (p-value $>$ {alpha:g}).{starred}")  # fmt: skip
    return _wrap(lines, "lrr", caption, "pairs")


def _groups(run: RunTables) -> str:
    """Return Table 2: larger sets of tasks that are not significantly different."""
    assert run.passing is not None
    test = run.affinity.group_test if run.affinity is not None else "group"
    lines = ["Task Group & \\textit{F}-statistic & \\textit{P}-value \\\\", "\\midrule"]
    for _, line in run.passing.iterrows():
        if len(line["tasks"]) > 2:
            lines.append(f"{escape('-'.join(line['tasks']))} & {line['statistic']:.3f} & {_p(line['p'])} \\\\")
    caption = (f"Task groupings (group size $>$ 2) with PVI estimates that are not significantly different, "
               f"{escape(test)} (p-value $>$ {_alpha(run):g}).")  # fmt: skip
    return _wrap(lines, "lrr", caption, "groups")


def _results(run: RunTables, plan: Plan) -> str:
    """Return Tables 3 to 6: accuracy and macro-F1 of STL and MTL per group on test, mean (± t s/√S over seeds)."""
    assert run.comparison is not None
    table = run.comparison.table
    test = table[(table["split"] == "test") & table["metric"].isin(METRICS)]
    lines = ["Task Group & \\multicolumn{2}{c}{STL} & \\multicolumn{2}{c}{MTL} \\\\",
             "\\cmidrule(lr){2-3}\\cmidrule(lr){4-5}",
             " & " + " & ".join([HEADS[m] for m in METRICS] * 2) + " \\\\"]  # fmt: skip
    empty = len(lines)
    for serving in plan.servings:
        if len(serving.group.tasks) < 2 or not serving.serves:
            continue
        lines.append("\\midrule")
        for task in serving.serves:
            mine = test[(test["task"] == task) & (test["served_by"] == serving.group.name)].drop_duplicates("metric")
            mine = mine.set_index("metric")
            cells = [_mean(mine, m, "alone") for m in METRICS] + [_mean(mine, m, "value") for m in METRICS]
            lines.append(" & ".join([escape(task), *cells]) + " \\\\")
    if len(lines) == empty:
        return ""
    model, trainer = str(run.spec.get("model", "the encoder")), str(run.spec.get("trainer", OWN_TRAINER))
    how = f"trained by {escape(trainer)}" if is_outside(trainer) else f"fine-tuned using {escape(model)}"
    caption = (f"A comparison of performance between STL and MTL by the task groupings of plan {escape(plan.name)} on the "
               f"test dataset. Both STL and MTL were {how}.")  # fmt: skip
    return _wrap(lines, "lrrrr", caption, escape(plan.name).replace("\\_", "-"))


def _mean(lines: pd.DataFrame, metric: str, name: str) -> str:
    """Return ``0.806 ($\\pm$ 0.128)``, or a dash where the metric was not computed."""
    if metric not in lines.index:
        return "--"
    line = lines.loc[metric]
    return f"{line[name]:.3f} ($\\pm$ {(line[f'{name}_high'] - line[f'{name}_low']) / 2:.3f})"
