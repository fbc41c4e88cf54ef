"""Methods: what each way to nominate sees and costs, and how well it says who gains from whom."""

from __future__ import annotations

from cotrain.affinity.components import RELIABLE
from cotrain.reporting.content import Block, Bullets, Cell, Figure, Section, Table, Text, row
from cotrain.reporting.methods import TRUTH, Cost, Judged, costs, judged, said
from cotrain.reporting.tables import RunTables
from cotrain.reporting.words import MISSING, count, duration, known, listing, number, plural, probability

TRUE = "Every pair was trained, so what each method says is held against what tasks gain with each other on test."
UNKNOWN = (
    "What these pairs truly gain is not known here, so no method is shown to be better than another. To judge them, train every pair: "
    "`cotrain train RUN --for oracle`, then `cotrain relate RUN --by oracle`."
)


def section(run: RunTables) -> Section | None:
    """Return the costs of the methods, and their scores where every pair was trained; None where there is one method only."""
    spent = costs(run)
    if not spent:
        return None
    found = judged(run)
    blocks: list[Block] = [Text(TRUE if found is not None else UNKNOWN)]
    if found is not None:
        blocks += [Bullets(tuple(_known(run, found)))]
    if found is not None and found.scores:
        blocks += [
            Figure("methods", "Quality beside cost, the best method first. Intervals are over tasks; fits that others made are free.",
                   "Score of each method with its interval, and the seconds that it took", "test"),
            _scores(found),
        ]  # fmt: skip
    return Section("methods", "Methods", (*blocks, _costs(spent)))


def _costs(spent: list[Cost]) -> Table:
    """Return what each method sees and what it cost."""
    lines = [
        row(Cell(one.name, "strong"), "what is true" if one.name == TRUTH else one.sees, count(one.fits), count(one.reused),
            duration(one.seconds), count(one.passes), number(one.agreement, 2))
        for one in spent
    ]  # fmt: skip
    columns = ("method", "sees", "#fits made", "#fits re-used", "#time", "#gradient passes", "#agrees with pvi")
    note = ("Beside the tasks alone. Time: of the fits made for it, and its own. Agreement: Spearman's correlation of values over ordered "
            "pairs.")  # fmt: skip
    return Table(columns, tuple(lines), "What methods cost", note)


def _scores(found: Judged) -> Table:
    """Return how well each method says who gains from whom, with what it is to be held against."""
    lines = [
        row(Cell(one.name, "strong"), said(one.interaction), probability(one.p), number(one.within, 2),
            number(one.gain, sign=True), number(one.regret, sign=True), _percent(one.percentile))
        for one in found.scores
    ]  # fmt: skip
    top = number(found.oracle, sign=True)
    lines += [
        row(Cell("mean of the helper", "quiet"), MISSING, MISSING, number(found.helper_mean, 2), MISSING, MISSING, MISSING),
        row(Cell("alone", "quiet"), MISSING, MISSING, MISSING, "0", top, _percent(found.alone)),
        row(Cell("oracle", "quiet"), MISSING, MISSING, MISSING, top, "0", MISSING),
    ]
    columns = ("method", "#who with whom [95 %]", "#p", "#within target", "#gain of its plan", "#regret", "#plans below it")
    note = (
        "Who with whom: Spearman's correlation of double-centred gains and values, its interval by leaving out one task at a time, its p "
        "by exchanging tasks. Within target: the mean over targets, which also rewards knowing who helps everybody, as the mean of a "
        "helper over the other targets does. Plan: the best pairs and single tasks by the method's values; its gain is the mean over "
        "tasks, in shares of NLL_null. The oracle chose its plan by half of the seeds and was evaluated on the others. Plans below it: "
        "of all plans of pairs."
    )
    return Table(columns, tuple(lines), "What methods know", note, "test")


def _known(run: RunTables, found: Judged) -> list[str]:
    """Return sentences: whether there is something to know, how reliably it is seen, and what flatters a method."""
    sentences = [found.why_not] if found.why_not else []
    if left := sorted(set(run.truth["alone"]["task"]) - set(found.tasks)):
        sentences.append(f"Not learned, and so left out: {listing(left)}.")
    if (parts := found.components) is not None:
        shares = {name: number(share, 2) for name, share in parts.shares.items()}
        sentences.append(
            f"Of what a mean gain over {plural(parts.seeds, 'seed')} varies by, the target is {shares['target']}, the helper "
            f"{shares['helper']}, who with whom {shares['interaction']}, and noise {shares['error']}."
        )
        low = ""
        if found.scores and found.reliability < RELIABLE:
            low = (
                f"; .7 takes about {plural(int(parts.seeds_needed), 'seed')}, and till then order and differences of methods are uncertain"
            )
        sentences.append(f"Who with whom is seen with a reliability of {number(found.reliability, 2)}{low}.")
    if found.best is not None:
        first, other, gap = found.best
        sentences.append(f"Who with whom, {first} minus {other}: {said(gap)}.")
    if found.scores and (coupled := [one.name for one in found.scores if one.name in run.truth["coupled"]]):
        read = "reads fits of seeds" if len(coupled) == 1 else "read fits of seeds"
        sentences.append(
            f"{listing(coupled)} {read} that the gains are measured with, so these scores share its luck and may be too high; with "
            "methods.oracle.seeds in the study file gains have seeds of their own."
        )
    return sentences


def _percent(value: float) -> str:
    """Return a share of plans in percent, with a digit after the point at the ends."""
    return f"{100 * value:.{0 if 0.01 <= value <= 0.99 else 1}f} %" if known(value) else MISSING
