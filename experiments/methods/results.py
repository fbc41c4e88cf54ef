"""Turn a finished run of the study of methods into its RESULTS.md: ``python experiments/methods/results.py RUN GATE [TO]``.

RUN is the run of study.yaml, GATE that of gate.yaml; beside the page its tables and its figure are written. Numbers only: no text of any
example, no path, no name of a machine. The same runs give the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from candidates import CEILING, FLOOR, candidates
from hypotheses import Outcome, follows, headline, hypotheses, outcomes_in_words, tenths
from judgement import METRICS, RESAMPLES, Judgement, judgement, matrix_of

from cotrain.affinity import METHODS
from cotrain.errors import InputError
from cotrain.evaluation.intervals import seed_interval
from cotrain.reporting import markdown, style
from cotrain.reporting.content import Block, Bullets, Cell, Figure, Section, Table, Text, row
from cotrain.reporting.figures.methods import draw
from cotrain.reporting.first_screen import FirstScreen
from cotrain.reporting.methods import TRUTH, costs, said
from cotrain.reporting.words import MISSING, count, duration, estimate, interval, known, large, listing, number, plural, probability, share
from cotrain.study import data
from cotrain.study.open import open_study
from cotrain.study.study import Study
from cotrain.training.group import Group

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from written import made_with, rows_and_seeds, write_figure, write_tables  # noqa: E402  (the folder of the other studies)

ALIKE = (("cr", "sst2"), ("causal_language", "health_advice"), ("negation", "temporality"))
"""Pairs of which it is known before that they have something to give each other, one way and the other."""
ELSEWHERE = ("table", TRUTH)
"""Methods that are not judged: gains measured elsewhere, and the truth."""


def results(run: Path, gate: Path, to: Path = HERE) -> Path:
    """Write ``to/RESULTS.md``, ``to/tables/*.csv`` and ``to/figures/methods.*`` from two run folders; return the first.

    Raises:
        InputError: no run folder.
        SystemExit: nothing is scored or related yet.
    """
    study, gated = _opened(run), _opened(gate)
    found, alone = judgement(study), candidates(gated, study.tasks)
    outcomes, made = hypotheses(found), {"study": _fits(study), "gate": _fits(gated)}
    to.mkdir(parents=True, exist_ok=True)
    figure = draw(found.run, style.WIDE, found.judged)
    if figure is not None:
        write_figure(to, "methods", figure)
    write_tables(to, _csv(found, alone, outcomes, made), digits=12)
    sections = [
        Section("follows", "What follows for a user", (Bullets(follows(found)),)),
        _hypotheses(outcomes),
        *_measured(found),
        _controls(found),
        _gate(alone),
        _made(study, found, list(made.values())),
        _files(),
    ]
    screen = FirstScreen("", headline(found), (outcomes_in_words(outcomes),), Table((), ()), (), ())
    path = to / "RESULTS.md"
    nothing = Figure("none", "", "")
    text = markdown.render("methods: results", screen, nothing, sections, () if figure is None else ("methods",))
    path.write_text(text, encoding="utf-8")
    return path


def _opened(run: Path) -> Study:
    """Return the study of a run folder, with the fits beside this file where more of them lie there."""
    own, shared = open_study(run), HERE / "fits"
    here, there = (sum((fits / key).is_dir() for key in own.index.values()) for fits in (own.fits, shared))
    return open_study(run, fits=shared) if there > here else own


def _fits(study: Study) -> pd.DataFrame:
    """Return a line per fit of a study, at any seed: ``group``, ``seed``, ``seconds``, ``updates``, ``tokens``, ``parameters``."""
    names = sorted(name.rpartition(" ")[::2] for name in study.index)
    groups, seeds = dict.fromkeys(Group.parse(name) for name, _ in names), sorted({int(seed) for _, seed in names})
    columns = ("seconds", "updates", "tokens", "parameters")
    lines = [(f.group.name, f.seed, *(f.cost.get(c, np.nan) for c in columns)) for f in (data.fits(study, groups, seeds) if names else ())]
    return pd.DataFrame(lines, columns=["group", "seed", *columns]).sort_values(["group", "seed"])


def _hypotheses(outcomes: Sequence[Outcome]) -> Section:
    """Return every hypothesis with its outcome."""
    lines = tuple(row(Cell(one.name, "strong"), one.claim, Cell(one.outcome, "strong"), one.numbers) for one in outcomes)
    note = "Written down in README.md before the first pair was trained, with what each holds if. Intervals are of 95 %."
    return Section("hypotheses", "Hypotheses", (Table(("", "hypothesis", "outcome", "numbers"), lines, note=note),))


def _measured(found: Judgement) -> Iterator[Section]:
    """Yield what was gained, how reliably it is seen, and the methods by it; as much as there is."""
    if found.losses:
        yield _gains(found)
    if found.parts:
        yield _reliability(found)
        yield _methods(found)


def _gains(found: Judgement) -> Section:
    """Return what each target gains with each helper, and the pairs of which the answer was known before."""
    gains, tasks = found.gains(), found.judged.tasks
    lines = [row(Cell(task, "strong"), *(number(gain, sign=True) for gain in line)) for task, line in zip(tasks, gains, strict=True)]
    caption = (
        "What the target of a line gains with the helper of a column: log-loss alone less log-loss in the pair, in shares of the entropy"
    )
    blocks: list[Block] = [Table(("target", *(f"#{task}" for task in tasks)), tuple(lines), caption, split="test")]
    there = [pair for pair in ALIKE if set(pair) <= set(tasks)]
    known_lines = [_alike(found, *pair) for a, b in there for pair in ((a, b), (b, a))]
    blocks.append(Table(("target", "helper", "#gain [95 % over seeds]", "#rank among its helpers"), tuple(known_lines),
                        "Pairs with a known answer: the same question, kind of text, or sentences", split="test"))  # fmt: skip
    if missing := [f"{a} and {b}" for a, b in ALIKE if (a, b) not in there]:
        blocks.append(Text(f"Known answers that were not measured: {listing(missing)}."))
    return Section("gains", "Gains", tuple(blocks))


def _alike(found: Judgement, target: str, helper: str) -> tuple[Cell, ...]:
    """Return the line of a target and a helper that should be good for it."""
    losses, tasks = matrix_of(found.losses[METRICS[0]]), found.judged.tasks
    i, j = tasks.index(target), tasks.index(helper)
    gain = seed_interval(losses.alone[:, i] - losses.pairs[:, i, j])
    gains = found.gains()[i]
    rank = 1 + int((gains > gains[j]).sum())
    return row(Cell(target, "strong"), helper, estimate(gain.value, gain.low, gain.high, sign=True), f"{rank} of {len(tasks) - 1}")


def _reliability(found: Judgement) -> Section:
    """Return of each metric what its gains vary by and how reliably the interaction is seen."""
    lines = []
    for metric, (parts, reliable) in found.parts.items():
        of = {name: number(value, 2) for name, value in parts.shares.items()}
        needed = count(parts.seeds_needed) if known(parts.seeds_needed) else "no number"
        lines.append(row(
            Cell(metric.replace("_", "-"), "strong"), number(np.nanmean(found.gains(metric)), sign=True), number(reliable, 2),
            tenths(parts.target), tenths(parts.helper), f"{tenths(parts.interaction)} {tenths(*parts.interval[1:])}", tenths(parts.error),
            of["target"], of["helper"], of["interaction"], of["error"], needed,
        ))  # fmt: skip
    columns = ("metric", "#mean gain", "#reliability", "#target", "#helper", "#interaction [95 %]", "#error", "#share of target",
               "#of helper", "#of interaction", "#of error", "#seeds for .7")  # fmt: skip
    note = (
        "Reliability: correlation of the double-centred gains of two halves of the seeds, stepped up to all of them. Variances are of mean "
        "gains over seeds, in 10⁻⁴, and may be estimated below 0; shares take those as 0. Loss of macro-f1 and mcc: 1 − metric. "
        "Last epoch: no epoch is chosen, where elsewhere a pair has the choice of twice as many as its tasks alone (README.md)."
    )
    return Section("reliability", "Reliability and decomposition", (Table(columns, tuple(lines), "What gains vary by", note, "test"),))


def _methods(found: Judgement) -> Section:
    """Return the methods: how well each says who gains from whom, and what it cost."""
    spent = {one.name: one for one in costs(found.run)}
    blocks: list[Block] = [Text(found.why_not or "Methods are ranked: the interaction is measured reliably enough.")]
    if found.why_not:
        blocks.append(Text("So the methods stand by name, and their numbers are no order."))
    if missing := sorted(set(METHODS) - set(ELSEWHERE) - set(found.run.affinities)):
        blocks.append(Text(f"Not related, and so left out: {listing(missing)}."))
    if coupled := sorted(set(found.run.truth["coupled"]) - set(ELSEWHERE)):
        blocks.append(Text(f"Read fits of the seeds of the gains, so their scores may be too high: {listing(coupled)}."))
    blocks += [
        Figure("methods", "Quality beside cost. Intervals are over tasks; fits that others made are free.",
               "Score of each method with its interval, what its plan gains, and the seconds that it took", "test"),
        _scores(found),
        Table(("method", "sees", "#fits made", "#fits re-used", "#gradient passes", "#time", "#peak memory", "#agrees with pvi"),
              tuple(row(Cell(name, "strong"), "what is true" if name == TRUTH else one.sees, count(one.fits), count(one.reused),
                        count(one.passes), duration(one.seconds), _memory(found, name), number(one.agreement, 2))
                    for name, one in spent.items()),
              "What methods cost beside the tasks alone",
              "Time: of the fits made for it, and its own. Memory: of its fits and of the process that related it. Agreement: Spearman's "
              "correlation of values over ordered pairs."),
    ]  # fmt: skip
    return Section("methods", "Methods", tuple(blocks))


def _scores(found: Judgement) -> Table:
    """Return how well each method says who gains from whom."""
    lines = []
    for name, one in found.scores.items():
        gap = "" if name == "pvi" else said(found.difference(name, "pvi"))
        lines.append(row(Cell(name, "strong"), said(one.interaction), gap, probability(one.p), number(one.within, 2),
                         number(one.gain, sign=True), number(one.regret, sign=True), _percent(one.percentile)))  # fmt: skip
    judged, top = found.judged, number(found.judged.oracle, sign=True)
    lines += [
        row(Cell("mean of the helper", "quiet"), *[MISSING] * 3, number(judged.helper_mean, 2), *[MISSING] * 3),
        row(Cell("alone", "quiet"), *[MISSING] * 4, "0", top, _percent(judged.alone)),
        row(Cell("oracle", "quiet"), *[MISSING] * 4, top, "0", MISSING),
    ]
    columns = ("method", "#who with whom [95 %]", "#minus pvi [95 %]", "#p", "#within target", "#gain of its plan", "#regret",
               "#plans below it")  # fmt: skip
    note = (
        "Who with whom: Spearman's correlation of double-centred gains in log-loss and double-centred values; intervals by leaving out one "
        "task at a time, p by exchanging tasks. Within target: the mean over targets. Gain of the plan that it picks: mean over tasks; the "
        "oracle picks by half of the seeds and is judged on the others, regret is against it. A dash: no order of its own, or not defined."
    )
    return Table(columns, tuple(lines), "What methods know", note, "test")


def _controls(found: Judgement) -> Section:
    """Return what else gave a gain, and how stable what the test says is."""
    lines = tuple(
        row(
            kind,
            Cell(target, "strong"),
            helper,
            count(seeds),
            number(gain, sign=True),
            number(shared, sign=True),
            estimate(more, low, high, sign=True),
        )
        for kind, target, helper, seeds, gain, shared, more, low, high in found.controls.itertuples(index=False)
    )
    columns = ("control", "target", "helper", "#seeds", "#gain of the control", "#gain in the pair", "#more in the pair [95 % over seeds]")
    note = (
        "Matched updates: the target alone with the updates of the pair. Placebo: the pair with permuted labels of the helper. More: what "
        "the labels of the helper give beyond the control, at the same seeds."
    )
    blocks: list[Block] = [Table(columns, lines, "What else gives the gain", note, "test")] if lines else [Text("H6 was not measured.")]
    flips = tuple(
        row(f"{target}, {helper}", "not different" if same else "different", share(flip))
        for target, helper, same, flip in found.stability[["target", "helper", "same", "flips"]].itertuples(index=False)
    )
    caption = f"What the test says of pairs, and how often it says otherwise in {RESAMPLES:,} resamples of rows and seeds"
    blocks.append(Table(("pair", "by all rows", "#flips in"), flips, caption, split="scored dev"))
    return Section("controls", "Controls and stability", tuple(blocks))


def _gate(alone: pd.DataFrame) -> Section:
    """Return which candidates can be judged, and why others cannot."""
    lines = tuple(
        row(Cell(str(one.task), "strong"), count(one.train), count(one.dev), number(one.entropy_bits), number(one.nll_share, 2),
            f"{number(one.bits)} {interval(one.low_bits, one.high_bits)}".strip(), "yes" if one.passes else "no", str(one.why))
        for one in alone.itertuples(index=False)
    )  # fmt: skip
    columns = ("candidate", "#training rows", "#dev rows", "#entropy, bits", "#loss, share of it", "#V-information, bits [95 %]", "passes",
               "why")  # fmt: skip
    note = (
        f"Passes: the interval of the information lies above {number(FLOOR, 2)} of the entropy, and the loss above {number(CEILING, 2)} of "
        "it. Entropy: what label frequencies of training lose on dev."
    )
    return Section("gate", "Candidates, each alone", (Table(columns, lines, "What can be judged", note, "scored dev"),))


def _made(study: Study, found: Judgement, made: Sequence[pd.DataFrame]) -> Section:
    """Return how much was trained, and with what."""
    fits, alone = made
    left = sorted(set(study.tasks) - set(found.judged.tasks))
    lines = [
        "Made by `python experiments/methods/results.py RUN GATE`; README.md has the design.",
        f"{plural(len(found.judged.tasks), 'task')} judged: {listing(found.judged.tasks) or 'none'}."
        + (f" Left out, not learned or without a seed: {listing(left)}." if left else ""),
        f"{found.seeds[0]} of {plural(found.seeds[1], 'seed')} of the gains have every task and every pair.",
        rows_and_seeds(study.resolved.plain()),
        f"{plural(len(fits), 'fit')} and {duration(fits['seconds'].sum())} of training in all, and for the candidates "
        f"{plural(len(alone), 'fit')} and {duration(alone['seconds'].sum())}: {made_with(study.provenance)}.",
    ]
    return Section("made", "What was done", (Bullets(tuple(lines)),))


def _csv(
    found: Judgement, alone: pd.DataFrame, outcomes: Sequence[Outcome], made: dict[str, pd.DataFrame]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables by name, in a fixed order of lines."""
    yield "candidates", alone
    yield "hypotheses", pd.DataFrame(outcomes)
    losses = [table.assign(metric=metric) for metric, table in found.losses.items()]
    yield "losses", pd.concat(losses) if losses else pd.DataFrame(columns=["target", "helper", "seed", "loss", "metric"])
    parts = [
        {"metric": metric, "reliability": reliable, "target": c.target, "helper": c.helper, "interaction": c.interaction,
         "interaction_low": c.interval.low, "interaction_high": c.interval.high, "error": c.error, "noise": c.noise,
         "reciprocity": c.reciprocity, "seeds": c.seeds, "rankable": c.rankable}
        for metric, (c, reliable) in found.parts.items()
    ]  # fmt: skip
    yield "components", pd.DataFrame(parts)
    yield "methods", pd.DataFrame(list(_judged(found)))
    values = [a.pairs[["target", "helper", "value", "unit"]].assign(method=name) for name, a in sorted(found.run.affinities.items())]
    yield "values", pd.concat(values)[["method", "target", "helper", "value", "unit"]]
    yield "controls", found.controls
    yield "stability", found.stability
    yield "fits", pd.concat([table.assign(study=name) for name, table in made.items()])


def _judged(found: Judgement) -> Iterator[dict[str, object]]:
    """Yield a line per method: its score, its plan and its cost."""
    for one in costs(found.run):
        score, cost = found.scores.get(one.name), found.run.affinities[one.name].cost
        line: dict[str, object] = {"method": one.name, "sees": one.sees, "fits": one.fits, "reused": one.reused, "seconds": one.seconds,
                                   "gradient_passes": one.passes, "peak_bytes": cost.get("peak_bytes", np.nan)}  # fmt: skip
        if score is not None:
            gap = found.difference(one.name, "pvi")
            line |= {"score": score.interaction.value, "score_low": score.interaction.low, "score_high": score.interaction.high,
                     "minus_pvi": gap.value, "minus_pvi_low": gap.low, "minus_pvi_high": gap.high, "p": score.p, "within": score.within,
                     "plan_gain": score.gain, "regret": score.regret, "percentile": score.percentile}  # fmt: skip
        yield line


def _memory(found: Judgement, name: str) -> str:
    """Return the peak memory of a method; of one that does not count it a dash."""
    size = found.run.affinities[name].cost.get("peak_bytes", np.nan)
    return f"{large(size)}B" if known(size) else MISSING


def _percent(value: float) -> str:
    """Return a share of plans in percent."""
    return f"{100 * value:.0f} %" if known(value) else MISSING


def _files() -> Section:
    """Return what the tables beside the page hold."""
    held = ("candidates.csv: the tasks alone. hypotheses.csv: outcomes.", "losses.csv: what every task loses, alone and with every helper, "
            "by metric and seed; helper is empty alone.", "components.csv: variances and reliability by metric.",
            "methods.csv: score, plan and cost of every method. values.csv: what each says of every pair.",
            "controls.csv: matched updates and placebo. stability.csv: flips of pairs.",
            "fits.csv: seconds, updates, tokens and parameters of every fit.")  # fmt: skip
    return Section("files", "Tables beside this page, in tables/", (Bullets(held),))


def main(arguments: Sequence[str]) -> None:
    """Write the results of a run and of its gate; two arguments, or three."""
    if len(arguments) not in (2, 3):
        raise SystemExit("python experiments/methods/results.py RUN GATE [TO], such as: runs/methods runs/gate")
    try:
        print(results(*map(Path, arguments)))
    except InputError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(sys.argv[1:])
