"""Compare the audit's estimates with the true errors: results/trust.md and results/trust.png.

Every shipped problem with a known solution is solved three times: until it converges or the budget ends, with half of
that time, and with a tenth of it.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.ticker import LogLocator

from kanpde import load_problem, solve
from kanpde.bench.machine import processor
from kanpde.collocation.comparison import Comparison
from kanpde.plots import write_figure
from kanpde.plots.style import MUTED, PALETTE, new_figure, style_axes
from kanpde.problem.registry import discover
from kanpde.training.trainer import Trainer

FULL = 30.0  # seconds
SHARES = {"full": 1.0, "half": 0.5, "tenth": 0.1}
ROUND_OFF = 1e-13  # a true error below which an estimate need only be small too
COLUMNS = (
    "problem",
    "budget",
    "estimate",
    "true",
    "ratio",
    "estimate, maximum",
    "true, maximum",
    "verdict",
    "training s",
    "audit s",
)
FOLDER = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Row:
    """One run: its truth, its estimate, its verdict, and the processor's seconds of training and of the audit."""

    problem: str
    budget: str
    true: float
    estimate: float
    true_max: float
    estimate_max: float
    verdict: str
    training: float
    audit: float

    @property
    def ratio(self) -> float:
        """The estimate divided by the true error, at least round-off in both."""
        return max(self.estimate, ROUND_OFF) / max(self.true, ROUND_OFF)

    @property
    def cheap(self) -> bool:
        """True if the audit took at most a second or a tenth of the training."""
        return self.audit <= max(1.0, self.training / 10)


class Clock:
    """The processor's time at which a training ended."""

    def on_start(self, trainer: Trainer) -> None:
        """Do nothing."""

    def on_iteration(self, record: Mapping[str, Any]) -> None:
        """Do nothing."""

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Do nothing."""

    def on_end(self, trainer: Trainer) -> None:
        """Note the time; the audit follows."""
        self.ended = time.process_time()


def main() -> None:
    """Write the table again after every problem, and the figure at the end."""
    rows: list[Row] = []
    for name in sys.argv[1:] or sorted(discover()):
        if load_problem(name).reference_values(Comparison(load_problem(name), 3).points) is None:
            continue
        for row in runs(name):
            rows.append(row)
            print(line(row), flush=True)
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "trust.md").write_text("\n".join(table(rows)) + "\n", encoding="utf-8")
    draw(rows)


def runs(name: str) -> Iterator[Row]:
    """Yield the runs of one problem."""
    full = FULL
    for budget, share in SHARES.items():
        clock, started = Clock(), time.process_time()
        solution = solve(load_problem(name), device="cpu", training={"budget_seconds": share * full}, callbacks=[clock])
        ended = time.process_time()
        if budget == "full":
            full = solution.record["seconds"]
        errors = solution.errors()
        true, largest = errors["relative_l2"], errors["max_error"]
        assert true is not None and largest is not None
        yield Row(
            name,
            budget,
            true,
            math.inf if solution.error_estimate is None else solution.error_estimate,
            largest,
            math.inf if solution.error_estimate_max is None else solution.error_estimate_max,
            solution.verdict,
            clock.ended - started,
            ended - clock.ended,
        )


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the page."""
    ratios = [row.ratio for row in rows]
    within = {k: sum(1 / k <= ratio <= k for ratio in ratios) / len(ratios) for k in (3, 10)}
    wrong = sum(row.verdict == "solved" and row.true > 1e-2 for row in rows)
    full = [row for row in rows if row.budget == "full"]
    cheap = sum(row.cheap for row in full)
    return [
        "# Estimated and true errors",
        "",
        f"Measured by `python benchmarks/trust.py` on {os.cpu_count()} × {processor()}, torch {torch.__version__}, "
        f"float64. Budgets: {FULL:.0f} seconds or until the run converges, half of that time, a tenth of it. Ratios "
        f"are those of the estimate and the true error, where errors below {ROUND_OFF:.0e} count as {ROUND_OFF:.0e}. "
        "Seconds are the processor's.",
        "",
        f"Within a factor of 3: {within[3]:.0%} of {len(rows)} runs; within a factor of 10: {within[10]:.0%}; smallest "
        f"ratio {min(ratios):.2g}, largest {max(ratios):.2g}; runs called solved with an error above 1e-2: {wrong}.",
        "",
        f"Audits of runs with the full budget that took at most a second or a tenth of the training: {cheap} of "
        f"{len(full)}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
        *map(line, rows),
    ]


def line(row: Row) -> str:
    """Return the row of the table."""
    return (
        f"| {row.problem} | {row.budget} | {row.estimate:.1e} | {row.true:.1e} | {row.ratio:.2g} | "
        f"{row.estimate_max:.1e} | {row.true_max:.1e} | {row.verdict} | {row.training:.1f} | "
        f"{row.audit:.1f} |"
    )


def draw(rows: Sequence[Row]) -> None:
    """Draw the estimate against the true error, with the band of a factor of 10."""
    figure = new_figure(6.4, 5.6)
    axes = figure.subplots()
    style_axes(axes)
    ends = (1e-15, 10.0)
    axes.fill_between(ends, [end / 10 for end in ends], [end * 10 for end in ends], color=MUTED, alpha=0.15, lw=0)
    axes.plot(ends, ends, color=MUTED, lw=1)
    for number, budget in enumerate(SHARES):
        chosen = [row for row in rows if row.budget == budget]
        points = [(max(row.true, 1e-15), min(max(row.estimate, 1e-15), 10.0)) for row in chosen]
        label = {"full": "full budget", "half": "half of the time", "tenth": "a tenth of it"}[budget]
        axes.scatter(*zip(*points, strict=True), s=28, color=PALETTE[number], label=label, zorder=3)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="true relative L2 error", ylabel="estimate")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=9))
    axes.set_title("The audit's estimate beside the truth; the band is a factor of 10", fontsize=11)
    axes.legend(frameon=False, loc="upper left")
    write_figure(figure, FOLDER / "trust.png")


if __name__ == "__main__":
    main()
