"""``train``: fits of groups over seeds, side by side, nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from cotrain.choose import choose, unknown
from cotrain.errors import InputError, MissingExtra
from cotrain.tasks.task import Task
from cotrain.training import encoder, ledger
from cotrain.training.executors import EXECUTORS
from cotrain.training.fit import Fit
from cotrain.training.group import Group
from cotrain.training.marked import wrong_pooling
from cotrain.training.outside import is_outside, pinned, refuse, shown
from cotrain.training.settings import Settings
from cotrain.training.work import work
from cotrain.training.worker import EXTRAS, Job, Outcome

Report = Callable[[tuple[Job, Outcome] | None, tuple[str, ...]], None]
"""Told a fit that is there, or None, and the names of those that run."""
Executor = Callable[[Sequence[Job], "Setup", Report], None]
"""Makes the fits of jobs."""


@dataclass(frozen=True)
class Progress:
    """The state of training.

    Attributes:
        done: fits that are there, of ``total``.
        reused: those of them that were there before.
        running: names of the fits that are trained now.
        seconds_left: by the work done so far; None before the first fit.
        message: something to be said, as that a damaged fit was set aside; else empty.
    """

    done: int
    total: int
    reused: int
    running: tuple[str, ...] = ()
    seconds_left: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Options:
    """How fits are run; none of it changes their numbers.

    Attributes:
        workers: fits side by side; 0: as many as the executor has room for. A local 1 trains in this process.
        progress: is told the state after each fit, and every few seconds.
        executor: where fits are made, by name.
        extras: what each fit should leave beside its predictions (``weights``), or of each group its fits; one that lacks it is
            made again, and must give the predictions that it gave.
        arrived: is told each fit as soon as it is there, so that what is done is known if training is stopped.
    """

    workers: int = 0
    progress: Callable[[Progress], None] | None = None
    executor: str = "local"
    extras: tuple[str, ...] | Mapping[Group, tuple[str, ...]] = ()
    arrived: Callable[[Fit], None] = lambda fit: None


@dataclass(frozen=True)
class Setup:
    """What every worker needs: rows, effective settings, the folders of encoder and fits; and how many of them (0: the executor says)."""

    tasks: Mapping[str, Task]
    settings: Settings
    encoder: Path
    fits: Path
    workers: int


def effective(settings: Settings) -> Settings:
    """Return the settings with every ``auto`` resolved for this machine, and with the hash of the file of a trainer from outside.

    Raises:
        InputError: a device or precision that this machine does not have; a trainer that cannot be imported.
        MissingExtra: torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("train", "torch") from None
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, False):
        raise InputError(f"device should be one of {', '.join(d for d in there if there[d])} here, found {device}; set device: auto")
    precision = settings.precision
    if precision == "auto":
        fast = {"cpu": torch.cpu._is_avx512_bf16_supported, "cuda": torch.cuda.is_bf16_supported}.get(device, lambda: False)
        precision = "bf16" if fast() else "fp32"
    if precision == "fp16" and device == "cpu":
        raise InputError("precision fp16 needs a GPU; set precision: auto, bf16 or fp32")
    if wrong := _trackers(settings.report_to):
        raise InputError(wrong)
    attention = settings.attention
    if attention == "auto":
        # with dropout there is no fused kernel on the CPU, and composing it inside sdpa is slower than eager
        attention = "eager" if device == "cpu" else "sdpa"
    return replace(settings, device=device, precision=precision, attention=attention, trainer=pinned(settings.trainer))


def _trackers(names: Sequence[str]) -> list[str]:
    """Return what is wrong with trackers: unknown, or not installed."""
    if not names:
        return []
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK as KNOWN

    strange = [unknown("tracker of training.report_to", name, KNOWN) for name in names if name not in KNOWN]
    return strange + [
        f"tracker {name} of training.report_to is not installed here; install it with pip, or leave it out"
        for name in names
        if name in KNOWN and name not in get_available_reporting_integrations()
    ]


def train(
    groups: Iterable[Group], tasks: Mapping[str, Task], settings: Settings, seeds: Sequence[int] | Mapping[Group, Sequence[int]],
    fits: Path, options: Options = Options(),
) -> list[Fit]:  # fmt: skip
    """Return the fits of ``groups`` × ``seeds``, in that order; those in ``fits`` already are read, not trained.

    ``seeds`` can also say which seeds each group has.

    A group whose budget is the name of another group is trained after that group, which must be in ``groups`` or in
    ``fits``. A fit that fails is stored and returned with ``failed`` set, and is not tried again.

    Raises:
        InputError: an unknown task, an encoder that cannot be used, a budget of a group that is not there, a full
            disk, a process that was killed; what a trainer from outside cannot give, an error that it raised, an answer that is none.
    """
    wanted = list(dict.fromkeys(groups))
    run = choose("executor", options.executor, EXECUTORS)
    extras = options.extras if isinstance(options.extras, Mapping) else dict.fromkeys(wanted, options.extras)
    for name in dict.fromkeys(extra for group in wanted for extra in extras[group]):
        choose("extra of a fit", name, EXTRAS)
        refuse(settings.trainer, f"the extra {name} is")
    plan = _Plan.of(wanted, tasks, settings, fits)
    pairs = [(g, seed) for g in wanted for seed in (seeds[g] if isinstance(seeds, Mapping) else seeds)]
    state = _State(len(pairs), options.progress)
    done: dict[tuple[Group, int], Fit] = {}
    for wave in plan.waves(wanted):
        jobs = [plan.job(g, seed, done, extras[g]) for g, seed in pairs if g in wave]
        done.update(_run(jobs, plan, options, run, state))
    return [done[pair] for pair in pairs]


def missing(
    groups: Iterable[Group],
    tasks: Mapping[str, Task],
    settings: Settings,
    seeds: Sequence[int],
    fits: Path,
    extras: Mapping[Group, tuple[str, ...]] = MappingProxyType({}),
) -> list[tuple[Group, int]]:
    """Return the (group, seed) that ``train`` would train, those that lack an extra among them."""
    wanted = list(dict.fromkeys(groups))
    plan = _Plan.of(wanted, tasks, settings, fits)
    found: list[tuple[Group, int]] = []
    for wave in plan.waves(wanted):
        for group in wave:
            for seed in seeds:
                if isinstance(group.updates, str) and (Group.parse(group.updates), seed) in found:
                    found.append((group, seed))
                    continue
                job = plan.job(group, seed, {}, ())
                if not (fits / job.key / ledger.CHECKSUMS).is_file() or ledger.lacking(fits / job.key, extras.get(group, ())):
                    found.append((group, seed))
    return found


@dataclass(frozen=True)
class _Plan:
    """What the keys of fits are made of."""

    tasks: Mapping[str, Task]
    settings: Settings
    encoder: Path
    content: str
    fits: Path
    contents: Mapping[str, str]

    @classmethod
    def of(cls, groups: Sequence[Group], tasks: Mapping[str, Task], settings: Settings, fits: Path) -> _Plan:
        """Return the plan, all faults of tasks, settings and encoder found."""
        if strangers := sorted({t for g in groups for t in g.named} - set(tasks)):
            raise InputError(f"groups name tasks that the study does not have: {', '.join(strangers)}")
        resolved = effective(settings)
        path = encoder.folder(settings.model)
        encoder.tokenizer(path, settings.max_length, settings.special_tokens)
        if not is_outside(resolved.trainer):
            from cotrain.training.model import refuse_attention

            refuse_attention(path, resolved.attention)
        if resolved.pooling == "entity" and (wrong := wrong_pooling(path)):
            raise InputError(wrong)
        if resolved.gradient_checkpointing and not encoder.can_checkpoint(path):
            raise InputError(f"model {path.name}: its architecture cannot compute activations again; set gradient_checkpointing: false")
        contents = {name: tasks[name].content() for name in sorted({t for g in groups for t in g.named})}
        return cls(tasks, resolved, path, encoder.content_hash(path), fits, contents)

    @staticmethod
    def waves(groups: Sequence[Group]) -> list[list[Group]]:
        """Return first the groups that stand alone, then those whose budget is another group's."""
        later = [g for g in groups if isinstance(g.updates, str)]
        return [[g for g in groups if g not in later], later]

    def key(self, group: Group, seed: int, updates: int | None) -> str:
        """Return the key of a fit."""
        return ledger.fit_key(group, self.tasks, self.settings, self.content, seed, updates, self.contents)

    def job(self, group: Group, seed: int, done: Mapping[tuple[Group, int], Fit], extras: tuple[str, ...]) -> Job:
        """Return the job of one fit, its budget resolved."""
        updates = group.updates
        if isinstance(updates, str):
            other = Group.parse(updates)
            there = done.get((other, seed))
            if there is None:
                folder = ledger.find(self.fits, self.key(other, seed, None))
                if folder is None:
                    raise InputError(
                        f"group {group.name} takes its budget from {updates}, which is not trained at seed {seed}; train it first"
                    )
                there = ledger.load(folder)
            if "updates" not in there.cost:
                raise InputError(
                    f"group {group.name} takes its budget from {updates}, and the trainer {shown(self.settings.trainer)} does not say how "
                    "many updates it made; let it return Answer(…, updates=…), or leave such groups out"
                )
            updates = max(1, there.updates)
        return Job(self.key(group, seed, updates), group, seed, updates, extras)


class _State:
    """Counts fits and estimates the seconds left from the work that is done."""

    def __init__(self, total: int, progress: Callable[[Progress], None] | None) -> None:
        self.total, self.progress = total, progress
        self.done = self.reused = 0
        self.worked = self.left = 0.0
        self.started: float | None = None

    def tell(self, running: tuple[str, ...] = (), message: str = "") -> None:
        """Report the state."""
        seconds = None
        if self.started is not None and self.worked > 0:
            seconds = max(0.0, (time.monotonic() - self.started) / self.worked * self.left)
        if self.progress:
            self.progress(Progress(self.done, self.total, self.reused, running, seconds, message))


def _named(fit: Fit, job: Job) -> Fit:
    """Return a fit under the name that was asked for: ``cb@cb+rte`` and ``cb@120`` can be one fit."""
    return replace(fit, group=job.group)


def _run(jobs: list[Job], plan: _Plan, options: Options, run: Executor, state: _State) -> dict[tuple[Group, int], Fit]:
    """Return the fits of the jobs, trained or found."""
    found: dict[tuple[Group, int], Fit] = {}
    todo: list[Job] = []
    for job in jobs:
        folder = ledger.find(plan.fits, job.key, say=lambda message: state.tell(message=message))
        if folder is None or ledger.lacking(folder, job.extras):
            todo.append(job)
        else:
            found[job.group, job.seed] = _named(ledger.load(folder), job)
            state.done += 1
            state.reused += 1
            options.arrived(found[job.group, job.seed])
    state.tell()
    if not todo:
        return found
    cost = {job.key: work(job.group, plan.tasks, plan.settings, job.updates) for job in todo}
    state.left += sum(cost.values())
    state.started = state.started or time.monotonic()
    # seed by seed, so that what is stopped has whole ones; the longest first, so that the last ones are short
    todo.sort(key=lambda job: (job.seed, -cost[job.key]))
    needed = {t for job in todo for t in job.group.tasks}
    setup = Setup({t: plan.tasks[t] for t in plan.tasks if t in needed}, plan.settings, plan.encoder, plan.fits, options.workers)

    def report(there: tuple[Job, Outcome] | None, running: tuple[str, ...]) -> None:
        if there is not None:
            job, outcome = there
            found[job.group, job.seed] = _named(ledger.load(plan.fits / job.key), job)
            options.arrived(found[job.group, job.seed])
            state.done += 1
            state.reused += outcome == "found"
            state.worked += cost[job.key]
            state.left -= cost[job.key]
        state.tell(running)

    run(todo, setup, report)
    return found
