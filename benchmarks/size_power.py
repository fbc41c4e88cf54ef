"""Size and power of the tests of pairs and groups in worlds where the truth is known: the numbers of docs/power.md.

    python benchmarks/size_power.py

Sizes as in the paper: 56 held-out rows (CB) against 872 (SST-2). Rates are of worlds; their Monte-Carlo error is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import optimize

from cotrain.affinity import permutation, tests
from cotrain.affinity.tests import Sample, detectable, tost_p

ALPHA, WORLDS, DRAWS = 0.01, 40_000, 2_000
SMALL, LARGE, MIDDLE = 56, 872, 277
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def pvi_like(logit: float, spread: float) -> Draw:
    """PVI of a balanced task of two classes: 1 + log2 of the probability of the true label, whose logit is normal.

    It cannot exceed 1 bit, and what is confidently wrong makes a long tail below.
    """
    return lambda random, shape: 1 - np.logaddexp(0, -random.normal(logit, spread, shape)) / np.log(2)


def mean_of(draw: Draw) -> float:
    """Return the mean of a world from ten million draws."""
    return float(draw(np.random.default_rng(9), (10_000_000,)).mean())


def equal_mean(spread: float, wanted: float) -> float:
    """Return the logit at which a PVI-like world of this spread has the mean wanted."""
    return float(optimize.brentq(lambda logit: pvi_like(logit, spread)(np.random.default_rng(9), (2_000_000,)).mean() - wanted, -2, 12))


def moments(values: np.ndarray) -> Sample:
    """Return the moments of (W, n) samples."""
    n = values.shape[-1]
    sd = values.std(axis=-1, ddof=1)
    return Sample(values.mean(axis=-1), sd / n**0.5, np.full(len(values), n - 1.0), sd, np.full(len(values), float(n)))


def sampled(draw: Draw, n: int, seed: int, worlds: int = WORLDS) -> Sample:
    """Return the moments of many samples, drawn in parts."""
    random = np.random.default_rng(seed)
    parts = [moments(draw(random, (min(2_000, worlds - k), n))) for k in range(0, worlds, 2_000)]
    return Sample(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def rate(rejected: np.ndarray) -> str:
    """Return a rate with its Monte-Carlo standard error."""
    p = float(np.mean(rejected))
    return f"{p:.4f} ± {(p * (1 - p) / len(rejected)) ** 0.5:.4f}"


def permuted(x: Draw, y: Draw, seed: int) -> np.ndarray:
    """Return whether the permutation test rejects, in fewer worlds with fewer draws."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        rows = np.concatenate([x(random, (SMALL,)), y(random, (LARGE,))])
        found.append(permutation.p_of(permutation.Units(rows, np.ones_like(rows), SMALL), random, 999) <= ALPHA)
    return np.array(found)


def worlds() -> Iterator[tuple[str, Draw, Draw, Draw]]:
    """Yield a name and the worlds of the small, the large and a middle task, all of one mean."""

    def normal(sd: float) -> Draw:
        return lambda random, shape: random.normal(0, sd, shape)

    yield "normal, equal sd", normal(1), normal(1), normal(1)
    yield "normal, the small sample has twice the sd", normal(2), normal(1), normal(1)
    yield "normal, the large sample has twice the sd", normal(1), normal(2), normal(1)
    base = pvi_like(2.0, 2.0)
    yield "PVI-like, same shape", base, base, base
    wanted = mean_of(base)
    wide, narrow = (pvi_like(equal_mean(spread, wanted), spread) for spread in (4.0, 1.0))
    yield "PVI-like, the small one has wilder errors", wide, base, base
    yield "PVI-like, the large one has wilder errors", narrow, wide, base


def main() -> None:
    """Print the tables."""
    print(f"\nSize at alpha {ALPHA}: how often equal means of {SMALL} and {LARGE} rows ({SMALL}, {MIDDLE} and {LARGE} for the group tests)")
    print("are called different\n")
    print("| world | student | welch | permutation | anova | welch_anova | TOST at its margin |")
    print("|---|---|---|---|---|---|---|")
    for name, small, large, middle in worlds():
        x, y, z = sampled(small, SMALL, 1), sampled(large, LARGE, 2), sampled(middle, MIDDLE, 3)
        three = Sample(*(np.stack(columns, axis=-1) for columns in zip(x, z, y, strict=True)))
        tested = tests.welch(x, y)
        margin = 4 * float(np.mean(tested.se))
        # the worst case of two one-sided tests: the means are exactly the margin apart
        tost = tost_p(x.mean - y.mean + margin, tested.se, tested.df, margin) <= ALPHA
        row = [tests.student(x, y).p <= ALPHA, tested.p <= ALPHA, permuted(small, large, 4), tests.anova(three)[1] <= ALPHA,
               tests.welch_anova(three)[1] <= ALPHA, tost]  # fmt: skip
        print(f"| {name} | " + " | ".join(map(rate, row)) + " |")
    print(f"\nPower at the detectable gap (80 % is promised), Welch, alpha {ALPHA}\n")
    print("| sd of the small sample | detectable gap, bits | power |\n|---|---|---|")
    for sd in (1.0, 2.0):
        x = sampled(lambda random, shape, sd=sd: random.normal(0, sd, shape), SMALL, 5)
        y = sampled(lambda random, shape: random.normal(0, 1, shape), LARGE, 6)
        se = (sd**2 / SMALL + 1 / LARGE) ** 0.5
        df = se**4 / ((sd**2 / SMALL) ** 2 / (SMALL - 1) + (1 / LARGE) ** 2 / (LARGE - 1))
        gap = float(detectable(se, df))
        print(f"| {sd:g} | {gap:.3f} | {rate(tests.welch(x._replace(mean=x.mean + gap), y).p <= ALPHA)} |")


if __name__ == "__main__":
    main()
