"""``demo``: the whole pipeline on generated corpora whose true V-information is known."""

from __future__ import annotations

from pathlib import Path

from cotrain.demo.corpora import write
from cotrain.demo.encoder import verified
from cotrain.demo.truth import known
from cotrain.study import data
from cotrain.study.open import open_study
from cotrain.study.run import Outcome, Say, run
from cotrain.study.steps import Show
from cotrain.study.study import STUDY


def demo(out: Path, workers: int = 0, show: Show | None = None, say: Say = lambda line: None, executor: str = "") -> Outcome:
    """Return the outcome of the demo in ``out``; the corpora and their study file are written beside it, in ``out-corpora``.

    Raises:
        InputError: the encoder's package is not installed, or its weights are not the published ones.
    """
    verified()
    corpora = out.with_name(f"{out.name}-corpora")
    fresh = not (out / STUDY).is_file()
    if fresh or not corpora.is_dir():
        write(corpora)
    study = open_study(corpora / "study.yaml", out=out, workers=workers, executor=executor)
    say(f"corpora: six tasks in {corpora}")
    study.save_known(known(corpora, data.tasks(study)))
    return run(study, show, say)
