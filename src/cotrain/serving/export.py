"""One task of a shared model for other programs: a folder in one of several formats, and the Hub."""

from __future__ import annotations

from pathlib import Path

from cotrain.choose import choose
from cotrain.errors import InputError
from cotrain.serving import EXPORTS
from cotrain.training.folders import appearing, owners_alone
from cotrain.training.models import load, read_about


def export(folder: Path, task: str, to: Path, form: str = "transformers") -> Path:
    """Return the folder ``to`` with one task of a shared model as an ordinary classifier, with its tokenizer and a card.

    Args:
        form: a name of ``EXPORTS``: ``transformers``, loaded by ``pipeline("text-classification", to)``, or ``onnx``.

    Raises:
        InputError: as ``load``; a task without a head there; heads that read the entity; a folder ``to`` that is not empty; a full disk.
        MissingExtra: a library of the format is not installed.
    """
    write = choose("format", form, EXPORTS)
    shared = load(folder, "cpu", "fp32")
    shared.entry(task)
    if shared.about["pooling"] != "first":
        raise InputError(
            f"model {folder}: its heads read the entity (training.pooling), which no ordinary classifier does; use cotrain predict or serve"
        )
    with owners_alone(shared.private), appearing(to) as work:
        write(shared, task, folder, work)
    return to


def refuse_private(folder: Path) -> None:
    """Refuse to publish what comes of a model that saw private rows, of whichever task: they all shaped its encoder.

    Raises:
        InputError: a task of the group is private.
    """
    about = read_about(folder)
    if private := [task for task, entry in about["tasks"].items() if entry["private"]]:
        raise InputError(
            f"model {folder}: trained on private rows of {', '.join(private)}, and weights can hold traces of rows: it is not pushed. "
            "Where the owner of the rows allows it, upload the folder by hand"
        )


def push(exported: Path, repo: str) -> str:
    """Return the address of the Hub repository that an exported folder was uploaded to; a new one is private until its owner opens it.

    Raises:
        InputError: no such name, no access, no connection.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="cotrain")
    try:
        made = api.create_repo(repo, private=True, exist_ok=True)
        api.upload_folder(repo_id=made.repo_id, folder_path=exported, commit_message="A classifier exported by cotrain")
    except Exception as error:  # noqa: BLE001  what its HTTP library raises comes through, and differs by version
        answer = getattr(getattr(error, "response", None), "status_code", None)
        why = f"{type(error).__name__}, status {answer}" if answer else type(error).__name__
        raise InputError(
            f"push {repo}: the Hub does not take it ({why}); log in with: hf auth login, and name a repository of yours as USER/NAME. "
            f"The export is in {exported}"
        ) from None
    return str(made)
