"""A run that looks real: nine tasks, five seeds, nested plans, controls, a failed fit and a task that is not learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.evaluation.comparison import CANDIDATE_COLUMNS, COLUMNS, Comparison
from cotrain.grouping.plan import Plan, Serving
from cotrain.pvi.scores import Scores
from cotrain.reporting.tables import RunTables
from cotrain.training.group import Group, Member

SEEDS = (42, 52, 62, 72, 82)
# name: mean bits, sd of a row, train rows, test rows, labels, accuracy, clusters per row
WORLD = {
    "health_advice": (0.92, 0.70, 4800, 1200, 3, 0.938, 1.0),
    "sst2": (0.81, 0.55, 5200, 872, 2, 0.951, 1.0),
    "causal_language": (0.86, 0.85, 2400, 610, 4, 0.861, 1.0),
    "cola": (0.39, 0.95, 6800, 1043, 2, 0.842, 1.0),
    "boolq": (0.27, 0.80, 7540, 1635, 2, 0.791, 0.4),
    "negation": (0.58, 0.60, 1900, 480, 2, 0.942, 0.035),
    "cb": (0.71, 1.10, 200, 56, 3, 0.850, 1.0),
    "rte": (0.24, 0.95, 1990, 277, 2, 0.772, 1.0),
    "copa": (-0.01, 0.25, 320, 100, 2, 0.562, 1.0),
}
LABELS = ("yes", "no", "maybe", "other")
PAIRS = [("causal_language", "health_advice"), ("boolq", "rte"), ("cb", "sst2"), ("cola", "negation")]
QUADS = [("causal_language", "cb", "health_advice", "sst2"), ("boolq", "cola", "negation", "rte")]
# mean gain of sharing, per partner set and task: what training says, whatever the scores thought
GAIN = {
    ("boolq", "rte"): {"boolq": -0.002, "rte": 0.035},
    ("causal_language", "health_advice"): {"causal_language": 0.004, "health_advice": -0.003},
    ("cb", "sst2"): {"cb": 0.041, "sst2": -0.001},
    ("cola", "negation"): {"cola": -0.038, "negation": -0.006},
    QUADS[0]: {"causal_language": -0.013, "cb": 0.05, "health_advice": -0.008, "sst2": -0.004},
    QUADS[1]: {"boolq": -0.016, "cola": -0.05, "negation": -0.021, "rte": 0.02},
}


def rows() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    parts = []
    for task, (_, _, train, test, k, _, share) in WORLD.items():
        n = train + test
        weights = np.array([0.52, 0.3, 0.12, 0.06][:k]) if k > 2 else np.array([0.6, 0.4])
        split = np.array(["train"] * int(train * 0.8) + ["dev"] * (train - int(train * 0.8)) + ["test"] * test)
        clusters = np.arange(n) if share == 1.0 else generator.integers(0, max(4, int(n * share)), n)
        frame = {
            "task": task,
            "row": [f"{task}:{i}" for i in range(n)],
            "split": split,
            "label": np.array(LABELS[:k])[generator.choice(k, n, p=weights / weights.sum())],
            "cluster": [f"{task}-{c}" for c in clusters],
            "source": task,
        }
        parts.append(pd.DataFrame(frame))
    return pd.concat(parts, ignore_index=True)


def scores(table: pd.DataFrame) -> Scores:
    generator = np.random.default_rng(2)
    parts, by_epoch, per_task = [], [], []
    for task, (mean, sd, train, _, k, accuracy, _) in WORLD.items():
        dev = table[(table["task"] == task) & (table["split"] == "dev")]
        n = len(dev)
        right = generator.random(n) < accuracy
        low = mean - 2.2 * sd * (1 - accuracy) / max(1 - accuracy, 0.05)
        base = np.where(right, mean + sd * 0.35, low) + generator.normal(0, sd * 0.3, n)
        base = base - base.mean() + mean
        for seed in SEEDS:
            bits = base + generator.normal(0, sd * 0.15, n) + generator.normal(0, 0.015)
            frame = dev[["task", "row", "split", "cluster", "source"]].assign(
                seed=seed, estimator="finetune", null="prior", epoch=3, log2_p_null=-1.0, log2_p_x=bits - 1.0,
                pvi_bits=bits, gold=dev["label"], guess=dev["label"],
            )  # fmt: skip
            parts.append(frame)
            for epoch in range(1, 11):
                fall = 0.02 * max(0, epoch - 4) ** 1.3 * (0.4 if train > 3000 else 1.6) * (mean > 0.1)
                value = mean * (1 - np.exp(-epoch / 1.3)) - fall + generator.normal(0, 0.02)
                by_epoch.append((task, seed, epoch, "dev", value, 1 - value, accuracy))
        state = ("not_learned", "the lower 95 % bound of V-information is −.05 bit") if task == "copa" else ("ok", "")
        per_task.append((task, k, int(train * 0.8), 1.2 if k > 2 else 0.97, *state, "", "", np.nan))
    return Scores(
        table=pd.concat(parts, ignore_index=True),
        tasks=pd.DataFrame(per_task, columns=["task", "labels", "n_train", "entropy_bits", "state", "state_reason",
                                              "collapsed_seeds", "failed_seeds", "null_gap_bits"]),
        by_epoch=pd.DataFrame(by_epoch, columns=["task", "seed", "epoch", "split", "v_information_bits", "nll_bits",
                                                 "accuracy"]),
    )  # fmt: skip


def affinity(scored: Scores) -> Affinity:
    from scipy import stats

    lines = []
    for task, frame in scored.table.groupby("task"):
        means = frame.groupby("row")["pvi_bits"].mean()
        n, se = len(means), float(np.hypot(means.std() / len(means) ** 0.5, 0.02))
        null = 1.2 if WORLD[str(task)][4] > 2 else 0.97
        state = ("not_learned", "lower bound ≤ 0") if task == "copa" else ("ok", "")
        mean = float(means.mean())
        lines.append((task, n, n, 5, mean, float(means.std()), se, n - 1, 0.02, mean - 1.97 * se, mean + 1.97 * se, null,
                      mean / null, null, WORLD[str(task)][5], *state))  # fmt: skip
    table = pd.DataFrame(lines, columns=list(TASK_COLUMNS))
    by = table.set_index("task")
    pairs = []
    for a in sorted(by.index):
        for b in sorted(by.index):
            if a >= b:
                continue
            gap = by.loc[a, "mean_bits"] - by.loc[b, "mean_bits"]
            se = float(np.hypot(by.loc[a, "se_bits"], by.loc[b, "se_bits"]))
            df = float(min(by.loc[a, "n"], by.loc[b, "n"]))
            p = float(2 * stats.t.sf(abs(gap / se), df))
            state = "shared rows" if (a, b) == ("causal_language", "health_advice") else ""
            sides = tuple(by.loc[t, c] for c in ("n", "clusters", "seeds", "mean_bits", "sd_bits") for t in (a, b))
            pairs.append((a, b, -abs(gap), "bits", *sides, gap, se, gap - 1.97 * se, gap + 1.97 * se, "welch", gap / se, df, p,
                          min(1, p * 36), min(1, p * 9), gap, gap - 0.1, gap + 0.1, 3 * se, gap, gap - 2 * se, gap + 2 * se, p, 0.0,
                          310 if state else 0, state))  # fmt: skip
    return Affinity("pvi", "welch", "welch_anova", table, pd.DataFrame(pairs, columns=list(PAIR_COLUMNS)),
                    {"fits": 0, "seconds": 0.4})  # fmt: skip


def plan(name: str, kind: str, groups: list[tuple[str, ...]], **more: object) -> Plan:
    grouped = {task for group in groups for task in group}
    single = [(task,) for task in sorted(WORLD) if task not in grouped]
    return Plan(name, kind, tuple(Serving(Group.of(g), tuple(g)) for g in [*groups, *single]), **more)  # type: ignore[arg-type]


def plans() -> list[Plan]:
    placebo = Group((Member("cb"), Member("sst2", "permuted", 7)), "cb+sst2")
    random = [("boolq", "health_advice"), ("cb", "cola"), ("negation", "sst2"), ("causal_language", "rte")]
    return [
        plan("pvi-5", "nominated", PAIRS, why=("copa is not learned: it stands alone", "least dispersion in 4 groups"),
             runner_up="{causal_language, cb} instead of {cb, sst2}: dispersion +.4",
             settings={"method": "pvi", "rule": "any", "test": "welch", "select": "partition", "alpha": 0.01},
             overrides=("boolq and rte together (plan.together)",)),
        plan("pvi-3", "nominated", QUADS, why=("merges whole groups of pvi-5",), settings={"rule": "any"}),
        plan("alone", "control", []),
        plan("together", "control", [tuple(sorted(WORLD))]),
        plan("random-1", "control", [tuple(sorted(g)) for g in random]),
        plan("different", "control", [("boolq", "sst2"), ("health_advice", "rte"), ("cola", "causal_language")]),
        Plan("placebo", "control", (Serving(placebo, ("cb",)),), why=("for the claimed gain of cb",)),
        Plan("matched_updates", "control", (Serving(Group((Member("cb"),), "cb+sst2"), ("cb",)),)),
    ]  # fmt: skip


def recommended() -> Plan:
    return replace(
        plan("recommended", "recommended", [PAIRS[0], PAIRS[1], PAIRS[2]], why=("fewest models that pass on dev",)),
        runner_up="keep {cb, sst2} apart: 7 models, mean difference +.003",
    )


def _gain(group: str, task: str, generator: np.random.Generator) -> float:
    tasks = tuple(sorted(Group.parse(group).tasks))
    if group == task:
        return 0.0
    if "@" in group:
        return 0.034 if "permuted" in group else 0.029
    return GAIN.get(tasks, {}).get(task, float(generator.normal(-0.015, 0.014)))


def comparison(every: list[Plan], table: pd.DataFrame) -> Comparison:
    generator = np.random.default_rng(5)
    lines, seen = [], {}
    best = recommended()
    test_sizes = table[table["split"] == "test"].groupby("task")
    for each in [*every, best]:
        for serving in each.servings:
            for task in serving.serves:
                for split in ("dev", "test"):
                    key = (serving.group.name, task, split)
                    if key not in seen:
                        seen[key] = _gain(serving.group.name, task, generator) + generator.normal(0, 0.003)
                    n = WORLD[task][3] if split == "test" else WORLD[task][2] // 5
                    single = serving.group.name == task
                    se = 0.0 if single else 0.12 / n**0.5 + 0.003
                    for metric, top in (("macro_f1", WORLD[task][5] - 0.02), ("accuracy", WORLD[task][5])):
                        gap = 0.0 if single else seen[key]
                        low, high = gap - 1.97 * se, gap + 1.97 * se
                        verdict = (
                            "alone" if single else "gain" if low > 0 else "harm" if high < 0
                            else "equivalent" if abs(gap) + 1.65 * se < 0.02
                            else "not worse" if gap - 1.65 * se > -0.02 else "undecided"
                        )  # fmt: skip
                        rarest = int(test_sizes.get_group((task,) if False else task)["label"].value_counts().min())
                        p_loss = 0.0 if single else float(1 / (1 + np.exp(1.7 * (gap + 0.02) / max(se, 1e-6))))
                        lines.append((
                            each.name, each.kind, task, serving.group.name, split, metric, metric == "macro_f1", n, n,
                            rarest, 5, 1 if key[0].count("+") > 6 else 0, 0, top + gap, top + gap - 0.011,
                            top + gap + 0.011, top, top - 0.012, top + 0.012, gap, se, 40.0, low, high, gap - 1.65 * se,
                            gap + 1.65 * se, se / 2, 0.2, 0.4, 0.02, p_loss, verdict, 900, 310.0 * len(serving.group.tasks),
                            22.7e6 + 800 * len(serving.group.tasks),
                        ))  # fmt: skip
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    candidates = pd.DataFrame(
        [
            ("boolq+rte", ("boolq", "rte"), 2, True, "", 0.016, 0.004, 0.028, 0.8, "boolq", 0.03, 0.02),
            ("causal_language+health_advice", ("causal_language", "health_advice"), 2, True, "", 0.0, -0.006, 0.006, 0.0,
             "health_advice", 0.01, 0.5),
            ("cb+sst2", ("cb", "sst2"), 2, True, "", 0.02, -0.002, 0.042, 1.0, "sst2", 0.02, 0.04),
            ("cola+negation", ("cola", "negation"), 2, False, "P(loss > δ) of cola is .97", -0.022, -0.031, -0.013, -1.1,
             "cola", 0.97, 0.99),
            ("+".join(QUADS[0]), QUADS[0], 4, False, "P(loss > δ) of causal_language is .22", 0.006, -0.009, 0.02, 0.3,
             "causal_language", 0.22, 0.2),
            ("+".join(QUADS[1]), QUADS[1], 4, False, "P(loss > δ) of cola is > .99", -0.016, -0.03, -0.003, -0.8,
             "cola", 0.99, 0.99),
        ],
        columns=list(CANDIDATE_COLUMNS),
    )  # fmt: skip
    notes = {
        "undecided": ("negation",), "needed_rows": 2400, "needed_seeds": 8, "best_control": "together",
        "best_control_difference": (-0.031, -0.011), "claims": ("cb",), "distrust": (),
    }  # fmt: skip
    return Comparison(frame, candidates, best, notes)


def costs(every: list[Plan]) -> pd.DataFrame:
    names = dict.fromkeys(group.name for each in every for group in each.groups)
    return pd.DataFrame(
        [(name, seed, 310.0 * name.count("+") + 280, 900, 2.1e6, 22.7e6 + 800 * (1 + name.count("+"))) for name in names for seed in SEEDS],
        columns=["group", "seed", "seconds", "updates", "tokens", "parameters"],
    )


def nine() -> RunTables:
    table, every = rows(), plans()
    scored = scores(table)
    return RunTables(
        name="general9",
        tasks_rows=table,
        check={"warnings": ["boolq: 9 % of the inputs are longer than 256 tokens and are truncated"]},
        scores=scored,
        affinity=affinity(scored),
        plans=every,
        comparison=comparison(every, table),
        costs=costs(every),
        spec={"preset": "default", "goal": "fewer", "model": "all-MiniLM-L6-v2", "seeds": list(SEEDS)},
        provenance={"cotrain": "0.1.0", "torch": "2.13.0", "device": "cpu", "command": "cotrain run study.yaml",
                    "model_sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
        looks_at_test=1,
        passing=pd.DataFrame({
            "tasks": [("boolq", "rte"), ("causal_language", "cb", "sst2")], "statistic": [0.379, 0.813],
            "p": [0.705, 0.444], "outcome": ["undecided", "undecided"],
        }),
        without_overrides={"pvi-5": plan("pvi-5", "nominated", [PAIRS[0], ("cola", "rte"), PAIRS[2]])},
    )  # fmt: skip


def with_methods(base: RunTables, seeds: int = 6, interaction: float = 0.02, noise: float = 0.02) -> RunTables:
    """Return a run with every pair trained, in which ``hoa`` knows who gains from whom, ``textemb`` a little, and others nothing."""
    generator = np.random.default_rng(11)
    names = sorted(WORLD)
    true = generator.normal(0, 0.015, (9, 1)) + generator.normal(0, 0.006, 9) + generator.normal(0, interaction, (9, 9))
    alone = pd.DataFrame([(t, s, 0.6 + generator.normal(0, 0.01)) for t in names for s in range(seeds)], columns=["task", "seed", "loss"])
    lines = [
        (a, b, s, 0.6 - true[i, j] + generator.normal(0, noise))
        for i, a in enumerate(names) for j, b in enumerate(names) if i != j for s in range(seeds)
    ]  # fmt: skip
    table = pd.DataFrame(lines, columns=["target", "helper", "seed", "loss"])
    assert base.affinity is not None
    symmetric = true + true.T
    told = {
        "hoa": (lambda i, j: true[i, j] + generator.normal(0, 0.008), "gain, share of NLL_null", 36, 9, 5300.0, 0),
        "textemb": (lambda i, j: symmetric[i, j] + generator.normal(0, 0.05), "cosine", 0, 0, 2.1, 0),
        "taskemb": (lambda i, j: symmetric[i, j] + generator.normal(0, 0.08), "reciprocal rank", 0, 9, 90.0, 4800),
        "surrogate": (lambda i, j: true[i, j] + generator.normal(0, 0.03), "gain, share of NLL_null", 40, 9, 9100.0, 0),
        "log_size": (lambda i, j: -abs(i - j), "doublings", 0, 0, 0.002, 0),
        "mine:CLOSE": (lambda i, j: generator.normal(), "closeness", 0, 0, 0.3, 0),
        "oracle": (lambda i, j: true[i, j], "gain, share of NLL_null", 180, 54, 31000.0, 0),
    }
    made = {"pvi": base.affinity}
    for name, (value, unit, fits, reused, seconds, passes) in told.items():
        directed = unit.startswith("gain")
        pairs = pd.DataFrame(
            [(a, b, value(i, j), unit) for i, a in enumerate(names) for j, b in enumerate(names) if i < j or (directed and i > j)],
            columns=["target", "helper", "value", "unit"],
        ).reindex(columns=list(PAIR_COLUMNS))
        cost = {
            "fits": fits,
            "reused": reused,
            "fit_seconds": seconds * (fits > 0),
            "gradient_passes": passes,
            "seconds": seconds * (not fits),
        }
        made[name] = Affinity(name, "", "", base.affinity.tasks, pairs, cost)
    return replace(base, affinities=made, truth={"alone": alone, "pairs": table, "coupled": ("pvi",)})


@pytest.fixture(scope="session")
def run() -> RunTables:
    return nine()


@pytest.fixture(scope="session")
def many(run: RunTables) -> RunTables:
    return with_methods(run)


@pytest.fixture
def trained(run: RunTables) -> Callable[..., RunTables]:
    return partial(with_methods, run)
