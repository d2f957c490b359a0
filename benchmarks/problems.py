"""Solve the shipped problems with default settings and write results/problems.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from kanpde.bench.machine import processor

BUDGETS = {
    "heat": 20,
    "poisson": 20,
    "poisson_kan": 60,
    "helmholtz": 60,
    "wave": 60,
    "advection": 60,
    "burgers": 120,
    "allen_cahn": 300,
    "kdv": 300,
}
RESULT = Path(__file__).resolve().parents[1] / "results" / "problems.md"


def main() -> None:
    """One row for every problem and seed, written as soon as it is known."""
    seeds = [int(word) for word in sys.argv[1:]] or [0]
    rows = [
        "# The shipped problems, default settings",
        "",
        f"`benchmarks/problems.py {' '.join(map(str, seeds))}` on {os.cpu_count()} × {processor()}, "
        f"torch {torch.__version__}, float64. Errors are taken on a dense grid of its own; seconds are of training.",
        "",
        "| command | relative L2 | maximum error | seconds | iterations | parameters | stopped because |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, budget in BUDGETS.items():
        for seed in seeds:
            m, words = measured(name, seed, budget)
            command = f"`{' '.join(words)}`"
            errors = f"{m['relative_l2']:.1e} | {m['max_error']:.1e}"
            cost = f"{m['seconds']['training']:.1f} | {m['iterations']} | {m['parameters']}"
            rows.append(f"| {command} | {errors} | {cost} | {m['stopped_because']} |")
            print(rows[-1], flush=True)
            RESULT.parent.mkdir(exist_ok=True)
            RESULT.write_text("\n".join(rows) + "\n", encoding="utf-8")


def measured(name: str, seed: int, budget: int) -> tuple[dict[str, Any], list[str]]:
    """The metrics of one run of the command line, and its words."""
    words = ["kanpde", f"problem={name}", f"seed={seed}", f"training.budget_seconds={budget}"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", *words, f"hydra.run.dir={folder}"], check=True, stdout=subprocess.DEVNULL)
        return json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8")), words


if __name__ == "__main__":
    main()
