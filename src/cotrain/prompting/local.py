"""A LocalModel: a causal model on this machine, asked for the log-probability of each option; nothing is sampled."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cotrain.errors import InputError, MissingExtra
from cotrain.prompting.answers import Reply, normalised
from cotrain.prompting.meter import Meter
from cotrain.prompting.queries import Query
from cotrain.training import encoder


class _Read(NamedTuple):
    """Shots that the model has read, their tokens, and what it remembers of them."""

    shots: str
    tokens: tuple[int, ...]
    cache: Any


def identity(model: str) -> str:
    """Return what the answers of a local model depend on besides the prompt: its weights and tokenizer, wherever they lie."""
    return f"local {encoder.content_hash(encoder.folder(model))}"


class LocalModel:
    """A causal language model of Transformers.

    Attributes:
        identity: the hash of its weights and tokenizer.
        context: the tokens that it can read, or 0 where its config does not say.
    """

    at_once = 1

    def __init__(self, model: str, device: str = "auto") -> None:
        """Raises InputError: nothing is there, or it is no causal model; MissingExtra: Transformers is not installed."""
        path = encoder.folder(model)
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer

            from cotrain.training.model import quiet
        except ImportError as error:
            raise MissingExtra("train", error.name or "transformers") from None
        try:
            with quiet():
                self._tokens: Any = AutoTokenizer.from_pretrained(path)
                self._model: Any = AutoModelForCausalLM.from_pretrained(path, dtype="auto")
        except Exception as error:  # noqa: BLE001  the readers of many formats raise many things
            raise InputError(f"model {model}: should be a causal language model, cannot be read as one ({type(error).__name__})") from None
        found = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._model = self._model.to(found).eval()
        self._torch, self.model, self.identity = torch, model, identity(model)
        self.context = int(getattr(self._model.config, "max_position_embeddings", 0) or getattr(self._model.config, "n_positions", 0) or 0)
        self._read: _Read | None = None

    def refuse_long(self, queries: Iterable[Query]) -> None:
        """Refuse prompts that do not fit.

        Raises:
            InputError: by task, how many do not, the longest, and the tokens that the model reads.
        """
        if not self.context:
            return
        lengths: dict[tuple[str, int], list[int]] = {}
        for query in queries:
            tokens = len(self._tokens(f"{query.prompt} {len(query.labels) - 1}\n\n", verbose=False)["input_ids"])
            lengths.setdefault((query.task, len(query.labels)), []).append(tokens)
        if faults := [
            f"task {task}: {sum(n > self.context for n in found):,} of {len(found):,} prompts do not fit: with {k} shots, one per class, "
            f"the longest has {max(found):,} tokens, and {self.model} reads {self.context:,}; leave the task out with --tasks, or choose a "
            "model with a longer context"
            for (task, k), found in lengths.items()
            if max(found) > self.context
        ]:
            raise InputError(faults)

    def answer(self, query: Query, meter: Meter) -> Reply:
        """Return the log2 probability of each option as what follows the prompt, normalised over the options.

        Raises:
            Capped: a limit is reached.
        """
        sequences = self._sequences(query)
        tokens = max(map(len, sequences))
        meter.take(tokens)
        log2_p = normalised(self._log_p(query.shots, sequences))
        meter.give(tokens, tokens, 0)
        return Reply(max(range(len(log2_p)), key=log2_p.__getitem__), log2_p, tokens, 0)

    def _sequences(self, query: Query) -> list[list[int]]:
        """Return the tokens of the prompt with each option; what ends an answer comes too, where one begins like another."""
        for end in ("", "\n\n"):
            found = [self._tokens(f"{query.prompt} {i}{end}")["input_ids"] for i in range(len(query.labels))]
            if not any(a is not b and b[: len(a)] == a for a in found for b in found):
                break
        return found

    def _log_p(self, shots: str, sequences: Sequence[Sequence[int]]) -> list[float]:
        """Return (K,) natural log-probabilities of what follows the tokens that all sequences begin with."""
        shared = _common(sequences)
        ends = [sequence[shared:] for sequence in sequences]
        cache, logits = self._begin(shots, tuple(sequences[0][:shared]))
        first = self._torch.log_softmax(logits.double(), dim=-1)
        found = [float(first[end[0]]) for end in ends]
        for i, end in enumerate(ends):
            if len(end) > 1:
                _, logits = self._forward(end[:-1], copy.deepcopy(cache), shared, len(end) - 1)
                rest = self._torch.log_softmax(logits.double(), dim=-1)
                found[i] += sum(float(rest[j, token]) for j, token in enumerate(end[1:]))
        return found

    def _begin(self, shots: str, tokens: tuple[int, ...]) -> tuple[Any, Any]:
        """Return the cache after a prompt and (V,) logits of the next token; the shots are read once for all their rows."""
        if self._read is None or self._read.shots != shots or self._read.tokens != tokens[:-1][: len(self._read.tokens)]:
            beginning = tokens[: _common([self._tokens(shots)["input_ids"], tokens[:-1]])] if shots else ()
            self._read = _Read(shots, beginning, self._forward(beginning, None)[0] if beginning else None)
        at = len(self._read.tokens)
        cache, logits = self._forward(tokens[at:], copy.deepcopy(self._read.cache), at)
        return cache, logits[-1]

    def _forward(self, tokens: Sequence[int], cache: Any, at: int = 0, keep: int = 1) -> tuple[Any, Any]:
        """Return the cache after tokens that stand from a place on, and (keep, V) logits after the last of them."""
        torch = self._torch
        with torch.inference_mode():
            ids = torch.tensor([list(tokens)], device=self._model.device)
            found = self._model(
                input_ids=ids, past_key_values=cache, position_ids=torch.arange(at, at + len(tokens), device=ids.device)[None],
                use_cache=True, logits_to_keep=keep,
            )  # fmt: skip
        return found.past_key_values, found.logits[0]


def _common(sequences: Sequence[Sequence[int]]) -> int:
    """Return how many tokens sequences have in common at their beginning.

    >>> _common([[1, 2, 3], [1, 2, 4]])
    2
    """
    shortest = min(map(len, sequences))
    return next((i for i in range(shortest) if len({sequence[i] for sequence in sequences}) > 1), shortest)
