"""Solve the shipped problems with default settings and write results/problems.md: one row per problem, over seeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from kanpde.bench.machine import processor
from kanpde.errors import ExitStatus

# The words after `kanpde` for each problem, and the seconds that training may take.
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
COLUMNS = (
    "command",
    "relative L2",
    "maximum error",
    "seconds",
    "iterations",
    "network",
    "parameters",
    "stopped because",
    "formula",
)
RESULT = Path(__file__).resolve().parents[1] / "results" / "problems.md"

Metrics = dict[str, Any]


def main() -> None:
    """Write the table again after every problem."""
    seeds = [int(word) for word in sys.argv[1:]] or [0]
    lines = heading(seeds)
    for words, budget in RUNS:
        command = ["kanpde", *words, f"training.budget_seconds={budget}"]
        lines.append(row(" ".join(command), [measure([*command, f"seed={seed}"]) for seed in seeds]))
        print(lines[-1], flush=True)
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def heading(seeds: Sequence[int]) -> list[str]:
    """Return the lines above the table's rows: the command that measured it, and how to read it."""
    return [
        "# The shipped problems, default settings",
        "",
        f"Measured by `python benchmarks/problems.py {' '.join(map(str, seeds))}` on {os.cpu_count()} × {processor()}, "
        f"{torch.get_num_threads()} of them used, torch {torch.__version__}, float64.",
        "",
        f"Each row is one command, run with `seed=` {', '.join(map(str, seeds))}; where the seeds differ, the cell "
        "shows the smallest and the largest value. Errors are measured on a dense grid that training does not use. "
        "Seconds are those of training; the last column has those of the search for a formula and its proof.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
    ]


def measure(command: list[str]) -> Metrics:
    """Run a command and return its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", *command, f"hydra.run.dir={folder}"]
        status = subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode
        if status not in (ExitStatus.SOLVED, ExitStatus.NOT_SOLVED):
            raise SystemExit(f"{' '.join(command)} ended with status {status}")
        metrics: Metrics = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
        return metrics


def row(command: str, runs: Sequence[Metrics]) -> str:
    """Return the row of one command, with every cell over all its runs."""
    cells = [
        f"`{command}`",
        spread((run["relative_l2"] for run in runs), ".1e"),
        spread((run["max_error"] for run in runs), ".1e"),
        spread((run["seconds"]["training"] for run in runs), ".1f"),
        spread((run["iterations"] for run in runs), "d"),
        distinct(str(run["width"]) for run in runs),
        spread((run["parameters"] for run in runs), "d"),
        distinct(run["stopped_because"] for run in runs),
        formula(runs),
    ]
    return f"| {' | '.join(cells)} |"


def spread(values: Iterable[float], form: str) -> str:
    """Return the smallest and the largest value in this format; one value if both look the same."""
    ordered = sorted(values)
    return " … ".join(dict.fromkeys(format(value, form) for value in (ordered[0], ordered[-1])))


def distinct(words: Iterable[str]) -> str:
    """Return the distinct words in order."""
    return " / ".join(dict.fromkeys(words))


def formula(runs: Sequence[Metrics]) -> str:
    """Return the status, the seconds of the search, and the formula itself if it is proved."""
    found = [run["formula"] for run in runs]
    seconds = spread((run["seconds"]["symbolic"] for run in runs), ".1f")
    texts = distinct(f"`{each['text']}`" for each in found if each["status"] == "proved")
    return f"{distinct(each['status'] for each in found)}, {seconds} s" + (f": {texts}" if texts else "")


if __name__ == "__main__":
    main()
