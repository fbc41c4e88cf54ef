"""What gains vary by, and how reliable who-with-whom is: by exact expectation, and in worlds whose variances are planted."""

from __future__ import annotations

import numpy as np
import pytest

from cotrain import InputError
from cotrain.affinity import components as parts
from cotrain.affinity.components import components, reliability, round_robin
from cotrain.affinity.judge import Losses, double_centred


def interactions(generator: np.random.Generator, n: int, variance: float, together: float, size: int = 1) -> np.ndarray:
    """Return (size, n, n) of a variance, the two of a pair with a covariance."""
    common = generator.normal(size=(size, n, n)) * np.sqrt(abs(together))
    upper = np.triu(common, 1)
    shared = upper + np.sign(together) * np.swapaxes(upper, 1, 2)
    found = shared + generator.normal(size=(size, n, n)) * np.sqrt(variance - abs(together))
    found[:, np.eye(n, dtype=bool)] = np.nan
    return found


def world(
    generator: np.random.Generator, n: int = 8, seeds: int = 6, alone: int = 6, interaction: float = 1.0, noise: float = 4.0,
    target: float = 3.0, helper: float = 0.5, single: float = 2.0, by_target: float = 0.0, uneven: np.ndarray | float = 1.0,
) -> Losses:  # fmt: skip
    """Return losses of planted variances: a pair's two noises covary at .5, and seeds move a task in all its pairs by ``by_target``."""
    gains = generator.normal(size=(n, 1)) * np.sqrt(target) + generator.normal(size=n) * np.sqrt(helper)
    gains = gains + interactions(generator, n, interaction, 0.3 * interaction)[0]
    base = generator.normal(size=n) * 5
    errors = interactions(generator, n, noise, 0.5 * noise, seeds) * np.broadcast_to(np.sqrt(uneven), n)[:, None]
    moved = generator.normal(size=(seeds, n, 1)) * np.sqrt(by_target)
    singles = base + generator.normal(size=(alone, n)) * np.sqrt(single)
    return Losses(tuple("abcdefghijkl"[:n]), singles, base[:, None] - gains + errors + moved)


@pytest.mark.parametrize("n", [4, 5, 8])
@pytest.mark.parametrize("planted", [(3.0, 0.5, 1.0, 0.3), (0.0, 2.0, 1.0, -0.9), (1.0, 0.0, 0.0, 0.0)])
def test_the_round_robin_has_no_bias_exactly(n: int, planted: tuple[float, float, float, float]) -> None:
    """A quadratic form of noise Lz, z white, has the expectation Σ of the form at the columns of L: no drawing is needed."""
    target, helper, interaction, together = planted
    columns = [np.sqrt(target) * np.eye(n)[i][:, None] * np.ones(n) for i in range(n)]
    columns += [np.sqrt(helper) * np.ones((n, 1)) * np.eye(n)[j] for j in range(n)]
    root = np.linalg.cholesky(np.array([[interaction, together], [together, interaction]]) + 1e-15 * np.eye(2))
    for i in range(n):
        for j in range(i + 1, n):
            for k in range(2):
                one = np.zeros((n, n))
                one[i, j], one[j, i] = root[:, k]
                columns.append(one)
    found = np.sum([round_robin(np.where(np.eye(n, dtype=bool), np.nan, one)) for one in columns], axis=0)
    np.testing.assert_allclose(found, planted, atol=1e-6)


def test_planted_variances_are_found_and_the_noise_of_a_task_alone_is_no_interaction() -> None:
    generator = np.random.default_rng(0)
    found = [components(world(generator, seeds=4, alone=3, by_target=1.0), drawn=10) for _ in range(500)]
    planted = {"target": 3.0, "helper": 0.5, "interaction": 1.0, "reciprocity": 0.3, "noise": 4.0, "error": 2 / 3 + (4 + 1) / 4}
    for name, true in planted.items():
        each = np.array([getattr(one, name) for one in found])
        assert each.mean() == pytest.approx(true, abs=4 * each.std() / np.sqrt(len(each))), name
    shares = components(world(generator, n=10, seeds=40, alone=40, target=0.0, helper=0.0, single=0.0, noise=1e-9), drawn=10).shares
    assert sum(shares.values()) == pytest.approx(1) and shares["interaction"] > 0.8


def test_losses_alone_change_the_target_effect_and_nothing_else() -> None:
    generator = np.random.default_rng(1)
    losses = world(generator)
    other = Losses(losses.tasks, losses.alone + generator.normal(size=losses.alone.shape) * 9, losses.pairs)
    a, b = components(losses), components(other)
    assert (a.interaction, a.helper, a.noise) == pytest.approx((b.interaction, b.helper, b.noise)) and a.interval == pytest.approx(
        b.interval
    )
    assert a.target != pytest.approx(b.target) and reliability(losses) == reliability(other)


@pytest.mark.parametrize("uneven", [1.0, "targets"])
def test_the_interval_of_the_interaction_holds_it_and_rarely_claims_one_that_is_not_there(uneven: float | str) -> None:
    generator = np.random.default_rng(2)
    noise = 1.0 if uneven == 1.0 else np.array([4.0, 2.0, 0.5, 0.5, 0.3, 0.3, 0.2, 0.2])
    none = [components(world(generator, interaction=0.0, uneven=noise), drawn=2000).rankable for _ in range(400)]
    assert np.mean(none) < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 400), "one side of 95 %"
    inside = []
    for _ in range(300):
        one = components(world(generator, interaction=1.0, uneven=noise), drawn=2000).interval
        inside.append(one.low <= 1.0 <= one.high)
    assert 0.92 < np.mean(inside) <= 1
    large = components(world(generator, interaction=8.0, uneven=noise))
    assert large.rankable and 0 < large.interval.low < large.interaction < large.interval.high


def test_reliability_is_that_of_the_formula_and_of_the_correlation_with_the_truth() -> None:
    generator = np.random.default_rng(3)
    for seeds, noise in ((6, 4.0), (5, 4.0), (3, 1.0)):
        found, with_truth = [], []
        for _ in range(150):
            n, interaction = 8, interactions(generator, 8, 1.0, 0.0)[0]
            losses = Losses(tuple("abcdefgh"), np.zeros((2, n)), -interaction + interactions(generator, n, noise, 0.0, seeds))
            found.append(reliability(losses, draws=40))
            other = ~np.eye(n, dtype=bool)
            seen, true = double_centred(losses.gains())[other], double_centred(interaction)[other]
            with_truth.append(np.corrcoef(seen, true)[0, 1] ** 2)
        expected = 1 / (1 + noise / seeds)
        assert np.mean(found) == pytest.approx(expected, abs=0.04) and np.mean(with_truth) == pytest.approx(expected, abs=0.04)


def test_reliability_of_two_seeds_is_one_correlation_stepped_up() -> None:
    losses = world(np.random.default_rng(4), seeds=2, noise=0.5)
    other = ~np.eye(8, dtype=bool)
    r = np.corrcoef(*(double_centred(one)[other] for one in losses.pairs))[0, 1]
    assert reliability(losses) == pytest.approx(2 * r / (1 + r))
    exact = Losses(losses.tasks, losses.alone, np.array([losses.pairs[0]] * 3))
    assert reliability(exact) == pytest.approx(1)


def test_seeds_that_make_it_reliable_are_those_of_the_rule() -> None:
    losses = world(np.random.default_rng(5), seeds=30)
    found = components(losses, drawn=100)
    needed = found.seeds_needed
    assert found.interaction / (found.interaction + found.noise / needed) >= 0.7 - 1e-9
    assert found.interaction / (found.interaction + found.noise / (needed - 1)) < 0.7
    nothing = parts.Components(1, 1, -0.1, found.interval, 1, 1, 0, 3)
    assert nothing.seeds_needed == float("inf") and nothing.shares["interaction"] == 0


def test_order_of_tasks_and_of_seeds_changes_nothing() -> None:
    losses, order = world(np.random.default_rng(6)), np.array([5, 2, 7, 0, 1, 6, 4, 3])
    moved = Losses(tuple(losses.tasks[i] for i in order), losses.alone[::-1, order], losses.pairs[:, order][:, :, order])
    a, b = components(losses), components(moved)
    assert (a.target, a.helper, a.interaction, a.noise) == pytest.approx((b.target, b.helper, b.interaction, b.noise))
    assert a.interval == pytest.approx(b.interval) and reliability(losses) == pytest.approx(reliability(moved))


def test_too_little_is_refused() -> None:
    generator = np.random.default_rng(7)
    with pytest.raises(InputError, match="need 4 tasks and two seeds at least, alone and of pairs; found 3, 6 and 6"):
        components(world(generator, n=3))
    with pytest.raises(InputError, match="found 8, 6 and 1"):
        components(world(generator, seeds=1))
    with pytest.raises(InputError, match="two seeds of pairs"):
        reliability(world(generator, seeds=1))
