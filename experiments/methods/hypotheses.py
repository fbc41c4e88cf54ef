"""The hypotheses of README.md, each with its outcome and its numbers, and what follows for a user: by rules, whatever came out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from judgement import METRICS, Judgement

from cotrain.affinity import regret
from cotrain.affinity.components import RELIABLE
from cotrain.reporting.methods import Score, costs, said
from cotrain.reporting.words import count, duration, interval, listing, number, plural, probability, share

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told"
ALPHA = 0.05
FLIPS, UNSTABLE = 0.2, 0.3
"""A pair is unstable that flips in more than the first of its resamples; H7 asks for the second of the pairs."""
HALF = 0.5
NO_GAIN = "without a gain there is nothing to explain"


class Outcome(NamedTuple):
    """A hypothesis, whether it holds, and the numbers that say so."""

    name: str
    claim: str
    outcome: str
    numbers: str


class Told(NamedTuple):
    """Whether a hypothesis holds (None: cannot be told), and by which numbers."""

    holds: bool | None
    numbers: str


def hypotheses(found: Judgement) -> list[Outcome]:
    """Return H0 to H7."""
    every = {
        "H0": ("the interaction can be measured", _reliable(found)),
        "H1": ("closeness in PVI predicts the interaction", _of_ranked(found, _pvi)),
        "H2": ("PVI says more than simpler numbers", _of_ranked(found, _simpler)),
        "H3": ("it is more about who is helped than by whom", _target(found)),
        "H4": ("content beats difficulty", _of_ranked(found, _content)),
        "H5": ("the plan of PVI is safe", _safe(found)),
        "H6": ("small tasks gain from more updates, not from company", _updates(found)),
        "H7": ("“not different” is not stable", _stable(found)),
    }
    words = {True: HOLDS, False: FAILS, None: OPEN}
    return [Outcome(name, claim, words[told.holds], told.numbers) for name, (claim, told) in every.items()]


def _reliable(found: Judgement) -> Told:
    """H0: the reliability of the interaction in log-loss."""
    if not found.parts:
        return Told(None, found.why_not)
    parts, reliable = found.parts[METRICS[0]]
    held = "" if parts.rankable else f"; the interval of its variance, {tenths(*parts.interval[1:])} · 10⁻⁴, holds 0, so nothing is ranked"
    return Told(reliable >= RELIABLE, f"reliability {number(reliable, 2)}, and {number(RELIABLE, 2)} is asked for{held}")


def _of_ranked(found: Judgement, tell: Callable[[Judgement], Told]) -> Told:
    """Return what is told of scores; where methods are not ranked the numbers alone."""
    if not found.parts:
        return Told(None, found.why_not)
    told = tell(found)
    return Told(None, f"{told.numbers}; the interaction is not measured reliably enough") if found.why_not else told


def _pvi(found: Judgement) -> Told:
    """H1: the score of PVI and its p."""
    score = found.scores["pvi"]
    if math.isnan(score.interaction.value):
        return Told(None, "pvi has no order of its own here")
    return Told(score.interaction.value > 0 and score.p < ALPHA, f"pvi {said(score.interaction)}, p {probability(score.p)}")


def _simpler(found: Judgement) -> Told:
    """H2: PVI less simpler numbers."""
    return _above(found, [("pvi", name) for name in ("entropy", "accuracy", "log_size")])


def _content(found: Judgement) -> Told:
    """H4: what sees content less PVI."""
    return _above(found, [(name, "pvi") for name in ("textemb", "gradients")])


def _above(found: Judgement, pairs: Sequence[tuple[str, str]]) -> Told:
    """Return whether the score of each first is above that of its second, interval and all; one that is not settles it."""
    told, words = list[bool | None](), list[str]()
    for above, below in pairs:
        other = below if above == "pvi" else above
        if other not in found.scores:
            told.append(None)
            words.append(f"{other} is not related")
        elif math.isnan((gap := found.difference(above, below)).value):
            told.append(None)
            words.append(f"{other} or pvi has no order of its own here")
        else:
            told.append(gap.low > 0 if math.isfinite(gap.low) else None)
            words.append(f"{above} minus {below} {said(gap)}")
    return Told(False if False in told else None if None in told else True, "; ".join(words))


def _target(found: Judgement) -> Told:
    """H3: the variances of the target effect and of the interaction."""
    if not found.parts:
        return Told(None, found.why_not)
    parts = found.parts[METRICS[0]][0]
    interaction = f"{tenths(parts.interaction)} {tenths(*parts.interval[1:])}"
    numbers = f"variance of the target {tenths(parts.target)}, of the interaction {interaction}, in 10⁻⁴"
    return Told(parts.target > parts.interaction, numbers)


def _safe(found: Judgement) -> Told:
    """H5: what the plan of PVI gains, beside alone and the median of all plans."""
    if not found.parts or math.isnan(found.scores["pvi"].gain):
        return Told(None, found.why_not or f"all plans are counted for at most {regret.MOST} tasks")
    score, median = found.scores["pvi"], float(np.median(regret.gains_of(found.gains())))
    numbers = f"its plan gains {number(score.gain, sign=True)}, the median of all plans {number(median, sign=True)}, alone 0"
    return Told(score.gain >= 0 and score.gain > median, numbers)


def _updates(found: Judgement) -> Told:
    """H6: what the updates of a pair alone, and what a helper with permuted labels, give of the mean gain of all pairs.

    A control of some of the pairs is told and settles nothing, as which ones were chosen would.
    """
    told, words = list[bool](), list[str]()
    every = np.isfinite(found.gains()).sum() if found.parts else 0
    for kind, part in found.controls.groupby("kind"):
        gain, shared = part["gain"].mean(), part["shared"].mean()
        of = plural(len(part), "target with a helper", "targets with helpers")
        words.append(f"{kind}: {number(gain, sign=True)} of {number(shared, sign=True)} ({of})")
        if shared > 0 and len(part) == every:
            told.append(bool(gain >= HALF * shared))
    if not words:
        return Told(None, "not measured: no fit with the updates of a pair at the seeds of the gains")
    if not told:
        why = NO_GAIN if every and np.nanmean(found.gains()) <= 0 else "neither is there for every pair"
        return Told(None, f"{'; '.join(words)}; {why}")
    return Told(any(told), "; ".join(words))


def _stable(found: Judgement) -> Told:
    """H7: the pairs that the test calls not different, and how many of them are called otherwise in resamples."""
    same = found.stability[found.stability["same"]]
    if not len(same):
        return Told(None, f"of {plural(len(found.stability), 'pair')} the test calls none not different")
    unstable = int((same["flips"] > FLIPS).sum())
    numbers = f"{unstable} of {plural(len(same), 'pair')} that the test calls not different flip in more than {share(FLIPS)} of resamples"
    return Told(unstable >= UNSTABLE * len(same), numbers)


def tenths(variance: float, high: float | None = None) -> str:
    """Return a variance, or one end of an interval with the other, in tenths of a thousandth.

    >>> tenths(0.000123), tenths(-0.00001, 0.0002)
    ('1.23', '[−.10, 2.00]')
    """
    return number(1e4 * variance, 2) if high is None else interval(1e4 * variance, 1e4 * high, 2)


def follows(found: Judgement) -> tuple[str, ...]:
    """Return what follows for a user, in five sentences."""
    by_name = {one.name: one for one in hypotheses(found)}
    return _rankable(found), _nominate(found), _share(found), _plan(by_name), _check(by_name)


def _rankable(found: Judgement) -> str:
    """Say whether who should share with whom can be told at all."""
    if found.why_not:
        end = ""
        if found.parts:
            reliable = found.parts[METRICS[0]][1]
            end = f" (reliability {number(reliable, 2)} over {plural(found.seeds[0], 'seed')})"
        return f"Methods cannot be ranked on this suite{end}: an order of them would be an order of noise, so none should be chosen by it."
    parts, reliable = found.parts[METRICS[0]]
    of = {name: number(value, 2) for name, value in parts.shares.items()}
    return (
        f"Who should share with whom can be measured on this suite (reliability {number(reliable, 2)}); it is {of['interaction']} of what "
        f"gains vary by, who is helped {of['target']} and who helps {of['helper']}."
    )


def _nominate(found: Judgement) -> str:
    """Say by what to nominate, and what it costs."""
    if found.why_not:
        return "Nothing here speaks for paying for a method: PVI takes no fit beyond the tasks alone, and no other is shown to be better."
    sure = _sure(found)
    if not sure:
        return (
            f"None of {plural(len(found.judged.scores), 'method')} is surely better than chance at who should share with whom (p of each "
            "times their number), so none is worth a fit beyond the tasks alone."
        )
    spent = {one.name: one for one in costs(found.run)}
    cheap = min(sure, key=lambda s: (np.nan_to_num(spent[s.name].seconds, nan=math.inf), s.name))

    def of(name: str) -> str:
        return f"{name} ({said(found.scores[name].interaction)}; {count(spent[name].fits)} fits, {duration(spent[name].seconds)})"

    more = "" if cheap is sure[0] else f"; the cheapest that is surely better than chance is {of(cheap.name)}"
    return f"The best nominations are those of {of(sure[0].name)}{more}."


def _sure(found: Judgement) -> list[Score]:
    """Return the scores that are above 0 though the best of so many is high by luck too: p times their number below .05."""
    scores = found.judged.scores
    return [score for score in scores if score.interaction.value > 0 and score.p * len(scores) < ALPHA]


def _share(found: Judgement) -> str:
    """Say whether sharing in pairs pays."""
    if not found.parts:
        return "Whether sharing pays is not known: too few tasks or seeds have every pair."
    gains = found.gains()
    every, oracle = gains[np.isfinite(gains)], found.judged.oracle
    numbers = (
        f"{int((every > 0).sum())} of {len(every)} targets with a helper gain, {number(every.mean(), sign=True)} of the entropy on average"
    )
    if math.isnan(oracle):
        return f"{numbers}."
    if found.why_not:
        return (
            f"Whether sharing pays is not told from noise: {numbers}, and the best plan of half of the seeds gains "
            f"{number(oracle, sign=True)} on the others."
        )
    if oracle > 0:
        return f"Sharing may pay: {numbers}, and the best plan of half of the seeds gains {number(oracle, sign=True)} on the others."
    return f"No plan is shown to pay: {numbers}, and the best plan of half of the seeds gains {number(oracle, sign=True)} on the others."


def _plan(by_name: dict[str, Outcome]) -> str:
    """Say whether the plan of PVI can be trusted."""
    start = {
        HOLDS: "The plan of PVI did no harm here, which is no promise",
        FAILS: "The plan of PVI is not to be taken over untested",
        OPEN: "Whether the plan of PVI is safe is not known",
    }[by_name["H5"].outcome]
    return f"{start} ({by_name['H5'].numbers}): train it and compare it with the tasks alone on dev."


def _check(by_name: dict[str, Outcome]) -> str:
    """Say what to hold a gain, and a nomination, against."""
    updates = {
        HOLDS: "more updates alone or a placebo give half of the gain or more, so hold a gain against both before crediting a helper",
        FAILS: "more updates alone, or a placebo, where trained for every pair, give less than half of the gain, so the company counts",
        OPEN: "on average there is no gain here for more updates to explain, so hold a gain against that control where you see one"
        if by_name["H6"].numbers.endswith(NO_GAIN)
        else "whether more updates alone would do is not known here, so train that control",
    }[by_name["H6"].outcome]
    stable = {
        HOLDS: "“not different” depends on the sample drawn, so it is a list of candidates and no finding",
        FAILS: "“not different” is mostly stable under resampling, which does not make it alike",
        OPEN: "how stable “not different” is cannot be told here",
    }[by_name["H7"].outcome]
    return f"{updates[0].upper()}{updates[1:]}; {stable}."


def headline(found: Judgement) -> str:
    """Return the finding in one line."""
    if found.why_not:
        return found.why_not
    best, many = found.judged.scores[0], plural(len(found.judged.scores), "method")
    rest = "" if best.name == "pvi" else f"; pvi {said(found.scores['pvi'].interaction)}"
    start = "Who gains from whom" if _sure(found) else f"None of {many} surely says who gains from whom; the best"
    return f"{start}: {best.name} {said(best.interaction)}, p {probability(best.p)}{rest}."


def outcomes_in_words(found: Sequence[Outcome]) -> str:
    """Return which hypotheses hold, which do not and of which it cannot be told.

    >>> outcomes_in_words([Outcome("H0", "", HOLDS, ""), Outcome("H1", "", OPEN, "")])
    'H0 holds. H1 cannot be told.'
    """
    return " ".join(
        f"{listing(names)} {outcome if len(names) == 1 else {HOLDS: 'hold', FAILS: 'do not hold', OPEN: OPEN}[outcome]}."
        for outcome in (HOLDS, FAILS, OPEN)
        if (names := [one.name for one in found if one.outcome == outcome])
    )
