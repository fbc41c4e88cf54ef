"""Commands on models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cotrain.cli.given import names, pairs
from cotrain.cli.machine import ascii_only
from cotrain.cli.options import MODELS, Device, ModelPath, Precision, app
from cotrain.cli.progress import Stopped, say, waiting
from cotrain.errors import InputError


@app.command(rich_help_panel=MODELS)
def predict(
    model: ModelPath,
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="csv, tsv, jsonl, json or parquet, a corpus, or - for lines of JSON on standard input.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The jsonl, csv or parquet file to write; default: lines of JSON on stdout.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Of --out: jsonl, csv, parquet, or anafora, a folder of XML; default: by its ending.")
    ] = None,
    reader: Annotated[
        str | None, typer.Option("--reader", help="How DATA is read: anafora, knowtator, cnlpt, hub or tabular; a folder: as in the study.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A key of that reader, as entities=EVENT; repeatable.")
    ] = None,
    tasks: Annotated[str | None, typer.Option("--tasks", metavar="A,B", help="Default: all that the model serves.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="A column or a template; default: as in the study, else text.")] = None,
    pair: Annotated[str | None, typer.Option("--pair", help="The same for the second text; default: as in the study, else pair.")] = None,
    row_id: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Of row ids; default: FILE:7.")] = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Predict all tasks of a model from one pass of its encoder: the label and the probabilities of every row."""
    from cotrain.serving import corpora
    from cotrain.serving import predict as verb
    from cotrain.serving.inputs import read
    from cotrain.training.models import load

    if out:
        verb.check(out, format_)
    elif format_:
        raise InputError("--format says what --out is; name the file or folder to write with --out")
    keys = pairs(set_, "--set", "KEY=VALUE, as entities=EVENT")
    with waiting("loading the model"):
        shared = load(model, device, precision)
        how = {"text": text, "pair": pair, "row_id": row_id}
        if form := corpora.reader_of(shared, data, reader):
            inputs = corpora.read(shared, str(data), form, names(tasks), keys=keys, **how)
        elif keys:
            raise InputError("--set belongs to --reader, or to a folder of a corpus; leave it out for a file")
        else:
            inputs = read(shared, data, names(tasks), **how)
    for fault in inputs.left_out:
        say(f"left out: {fault}")
    with waiting(f"predicting {len(inputs.rows):,} rows") as tell:
        if out:
            print(verb.save(shared, inputs, out, tell, format_))
            return
        for table in verb.predict(shared, inputs):
            for line in verb.lines(table, ascii_only()):
                print(line)


@app.command(rich_help_panel=MODELS)
def export(
    model: ModelPath,
    task: Annotated[str, typer.Option("--task", help="The task whose classifier is wanted.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write.")],
    format_: Annotated[str, typer.Option("--format", help="transformers or onnx.")] = "transformers",
    repo: Annotated[
        str | None, typer.Option("--push", metavar="REPO", help="Upload the folder to the Hub, as USER/NAME; a new one is private.")
    ] = None,
) -> None:
    """Write one task of a shared model as an ordinary Hugging Face classifier, or in the format of ONNX."""
    from cotrain.serving.export import export as write
    from cotrain.serving.export import push, refuse_private

    if repo:
        refuse_private(model)
    with waiting("writing the classifier"):
        write(model, task, to, format_)
    print(to)
    if repo:
        with waiting("uploading it to the Hub"):
            print(push(to, repo))


@app.command(rich_help_panel=MODELS)
def serve(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model folders, or a folder of models, as runs/demo/models.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen on; only this machine reaches the default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8000,
    wait: Annotated[
        float, typer.Option("--wait", min=0, max=1000, help="Milliseconds that a text waits at most for others to be predicted with.")
    ] = 3.0,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Serve models over HTTP, with a page to try them: /predict, /process as cnlp-transformers, /tasks, /health, /openapi.json."""
    from cotrain.serving import server

    server.needed()
    with server.listening(host, port) as at:
        with waiting("loading the models"):
            ready = server.loaded(models, device, precision)
        tasks = ", ".join(task for model in ready for task in model.serves)
        shown = f"[{host}]" if ":" in host else host
        if host not in ("127.0.0.1", "localhost", "::1"):
            say("Whoever reaches this address can send texts: there is no login, and no encryption")
        try:
            server.serve(ready, at, wait / 1000, lambda: say(f"{tasks} at http://{shown}:{at.getsockname()[1]}/ until Ctrl-C"))
        except Stopped:
            say("stopped: every request that had come was answered")


@app.command(rich_help_panel=MODELS)
def convert(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An encoder folder with pytorch_model.bin.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write, with model.safetensors.")],
) -> None:
    """Turn a publisher's .bin weights into safetensors, without running anything in them."""
    from cotrain.training.convert import convert as write

    with waiting("converting the weights"):
        write(folder, to)
    print(to)
