"""The app, and the options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cotrain import __version__

app = typer.Typer(
    name="cotrain",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
WHOLE, VERBS, MODELS = "A study", "Its verbs, one by one, on a run folder", "Models"

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file, suite:NAME, or the folder of an earlier run.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder of models/ of a run.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option("--precision", help="fp32 gives the numbers of the study; auto: bf16 where it is faster.")]
Share = Annotated[
    Path | None, typer.Option("--share", metavar="DIR", help="Write one that may leave the place of the data: no small counts, no paths.")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Out = Annotated[Path | None, typer.Option("--out", help="The run folder; default: runs/ and the study's name.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the study file, as training.epochs=5; repeatable.")
]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Where relative paths of the tasks begin.")]
Model = Annotated[str | None, typer.Option("--model", help="The encoder: a Hub id or a local folder; overrides the study file.")]
Update = Annotated[bool, typer.Option("--update", help="Accept that the study of this run folder has changed.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result for machines: one line of JSON, and nothing else on stdout.")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Fits side by side; 0: as many as the machine has cores for.")]
Executor = Annotated[str, typer.Option("--executor", help="Where fits are made: local, ray or slurm; default: the study's, or local.")]
Lm = Annotated[str | None, typer.Option("--lm", help="A language model: of the server at --base-url, else a local folder or a Hub id.")]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="A server that speaks the protocol of OpenAI, as http://127.0.0.1:8000/v1.")
]
ShotSets = Annotated[int, typer.Option("--shot-sets", min=0, help="Sets of examples, drawn by the first so many seeds; 0: by each.")]
OfTasks = Annotated[str | None, typer.Option("--tasks", metavar="A,B", help="Ask a language model about these tasks only.")]
MaxRequests = Annotated[int, typer.Option("--max-requests", min=0, help="Send at most so many; 0: no limit.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=0, help="Of prompts and answers together; 0: no limit.")]
Api = Annotated[str, typer.Option("--api", help="Of the server: chat or completion.")]
KeyFrom = Annotated[str, typer.Option("--key-from", metavar="VARIABLE", help="The variable of the environment that holds the key.")]
Estimator = Annotated[
    str | None, typer.Option("--estimator", help="finetune, probe, crossfit or incontext; default: the study's. Others stand beside.")
]
Fits = Annotated[
    Path | None, typer.Option("--fits", help="A folder of fits shared between studies, which the run remembers; never for private tasks.")
]


def _version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        print(f"cotrain {__version__}")
        raise typer.Exit


@app.callback(epilog="Begin with: cotrain demo, or cotrain init FOLDER. Exit codes: 1 some fits failed, 2 a fault of what was given.")
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Decide which NLP tasks should be trained together, and prove it."""
