"""What a GPU should give: ``make accept-gpu``, about ten minutes on one.

A fit of roberta-large's shape (random weights) in bf16 at 32 × 128 tokens beside a matrix product, 32 small fits in eight processes
beside the same one after another, and the demo. Exits with 1 where a target is missed, with 2 where there is no GPU.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Line, table
from limit import WORDS, share, small


def large(folder: Path) -> Path:
    """Return a RoBERTa of 24 layers of width 1,024 with random weights, one token per word."""
    from transformers import BertTokenizer, RobertaConfig, RobertaModel

    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    BertTokenizer(vocab=vocab).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=50265, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
        max_position_embeddings=514, type_vocab_size=2, pad_token_id=0,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(folder)
    return folder


def seconds(fits: Path, workers: int) -> float:
    """Return the seconds of 32 small fits."""
    began = time.perf_counter()
    small(list(range(32)), fits, threads=1, workers=workers, device="cuda")
    return time.perf_counter() - began


def main() -> int:
    """Measure and print; return the exit code."""
    import torch

    if not torch.cuda.is_available():
        print("error: there is no GPU here that torch can use; nothing was measured", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        near = share(32, 128, "bf16", str(large(folder / "large")), "cuda", (4096, 1024, 4096))
        one = seconds(folder / "one", 1)
        eight = seconds(folder / "eight", 8)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "cotrain", "demo", "--out", str(folder / "demo")], check=True)
        lines = [
            Line("limit over training, roberta-large's shape, bf16, 32 × 128 tokens", 1 / near, 2.0, ""),
            Line("32 small fits in eight processes, as a share of one after another", eight / one, 0.25, ""),
            Line("demo", time.perf_counter() - began, None, "s"),
        ]
    print(f"{torch.cuda.get_device_name()}\n\n{table(lines)}")
    return int(any(line.target is not None and line.value > line.target for line in lines))


if __name__ == "__main__":
    sys.exit(main())
