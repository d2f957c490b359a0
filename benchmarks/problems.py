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

# What is solved, within how many seconds of training.
RUNS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("problem=heat",), 60),
    (("problem=poisson",), 60),
    (("problem=poisson_kan",), 60),
    (("problem=helmholtz",), 60),
    (("problem=wave",), 60),
    (("problem=advection",), 60),
    (("problem=burgers",), 60),
    (("problem=burgers", f"problem.viscosity={0.01}"), 60),
    (("problem=klein_gordon_3d",), 60),
    (("problem=allen_cahn",), 60),
    (("problem=kdv",), 60),
)
RESULT = Path(__file__).resolve().parents[1] / "results" / "problems.md"


def main() -> None:
    """One row for every problem and seed, written as soon as it is known."""
    seeds = [int(word) for word in sys.argv[1:]] or [0]
    rows = [
        "# The shipped problems, default settings",
        "",
        f"`benchmarks/problems.py {' '.join(map(str, seeds))}` on {os.cpu_count()} × {processor()}, "
        f"{torch.get_num_threads()} of them used, torch {torch.__version__}, float64. Errors are taken on a dense grid "
        "of its own; seconds are of training.",
        "",
        "| command | relative L2 | maximum error | seconds | iterations | network | parameters | stopped because "
        "| formula |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for words, budget in RUNS:
        for seed in seeds:
            command = ["kanpde", *words, f"seed={seed}", f"training.budget_seconds={budget}"]
            m = measured(command)
            errors = f"{m['relative_l2']:.1e} | {m['max_error']:.1e}"
            cost = f"{m['seconds']['training']:.1f} | {m['iterations']} | {m['width']} | {m['parameters']}"
            rows.append(f"| `{' '.join(command)}` | {errors} | {cost} | {m['stopped_because']} | {formula(m)} |")
            print(rows[-1], flush=True)
            RESULT.parent.mkdir(exist_ok=True)
            RESULT.write_text("\n".join(rows) + "\n", encoding="utf-8")


def measured(command: list[str]) -> dict[str, Any]:
    """The metrics of one run of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", *command, f"hydra.run.dir={folder}"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        metrics: dict[str, Any] = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
        return metrics


def formula(metrics: dict[str, Any]) -> str:
    """Whether there is one, how sure it is, and after how many seconds."""
    found = metrics["formula"]
    seconds = f"{metrics['seconds']['symbolic']:.1f} s"
    return f"{found['status']}, {seconds}" + (f": `{found['text']}`" if found["status"] == "proved" else "")


if __name__ == "__main__":
    main()
