"""A study with every default written out, and the presets: one dial from which the rest follows (METHOD, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

from cotrain.errors import InputError
from cotrain.grouping.options import Options
from cotrain.tasks.source import Cut, Source
from cotrain.training.settings import OWN_TRAINER, Settings

Goal = Literal["fewer", "better"]
Null = Literal["prior", "finetune"]
LIGHT = 50_000_000
"""An encoder with fewer parameters is light, and may train at a higher learning rate."""
WAYS = ("lora", "frozen", "merged")
"""Other ways to share than one encoder that all tasks of a group train: an adapter and a head per task beside one encoder; heads on an
encoder that stays as it is; the mean of the encoders of the tasks alone (the average of task vectors, Ilharco et al. 2023)."""
OUTSIDE = "scores"
"""The format of a task of which only scores are known: no rows are read for it and nothing is trained."""


@dataclass(frozen=True)
class Preset:
    """One line of the table of presets.

    Attributes:
        training: fields of Settings that differ from its defaults.
        plan, test, group_test: how groups are nominated.
        estimator, controls, seeds, null, score_by, select: as in Resolved.
        light_learning_rate, grid: as in Resolved.
        cut: the caps on rows.
        paper: as in Resolved.
    """

    training: Mapping[str, Any]
    plan: Options
    controls: tuple[str, ...]
    seeds: tuple[int, ...] = (42, 52, 62, 72, 82)
    test: str = "welch"
    group_test: str = "welch_anova"
    estimator: str = "finetune"
    null: Null = "prior"
    score_by: str = "log_loss"
    select: str = "macro_f1"
    light_learning_rate: float | None = None
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    cut: Cut = field(default_factory=Cut)
    paper: bool = False


PRESETS = {
    # at most max(10 epochs, 1,000 updates), evaluated once per max(epoch, 50 updates), stopped after three without improvement
    "default": Preset(
        training={"learning_rate": 2e-5, "batch_size": 32, "epochs": 10, "max_updates": 1000, "evaluate_every": 50, "patience": 3,
                  "schedule": "constant", "warmup": 0.06, "max_length": 256},
        plan=Options(rule="any", select="nested"),
        controls=("alone", "together", "random"),
        light_learning_rate=5e-5,
    ),
    "fast": Preset(
        training={"learning_rate": 5e-5, "batch_size": 16, "epochs": 4, "min_updates": 150, "schedule": "linear", "max_length": 96},
        plan=Options(rule="not_different", alpha=0.01, select="min_gap"),
        controls=("alone", "together", "random"),
        seeds=(42, 52, 62),
        select="log_loss",
        cut=Cut(max_train=500, max_held_out=1000),
    ),
    # the paper names neither a warm-up nor a decay of weights; the library that it trained with has none by default
    "paper": Preset(
        training={"learning_rate": 2e-5, "batch_size": 32, "epochs": 10, "schedule": "linear", "warmup": 0.0, "weight_decay": 0.0,
                  "max_length": 512},
        plan=Options(rule="not_different", alpha=0.01, select="max_abs_t", paper=True),
        controls=("alone", "different"),
        test="student",
        group_test="anova",
        null="finetune",
        score_by="last",
        select="last",
        paper=True,
    ),
}  # fmt: skip
# the paper names the grid, not what chose in it: dev, by the metric that it reports; an epoch before the fifth is not looked at
PRESETS["paper-grid"] = replace(
    PRESETS["paper"],
    training={**PRESETS["paper"].training, "accumulation": 2, "evaluate_from": 5},
    grid={"learning_rate": (1e-5, 2e-5), "max_length": (126, 512)},
    score_by="macro_f1",
    select="macro_f1",
)
# what is trained later, with seeds of a study's own, is as in default
PRESETS["instant"] = replace(PRESETS["default"], estimator="probe", controls=(), seeds=(), cut=Cut(max_train=2000, max_held_out=1000))


def settings(preset: Preset, given: Mapping[str, Any], grid: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields of Settings besides the model: those given, else the preset's.

    Who names ``epochs``, in ``grid`` too, means them: the preset's least number of updates then no longer holds, unless it is named too.
    """
    lasting = {"min_updates": 0, "max_updates": 0} if "epochs" in {*given, *grid} else {}
    return {**preset.training, **lasting, **given}


def options(base: Options, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Options: those given, else what goes with them, else those of ``base`` (a preset's, a study's).

    A part of another plan asks for the whole of it:

    - ``models`` or ``budget`` without ``objective``: the objective is ``budget``; either takes the place of the other.
    - ``objective``, ``models`` or ``budget`` without ``select``: ``partition``; so does a ``rule`` where ``base`` is ``nested``, which
      uses none.
    - another ``select`` than ``nested`` without a ``rule``, where ``base`` is ``nested``: ``not_different``, for a budget or gain ``any``.
    """
    given = {key: value for key, value in given.items() if key in Options.__dataclass_fields__}
    nested = base.select == "nested"
    chosen = {**{f.name: getattr(base, f.name) for f in fields(Options)}, **given}
    budgets = given.keys() & {"models", "budget"}
    if budgets:
        chosen |= {"models": given.get("models"), "budget": given.get("budget")}
        chosen["objective"] = given.get("objective", "budget")
    if "select" not in given and (budgets or given.keys() & {"objective", *(["rule"] if nested else [])}):
        chosen["select"] = "partition"
    if "rule" not in given and chosen["select"] == "nested":
        chosen["rule"] = "any"
    elif "rule" not in given and nested and not (chosen["select"] == "partition" and chosen["objective"] in ("budget", "gain")):
        chosen["rule"] = "not_different"
    return chosen


@dataclass(frozen=True)
class Resolved:
    """A study file with its preset and every default written out.

    Attributes:
        name: of the study.
        preset: the one that filled in what the file leaves open.
        settings: of every fit.
        sources: where the rows of the tasks come from, with the metric and delta of each.
        cut: how rows become train, dev and test.
        seeds: of training; none where nothing is trained and groups are only predicted.
        goal: ``fewer`` models without harm, or ``better`` ones.
        estimator: how PVI is estimated, a name of ``cotrain.pvi.ESTIMATORS``.
        null: what PVI is measured against: ``prior`` label frequencies, or a ``finetune``-d blank encoder.
        score_by: the epoch that is scored.
        select: the epoch that is compared.
        share: other ways to share that are trained and compared, of ``WAYS``.
        thresholds: which label a kept model gives of two: ``half``, the likeliest, or by a threshold chosen on ``dev``.
        by: the method that relates tasks.
        test: of pairs of tasks.
        group_test: of three tasks or more.
        plan: how groups are nominated from the relations.
        controls: what is trained beside the nominated plans.
        paper: follow the paper where it and the method differ: scores on test, groups of tasks that are not learned.
        grid: settings with several values each; a group is trained with every combination of them, and dev chooses.
        light_learning_rate: replaces the learning rate where the encoder is light (see ``with_encoder``); None: it does not.
        methods: options of methods that relate tasks, by the name of the method.
        root: the folder where relative paths of the tasks begin.
        shared_fits: the folder of fits that the study shares with others; empty: its own.
        executor: where fits are made, a name of ``cotrain.training.executors.EXECUTORS``; it changes no number.
        overrides: what a person forced on the command line, in words.
    """

    name: str
    settings: Settings
    sources: tuple[Source, ...]
    preset: str = "default"
    cut: Cut = field(default_factory=Cut)
    seeds: tuple[int, ...] = PRESETS["default"].seeds
    goal: Goal = "fewer"
    estimator: str = "finetune"
    null: Null = "prior"
    score_by: str = "log_loss"
    select: str = "macro_f1"
    share: tuple[str, ...] = ()
    thresholds: str = "half"
    by: str = "pvi"
    test: str = "welch"
    group_test: str = "welch_anova"
    plan: Options = PRESETS["default"].plan
    controls: tuple[str, ...] = PRESETS["default"].controls
    paper: bool = False
    light_learning_rate: float | None = None
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    root: str = ""
    shared_fits: str = ""
    executor: str = "local"
    overrides: tuple[str, ...] = ()

    @property
    def outside(self) -> bool:
        """Whether the study is made of scores from outside alone."""
        return any(source.format == OUTSIDE for source in self.sources)

    def scores(self, estimator: str | None = None) -> str:
        """Return the name of the scores of an estimator: ``pvi`` for the study's own, ``pvi-probe`` for another."""
        return "pvi" if estimator in (None, self.estimator) else f"pvi-{estimator}"

    def plain(self) -> dict[str, Any]:
        """Return the study as plain values, in the words of the study file where it has them."""
        training, plan = asdict(self.settings), asdict(self.plan)
        tasks = {s.name: {k: v for k, v in asdict(s).items() if k != "name" and v not in (None, (), {})} for s in self.sources}
        values = {
            "name": self.name, "preset": self.preset, "model": training.pop("model"), "tasks": tasks, "splits": asdict(self.cut),
            "goal": self.goal, "plan": {"by": self.by, "test": self.test, "group_test": self.group_test, **plan},
            "controls": self.controls, "seeds": self.seeds, "training": training, "estimator": self.estimator, "null": self.null,
            "score_by": self.score_by, "select": self.select, "thresholds": self.thresholds, "share": self.share,
            "trainer": training.pop("trainer"), "paper": self.paper, "light_learning_rate": self.light_learning_rate, "grid": self.grid,
            "methods": self.methods, "root": self.root, "shared_fits": self.shared_fits, "executor": self.executor,
            "overrides": self.overrides,
        }  # fmt: skip
        return {key: _thawed(value) for key, value in values.items()}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Return the study of :meth:`plain`.

        Raises:
            InputError: keys that are missing, unknown, or not what they should be.
        """
        try:
            values = {key: _frozen(value) for key, value in plain.items()}
            plan = values.pop("plan")
            return cls(
                settings=Settings(values.pop("model"), trainer=values.pop("trainer", OWN_TRAINER), **values.pop("training")),
                sources=tuple(Source(name, **entry) for name, entry in values.pop("tasks").items()),
                cut=Cut(**values.pop("splits")),
                by=plan.pop("by"), test=plan.pop("test"), group_test=plan.pop("group_test"), plan=Options(**plan),
                **values,
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the resolved study should be as cotrain wrote it; it is damaged ({type(error).__name__})") from None


def with_encoder(resolved: Resolved, parameters: int) -> Resolved:
    """Return the study with what depends on the size of the encoder filled in: the learning rate of a light one."""
    if resolved.light_learning_rate is None or parameters >= LIGHT:
        return resolved
    return replace(resolved, settings=replace(resolved.settings, learning_rate=resolved.light_learning_rate))


def _thawed(value: Any) -> Any:
    """Return lists and dicts instead of tuples and mappings."""
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _frozen(value: Any) -> Any:
    """Return tuples instead of lists, and new dicts."""
    if isinstance(value, Mapping):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value
