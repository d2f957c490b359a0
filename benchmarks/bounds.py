"""Compare proved bounds with estimates and true errors: results/bounds.md and results/bounds.png.

Every shipped problem with a known solution is solved until it converges or the budget ends.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from kanpde import load_problem, solve
from kanpde.bench.machine import processor
from kanpde.collocation.comparison import Comparison
from kanpde.marching.audit.bound import error_bound
from kanpde.plots import write_figure
from kanpde.plots.style import MUTED, PALETTE, new_figure, style_axes
from kanpde.problem.registry import discover
from kanpde.symbolic.proof import comparison, maximum_principle, representation

BUDGET = 60.0  # seconds of training
THEOREMS = (maximum_principle.THEOREM, comparison.THEOREM, representation.THEOREM)
COLUMNS = ("problem", "true, maximum", "estimate, maximum", "bound", "bound / true", "proof s", "theorem or reason")
FOLDER = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Row:
    """One problem: its truth, its estimate, its bound, the seconds of the proof, and the theorem or the reason."""

    problem: str
    fields: int
    true: float
    estimate: float
    bound: float | None
    seconds: float
    words: str


def main() -> None:
    """Write the table again after every problem, and the figure at the end."""
    rows: list[Row] = []
    for name in sys.argv[1:] or sorted(discover()):
        if load_problem(name).reference_values(Comparison(load_problem(name), 3).points) is None:
            continue
        rows.append(measured(name))
        print(line(rows[-1]), flush=True)
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "bounds.md").write_text("\n".join(table(rows)) + "\n", encoding="utf-8")
    draw(rows)


def measured(name: str) -> Row:
    """Return the row of one problem."""
    problem = load_problem(name)
    solution = solve(problem, device="cpu", training={"budget_seconds": BUDGET})
    started = time.perf_counter()
    bound, steps = error_bound(problem, solution.model)
    seconds = time.perf_counter() - started
    words = steps[0] if bound is None else next(theorem for theorem in THEOREMS if theorem in " ".join(steps))
    true, estimate = solution.errors()["max_error"], solution.audit().error_estimate_max
    assert true is not None
    return Row(name, len(problem.fields), true, math.inf if estimate is None else estimate, bound, seconds, words)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the page."""
    single = [row for row in rows if row.fields == 1]
    proved = [row for row in rows if row.bound is not None]
    false = sum(row.bound < row.true for row in proved if row.bound is not None)
    close = sum(row.bound <= max(1000 * row.true, 1e-10) for row in proved if row.bound is not None)
    return [
        "# Proved bounds of the error",
        "",
        f"Measured by `python benchmarks/bounds.py` on {os.cpu_count()} × {processor()}, torch {torch.__version__}, "
        f"float64; training until it converges, or {BUDGET:.0f} seconds. Errors are largest absolute errors; the true "
        "one is measured on a grid.",
        "",
        f"Proved for {len(proved)} of {len(single)} problems of one field; bounds below the true error: {false}; "
        f"bounds of at most 1000 times the true error or 1e-10: {close}; "
        f"slowest proof: {max(r.seconds for r in rows):.1f} s.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
        *map(line, rows),
    ]


def line(row: Row) -> str:
    """Return a row of the table."""
    bound = "–" if row.bound is None else f"{row.bound:.1e}"
    ratio = "–" if row.bound is None else f"{row.bound / row.true:.0f}"
    return (
        f"| {row.problem} | {row.true:.1e} | {row.estimate:.1e} | {bound} | {ratio} | {row.seconds:.1f} | {row.words} |"
    )


def draw(rows: Sequence[Row]) -> None:
    """Draw true errors, estimates and bounds, a line for each problem."""
    figure = new_figure(7.0, 0.26 * len(rows) + 1.2)
    axes = figure.add_subplot()
    style_axes(axes)
    places = range(len(rows), 0, -1)
    for place, row in zip(places, rows, strict=True):
        axes.plot([row.true, row.bound or row.true], [place, place], color=MUTED, linewidth=0.8, zorder=1)
    series = (("true", [r.true for r in rows]), ("estimated", [r.estimate for r in rows]),
              ("proved bound", [math.nan if r.bound is None else r.bound for r in rows]))  # fmt: skip
    for (label, values), color in zip(series, PALETTE, strict=False):
        axes.scatter(values, list(places), s=16, color=color, label=label, zorder=2)
    axes.set_xscale("log")
    axes.set_yticks(list(places), [row.problem for row in rows])
    axes.set_xlabel("largest absolute error")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
    write_figure(figure, FOLDER / "bounds.png")


if __name__ == "__main__":
    main()
